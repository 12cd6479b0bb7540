"""The page of the API names all that a fit has, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import lmforms as lf

PAGE = Path(__file__).parents[1] / "docs" / "api.md"


def test_every_public_member_of_a_fit_stands_once_in_the_tables():
    listed = re.findall(r"^   ~MixedModelResults\.(\w+)$", PAGE.read_text(encoding="utf-8"), re.M)
    public = [name for name in dir(lf.MixedModelResults) if not name.startswith("_")]
    assert sorted(listed) == sorted(public)


def test_every_public_name_of_the_package_is_described():
    text = PAGE.read_text(encoding="utf-8")
    described = set(re.findall(r":: lmforms\.([\w.]+)$", text, re.M))
    modules = {
        "datasets", "errors", "families", "latent", "mme", "plot", "relationship", "residual",
        "varcomp",
    }  # fmt: skip
    for name in set(lf.__all__) - modules - {"__version__"}:
        assert name in described, name
    for module in modules:
        assert any(name.split(".")[0] == module for name in described), module
