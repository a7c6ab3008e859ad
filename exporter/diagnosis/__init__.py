"""Pages of one or many nodes to findings, in the words of the alerts."""
