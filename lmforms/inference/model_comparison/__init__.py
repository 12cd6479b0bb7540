"""Likelihood ratios, information criteria, and models with fewer terms."""
