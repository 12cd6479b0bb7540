"""Responses of generalised linear mixed models: counts, trials, classes and other numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..errors import ModelError
from ..support.arrays import FloatArray

ResponseKind = Literal["counts", "continuous", "trials", "ordinal"]
"""What a family takes: counts (Poisson, negative binomial, Tweedie, whose zeros have positive
probability); numbers of a density with a dispersion (Gamma, inverse Gaussian, beta, Student t);
successes of trials (binomial, beta-binomial); ordered classes."""


@dataclass(frozen=True, eq=False)
class ObservedResponse:
    """The response of a generalised linear mixed model.

    Attributes
    ----------
    kind : ResponseKind
    y : ndarray (n,)
        Numbers of successes; codes 0 … C − 1 of ordered classes; values of others.
    trials : ndarray (n,) or None
        Numbers of trials, of the kind "trials".
    case_weights : ndarray (n,) or None
        What multiplies the log-likelihood of each row; None for ones.
    levels : tuple or None
        Labels of the classes: failure and success of a factor, or C ordered ones.
    """

    kind: ResponseKind
    y: FloatArray
    trials: FloatArray | None = None
    case_weights: FloatArray | None = None
    levels: tuple[Any, ...] | None = None

    @property
    def proportions(self) -> FloatArray:
        """Successes a trial (0 where there is none); `y` of the other kinds."""
        if self.trials is None:
            return self.y
        return self.y / np.maximum(self.trials, 1.0)

    def check(self, label: str) -> None:
        """Refuse responses for which no likelihood has a maximum.

        Parameters
        ----------
        label : str
            What to call the response.

        Raises
        ------
        ModelError
            All trials are successes or none is, all counts are 0, or a number is the same in all
            rows.
        """
        y = self.y
        if self.trials is not None:
            total, successes = self.trials.sum(), y.sum()
            if not total:
                raise ModelError(
                    f"the response {label} has no trials: their numbers are zero in all rows."
                )
            if successes in (0.0, total):
                what = "a success" if successes else "a failure"
                raise ModelError(
                    f"the response {label}: every trial is {what}, so that the likelihood has no "
                    "maximum."
                )
        elif self.kind == "counts" and not y.any():
            raise ModelError(
                f"all values of the response {label} are zero: the likelihood has no maximum."
            )
        elif self.kind == "continuous" and (y == y[0]).all():
            raise ModelError(
                f"the response {label} is constant ({y[0]:g}): the likelihood has no maximum, "
                "since it grows as the dispersion goes to zero."
            )
