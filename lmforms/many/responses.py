"""`lmer_many`: one model, many responses."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..arguments import named_arguments
from ..control import Control
from ..design import Design
from ..errors import (
    ArgumentError,
    ConvergenceWarning,
    DataError,
    IdentificationWarning,
    ModelError,
    NotEstimableWarning,
)
from ..frame import Missing, caller_depth
from ..relationship.labels import named
from .columns import (
    Chunk,
    Progress,
    chunk_size,
    chunks,
    column_count,
    columns_named,
    refuse_infinite,
    reporter,
    rows_like,
)
from .fitted import Fitted, constant, spectral_fit
from .inputs import Source, check_choice, check_control, check_flag, is_spectral, spectrum
from .shared import Shared
from .spectral import Spectrum
from .tables import frames

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

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

    def __len__(self) -> int:
        return len(self.fits)

    def __repr__(self) -> str:
        good = int(self.fits["converged"].sum())
        return f"ManyFits({len(self):,} responses, {good:,} converged)"

    @classmethod
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


@overload
def lmer_many(
    formula: str,
    data: Any,
    responses: Any,
    *,
    reml: bool = ...,
    relationship: Any = ...,
    weights: str | npt.ArrayLike | None = ...,
    missing: Missing = ...,
    chunk: int | None = ...,
    stream: Literal[False] = ...,
    progress: Progress = ...,
    control: Control | None = ...,
) -> ManyFits: ...


@overload
def lmer_many(
    formula: str,
    data: Any,
    responses: Any,
    *,
    reml: bool = ...,
    relationship: Any = ...,
    weights: str | npt.ArrayLike | None = ...,
    missing: Missing = ...,
    chunk: int | None = ...,
    stream: Literal[True],
    progress: Progress = ...,
    control: Control | None = ...,
) -> Iterator[ManyFits]: ...


@named_arguments
def lmer_many(
    formula: str,
    data: Any,
    responses: Any,
    *,
    reml: bool = True,
    relationship: Any = None,
    weights: str | npt.ArrayLike | None = None,
    missing: Missing = "raise",
    chunk: int | None = None,
    stream: bool = False,
    progress: Progress = False,
    control: Control | None = None,
) -> ManyFits | Iterator[ManyFits]:
    """Fit one mixed model to many responses.

    Each fit is that of :func:`lmforms.lmer`; what does not depend on the response is done once.
    With one scalar random term (``(1 | g)`` or ``(0 + x | g)``) responses are rotated to the
    eigenvectors of its covariance and fitted all at once, thousands in a second.

    Parameters
    ----------
    formula : str
        With nothing, a dot or any name on its left: ``"~ x + (1 | g)"``.
    data : pandas, polars or pyarrow table, or mapping of arrays
        n rows of predictors and grouping factors.
    responses : array (n, r), DataFrame, list of column names, or iterator of chunks
        Rows as in `data`; a DataFrame must have its index. An iterator gives arrays (n, c) or
        DataFrames, and is read chunk by chunk.
    reml : bool
        Restricted maximum likelihood (default) or maximum likelihood.
    relationship : Relationship, DataFrame, (matrix, labels), or mapping of one, optional
        Known covariance K between the levels of the grouping factor, for a model with one
        scalar random term; the mapping is from the factor's name.
    weights : str or array (n,), optional
        Var(e_i) = σ²/w_i.
    missing : {"raise", "drop"}
        Missing values in predictors or responses: an error, or the row is dropped, for one
        response only where just that is missing. Responses that miss the same rows share
        their work.
    chunk : int, optional
        Responses fitted at a time; 32 MB of them otherwise.
    stream : bool
        Give an iterator of :class:`ManyFits`, one for each chunk, instead of all at once.
    progress : bool or callable
        True writes to standard error; a function is called with (done, total), total None
        for an iterator.
    control : Control, optional
        Options of the engine. With one scalar random term only `singular` and `memory` matter.

    Returns
    -------
    ManyFits, or an iterator of them

    Raises
    ------
    DataError
        Missing or infinite values in responses (named), or other rows than in `data`.
    ModelError
        A relationship, but not one scalar random term.

    Warns
    -----
    NotEstimableWarning
        Responses that are constant or explained exactly: their rows are NaN, not converged.
    ConvergenceWarning, IdentificationWarning

    Notes
    -----
    Singular fits are marked in the table and not warned about: among many they are expected.

    References
    ----------
    Kang et al. (2008), Genetics 178; Lippert et al. (2011), Nature Methods 8; Zhou, Stephens
    (2012), Nature Genetics 44.

    Examples
    --------
    >>> import lmforms as lf
    >>> pastes = lf.datasets.load("Pastes")
    >>> Y = pastes[["strength"]].assign(logged=np.log(pastes["strength"]))
    >>> many = lf.lmer_many("~ 1 + (1 | batch)", pastes, Y)
    >>> many.fits[["response", "theta", "sigma"]].round(4)
       response   theta   sigma
    0  strength  0.5207  2.9113
    1    logged  0.5204  0.0485
    """
    reml, stream = check_flag("reml", reml), check_flag("stream", stream)
    check_choice("missing", missing, ("raise", "drop"))
    own = _names(responses)
    source = Source.of(
        formula,
        data,
        weights=weights,
        missing=missing,
        relationship=relationship,
        reserved=own or (),
        beside_formula=True,
    )
    if own is not None:
        columns_named(own, list(source.data.columns))
        responses = source.data[own]
    fitter = Fitter(source, reml, check_control(control))
    step = chunk_size(chunk, source.n)
    told = reporter(progress, column_count(responses), "responses")
    labelled = isinstance(data, pd.DataFrame)
    parts = chunks(
        responses, "responses", source.n, step, rows_like(source.data.index, labelled)
    )

    def fits() -> Iterator[ManyFits]:
        done = 0
        for part in parts:
            yield fitter.fit(part)
            done += len(part.names)
            told(done)

    if stream:
        return fits()
    found = list(fits())
    if not found:
        raise DataError("there are no responses.")
    return ManyFits.joined(found)


def _names(responses: Any) -> list[str] | None:
    """Column names, if responses are given so."""
    if isinstance(responses, str):
        return [responses]
    if isinstance(responses, (list, tuple, pd.Index)) and len(responses):
        text = [isinstance(name, str) for name in responses]
        if all(text):
            return list(responses)
        if any(text):
            raise ArgumentError("responses: a list of names has only text in it.")
    return None


class Fitter:
    """Designs and what was made of them, by the pattern of missing rows."""

    def __init__(self, source: Source, reml: bool, control: Control) -> None:
        self.source, self.reml, self.control = source, reml, control
        self._prepared: dict[bytes, tuple[Design, IntArray, Spectrum | Shared]] = {}
        self._whole = self._prepare(np.ones(source.n, dtype=bool))

    def _prepare(self, rows: npt.NDArray[np.bool_]) -> tuple[Design, IntArray, Spectrum | Shared]:
        key = rows.tobytes()
        if key not in self._prepared:
            design, places = self.source.design(None if rows.all() else rows)
            work: Spectrum | Shared
            if is_spectral(design) or self.source.relationship is not None:
                work = spectrum(design, self.source.relationship, self.control)
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
        absent = np.isnan(chunk.values[places])
        gaps = absent.any(axis=0)
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
                out.put(which, self._fit(rows, chunk.values[:, which], design))
            except ModelError:
                if not gaps[which[0]]:
                    raise
        _warn(out, chunk.names)
        return ManyFits(*frames(design, out, chunk.names, nobs))

    def _fit(self, rows: npt.NDArray[np.bool_], Y: FloatArray, full: Design) -> Fitted:
        """Fit responses that have the same rows."""
        design, places, work = self._prepare(rows)
        if design.x_names != full.x_names:
            raise ModelError("columns of X depend on each other in the rows that are left.")
        Y = Y[places]
        usable = ~constant(Y)
        Y = Y - design.offset[:, None] if design.offset.any() else Y
        if isinstance(work, Shared):
            return work.fit(Y, usable)
        return spectral_fit(work, design.residual.whiten(Y), usable, self.reml, self.control)


def _by_pattern(absent: npt.NDArray[np.bool_], gaps: npt.NDArray[np.bool_]) -> list[IntArray]:
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
            "are constant, or explained exactly: their rows are NaN",
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
