"""What a cell shows while it runs, and how that becomes its static record."""
