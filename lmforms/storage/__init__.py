"""Save a fit and load it again: JSON and plain arrays in a zip archive, never pickled code."""
