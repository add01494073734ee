"""Replay, resume and undo: what a journal makes possible."""
