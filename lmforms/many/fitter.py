"""From chunks of responses to tables: designs by missing rows, warnings with counts."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..control import Control
from ..data.design import Design
from ..data.frame import caller_depth
from ..engine.exact_fit import Checked
from ..engine.linalg.column_sizes import subtract_shift
from ..errors import (
    ConvergenceWarning,
    DataError,
    IdentificationWarning,
    ModelError,
    NotEstimableWarning,
    RankWarning,
)
from ..relationship.labels import named
from ..support.arguments import named_arguments
from ..support.arrays import BoolArray, FloatArray, IndexArray
from .columns import Chunk, refuse_infinite
from .fitted import Fitted, constant, spectral_fit, widened
from .inputs import Source, is_spectral, random_effects, spectrum
from .shared import Shared
from .spectral import CovarianceSpectrum
from .tables import frames

if TYPE_CHECKING:
    from ..companion import Forms
    from .origin import Origin


PATTERNS = 32
"""Designs for patterns of missing values that are kept at a time."""


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
    _origin: Origin | None = field(default=None, repr=False)

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
        from .companion import many_forms

        return many_forms(self, rank, params)

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


class Fitter:
    """Designs and what was made of them, by the pattern of missing rows."""

    def __init__(self, source: Source, reml: bool, control: Control) -> None:
        self.source, self.reml, self.control = source, reml, control
        self._prepared: dict[bytes, tuple[Design, IndexArray, CovarianceSpectrum | Shared]] = {}
        self._whole = self._prepare(np.ones(source.n, dtype=bool))

    @property
    def design(self) -> Design:
        """Of all rows."""
        return self._whole[0]

    def _prepare(self, rows: BoolArray) -> tuple[Design, IndexArray, CovarianceSpectrum | Shared]:
        key = rows.tobytes()
        if key not in self._prepared:
            with warnings.catch_warnings():
                if not rows.all():  # one warning for all responses comes later
                    warnings.simplefilter("ignore", RankWarning)
                design, places = self.source.design(None if rows.all() else rows)
            work: CovarianceSpectrum | Shared
            if is_spectral(design) or self.source.relationship is not None:
                work = spectrum(design, self.source.relationship, self.control, self.reml)
            else:
                work = Shared.of(design, self.reml, self.control)
            if len(self._prepared) >= PATTERNS:
                del self._prepared[list(self._prepared)[1]]
            self._prepared[key] = design, places, work
        return self._prepared[key]

    def fit(self, chunk: Chunk) -> ManyFits:
        """Fit the responses of a chunk."""
        refuse_infinite(chunk, "responses")
        design, places, _ = self._whole
        absent = np.isnan(_taken(chunk.values, places))
        gaps: BoolArray = np.asarray(absent.any(axis=0))
        if gaps.any() and self.source.missing == "raise":
            culprits = [chunk.names[j] for j in np.flatnonzero(gaps)]
            raise DataError(
                f"missing values in the responses {named(culprits)}. Fill them, or use "
                "missing='drop' to leave out the rows of each that are missing."
            )
        p, n_theta = design.X.shape[1], sum(t.covariance.n_theta for t in design.terms)
        out = Fitted.empty(len(gaps), n_theta, p)
        nobs = np.full(len(gaps), len(places))
        for which in _by_pattern(absent, gaps):
            rows = np.ones(self.source.n, dtype=bool)
            rows[places[absent[:, which[0]]]] = False
            nobs[which] = rows[places].sum()
            try:
                own = chunk.values if len(which) == len(gaps) else chunk.values[:, which]
                out.put(which, self._fit(rows, own, design))
            except ModelError:
                if not gaps[which[0]]:
                    raise
        _warn(out, chunk.names)
        return ManyFits(*frames(design, out, chunk.names, nobs))

    def _fit(self, rows: BoolArray, Y: FloatArray, full: Design) -> Fitted:
        """Fit responses that have the same rows."""
        design, places, work = self._prepare(rows)
        Y = _taken(Y, places)
        usable = ~constant(Y)
        size = np.maximum(np.abs(Y.max(axis=0)), np.abs(Y.min(axis=0)))
        if design.offset.any():
            Y = Y - design.offset[:, None]
            size = np.maximum(size, np.abs(design.offset).max())
        shift, shift_beta = subtract_shift(Y, design.X)
        Y = Y - shift if shift.any() else Y
        if isinstance(work, Shared):
            found = work.fit(Y, usable, size)
        else:
            effects = partial(random_effects, design, self.source.relationship)
            checked = Checked(Y, design.X, effects, design.residual.whiten(np.ones(len(Y))), size)
            whitened = design.residual.whiten(Y)
            found = spectral_fit(work, whitened, usable, checked, self.reml, self.control)
        found.beta[:] += np.outer(shift, shift_beta)
        return found if design is full else widened(found, design, full)


def _taken(values: FloatArray, places: IndexArray) -> FloatArray:
    """Some rows, without a copy if they are all."""
    return values if len(places) == len(values) else values[places]


def _by_pattern(absent: BoolArray, gaps: BoolArray) -> list[IndexArray]:
    """Places of the responses that miss the same rows."""
    patterns = [np.flatnonzero(~gaps)] if not gaps.all() else []
    seen: dict[bytes, list[int]] = {}
    for j in np.flatnonzero(gaps):
        seen.setdefault(absent[:, j].tobytes(), []).append(int(j))
    return patterns + [np.asarray(which) for which in seen.values()]


def _warn(out: Fitted, names: list[Any]) -> None:
    """One warning of each kind, with counts and the first names."""
    for which, category, what in (
        (
            out.degenerate,
            NotEstimableWarning,
            "are constant, explained exactly, have too few rows, or are left with a residual that "
            "is lost in rounding: their rows are NaN",
        ),
        (
            np.isnan(out.beta).any(axis=1) & ~out.degenerate,
            NotEstimableWarning,
            "lack a level or a column of the fixed effects in their rows: its coefficient is NaN, "
            "and contrasts are to the first level that is there",
        ),
        (
            ~out.converged & ~out.degenerate,
            ConvergenceWarning,
            "did not converge, or have no residual variance",
        ),
        (
            out.flat & ~out.degenerate,
            IdentificationWarning,
            "do not determine the variances: the criterion is flat along one of them",
        ),
    ):
        if which.any():
            culprits = named([names[j] for j in np.flatnonzero(which)])
            text = f"{int(which.sum()):,} of {len(which):,} responses {what}: {culprits}."
            warnings.warn(text, category, stacklevel=caller_depth())
