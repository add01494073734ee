"""Completion, hover and signature help for scripts, made from the registry."""
