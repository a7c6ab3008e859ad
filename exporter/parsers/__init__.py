"""Text or bytes become facts, or an error: no I/O, no clock, no metrics."""
