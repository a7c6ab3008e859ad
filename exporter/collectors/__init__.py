"""Facts become metric families."""
