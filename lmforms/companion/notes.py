"""Notes for the comparison of a form with a mixed model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..latent import LinearMixedForm
from ..support.arrays import FloatArray
from .comparison import PartComparison, parts_cancel, parts_exchanged
from .form_inputs import LARGEST_DENSE_RANDOM_PART, FormInputs, uneven_ratio

LITTLE_EXPLAINED = 0.5
"""A note is made if Hα' explains less than this share of Zb̂."""

UNEQUAL_RESPONSES_RATIO = 100.0
"""Responses whose root mean squares differ by this factor need a common unit."""


def notes_of(
    form: LinearMixedForm,
    inputs: FormInputs,
    Y: FloatArray,
    K: FloatArray,
    H: FloatArray,
    tables: Sequence[pd.DataFrame],
) -> tuple[str, ...]:
    """Notes, each with what can be done.

    Parameters
    ----------
    form : LinearMixedForm
    inputs : FormInputs
    Y, K, H : ndarray (n, m)
        Responses, Kα' and Hα'.
    tables : sequence of DataFrame
        For each response.
    """
    notes = []
    k, p = form.rank_, inputs.X.shape[1]
    if k < p:
        notes.append(f"rank {k} is below that of X ({p}): Kα' has not all directions of Xβ̂.")
    ratio = uneven_ratio(form, inputs, Y)
    if ratio is not None:
        notes.append(
            f"the largest direction of X is {ratio:.0f} times the smallest, which hardly counts: "
            "centre and scale the predictors, as in scale(x)."
        )
    cancel = parts_cancel(inputs.weighted(K), inputs.weighted(H))
    if inputs.random_part_is_large:
        notes.append(
            f"Z has more than {LARGEST_DENSE_RANDOM_PART:,.0f} entries, so that its projection on "
            "X was not subtracted: if X and Z have a direction in common, such as an intercept, F "
            "hardly says which of Kα' and Hα' has it. Compare their sum."
        )
    elif cancel or any(parts_exchanged(_line(t, "fixed"), _line(t, "fitted")) for t in tables):
        notes.append(
            "Kα' has what X and Z could both explain, such as the part of a predictor that is "
            "constant within levels; the mixed model divides it by its variances. Compare their "
            "sum."
        )
    if any(t.loc["random", "explained"] < LITTLE_EXPLAINED for t in tables):
        notes.append(
            f"Hα' explains little of Zb̂: of the directions of Z, H has {k}, chosen for Z more "
            f"than for y. Let Y count more by weights={', or raise the rank' if k < p else ''}."
        )
    sizes = np.sqrt(np.nanmean(Y**2, axis=0))
    if sizes.max() > UNEQUAL_RESPONSES_RATIO * sizes.min():
        notes.append(
            f"the largest response is more than {UNEQUAL_RESPONSES_RATIO:.0f} times the smallest, "
            "which hardly counts: bring them to one unit."
        )
    if not form.status_.converged:
        notes.append(f"not converged: {form.status_.message}")
    return tuple(notes)


def _line(table: pd.DataFrame, part: str) -> PartComparison:
    return PartComparison(*table.loc[part])
