"""`ManyFits`: the fits of one model to many responses, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..support.arguments import named_arguments

if TYPE_CHECKING:
    from ..companion import Forms
    from .fit_inputs import FitInputs


@dataclass(frozen=True, eq=False)
class ManyFits:
    """Fits of one model to many responses, as tidy tables.

    Attributes
    ----------
    fixed : DataFrame
        One row per response and fixed effect: ``response, term, estimate, se, statistic, p``;
        ``p`` is two-sided and from the normal distribution.
    fits : DataFrame
        One row per response: ``response``, θ (``theta``, or ``theta[0]``, ``theta[1]``, …),
        ``sigma, criterion, llf, nobs, converged, singular``.
    variances : DataFrame
        One row per response and variance or covariance: ``response, group, name1, name2,
        variance, sdcor``, as ``vcomp`` of a single fit.
    """

    fixed: pd.DataFrame
    fits: pd.DataFrame
    variances: pd.DataFrame
    _inputs: FitInputs | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.fits)

    def __repr__(self) -> str:
        good = int(self.fits["converged"].sum())
        return f"ManyFits({len(self):,} responses, {good:,} converged)"

    @named_arguments
    def forms(self, rank: int | None = None, **params: Any) -> Forms:
        """A linear mixed form of all responses with the model's X and Z, beside the fits.

        As :meth:`lmforms.MixedModelResults.forms`, with Y all responses at once: they share the
        codes and should be in one unit. Missing ones are left out of F. The responses are read
        again from what :func:`lmforms.lmer_many` was given, and Zb̂ is found at the variances of
        the table, at the cost of one evaluation for each response.

        Parameters
        ----------
        rank : int, optional
        **params
            Of :class:`lmforms.latent.LinearMixedForm`.

        Returns
        -------
        Forms

        Raises
        ------
        DataError
            The fits came from a stream, or the responses have changed since.
        ModelError
            They have a relationship; no fixed or no random effects; a rank above what X or Z
            carry.

        Examples
        --------
        >>> import lmforms as lf
        >>> import numpy as np
        >>> pastes = lf.datasets.load("Pastes")
        >>> Y = pastes[["strength"]].assign(rooted=np.sqrt(pastes["strength"]))
        >>> many = lf.lmer_many("~ 1 + (1 | batch)", pastes, Y)
        >>> many.forms(tol=1e-6).responses
        ('strength', 'rooted')
        """
        from .forms_of_many import forms_of_many

        return forms_of_many(self.fits, self.fixed, self._inputs, rank, params)

    @classmethod
    @named_arguments
    def joined(cls, parts: Sequence[ManyFits]) -> ManyFits:
        """Several of them as one."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            *(
                pd.concat([getattr(part, name) for part in parts], ignore_index=True)
                for name in ("fixed", "fits", "variances")
            )
        )
