"""Singular fits whose advice is followed to the letter, until the fit is regular.

Random models are fitted to data of which some variances are zero; each warning's "write A in place
of B" or "drop B" is applied to the text of the formula. A fault is advice that cannot be applied,
a formula that is refused afterwards, or a chain that does not end.

    python tests/fuzz/singular_advice.py --tries 300 --seed 1
"""

from __future__ import annotations

import argparse
import re
import sys
import warnings

import numpy as np
import pandas as pd

import lmforms as lf
from lmforms.errors import LmformsError, SingularWarning

EXPRESSIONS = ("1", "x", "x + z", "0 + x", "0 + x + z", "f", "0 + f", "x * z", "1 + x:z", "x + f")
GROUPS = (["g"], ["h"], ["g/h"], ["g:h"], ["g", "h"], ["g/h", "h"], ["g", "g:h"], ["h", "g:h"])
MOST_STEPS = 8


def some_data(rng: np.random.Generator, n: int = 160) -> pd.DataFrame:
    """Random effects of some of the columns, in random sizes."""
    data = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "z": rng.normal(size=n) + 3,
            "f": pd.Categorical(rng.choice(list("abc"), n)),
            "g": rng.integers(0, 7, n),
            "h": rng.integers(0, 3, n),
        }
    )
    y = rng.normal(size=n)
    for column in (1.0, data["x"], data["z"], data["f"] == "b"):
        for codes in (data["g"], 7 * data["h"] + data["g"]):
            y += rng.choice([0.0, 0.0, 2.0]) * rng.normal(size=21)[codes] * column
    return data.assign(y=y)


def a_formula(rng: np.random.Generator) -> str:
    """With one or two random terms on different factors, each with its bar."""
    terms = []
    for group in GROUPS[rng.integers(len(GROUPS))]:
        expression, form = rng.choice(EXPRESSIONS), rng.integers(3)
        bar = "||" if form == 1 else "|"
        terms.append(f"{'diag' if form == 2 else ''}({expression} {bar} {group})")
    return " + ".join(["y ~ x", *terms])


def followed(formula: str, message: str) -> str:
    """The formula after one of the message's remedies."""
    remedies = re.split(r", and (?=write|drop)", message.partition("redundancy, ")[2].rstrip("."))
    for remedy in remedies:
        text = remedy.removeprefix("drop a random slope, or ")
        if text.startswith("write "):
            new, _, old = text.removeprefix("write ").partition(" in place of ")
        else:
            new, old = "", text.removeprefix("drop ")
        if old not in formula:
            raise ValueError(f"`{old}` is not in {formula}")
        formula = formula.replace(old, new) if new else formula.replace(f" + {old}", "")
    return formula


def a_chain(rng: np.random.Generator) -> str | None:
    """Follow the advice for one model; what went wrong, or None."""
    formula, data = a_formula(rng), some_data(rng)
    steps = [formula]
    for _ in range(MOST_STEPS):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                lf.lmer(formula, data)
            except LmformsError as exc:
                return None if len(steps) == 1 else f"{' -> '.join(steps)}: {exc}"
        said = [str(w.message) for w in caught if issubclass(w.category, SingularWarning)]
        if not said:
            return None
        try:
            formula = followed(formula, said[0])
        except ValueError as exc:
            return f"{' -> '.join(steps)}: {exc} ({said[0]})"
        steps.append(formula)
    return f"{' -> '.join(steps)}: no end"


def tally(tries: int, seed: int) -> list[str]:
    """The faults of so many tries."""
    rng = np.random.default_rng(seed)
    found = (a_chain(rng) for _ in range(tries))
    return [fault for fault in found if fault]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    faults = tally(options.tries, options.seed)
    sys.stdout.write(f"{options.tries} tries, {len(faults)} faults\n")
    sys.stdout.writelines(f"    {fault}\n" for fault in faults[:10])
