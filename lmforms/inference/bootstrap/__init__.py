"""Bootstraps of a fit: replicates, their refits, intervals and tests."""
