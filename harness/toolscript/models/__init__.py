"""Models behind one protocol, one file for each wire API."""
