"""Decides how one script becomes a run: joins language, runtime, facade and journal."""
