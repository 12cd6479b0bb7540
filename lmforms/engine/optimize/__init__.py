"""The minimum of the criterion over θ: starting values, local search, other optima."""
