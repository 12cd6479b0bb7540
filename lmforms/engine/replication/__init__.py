"""Replicates of a response drawn from a fitted model, and their refits."""
