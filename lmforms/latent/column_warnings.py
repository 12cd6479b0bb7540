"""Warnings of columns that maximum likelihood leaves out or finds no noise in."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from ..errors import ConstantColumnWarning, SingularWarning, listed
from ..support.caller import caller_depth
from .als import FormEstimate
from .form_likelihood import LEAST_NOISE
from .input_matrices import LabelledMatrix


def warn_of_columns(matrices: Sequence[LabelledMatrix], estimates: Sequence[FormEstimate]) -> None:
    """Name the columns that any of the estimates has left out or found no noise in.

    The estimates are of the same modalities.

    Warns
    -----
    ConstantColumnWarning, SingularWarning
    """
    left_out = _named(
        matrices,
        [[~np.isnan(c) for c in w.constants] for w in estimates if w.constants is not None],
    )
    if left_out:
        warnings.warn(
            f"Columns that do not vary over the rows were left out of the likelihood: {left_out}. "
            "They are predicted by their constant, and encode() takes no notice of them. If one "
            "of them does vary, bring it to the unit of the columns beside it; else drop it.",
            ConstantColumnWarning,
            stacklevel=caller_depth(),
        )
    at_floor = _named(matrices, [w.at_floor for w in estimates if w.at_floor is not None])
    if at_floor:
        warnings.warn(
            f"The noise is at its floor, {LEAST_NOISE:g} of a column's mean square, in {at_floor}: "
            "the codes explain these columns exactly, as they can explain one that occurs twice, "
            "has a large mean, or has a component to itself. Drop duplicates, centre the columns "
            "or lower the rank.",
            SingularWarning,
            stacklevel=caller_depth(),
        )


def _named(matrices: Sequence[LabelledMatrix], masks: Sequence[Sequence[np.ndarray]]) -> str:
    """The columns chosen by any of the masks (of each modality), by modality."""
    if not masks:
        return ""
    found = []
    for b, of_block in zip(matrices, zip(*masks)):
        places = np.flatnonzero(np.any(of_block, axis=0))
        if len(places):
            found.append(f"{b.name} ({listed([b.label(int(j)) for j in places])})")
    return ", ".join(found)
