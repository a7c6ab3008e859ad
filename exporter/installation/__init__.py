"""What is installed on this node: files and environment to facts, endpoints and members."""
