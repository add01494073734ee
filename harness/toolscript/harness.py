"""Decides what the faces hold: the one door to runs, turns, tools and approvals."""
