"""Fits that commands read from files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import DataError

if TYPE_CHECKING:
    from ..results.generalized.generalized_results import GeneralizedResults
    from ..results.model_results import MixedModelResults


def saved_fit(path: str) -> MixedModelResults | GeneralizedResults:
    """The fit in a file.

    Raises
    ------
    LmformsError
        There is none, also where the file holds sums of rows.
    """
    from ..storage.load import load
    from ..stream.model_sums import ModelSums

    found = load(path)
    if isinstance(found, ModelSums):
        raise DataError(
            f"{path!r} is not a fit: it holds the sums of a model. Fit them in Python, "
            "fit = lf.lmer(lf.load(path)), and save the fit."
        )
    return found
