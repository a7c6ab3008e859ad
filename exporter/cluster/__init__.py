"""What CM says of the cluster: `cm_ctl query`, asked, read and shown."""
