"""Calls of the whole public API with one wrong argument each.

Every argument in turn is replaced by values that it cannot have. What may follow is one of the
package's own exceptions with the argument's name in its message, or success where the value does
have a meaning. Anything else is a fault: an exception of another package, a warning of another
package, something printed, or a wrong value that passes.

    python tests/fuzz/calls.py --tries 2000 --seed 1
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import lmforms as lf
from lmforms import latent, mme, relationship, varcomp

WRONG: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "empty text": lambda: "",
    "text": lambda: "x",
    "unknown text": lambda: "no such thing",
    "bytes": lambda: b"x",
    "empty list": list,
    "list": lambda: [1, "a", None],
    "nested list": lambda: [[1, 2], [3]],
    "tuple": lambda: (1, 2, 3),
    "mapping": lambda: {"a": 1},
    "empty mapping": dict,
    "set": lambda: {1, 2},
    "array": lambda: np.array([1.0, 2.0]),
    "array of text": lambda: np.array(["x", "y"]),
    "array of nothing": lambda: np.empty((0, 0)),
    "scalar array": lambda: np.array(1.5),
    "cube": lambda: np.zeros((2, 2, 2)),
    "frame": lambda: pd.DataFrame({"a": [1.0, 2.0]}),
    "series": lambda: pd.Series([1.0, 2.0]),
    "index": lambda: pd.Index(["x", "y"]),
    "NaN": lambda: float("nan"),
    "infinity": lambda: float("inf"),
    "minus one": lambda: -1,
    "zero": lambda: 0,
    "two and a half": lambda: 2.5,
    "True": lambda: True,
    "NumPy True": lambda: np.True_,
    "huge": lambda: 10**30,
    "complex": lambda: 1 + 2j,
    "date": lambda: np.datetime64("2020-01-01"),
    "pd.NA": lambda: pd.NA,
    "function": lambda: lambda *args: None,
    "object": object,
    "class": lambda: Exception,
    "generator": lambda: (i for i in range(3)),
}

PATIENCE = 10
"""Seconds that a call may take on a busy machine."""

RIGHT: dict[str, set[str]] = {
    "free": set(WRONG),
    "choice": set(),
    "flag": {"True", "NumPy True"},
    "whole": {"zero", "huge"},
    "count": {"huge"},
    "positive": {"two and a half", "huge"},
    "at least 0": {"two and a half", "huge", "zero"},
    "share": set(),
    "seed": {"None", "zero", "huge", "empty list", "tuple", "nested list", "array of nothing"},
    "instance": set(),
}
"""Wrong values that an argument of each kind does take; a kind with ``?`` takes None too."""

SAID = {
    "data": r"data|table|column|`a`|\bY\b",
    "responses": "responses",
    "y": r"\by\b|response",
    "levels": "level|label",
    "obj": "relationship|covariance|matrix|frame|K|labels",
    "coordinates": "coordinates?",
    "animal": "animal",
    "sire": "sires?|parent",
    "dam": "dams?|parent",
    "markers": "markers?",
    "labels": "labels?",
    "model": "model|formula|ComponentModel",
    "path": "path|file",
    "quantiles": "quantile",
    "to": r"\bto\b",
    "of": r"\bof\b",
    "modality": "modality",
    "x": r"\bx\b",
    "name": "name|data set|term",
    "codes": r"codes|\bK\b|\bH\b",
    "X": r"\bX\b|\ba\b",
    "Z": r"\bZ\b|\ba\b",
    "relationship": "relationship|covariance",
    "unknown": "unknown|parents|label",
}
"""How messages may speak of an argument, other than by its name."""


@dataclass(frozen=True)
class Call:
    """A right call, and the kinds of the arguments that are replaced."""

    name: str
    function: Callable[..., Any]
    right: dict[str, Any]
    kinds: dict[str, str]


def calls(folder: Path) -> list[Call]:
    """The public API."""
    import matplotlib

    matplotlib.use("Agg")
    rng = np.random.default_rng(5)
    n = 48
    data = pd.DataFrame({"g": np.arange(n) % 6, "h": np.arange(n) % 8, "x": rng.normal(size=n)})
    data["y"] = rng.normal(size=n) + rng.normal(size=6)[data["g"]] + rng.normal(size=8)[data["h"]]
    formula = "y ~ x + (1 | g)"
    fit = lf.lmer(formula, data)
    crossed = lf.lmer("y ~ x + (1 | g) + (1 | h)", data)
    model = lf.MixedModel(formula, data)
    responses = data[["y"]].assign(other=rng.normal(size=n))
    many = lf.lmer_many("~ x + (1 | g)", data, responses)
    markers = rng.integers(0, 3, (n, 4)).astype(float)
    K = pd.DataFrame(np.eye(6) + 0.1, index=range(6), columns=range(6))
    components = varcomp.ComponentModel.of_formula(formula, data)
    component_fit = varcomp.estimate(components)
    drawn = varcomp.gibbs(components, draws=20, warmup=5, chains=2, seed=1)
    equations = mme.equations(components, variances={"g": 1.0, "Residual": 1.0})
    Y, X, Z = (rng.normal(size=(n, k)) for k in (4, 5, 6))
    form = latent.LinearMixedForm(2, tol=1e-3).fit(Y, X, Z)
    codes = form.encode(Y, X, Z)
    known = relationship.Relationship.of(K)
    pedigree = {"animal": ["s", "d", "c"], "sire": [0, 0, "s"], "dam": [0, 0, "d"]}
    counts = rng.integers(0, 3, (12, 30)).astype(float)
    counts[0], counts[1], counts[2] = 0.0, 1.0, 2.0
    table = latent.choose_rank(Y, X, Z, ranks=(1, 2), folds=2)
    beside = fit.forms(rank=1, tol=1e-3)
    means = pd.DataFrame({"f": ["a", "b"], "estimate": [1.0, 2.0]})
    means = means.assign(lower=means["estimate"] - 1.0, upper=means["estimate"] + 1.0)
    saved = folder / "right.lmf"
    fit.save(saved)

    fitting = {
        "reml": "flag",
        "method": "choice",
        "start": "free",
        "control": "instance?",
    }
    reading = {
        "formula": "instance",
        "data": "instance",
        "weights": "free",
        "offset": "free",
        "contrasts": "free",
        "missing": "choice",
        "relationship": "free",
        "context": "free",
    }
    source = {"formula": formula, "data": data}
    of_many = {
        "formula": "instance",
        "data": "instance",
        "relationship": "free",
        "weights": "free",
        "missing": "choice",
        "chunk": "count?",
        "stream": "flag",
        "progress": "free",
        "control": "instance?",
    }
    data_of_form = {"Y": Y, "X": X, "Z": Z}
    side = {"Y": "instance", "X": "instance", "Z": "instance"}

    def fresh(**options: Any) -> Any:
        return latent.LinearMixedForm(**{"rank": 2, "tol": 1e-2, "max_iter": 20, **options}).fit(
            Y, X, Z
        )

    return [
        Call("lmer", lf.lmer, source, {**reading, **fitting}),
        Call("MixedModel", lf.MixedModel, source, reading),
        Call("fit", model.fit, {}, fitting),
        Call("fit by em", model.fit, {"method": "em"}, {"start": "free", "reml": "flag"}),
        Call(
            "lmer_many",
            lf.lmer_many,
            {"formula": "~ x + (1 | g)", "data": data, "responses": responses},
            {**of_many, "responses": "free", "reml": "flag"},
        ),
        Call(
            "gwas",
            lf.gwas,
            {**source, "markers": markers},
            {
                **of_many,
                "markers": "instance",
                "test": "choice",
                "reml": "flag?",
                "refit": "choice?",
                "monomorphic": "choice",
            },
        ),
        Call(
            "Control",
            lf.Control,
            {},
            {
                "factor": "choice",
                "max_evaluations": "count",
                "tolerance": "positive",
                "singular": "at least 0",
                "memory": "positive",
                "seed": "whole",
            },
        ),
        Call("load", lf.load, {"path": saved}, {"path": "instance", "context": "free"}),
        Call("datasets.load", lf.datasets.load, {}, {"name": "instance"}),
        Call("datasets.info", lf.datasets.info, {}, {"name": "instance"}),
        Call(
            "predict",
            fit.predict,
            {},
            {"data": "free", "random": "free", "new_levels": "choice", "offset": "free"},
        ),
        Call("refit", fit.refit, {}, {"y": "instance?", "reml": "flag?"}),
        Call("conf_int", fit.conf_int, {}, {"level": "share", "method": "choice"}),
        Call("residuals", fit.residuals, {}, {"kind": "choice"}),
        Call("at", crossed.at, {}, {"theta": "free"}),
        Call("save", fit.save, {}, {"path": "free"}),
        Call(
            "forms", fit.forms, {"tol": 1e-2}, {"rank": "free", "seed": "free", "weights": "free"}
        ),
        Call("many.forms", many.forms, {"tol": 1e-2}, {"rank": "free", "method": "free"}),
        Call("Forms.rows", beside.rows, {}, {"response": "instance?"}),
        Call("Forms.likeness", beside.likeness, {}, {"response": "instance?"}),
        Call(
            "of_formula",
            varcomp.ComponentModel.of_formula,
            source,
            {k: reading[k] for k in ("formula", "data", "weights", "offset", "relationship")},
        ),
        Call(
            "of_matrices",
            varcomp.ComponentModel.of_matrices,
            {"y": Y[:, 0], "X": X, "Z": {"g": Z}},
            {
                "y": "instance",
                "X": "instance",
                "Z": "free",
                "K": "free",
                "weights": "free",
                "x_names": "free",
            },
        ),
        Call(
            "varcomp.estimate",
            varcomp.estimate,
            {"model": components},
            {
                "model": "instance",
                "method": "choice",
                "reml": "flag",
                "start": "free",
                "tolerance": "positive?",
                "max_iterations": "count?",
                "memory": "positive",
            },
        ),
        Call(
            "estimate by gibbs",
            varcomp.estimate,
            {"model": components, "method": "gibbs"},
            {"seed": "seed", "reml": "flag"},
        ),
        Call(
            "emma",
            varcomp.emma,
            {"model": components},
            {"model": "instance", "reml": "flag", "tolerance": "positive"},
        ),
        Call(
            "gibbs",
            varcomp.gibbs,
            {"model": components, "draws": 5, "warmup": 1, "chains": 1, "seed": 1},
            {
                "model": "instance",
                "draws": "count",
                "warmup": "whole",
                "chains": "count",
                "thin": "count",
                "prior": "free",
                "seed": "seed",
                "progress": "flag",
            },
        ),
        Call("information", component_fit.information, {}, {"kind": "choice"}),
        Call("GibbsFit.summary", drawn.summary, {}, {"quantiles": "free"}),
        Call(
            "InverseChiSquared",
            varcomp.InverseChiSquared,
            {"nu": 4.0, "scale": 1.0},
            {"nu": "free", "scale": "at least 0"},
        ),
        Call(
            "mme.equations",
            mme.equations,
            {"model": formula, "data": data, "variances": {"g": 1.0, "Residual": 1.0}},
            {
                "model": "instance",
                "data": "instance",
                "variances": "instance",
                "relationship": "free",
                "weights": "free",
            },
        ),
        Call(
            "MixedModelEquations",
            mme.MixedModelEquations,
            {"model": components, "variances": {"g": 1.0, "Residual": 1.0}},
            {"model": "instance", "variances": "instance"},
        ),
        *(
            Call(f"mme.{name}", getattr(equations, name), {}, {"form": "choice"})
            for name in ("C", "Sigma", "r")
        ),
        Call("mme.table", equations.table, {"what": "C"}, {"what": "choice", "form": "choice"}),
        Call("mme.loglik", equations.loglik, {}, {"reml": "flag"}),
        Call("mme.shrinkage", equations.shrinkage, {}, {"name": "choice"}),
        Call("mme.V_inverse_times", equations.V_inverse_times, {}, {"x": "free"}),
        Call(
            "mme.solve",
            equations.solve,
            {"method": "pcg"},
            {
                "method": "choice",
                "tolerance": "share?",
                "max_iterations": "count?",
                "preconditioner": "choice",
            },
        ),
        Call(
            "LinearMixedForm.fit",
            fresh,
            {},
            {
                "rank": "choice",
                "method": "choice",
                "weights": "free",
                "ridge": "at least 0",
                "l1": "at least 0",
                "l2": "at least 0",
                "start": "free",
                "tol": "free",
                "max_iter": "count?",
                "seed": "whole?",
            },
        ),
        Call(
            "LinearMixedForm.fit data",
            latent.LinearMixedForm(2, tol=1e-2).fit,
            data_of_form,
            side,
        ),
        Call(
            "encode",
            form.encode,
            data_of_form,
            {**dict.fromkeys(side, "free"), "shrink": "flag?"},
        ),
        Call("decode", form.decode, {"codes": codes}, {"codes": "free", "to": "choice"}),
        Call(
            "transform",
            form.transform,
            {"X": X, "Z": Z},
            {"X": "free", "Z": "free", "to": "choice", "shrink": "flag"},
        ),
        Call("reconstruction", form.reconstruction, {}, {"of": "choice"}),
        Call("implied_covariance", form.implied_covariance, {}, {"of": "choice"}),
        Call(
            "covariance_share", form.covariance_share, {"data": Y}, {"data": "free", "of": "choice"}
        ),
        Call(
            "choose_rank",
            latent.choose_rank,
            {**data_of_form, "ranks": (1,), "folds": 2, "tol": 1e-2},
            {
                **side,
                "ranks": "free",
                "held": "choice",
                "folds": "choice",
                "seed": "whole",
                "shrink": "flag",
            },
        ),
        Call(
            "Pedigree.of",
            relationship.Pedigree.of,
            pedigree,
            {
                **dict.fromkeys(pedigree, "free"),
                "sort": "flag",
                "add_parents": "flag",
                "unknown": "free",
            },
        ),
        Call(
            "Relationship.of",
            relationship.Relationship.of,
            {"obj": K},
            {"obj": "free", "labels": "free"},
        ),
        Call(
            "from_root",
            relationship.Relationship.from_root,
            {"root": K},
            {"root": "free", "labels": "free"},
        ),
        Call(
            "from_precision",
            relationship.Relationship.from_precision,
            {"precision": K},
            {"precision": "free", "labels": "free"},
        ),
        *(
            Call(f"Relationship.{name}", getattr(known, name), {}, {"levels": "free"})
            for name in ("aligned", "positions", "subset")
        ),
        *(
            Call(
                function.__name__,
                function,
                {"coordinates": Y, "range_": 1.0, "labels": range(n)},
                {"coordinates": "free", "range_": "positive", "labels": "free"},
            )
            for function in (relationship.gaussian, relationship.exponential)
        ),
        Call(
            "vanraden",
            relationship.vanraden,
            {"markers": counts, "labels": range(12)},
            {
                "markers": "free",
                "method": "choice",
                "frequencies": "free",
                "labels": "free",
                "missing": "choice",
                "monomorphic": "choice",
            },
        ),
        Call(
            "plot.codes",
            lf.plot.codes,
            {"form": form},
            {
                "form": "instance",
                "components": "free",
                "of": "free",
                "color": "free",
                "labels": "free",
                "common": "flag",
                "ax": "instance?",
            },
        ),
        Call(
            "plot.loadings",
            lf.plot.loadings,
            {"form": form},
            {
                "form": "instance",
                "modality": "choice",
                "components": "free",
                "top": "count?",
                "raw": "flag",
                "ax": "instance?",
            },
        ),
        Call(
            "plot.covariance",
            lf.plot.covariance,
            {"form": form, "data": Y},
            {"form": "instance", "data": "free", "of": "choice", "ax": "instance?"},
        ),
        Call(
            "plot.objective",
            lf.plot.objective,
            {"form": form},
            {"form": "instance", "excess": "flag", "label": "free", "ax": "instance?"},
        ),
        Call("plot.rank", lf.plot.rank, {"table": table}, {"table": "instance", "ax": "instance?"}),
        Call(
            "plot.companion",
            lf.plot.companion,
            {"forms": beside},
            {"forms": "instance", "response": "instance?", "ax": "instance?"},
        ),
        Call(
            "tidy",
            fit.tidy,
            {"conf_int": True},
            {
                "effects": "choice",
                "ddf": "choice",
                "information": "choice?",
                "conf_int": "flag",
                "conf_level": "share",
            },
        ),
        Call("augment", fit.augment, {}, {"data": "instance?"}),
        Call(
            "plot.coefficients",
            lf.plot.coefficients,
            {"fits": fit},
            {
                "fits": "instance",
                "ax": "instance?",
                "level": "share",
                "inner_level": "share?",
                "ddf": "choice",
                "information": "choice?",
                "intercept": "flag",
                "standardize": "flag",
                "labels": "free",
                "sort": "flag",
            },
        ),
        Call(
            "plot.random_effects",
            lf.plot.random_effects,
            {"fit": fit},
            {
                "fit": "instance",
                "group": "choice?",
                "ax": "instance?",
                "effects": "free",
                "level": "share",
                "sort": "flag",
            },
        ),
        Call(
            "plot.means",
            lf.plot.means,
            {"table": means},
            {
                "table": "instance",
                "ax": "instance?",
                "x": "choice?",
                "color": "choice?",
                "panels": "choice?",
                "lines": "flag?",
                "reference": "free",
            },
        ),
        Call(
            "plot.means of data",
            lf.plot.means,
            {"table": means, "data": {"f": ["a"], "y": [1.0]}, "y": "y"},
            {"data": "instance", "y": "instance"},
        ),
    ]


Case = tuple[Call, str, str]


def cases(given: list[Call]) -> list[Case]:
    """Every call, argument and wrong value; and an unknown keyword."""
    out = [(call, name, label) for call in given for name in call.kinds for label in WRONG]
    return out + [(call, "no_such_argument", "None") for call in given]


@contextmanager
def printed() -> Iterator[Callable[[], str]]:
    """What is written to the descriptors of stdout and stderr, by Fortran too."""
    sys.stdout.flush()
    kept = [os.dup(1), os.dup(2)]
    with tempfile.TemporaryFile() as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)

        def read() -> str:
            sys.stdout.flush()
            file.seek(0)
            return file.read().decode(errors="replace")

        try:
            yield read
        finally:
            sys.stdout.flush()
            for descriptor, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, descriptor)
                os.close(copy)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Interrupt what takes longer."""

    def stop(*args: Any) -> None:
        raise TimeoutError(f"takes more than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def fault(case: Case) -> str | None:
    """What is wrong with the outcome of a call, None if nothing."""
    call, argument, label = case
    kind = call.kinds.get(argument, "unknown")
    value = WRONG[label]()
    with warnings.catch_warnings(record=True) as caught, printed() as output:
        warnings.simplefilter("always")
        try:
            with at_most(PATIENCE):
                call.function(**{**call.right, argument: value})
            found = _passed(kind, label)
        except lf.errors.LmformsError as error:
            found = None if _names(argument, str(error)) else f"does not name it: {error}"
            if kind != "unknown" and found is None and len(str(error)) > 1500:
                found = "a message of more than 1500 characters"
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
        text = output() if argument != "progress" else ""
    foreign = [w for w in caught if not issubclass(w.category, lf.errors.LmformsWarning)]
    if found is None and foreign:
        found = f"{foreign[0].category.__name__}: {foreign[0].message}"
    if found is None and text:
        found = f"prints {text!r}"
    return found


def _passed(kind: str, label: str) -> str | None:
    if kind == "unknown":
        return "an unknown keyword passes"
    right = RIGHT[kind.rstrip("?")] | ({"None"} if kind.endswith("?") else set())
    return None if label in right else "passes"


def _names(argument: str, message: str) -> bool:
    pattern = SAID.get(argument, rf"(?<![A-Za-z]){re.escape(argument.rstrip('_'))}(?![a-z])")
    return re.search(pattern, message, re.IGNORECASE if len(argument) > 1 else 0) is not None


def run(tries: int | None = None, seed: int = 0) -> tuple[int, list[str]]:
    """Try some of the cases, all by default: their number, and the faults."""
    faults = []
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # a path may be a right one
        try:
            every = cases(calls(Path(folder)))
            if tries is not None and tries < len(every):
                chosen = np.random.default_rng(seed).choice(len(every), tries, replace=False)
                every = [every[i] for i in chosen]
            for case in every:
                found = fault(case)
                if found is not None:
                    call, argument, label = case
                    faults.append(
                        f"{call.name}({argument}={label}): {' '.join(found.split())[:160]}"
                    )
                _close_figures()
        finally:
            os.chdir(before)
    return len(every), faults


def _close_figures() -> None:
    from matplotlib import pyplot

    if pyplot.get_fignums():
        pyplot.close("all")


def main() -> None:
    """Print the faults and their number."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tries", type=int, default=None, help="all by default")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    count, faults = run(given.tries, given.seed)
    kinds = Counter(f.split("(")[0] for f in faults).most_common()
    lines = [*faults, *(f"{number:5d} {name}" for name, number in kinds)]
    sys.stdout.write("\n".join([*lines, f"{count} tries, {len(faults)} faults", ""]))


if __name__ == "__main__":
    main()
