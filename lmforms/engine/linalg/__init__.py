"""Linear algebra and compiled loops that know nothing of mixed models."""
