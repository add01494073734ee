"""What the operating system holds, whatever a script or a command tries."""
