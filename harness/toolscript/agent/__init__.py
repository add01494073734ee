"""Agents, prompts, conversations and the turn loop."""
