"""Helpers for all modules: checked arguments, the caller's frame, types of arrays."""
