"""Lets a language model act by writing TypeScript: from model text to results, behind one door."""
