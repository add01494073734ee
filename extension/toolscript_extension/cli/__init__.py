"""The command line: ``toolscript run``, ``tools``, ``doctor`` and the rest."""

from toolscript_extension.cli.app import main

__all__ = ["main"]
