"""`gwas`: one response, many markers as one more fixed effect each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..control import Control, control_of
from ..data.design import Design
from ..engine.exact_fit import ExactFitCheck
from ..engine.linalg.stable_columns import root_mean_squares, subtract_shift
from ..errors import (
    ArgumentError,
    ConvergenceWarning,
    DataError,
    MissingDataError,
    ModelError,
    NotEstimableWarning,
)
from ..support.arguments import flag, named_arguments, one_of
from ..support.arrays import BoolArray, FloatArray
from .column_chunks import (
    Chunk,
    Progress,
    chunk_results,
    chunk_size,
    column_count,
    read_chunks,
    refuse_infinite,
    reporter,
    warn_with_names,
)
from .marker_tests import MarkerTests, NullModel, Refit, Test, scan
from .marker_values import checked, rows_by_label
from .shared_inputs import DesignSource, random_effects, spectrum
from .spectral import CovarianceSpectrum


@overload
def gwas(
    formula: str,
    data: Any,
    markers: Any,
    relationship: Any = ...,
    *,
    test: Test = ...,
    reml: bool | None = ...,
    refit: Refit | None = ...,
    weights: str | npt.ArrayLike | None = ...,
    missing: Literal["raise", "mean"] = ...,
    monomorphic: Literal["raise", "nan"] = ...,
    chunk: int | None = ...,
    stream: Literal[False] = ...,
    progress: Progress = ...,
    control: Control | None = ...,
) -> pd.DataFrame: ...


@overload
def gwas(
    formula: str,
    data: Any,
    markers: Any,
    relationship: Any = ...,
    *,
    test: Test = ...,
    reml: bool | None = ...,
    refit: Refit | None = ...,
    weights: str | npt.ArrayLike | None = ...,
    missing: Literal["raise", "mean"] = ...,
    monomorphic: Literal["raise", "nan"] = ...,
    chunk: int | None = ...,
    stream: Literal[True],
    progress: Progress = ...,
    control: Control | None = ...,
) -> Iterator[pd.DataFrame]: ...


@named_arguments
def gwas(
    formula: str,
    data: Any,
    markers: Any,
    relationship: Any = None,
    *,
    test: Test = "wald",
    reml: bool | None = None,
    refit: Refit | None = None,
    weights: str | npt.ArrayLike | None = None,
    missing: Literal["raise", "mean"] = "raise",
    monomorphic: Literal["raise", "nan"] = "raise",
    chunk: int | None = None,
    stream: bool = False,
    progress: Progress = False,
    control: Control | None = None,
) -> pd.DataFrame | Iterator[pd.DataFrame]:
    """Test many markers, each as one more fixed effect of a mixed model.

    One eigen-decomposition serves all; the variance ratio is estimated again with each marker
    (exactly, as by FaST-LMM or GEMMA) or taken from the model without (EMMAX, P3D).

    Parameters
    ----------
    formula : str
        The null model, with one scalar random term: ``"y ~ x + (1 | id)"``.
    data : pandas, polars or pyarrow table, or mapping of arrays
        Without missing values in the columns used.
    markers : array (n, m), DataFrame, or iterator of chunks of these
        Numbers of any type. Rows of an array are those of `data`. Those of a DataFrame are
        found by its index, which has the levels of the grouping factor (individuals), or is
        that of `data`.
    relationship : Relationship, Pedigree, DataFrame, (matrix, labels), or mapping of one
        Known covariance between the levels of the grouping factor.
    test : {"wald", "lrt", "score"}
        Wald: t with n − p − 1 degrees of freedom. Likelihood ratio and score: χ² with one.
    reml : bool, optional
        REML for the Wald and score tests, ML for the likelihood ratio unless you say; a
        likelihood ratio by REML is refused.
    refit : {"each", "null"}, optional
        ``"each"`` unless the test is a score test, which has only the null model.
    weights : str or array (n,), optional
        Var(e_i) = σ²/w_i.
    missing : {"raise", "mean"}
        Missing counts are refused, or replaced by the marker's mean over the rows of `data`.
    monomorphic : {"raise", "nan"}
        Markers that do not vary are refused, or give NaN.
    chunk : int, optional
        Markers tested at a time; 32 MB of them otherwise.
    stream : bool
        Give an iterator of frames, one for each chunk, instead of all at once.
    progress : bool or callable
        True writes to standard error; a function is called with (done, total), total None
        for an iterator.
    control : Control, optional
        Options of the engine, of which only `memory` matters here.

    Returns
    -------
    DataFrame, or an iterator of them
        One row per marker: ``marker, effect, se, statistic, p, theta, converged``; θ² is the
        ratio of the variance component to the residual variance. The score test's effect is a
        single step from the null model.

    Warns
    -----
    NotEstimableWarning
        Markers that depend linearly on the fixed effects: their rows are NaN.
    ConvergenceWarning
        The (restricted) likelihood has no maximum with a residual variance. Where a known
        covariance has a null vector among the fixed effects (a marker-based one has 1) and each
        level one row, the likelihood by ML is without bound; its highest local maximum is taken,
        and ``converged`` is False, the likelihood ratio NaN, if there is none.

    References
    ----------
    Kang et al. (2008), Genetics 178 (EMMA); Kang et al. (2010), Nature Genetics 42 (EMMAX);
    Lippert et al. (2011), Nature Methods 8; Zhou, Stephens (2012), Nature Genetics 44.

    Examples
    --------
    >>> import lmforms as lf
    >>> import numpy as np
    >>> import pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> ids = [f"i{k}" for k in range(60)]
    >>> counts = pd.DataFrame(rng.integers(0, 3, (60, 40)), index=ids)
    >>> K = lf.relationship.vanraden(counts)
    >>> data = pd.DataFrame({"id": ids, "y": rng.normal(size=60) + counts[7].to_numpy()})
    >>> scan = lf.gwas("y ~ 1 + (1 | id)", data, counts, K)
    >>> int(scan.loc[scan["p"].idxmin(), "marker"])
    7
    """
    one_of("test", test, ("wald", "lrt", "score"))
    one_of("missing", missing, ("raise", "mean"))
    one_of("monomorphic", monomorphic, ("raise", "nan"))
    stream = flag("stream", stream)
    restricted = _reml_of(test, reml)
    refitted = _refit(test, refit)
    source = DesignSource.of(
        formula, data, weights=weights, missing="raise", relationship=relationship
    )
    design = _design(source)
    parts = spectrum(design, relationship, control_of(control), restricted)
    null = NullModel.of(parts, _response(design, relationship, parts), restricted)
    report = reporter(progress, column_count(markers), "markers")
    rows = rows_by_label(design, source.data.index)
    pieces = read_chunks(markers, "markers", design.n, chunk_size(chunk, design.n), rows)

    def tested(piece: Chunk) -> pd.DataFrame:
        refuse_infinite(piece, "markers")
        filled, varies = checked(piece, missing, monomorphic)
        found = scan(null, design.residual.whiten(filled), varies, test, refitted)
        _warn(found, varies, piece.names)
        return _frame(found, piece.names)

    frames = chunk_results(pieces, tested, report)
    if stream:
        return frames
    every = list(frames)
    if not every:
        raise DataError("there are no markers.")
    return pd.concat(every, ignore_index=True)


def _design(source: DesignSource) -> Design:
    """The model without markers, on all rows."""
    try:
        return source.design()[0]
    except MissingDataError as exc:
        columns = [name for name in exc.columns if name in source.data]
        remedy = "Fill them, or drop these rows of the data, and of markers that are row by row"
        if columns:
            remedy += f": keep = data[{columns!r}].notna().all(axis=1), data[keep], markers[keep]"
        raise MissingDataError(exc.found, exc.columns, f"{remedy}.") from None


def _reml_of(test: str, reml: Any) -> bool:
    if reml is None:
        return test != "lrt"
    if flag("reml", reml) and test == "lrt":
        raise ArgumentError(
            "test='lrt' with reml=True: restricted likelihoods of models with different fixed "
            "effects cannot be compared. Use reml=False, or test='wald'."
        )
    return bool(reml)


def _refit(test: str, refit: Any) -> Refit:
    if refit is None:
        return "null" if test == "score" else "each"
    one_of("refit", refit, ("each", "null"))
    if test == "score" and refit == "each":
        raise ArgumentError(
            "test='score' has only the null model to fit: use refit='null', or test='wald'."
        )
    return "each" if refit == "each" else "null"


def _response(design: Design, relationship: Any, parts: CovarianceSpectrum) -> FloatArray:
    """The response, whitened and projected."""
    if design.n <= parts.p + 1:
        raise ModelError(f"{design.n} rows leave nothing for residuals beside a marker.")
    y = (design.y - design.offset)[:, None]
    y = y - subtract_shift(y, design.X)[0]
    left = parts.project(design.residual.whiten(y))
    _, rest = parts.rotate(left)
    checked = ExactFitCheck(
        y,
        design.X,
        partial(random_effects, design, relationship),
        design.residual.whiten(np.ones(design.n)),
        np.array([design.response_size(design.y)]),
    )
    size = root_mean_squares(left if rest is None else rest)
    if not checked.leave_a_residual(size, np.array([0]))[0]:
        by = "fixed effects" if checked.explained(0).by_fixed else "fixed and random effects"
        raise ModelError(f"the {by} explain the response exactly: there is nothing to test.")
    return np.asarray(left[:, 0])


def _warn(found: MarkerTests, varies: BoolArray, names: list[Any]) -> None:
    kinds = (
        (
            found.collinear,
            NotEstimableWarning,
            "depend linearly on the fixed effects: their rows are NaN",
        ),
        (
            varies & ~found.collinear & ~found.converged,
            ConvergenceWarning,
            "have a likelihood with no maximum where a residual variance is left",
        ),
    )
    warn_with_names(kinds, names, "markers")


def _frame(found: MarkerTests, names: list[Any]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "marker": pd.Index(names, tupleize_cols=False),
            "effect": found.effect,
            "se": found.se,
            "statistic": found.statistic,
            "p": found.p,
            "theta": found.theta,
            "converged": found.converged,
        }
    )
