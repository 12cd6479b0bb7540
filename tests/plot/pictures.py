"""Pictures that are stored, and how: `python tests/plot/pictures.py` draws them anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

import lmforms as lf

STORED = Path(__file__).parent / "images"
"""The pictures, and ``made_by.json`` with the version of matplotlib that drew them."""


@cache
def sleep() -> Any:
    return lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))


@cache
def cake() -> Any:
    data = lf.datasets.load("cake")
    return lf.lmer("angle ~ recipe * temp + (1 | recipe:replicate)", data)


PICTURES: dict[str, Callable[[], Any]] = {
    "four_panels": lambda: sleep().plot(),
    "shrinkage": lambda: lf.plot.shrinkage(sleep()),
    "fitted_lines": lambda: lf.plot.fitted_lines(sleep(), "Days", levels=6),
    "random_effects_pairs": lambda: lf.plot.random_effects_pairs(sleep()),
    "collinearity": lambda: lf.plot.collinearity(cake()),
}


def made_by() -> str:
    """Version of matplotlib of the stored pictures, without the last number."""
    return str(json.loads((STORED / "made_by.json").read_text())["matplotlib"])


def this_version() -> str:
    return ".".join(mpl.__version__.split(".")[:2])


def draw(name: str, path: Path) -> None:
    """Draw one of the pictures in the default style."""
    import matplotlib.pyplot as plt

    with mpl.rc_context():
        mpl.rcdefaults()
        axes = np.ravel(np.asarray(PICTURES[name](), dtype=object))
        axes[0].figure.savefig(path, dpi=40, metadata={"Software": None})
        plt.close("all")


if __name__ == "__main__":
    mpl.use("Agg")
    STORED.mkdir(exist_ok=True)
    for name in PICTURES:
        draw(name, STORED / f"{name}.png")
    (STORED / "made_by.json").write_text(json.dumps({"matplotlib": this_version()}) + "\n")
