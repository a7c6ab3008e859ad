"""The grammar of what `cm_ctl query` prints."""
