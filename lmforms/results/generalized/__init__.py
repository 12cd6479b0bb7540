"""Results of generalised linear mixed models."""
