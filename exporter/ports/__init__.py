"""Sockets x processes x endpoints to verdicts, and the verdicts on the page."""
