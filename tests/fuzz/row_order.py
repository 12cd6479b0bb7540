"""Rows in another order, other labels, masks and complex numbers beside a table.

Run as ``python tests/fuzz/row_order.py --tries 500 --seed 0``. Whatever takes one value for each
row gives the same figures for rows in any order, or refuses by name.
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

import lmforms as lf
from lmforms.relationship import Pedigree, Relationship, vanraden
from lmforms.varcomp import ComponentModel, estimate

N, Q = 36, 6
FORMULA = "y ~ x + (1 | g)"
Spoil = Callable[[Any, np.random.Generator], Any]


def _same(values: Any, rng: np.random.Generator) -> Any:
    return values


def _shuffled(values: Any, rng: np.random.Generator) -> Any:
    return values.iloc[rng.permutation(len(values))]


def _relabelled(values: Any, rng: np.random.Generator) -> Any:
    return values.set_axis([f"other {i}" for i in range(len(values))])


def _numbered(values: Any, rng: np.random.Generator) -> Any:
    return values.reset_index(drop=True)


def _twice(values: Any, rng: np.random.Generator) -> Any:
    return values.set_axis(values.index[np.arange(len(values)) // 2])


def _short(values: Any, rng: np.random.Generator) -> Any:
    return values.iloc[:-1]


def _complex(values: Any, rng: np.random.Generator) -> Any:
    return values.to_numpy() + 0j


def _masked(values: Any, rng: np.random.Generator) -> Any:
    hidden = values.to_numpy(dtype=float).copy()
    hidden[0] = 1e6  # must not count
    mask = np.zeros(hidden.shape, dtype=bool)
    mask[0] = True
    return np.ma.array(hidden, mask=mask)


SPOILS: dict[str, tuple[Spoil, bool]] = {
    # how, and whether the figures must come out (else they must be refused)
    "same": (_same, True),
    "shuffled": (_shuffled, True),
    "relabelled": (_relabelled, False),
    "numbered": (_numbered, False),
    "twice": (_twice, False),
    "short": (_short, False),
    "complex": (_complex, False),
    "masked": (_masked, False),
}


class Case:
    """One data set and what stands beside it."""

    def __init__(self, rng: np.random.Generator) -> None:
        rows = [f"r{i}" for i in range(N)]
        levels = [f"l{j}" for j in range(Q)]
        codes = np.arange(N) % Q
        self.data = pd.DataFrame(
            {"x": rng.normal(size=N), "g": np.array(levels)[codes]}, index=rows
        )
        self.data["y"] = self.data["x"] + rng.normal(size=Q)[codes] + rng.normal(size=N)
        self.w = pd.Series(rng.uniform(1, 2, N), index=rows)
        self.y = pd.Series(self.data["y"] ** 2, index=rows)
        self.responses = pd.DataFrame(rng.normal(size=(N, 3)), index=rows)
        self.markers = pd.DataFrame(rng.integers(0, 3, (N, 4)).astype(float), index=rows)
        self.X = pd.DataFrame({"one": 1.0, "x": self.data["x"]}, index=rows)
        self.Z = pd.DataFrame(np.eye(Q)[codes], index=rows, columns=levels)
        root = rng.normal(size=(Q, Q))
        self.K = pd.DataFrame(root @ root.T + np.eye(Q), index=levels, columns=levels)
        self.sire = pd.Series([0, 0, *rng.choice(["r0", "r1"], N - 2)], index=rows)
        self.frequencies = pd.Series(rng.uniform(0.2, 0.8, 4), index=self.markers.columns.map(str))


def _map(case: Case, x: Any) -> Any:
    columns = {name: case.data[name] for name in ("y", "g")}
    return _fit({**columns, "x": x})


def _fit(data: Any, **options: Any) -> Any:
    return lf.lmer(FORMULA, data, missing="raise", **options).criterion


def _of_matrices(case: Case, **other: Any) -> Any:
    given = {"y": case.y, "X": case.X, "Z": case.Z, "K": case.K, "weights": case.w} | other
    model = ComponentModel.of_matrices(
        given["y"], given["X"], {"g": given["Z"]}, {"g": given["K"]}, weights=given["weights"]
    )
    return estimate(model).variances.to_numpy()


def _predicted(case: Case, offset: Any) -> Any:
    fit = lf.lmer(FORMULA, case.data, offset=case.w)
    found = fit.predict(case.data, offset=offset).to_numpy()
    if np.isnan(found).any():
        raise lf.errors.DataError("NaN is what predict() gives where something is missing")
    return found


USES: dict[str, tuple[str, Callable[[Case, Any], Any]]] = {
    "lmer weights": ("w", lambda c, v: lf.lmer(FORMULA, c.data, weights=v).criterion),
    "lmer offset": ("w", lambda c, v: _fit(c.data, offset=v)),
    "predict offset": ("w", _predicted),
    "refit": ("y", lambda c, v: lf.lmer(FORMULA, c.data).refit(v).criterion),
    "mapping": ("x", _map),
    "many weights": (
        "w",
        lambda c, v: lf.lmer_many("~ x + (1 | g)", c.data, c.responses, weights=v).fits["sigma"],
    ),
    "many responses": (
        "responses", lambda c, v: lf.lmer_many("~ x + (1 | g)", c.data, v).fits["sigma"]
    ),
    "gwas weights": ("w", lambda c, v: lf.gwas(FORMULA, c.data, c.markers, weights=v)["p"]),
    "gwas markers": ("markers", lambda c, v: lf.gwas(FORMULA, c.data, v)["p"]),
    "of_formula weights": (
        "w",
        lambda c, v: estimate(ComponentModel.of_formula(FORMULA, c.data, weights=v)).variances,
    ),
    "mme weights": (
        "w",
        lambda c, v: lf.mme.equations(
            FORMULA, c.data, variances={"g": 1, "Residual": 1}, weights=v
        ).solve().beta,
    ),
    "of_matrices X": ("X", lambda c, v: _of_matrices(c, X=v)),
    "of_matrices Z": ("Z", lambda c, v: _of_matrices(c, Z=v)),
    "of_matrices weights": ("w", lambda c, v: _of_matrices(c, weights=v)),
    "frequencies": (
        "frequencies",
        lambda c, v: vanraden(c.markers.rename(columns=str), frequencies=v).dense(),
    ),
    "pedigree": (
        "sire",
        lambda c, v: Pedigree.of(
            pd.Series(c.data.index, index=c.data.index), v, pd.Series(0, index=c.data.index)
        ).relationship(),
    ),
}  # fmt: skip

ARRAYS: dict[str, Callable[[Case, Any], Any]] = {
    "Relationship.of": lambda c, v: Relationship.of(v, labels=list(c.K.index)).dense(),
    "vanraden": lambda c, v: vanraden(v / 100 + 1, labels=list(c.K.index), missing="raise"),
}


def attempt(use: str, spoil: str, rng: np.random.Generator) -> str:
    """One try: an empty text, or what is wrong."""
    case = Case(rng)
    change, comes_out = SPOILS[spoil]
    if use in ARRAYS:
        given, function = case.K, ARRAYS[use]
    else:
        attribute, function = USES[use]
        given = case.data["x"] if attribute == "x" else getattr(case, attribute)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = None if use in ARRAYS else np.asarray(function(case, given))
        try:
            found = np.asarray(function(case, change(given, rng)))
        except lf.errors.LmformsError as exc:
            return f"refused: {exc}" if comes_out else ""
        except Exception as exc:
            return f"{type(exc).__name__}: {exc}"
    if not comes_out:
        return "taken without a word"
    return "" if np.allclose(found, wanted, rtol=1e-9) else "other figures"


def _meant(use: str, spoil: str) -> bool:
    """Matrices here have no row labels, a plain sequence no names, and labels are no numbers."""
    flat = spoil in ("complex", "masked")
    if use in ARRAYS:
        return flat
    return not (use == "frequencies" and spoil == "numbered") and not (use == "pedigree" and flat)


def run(tries: int, seed: int) -> Counter[str]:
    """Faults by case."""
    rng = np.random.default_rng(seed)
    every = [(use, spoil) for use in (*USES, *ARRAYS) for spoil in SPOILS if _meant(use, spoil)]
    order = rng.permutation(len(every))
    faults: Counter[str] = Counter()
    for k in range(tries):
        use, spoil = every[order[k % len(every)]]
        found = attempt(use, spoil, rng)
        if found:
            faults[f"{use}, {spoil}: {found.splitlines()[0][:100]}"] += 1
    return faults


def main() -> None:
    """Count tries and faults."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    faults = run(args.tries, args.seed)
    print("\n".join([*sorted(faults), f"{args.tries} tries, {faults.total()} faults"]))


if __name__ == "__main__":
    main()
