"""Numbers behind the diagnostics of a fit, as pure functions."""
