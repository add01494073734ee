"""The Jupyter kernel: a plain cell is a turn, a %%toolscript cell is a script."""

__version__ = "0.1.0"
