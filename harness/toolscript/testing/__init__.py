"""Fakes that users of the library get and our own tests use."""
