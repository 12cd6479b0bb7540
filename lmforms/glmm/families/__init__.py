"""Families of responses and links, with derivatives of log-densities up to the third order."""
