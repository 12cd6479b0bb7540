"""What stands in the way of comparing a form with a mixed model, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..latent import LinearMixedForm
from ..support.arrays import FloatArray
from .comparison import Likeness, cancel, exchanged
from .form_inputs import FormInputs, barely_counts

LITTLE = 0.5
"""A share of Zb̂ that is worth a note."""

UNEQUAL = 100.0
"""Responses whose sizes differ by this factor are not in one unit."""


def notes_of(
    form: LinearMixedForm,
    sides: FormInputs,
    Y: FloatArray,
    K: FloatArray,
    H: FloatArray,
    tables: Sequence[pd.DataFrame],
) -> tuple[str, ...]:
    """Each with what can be done about it.

    Parameters
    ----------
    form : LinearMixedForm
    sides : FormInputs
    Y, K, H : ndarray (n, m)
        Responses, Kα' and Hα'.
    tables : sequence of DataFrame
        For each response.
    """
    notes = []
    k, p = form.rank_, sides.X.shape[1]
    if k < p:
        notes.append(f"rank {k} is below that of X ({p}): Kα' has not all directions of Xβ̂.")
    ratio = barely_counts(form, sides, Y)
    if ratio is not None:
        notes.append(
            f"the largest direction of X is {ratio:.0f} times the smallest, which hardly counts: "
            "centre and scale the predictors, as in scale(x)."
        )
    lines = [(_line(t, "fixed"), _line(t, "fitted")) for t in tables]
    if cancel(sides.weighted(K), sides.weighted(H)) or any(exchanged(*pair) for pair in lines):
        notes.append(
            "Kα' and Hα' take from each other: X and Z have a direction in common, such as an "
            "intercept or a predictor that is constant within levels, and F hardly says which of "
            "them has it. Compare their sum."
        )
    if any(t.loc["random", "explained"] < LITTLE for t in tables):
        notes.append(
            f"Hα' explains little of Zb̂: of the directions of Z, H has {k}, chosen for Z more "
            f"than for y. Let Y count more by weights={', or raise the rank' if k < p else ''}."
        )
    sizes = np.sqrt(np.nanmean(Y**2, axis=0))
    if sizes.max() > UNEQUAL * sizes.min():
        notes.append(
            "the largest response is more than "
            f"{UNEQUAL:.0f} times the smallest, which hardly counts: bring them to one unit."
        )
    if not form.status_.converged:
        notes.append(f"not converged: {form.status_.message}")
    return tuple(notes)


def _line(table: pd.DataFrame, part: str) -> Likeness:
    return Likeness(*table.loc[part])
