"""What the commands tell, as text and as JSON. Pure."""
