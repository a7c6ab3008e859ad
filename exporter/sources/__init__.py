"""The only rooms that touch the host."""
