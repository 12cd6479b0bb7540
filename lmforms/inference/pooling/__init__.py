"""Fits of multiply imputed data, pooled by Rubin's rules."""
