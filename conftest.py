"""What needs an optional package is not collected where that is not installed."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore = [] if find_spec("torch") else ["lmforms/latent/torch"]
