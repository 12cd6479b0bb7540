"""Limits by convention, which reports and pictures share."""

MOST_INFLATION = 10.0
"""Variance inflation beyond which a coefficient is called hardly determined."""
