"""Marginal means: reference grid, averages, contrasts, adjustments, trends, joint tests."""
