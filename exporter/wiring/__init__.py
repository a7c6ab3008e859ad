"""The composition root: what is put together, subject by subject."""
