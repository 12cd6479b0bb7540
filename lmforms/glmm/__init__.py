"""Generalised linear mixed models: families, PIRLS, Laplace approximation and quadrature."""
