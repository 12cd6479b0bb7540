"""Formulas: text to terms to columns, on formulaic."""
