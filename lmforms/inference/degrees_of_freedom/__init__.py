"""Degrees of freedom of tests of fixed effects, and the covariance that goes with them."""
