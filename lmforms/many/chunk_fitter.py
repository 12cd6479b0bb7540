"""`ChunkFitter`: fits chunks of responses, with one design for each pattern of missing rows."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ..control import Control
from ..data.design import Design
from ..engine.exact_fit import ExactFitCheck
from ..engine.linalg.stable_columns import subtract_shift
from ..errors import (
    ConvergenceWarning,
    DataError,
    IdentificationWarning,
    MissingDataWarning,
    ModelError,
    NotEstimableWarning,
    RankWarning,
)
from ..relationship.labels import named
from ..support.arrays import BoolArray, FloatArray, IndexArray
from .coefficients import Coefficients
from .column_chunks import Chunk, refuse_infinite, warn_with_names
from .degrees_of_freedom import DfPart
from .many_fits import ManyFits
from .response_estimates import ResponseEstimates, constant_responses, spectral_fit, widened
from .result_tables import fits_table, variances_table
from .shared_inputs import DesignSource, is_spectral, random_effects, spectrum
from .shared_system import SharedSystem
from .spectral import CovarianceSpectrum

MOST_PATTERNS_KEPT = 32
"""Designs that are kept, one for each pattern of missing values. Degrees of freedom of rows with
further patterns are computed with the fit."""


PreparedFit = tuple[Design, IndexArray, CovarianceSpectrum | SharedSystem]
"""A design, the places of its rows in the data, and the decomposition that its fits share."""


class ChunkFitter:
    """Fits of many responses of one model, sharing work between equal patterns of missing rows."""

    def __init__(self, source: DesignSource, reml: bool, control: Control) -> None:
        self.source, self.reml, self.control = source, reml, control
        self._prepared: dict[bytes, PreparedFit] = {}
        self._patterns: set[bytes] = set()
        self._whole = self._prepare(np.ones(source.n, dtype=bool))

    @property
    def design(self) -> Design:
        """Of all rows."""
        return self._whole[0]

    def _prepare(self, rows: BoolArray) -> PreparedFit:
        key = rows.tobytes()
        if key not in self._prepared:
            with warnings.catch_warnings():
                if not rows.all():  # one warning for all responses comes later
                    warnings.simplefilter("ignore", RankWarning)
                design, places = self.source.design(None if rows.all() else rows)
            work: CovarianceSpectrum | SharedSystem
            if is_spectral(design) or self.source.relationship is not None:
                work = spectrum(design, self.source.relationship, self.control, self.reml)
            else:
                work = SharedSystem.of(design, self.reml, self.control)
            if len(self._prepared) >= MOST_PATTERNS_KEPT:
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
        text = "have missing values, whose rows are dropped for these (see `nobs`)"
        warn_with_names([(gaps, MissingDataWarning, text)], chunk.names, "responses")
        p, n_theta = design.X.shape[1], sum(t.covariance.n_theta for t in design.terms)
        out, df_parts = ResponseEstimates.empty(len(gaps), n_theta, p), list[DfPart]()
        nobs = np.full(len(gaps), len(places))
        for which in _by_pattern(absent, gaps):
            rows = np.ones(self.source.n, dtype=bool)
            rows[places[absent[:, which[0]]]] = False
            nobs[which] = rows[places].sum()
            try:
                own = chunk.values if len(which) == len(gaps) else chunk.values[:, which]
                found, parts = self._fit(rows, own, design)
                out.put(which, found)
                df_parts += [replace(part, where=which[part.where]) for part in parts]
            except ModelError:
                if not gaps[which[0]]:
                    raise
        _warn(out, chunk.names)
        responses = pd.Index(chunk.names, tupleize_cols=False)
        return ManyFits(
            fits_table(out, responses, nobs),
            variances_table(design, out, responses),
            Coefficients(
                responses, design.x_names, out.beta, out.se, out.singular, tuple(df_parts)
            ),
        )

    def _fit(
        self, rows: BoolArray, Y: FloatArray, full: Design
    ) -> tuple[ResponseEstimates, list[DfPart]]:
        """Fit responses that have the same rows."""
        design, places, work = self._prepare(rows)
        Y = _taken(Y, places)
        usable = ~constant_responses(Y)
        size = np.maximum(np.abs(Y.max(axis=0)), np.abs(Y.min(axis=0)))
        if design.offset.any():
            Y = Y - design.offset[:, None]
            size = np.maximum(size, np.abs(design.offset).max())
        shift, shift_beta = subtract_shift(Y, design.X)
        Y = Y - shift if shift.any() else Y
        if isinstance(work, SharedSystem):
            found, parts = work.fit(Y, usable, size)
        else:
            effects = partial(random_effects, design, self.source.relationship)
            checked = ExactFitCheck(
                Y, design.X, effects, design.residual.whiten(np.ones(len(Y))), size
            )
            whitened = design.residual.whiten(Y)
            found, parts = spectral_fit(work, whitened, usable, checked, self.reml, self.control)
        found.beta[:] += np.outer(shift, shift_beta)
        if design is full:
            return found, parts
        found, columns = widened(found, design, full)
        parts = [replace(part, columns=columns) for part in parts]
        return found, parts if self._may_keep(rows) else [part.computed() for part in parts]

    def _may_keep(self, rows: BoolArray) -> bool:
        """Whether the fits of these rows may keep their design."""
        key = rows.tobytes()
        if len(self._patterns) < MOST_PATTERNS_KEPT:
            self._patterns.add(key)
        return key in self._patterns


def _taken(values: FloatArray, places: IndexArray) -> FloatArray:
    """Some rows, without a copy if they are all."""
    return values if len(places) == len(values) else values[places]


def _by_pattern(absent: BoolArray, gaps: BoolArray) -> list[IndexArray]:
    """Positions of the responses that miss the same rows."""
    patterns = [np.flatnonzero(~gaps)] if not gaps.all() else []
    seen: dict[bytes, list[int]] = {}
    for j in np.flatnonzero(gaps):
        seen.setdefault(absent[:, j].tobytes(), []).append(int(j))
    return patterns + [np.asarray(which) for which in seen.values()]


def _warn(out: ResponseEstimates, names: list[Any]) -> None:
    kinds = (
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
    )
    warn_with_names(kinds, names, "responses")
