"""Sums in a file: JSON and plain arrays, no rows and no code."""
