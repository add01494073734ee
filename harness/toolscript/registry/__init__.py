"""The tools that exist, and everything that is generated from their declarations."""
