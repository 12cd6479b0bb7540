"""Linear algebra and compiled loops that do not depend on mixed models."""
