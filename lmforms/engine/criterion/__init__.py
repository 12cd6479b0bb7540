"""The profiled ML and REML criterion at one θ: value, gradient, information, Hessian."""
