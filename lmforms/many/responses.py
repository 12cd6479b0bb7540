"""`lmer_many`: one model, many responses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal, overload

import numpy.typing as npt
import pandas as pd

from ..control import Control, control_of
from ..data.frame import Missing
from ..errors import ArgumentError, DataError
from ..support.arguments import flag, named_arguments, one_of
from .chunk_fitter import ChunkFitter
from .column_chunks import (
    Progress,
    chunk_results,
    chunk_size,
    column_count,
    columns_named,
    read_chunks,
    reporter,
    rows_like,
)
from .fit_inputs import FitInputs
from .many_fits import ManyFits
from .shared_inputs import DesignSource


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
    missing: Missing = "drop",
    chunk: int | None = None,
    stream: bool = False,
    progress: Progress = False,
    control: Control | None = None,
) -> ManyFits | Iterator[ManyFits]:
    """Fit one mixed model to many responses.

    Each fit is that of :func:`lmforms.lmer`, with its degrees of freedom and p-values when they
    are asked for; what does not depend on the response is done once.
    With one scalar random term (``(1 | g)`` or ``(0 + x | g)``) responses are rotated to the
    eigenvectors of its covariance and fitted all at once, thousands in a second.

    Parameters
    ----------
    formula : str
        With nothing, a dot or any name on its left: ``"~ x + (1 | g)"``.
    data : pandas, polars or pyarrow table, or mapping of arrays
        n rows of predictors and grouping factors.
    responses : array (n, r), DataFrame, list of column names, or iterator of chunks
        Rows as in `data`; those of a DataFrame are found by its index. An iterator gives arrays
        (n, c) or DataFrames, and is read chunk by chunk.
    reml : bool
        Restricted maximum likelihood (default) or maximum likelihood.
    relationship : Relationship, Pedigree, DataFrame, (matrix, labels), or mapping of one
        Known covariance K between the levels of the grouping factor, for a model with one
        scalar random term; the mapping is from the factor's name.
    weights : str or array (n,), optional
        Var(e_i) = σ²/w_i.
    missing : {"drop", "raise"}
        Rows with missing values in predictors or responses are dropped with a warning, for one
        response only where just that is missing; or they are refused. Responses that miss the
        same rows share their work. One whose rows lack a level or a column has NaN there, and is
        otherwise what :func:`lmforms.lmer` makes of its rows.
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
    >>> import numpy as np
    >>> pastes = lf.datasets.load("Pastes")
    >>> Y = pastes[["strength"]].assign(logged=np.log(pastes["strength"]))
    >>> many = lf.lmer_many("~ 1 + (1 | batch)", pastes, Y)
    >>> many.fits[["response", "theta", "sigma"]].round(4)
       response   theta   sigma
    0  strength  0.6711  2.7249
    1    logged  0.6818  0.0452
    """
    reml, stream = flag("reml", reml), flag("stream", stream)
    one_of("missing", missing, ("drop", "raise"))
    names = _names(responses)
    source = DesignSource.of(
        formula,
        data,
        weights=weights,
        missing=missing,
        relationship=relationship,
        reserved=names or (),
        beside_formula=True,
    )
    if names is not None:
        columns_named(names, list(source.data.columns))
        responses = source.data[names]
    fitter = ChunkFitter(source, reml, control_of(control))
    step = chunk_size(chunk, source.n)
    report = reporter(progress, column_count(responses), "responses")
    parts = read_chunks(responses, "responses", source.n, step, rows_like(source.data.index))

    fits = chunk_results(parts, fitter.fit, report)
    if stream:
        return fits
    found = list(fits)
    if not found:
        raise DataError("there are no responses.")
    inputs = FitInputs.of(source, fitter.design, responses, fitter.reml, fitter.control)
    return replace(ManyFits.joined(found), _inputs=inputs)


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
