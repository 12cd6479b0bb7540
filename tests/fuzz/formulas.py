"""Random formulas: each gives a design or an error of the package, soon, and keeps its meaning.

    python tests/fuzz/formulas.py --tries 5000 --seed 1

Faults are other exceptions, more than a second of work, errors that do not mark a place in
the formula, and predictions for some of the rows that are not those of the fit.
"""

# ruff: noqa: SIM905 - words in a string are shorter to read than a list

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd

import lmforms as lf
from lmforms.errors import FormulaError, LmformsError

N = 48
SLOW = 1.0
"""Seconds of work that no formula on this table may take."""

LIMIT = 5.0
"""Seconds of work after which a try is stopped."""

FITTED = 0.05
"""Share of the tries that are fitted to compare predictions."""

MOST_THETA = 6
"""Parameters of a covariance up to which they are."""


def make_data(seed: int = 0) -> pd.DataFrame:
    """A small table with names that are hard to read."""
    rng = np.random.default_rng(seed)
    g, h = np.repeat(np.arange(8), 6), np.tile(np.arange(6), 8)
    return pd.DataFrame(
        {
            "y": rng.normal(size=N) + rng.normal(size=8)[g],
            "x": rng.normal(size=N),
            "z": rng.uniform(1.0, 2.0, size=N),
            "k": rng.integers(0, 4, N),
            "f": pd.Categorical(rng.choice(list("abc"), N)),
            "s": rng.choice(["u", "v w"], N),
            "b": rng.random(N) > 0.4,
            "g": g,
            "h": h,
            "when": pd.date_range("2024-01-30", periods=N),
            "id": 2**60 + g,
            "Sepal.Length": rng.uniform(1.0, 2.0, size=N),
            "a b": rng.normal(size=N),
            "class": rng.normal(size=N),
            "log(x)": rng.normal(size=N),
            "log": rng.normal(size=N),
            0: rng.normal(size=N),
            "Residual": g,
        }
    )


COLUMNS = ["x", "z", "k", "f", "s", "b", "g", "h", "`a b`", "Sepal.Length", "class", "`0`", "log"]
FUNCTIONS = (
    "log exp sqrt abs scale center poly bs ns cr I C factor as.factor as.numeric np.log round "
    "ifelse is.na as.character cut interaction relevel mean hashed rank lag min np.mean pmax exp10"
).split()
METHODS = (
    "mean() min() rank() cumsum() clip(0,1) shift() iloc[0] values dt.month str.len() "
    "quantile(.2) groupby(g).transform('mean') astype(float) map({1:2}) isin([1,2])"
).split()
SCRAPS = (
    "( ) + - * : / ^ ** | || ~ . ` { } [ ] , ' \" = == < > <= != \\ # @ $ ! & && % %% %in% %/% "
    "1 0 -1 2 1e3 0x 9^9^9 é ² lambda yield if not TRUE NA NULL T F 1L x|g) (1|g) ^2 ^9 ns( I( C( "
    "offset( diag( us( cs( np. ; => <- function(x) x .. __import__ x.y.z \n \t"
).split(" ")


def expression(rng: random.Random, depth: int = 2) -> str:
    """Code inside a call."""
    roll = rng.random()
    if depth == 0 or roll < 0.2:
        return rng.choice([*COLUMNS, *COLUMNS, "2", "0.5", "-1", "'a'", "TRUE", "when", "id"])
    inner = [expression(rng, depth - 1) for _ in range(3)]
    if roll < 0.5:
        operator = rng.choice(["+", "-", "*", "/", "^", "%%", "%/%", "**", "//", "%"])
        return f"{inner[0]} {operator} {inner[1]}"
    if roll < 0.65:
        return f"{inner[0]} {rng.choice(['<', '<=', '==', '!=', '>', '>='])} {inner[1]}"
    if roll < 0.75:
        return f"{rng.choice(['', '!', '-', '('])}{inner[0]} {rng.choice('&|')} {inner[1]}"
    if roll < 0.82:
        return f"({inner[0]})"
    if roll < 0.9:
        return f"{rng.choice(COLUMNS)}.{rng.choice(METHODS)}"
    arguments = inner[: rng.randint(1, 3)] if rng.random() < 0.5 else inner[:1]
    return f"{rng.choice(FUNCTIONS)}({', '.join(arguments)})"


def term(rng: random.Random, depth: int = 2) -> str:
    """A product of factors."""
    roll = rng.random()
    if depth == 0 or roll < 0.35:
        return rng.choice([*COLUMNS, ".", "1", "0"])
    if roll < 0.5:
        return f"I({expression(rng)})"
    if roll < 0.6:
        function = rng.choice(FUNCTIONS)
        return f"{function}({expression(rng, 1)}{rng.choice(['', ', 2', ', df=4', ', 0, 1'])})"
    if roll < 0.8:
        return (
            f"{term(rng, depth - 1)}{rng.choice([':', '*', '/', ' %in% '])}{term(rng, depth - 1)}"
        )
    return f"({terms(rng, depth - 1)})" + rng.choice(["", "^2", "^3", "**2", "^6", "^(0)"])


def terms(rng: random.Random, depth: int = 2) -> str:
    """A sum of terms."""
    signs = ["", "- ", "0 + ", "1 + "]
    parts = [rng.choice(signs) + term(rng, depth)]
    for _ in range(rng.randint(0, 3)):
        parts.append(rng.choice([" + ", " + ", " - "]) + term(rng, depth))
    return "".join(parts)


def random_term(rng: random.Random) -> str:
    """A random term."""
    left = rng.choice(["1", "x", "0 + x", "x - 1", "f", "0 + f", "b", "scale(x)", terms(rng, 1)])
    right = rng.choice(["g", "h", "g/s", "g:f", "g*h", "factor(k)", "id", "Residual", term(rng, 1)])
    structure, bar = rng.choice(["", "", "", "us", "diag", "cs"]), rng.choice(["|", "|", "||"])
    return f"{structure}({left} {bar} {right})"


def formula(rng: random.Random) -> str:
    """A formula of the grammar, most of them readable, some mutated."""
    response = rng.choice(["y", "y", "y", "log(z)", "y / 2", "I(y^2)", expression(rng, 1)])
    parts = [terms(rng), *(random_term(rng) for _ in range(rng.randint(0, 2)))]
    if rng.random() < 0.2:
        parts.append(f"offset({expression(rng, 1)})")
    text = f"{response} ~ {' + '.join(parts)}"
    if rng.random() < 0.3:
        characters = list(text)
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(len(characters))
            characters[place : place + rng.randint(0, 3)] = [rng.choice(SCRAPS)]
        text = "".join(characters)
    return text


class Stopped(BaseException):
    """A try took too long."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Stop the work inside after some seconds of processor time, where the system can."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: object) -> None:
        raise Stopped

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, before)


def fault_of(text: str, data: pd.DataFrame, *, fitted: bool) -> str | None:
    """What is wrong about the outcome of a formula: "" for a design, None for a refusal."""
    start = time.process_time()
    try:
        with warnings.catch_warnings(), limited(LIMIT):
            warnings.simplefilter("ignore")
            model = lf.MixedModel(text, data, context={})
            spent = time.process_time() - start
            if fitted and sum(g.covariance.n_theta for g in model.design.groups) <= MOST_THETA:
                return changed_prediction(model, data)
    except LmformsError as error:
        spent = time.process_time() - start
        *_, last = str(error).split("\n")
        if isinstance(error, FormulaError) and set(last.strip()) != {"^"}:
            return f"no mark: {error}"
        return f"{spent:.1f} s" if spent > SLOW else None
    except Stopped:
        return f"stopped after {LIMIT:g} s"
    except BaseException as error:  # whatever it is, it is not ours
        return f"{type(error).__name__}: {error}"
    return f"{spent:.1f} s" if spent > SLOW else ""


def changed_prediction(model: lf.MixedModel, data: pd.DataFrame) -> str:
    """Predictions for some rows against those of the same rows in the fit."""
    try:
        fit = model.fit()
        some = data.iloc[::-5]
        new = fit.predict(some)
    except LmformsError:
        return ""
    known = fit.predict().reindex(new.index)
    both = new.notna() & known.notna()
    scale = float(np.abs(known).max()) + 1.0
    wrong = float(np.abs(new - known)[both].max()) if both.any() else 0.0
    return f"predictions differ by {wrong:.3g}" if wrong > 1e-6 * scale else ""


def run(tries: int, seed: int, report: Callable[[str], None] | None = None) -> Counter[str]:
    """Try random formulas; counts of tries, of designs (faults among them) and of faults."""
    rng = random.Random(seed)
    data = make_data()
    counts: Counter[str] = Counter(tries=tries)
    for _ in range(tries):
        text = formula(rng)
        fault = fault_of(text, data, fitted=rng.random() < FITTED)
        counts["faults"] += bool(fault)
        counts["designs"] += fault is not None
        if fault and report is not None:
            report(f"{text!r}: {fault.splitlines()[0][:150]}")
    return counts


def main() -> int:
    """Count faults among random formulas."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    def report(line: str) -> None:
        sys.stdout.write(line + "\n")

    counts = run(options.tries, options.seed, report)
    report(f"{counts['tries']} tries ({counts['designs']} designs), {counts['faults']} faults")
    return min(counts["faults"], 1)


if __name__ == "__main__":
    sys.exit(main())
