"""The tools that ship with toolscript."""
