"""The logs of the cluster: files to records, records to evidence."""
