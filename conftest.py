"""Doctests of modules that stand on an optional package are left out where it is missing."""

from __future__ import annotations

from importlib.util import find_spec

OPTIONAL = {"sklearn": ["lmforms/latent/sklearn.py"], "torch": ["lmforms/latent/torch"]}
collect_ignore = [
    path for package, paths in OPTIONAL.items() if find_spec(package) is None for path in paths
]
