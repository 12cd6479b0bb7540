"""Properties are tried on fixed examples; HYPOTHESIS_PROFILE=random looks further."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile("random", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


@pytest.fixture(autouse=True)
def kernels_where_they_are_asked_for(monkeypatch):
    """Fits do not begin to use compiled kernels because of what earlier tests have fitted."""
    from lmforms.engine import kernel_choice

    monkeypatch.setattr(kernel_choice._Process, "passed", -(10**12))
    monkeypatch.setattr(kernel_choice._Process, "loaded", None)
