"""What several rooms ask of the machine: processes, files, programs, privileges, names."""
