"""Frozen facts that travel between the rooms; nothing of this package is imported here."""
