"""Errors of predictions: their variances, degrees of freedom and intervals."""
