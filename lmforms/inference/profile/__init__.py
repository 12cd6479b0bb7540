"""Profile likelihood of every parameter of a fit."""
