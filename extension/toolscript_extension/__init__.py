"""The faces beyond the kernel."""
