"""Recorded model texts that ship with the package."""
