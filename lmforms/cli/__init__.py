"""The command line: ``lmforms fit``, ``summary``, ``predict``, ``anova`` and others."""

from .program import main

__all__ = ["main"]
