"""Variance components by every textbook method, checked against each other."""

from __future__ import annotations

from .model import Component, ComponentModel

__all__ = ["Component", "ComponentModel"]
