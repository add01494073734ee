"""Engines that misbehave, for tests of what the host makes of their workers."""
