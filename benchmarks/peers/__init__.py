"""One runner for each system that is measured: the same work, asked for in the same words."""
