"""A fit, or sums, from a file, checked.

The design of a fit is built from the stored columns and the criterion evaluated at the stored θ, so
that a loaded fit can do all that the original can, and a file that was damaged or made by
other data is noticed.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd

from ..data.design import Design
from ..data.fitted_variances import EXTRA_NAME
from ..data.frame import Frame
from ..data.input_table import raw_table
from ..data.read import FormulaData, read_formula_data
from ..engine.estimate import Estimate
from ..errors import (
    ArgumentError,
    DataError,
    FormulaError,
    LmformsError,
    LmformsWarning,
    MemoryLimitError,
    NumericalError,
)
from ..formula.auxiliary import bind_auxiliary
from ..formula.bind import bind
from ..formula.parse import parse_formula
from ..formula.scope import Scope
from ..generalized_model import GeneralizedMixedModel, state_of
from ..glmm.fit import response_kind
from ..model import MixedModel, state_at
from ..results.generalized.generalized_results import GeneralizedResults
from ..results.model_results import MixedModelResults
from ..results.state import FitState
from ..stream.model_sums import ModelSums
from ..stream.resumed_sums import refuse_part
from ..stream.stored_sums import SUMS_FORMAT, sums_of_archive
from ..support.arguments import named_arguments
from ..support.arrays import BoolArray, FloatArray
from ..support.column_table import Table
from .archive import Archive, opened
from .atomic import checked_path, file_error
from .columns import decode_column
from .generalized import decode_estimate
from .header import FitHeader, checked_header
from .relationships import decode_relationships
from .safe_formula import load_with, names_from_context

Pairs = tuple[tuple[int, int], ...]

FIGURE_TOLERANCE = 1e-6
"""Relative difference between stored and recomputed figures that counts as damage. Another
processor's rounding stays below 1e-8; figures of other data or another function are far off."""


@named_arguments
def load(
    path: str | PathLike[str], *, context: Mapping[str, Any] | None = None
) -> MixedModelResults | GeneralizedResults | ModelSums:
    """Read a fit, or sums of rows, written by its method ``save``.

    Parameters
    ----------
    path : str or path
    context : mapping, optional
        The functions and variables of your own that the formula calls; code is never
        stored, and nothing but this mapping is searched for them. A function is called
        with whatever the formula of the file says, so give only what may be called so.

    Returns
    -------
    MixedModelResults, GeneralizedResults or ModelSums
        What was saved.

    Raises
    ------
    DataError
        No such file, not of this kind, damaged, edited, of a newer version, or lacking a name
        of `context`.
    FormulaError
        The formula holds Python code that no saved formula may (see Notes).
    FileError
        The file cannot be read.
    NumericalError
        The recomputed criterion is not the stored one.

    Notes
    -----
    A file from a stranger is safe to load: it holds JSON and arrays, is read no further than
    its size allows (100 times, and 64 MiB, at most), and of its formula nothing is evaluated
    but a whitelist: columns, numbers and arithmetic; calls of the functions of the formula
    language, of ``np.<ufunc>`` and of those in `context`; attributes ``np.<ufunc>``,
    ``contr.<coding>`` and parts of dates such as ``day.dt.year``. Fitting another model with
    the text of its formula is not protected in this way.

    Examples
    --------
    >>> import lmforms as lf, tempfile, pathlib
    >>> fit = lf.lmer("strength ~ 1 + (1 | batch/cask)", lf.datasets.load("Pastes"))
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "pastes.lmf"
    >>> fit.save(path)
    >>> bool(abs(lf.load(path).criterion - fit.criterion) < 1e-9)
    True
    """
    if context is not None and not isinstance(context, Mapping):
        raise ArgumentError(f"load: context must be a mapping, not {type(context).__name__}.")
    file = checked_path(path, "load")
    try:
        there = file.is_file()
    except OSError as exc:
        raise file_error(exc, file, "load", "read") from exc
    if not there:
        raise DataError(f"load: there is no file {str(file)!r}.")
    with opened(file) as archive:
        try:
            found = _from_archive(archive, dict(context or {}))
        except LmformsError as exc:
            exc.add_note(f"while {str(file)!r} was loaded")
            raise
        except MemoryError as exc:
            raise MemoryLimitError(f"load: {str(file)!r} needs more memory than there is.") from exc
        except Exception as exc:  # what the file makes pandas and formulaic say
            raise archive.damaged(f"{type(exc).__name__}: {exc}") from exc
    return found


def _from_archive(
    archive: Archive, given: dict[str, Any]
) -> MixedModelResults | GeneralizedResults | ModelSums:
    """What a file holds, by its header."""
    if archive.meta.get("format") == SUMS_FORMAT:
        refuse_part(archive)
        return ModelSums(*sums_of_archive(archive, given))
    return _fit_from_archive(archive, given)


def _fit_from_archive(
    archive: Archive, given: dict[str, Any]
) -> MixedModelResults | GeneralizedResults:
    """The fit of a file: the model anew, the criterion at the stored θ."""
    header = checked_header(archive.meta, archive.damaged)
    n = len(header.index)
    weights, offset = (
        archive.array(name, n) if name in archive else None
        for name in ("extra/weights", "extra/offset")
    )
    data = pd.DataFrame(
        {
            facts["name"]: decode_column(facts, archive, f"column/{i}", n)
            for i, facts in enumerate(header.columns)
        }
    )
    data.index = header.index
    own = header.generalized
    reserved = [c for c in (header.weights_column, header.offset_column) if c is not None]
    _check_expressions(header, raw_table(data, list(data)), given, reserved)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmformsWarning)  # said when the model was fitted
        formula_data = read_formula_data(
            header.formula,
            data,
            weights=weights,
            offset=offset,
            contrasts=header.contrasts,
            residual=header.residual,
            reserved=reserved,
            context=Scope(given, python=False),
            response=None if own is None else response_kind(own.family),
            auxiliary=None if own is None else own.auxiliary,
        )
        formula_data = replace(
            formula_data,
            offset_column=header.offset_column,
            weights_column=header.weights_column,
            rows=_rows(archive, formula_data.frame.table.n),
            frame=_with_fitted_values(archive, formula_data.frame),
        )
        known = decode_relationships(header.relationships, archive)
        if own is not None:
            return _generalized(archive, header, formula_data, known)
        model = MixedModel.of(formula_data, known)
    theta = archive.array("theta", sum(g.covariance.n_theta for g in model.design.groups))
    count = len(model.design.residual.phi)
    phi = archive.array("phi", count) if count else None
    response = archive.array("response", model.design.n)
    if not all(np.isfinite(x).all() for x in (theta, response, phi) if x is not None):
        raise archive.damaged("θ, φ or the response is not finite")
    state = state_at(
        model,
        theta,
        response,
        reml=header.reml,
        control=header.control,
        method=header.method,
        phi=phi,
    )
    _check_figures(state, header, archive.array("beta"))
    state = replace(state, estimate=_with_status(state, header, archive), optimized=True)
    if header.has_digest:
        archive.check_digest()
    return MixedModelResults(model, state)


def _generalized(
    archive: Archive, header: FitHeader, formula_data: FormulaData, known: Any
) -> GeneralizedResults:
    """The fit of a generalised model, at the stored parameters and modes."""
    own = header.generalized
    assert own is not None
    model = GeneralizedMixedModel.of(formula_data, own.family, own.link, known)
    parts = (model.family, model.link, model.design, model.relationship)
    estimate, observed = decode_estimate(archive, header, *parts)
    singular = _parts(archive, model.design, "singular", header.singular or ())
    estimate = estimate.with_values(singular=singular)
    archive.check_digest()
    return GeneralizedResults(model, state_of(model, estimate, observed, header.control))


def _with_fitted_values(archive: Archive, frame: Frame) -> Frame:
    """The frame with the fitted values that variances of residuals depend on, if they do."""
    name = f"extra/{EXTRA_NAME}"
    if name not in archive:
        return frame
    values = archive.array(name, frame.table.n)
    return replace(frame, extra={**frame.extra, EXTRA_NAME: values})


def _rows(archive: Archive, n: int) -> BoolArray | None:
    """Rows of the file that the model may use, if it was not all of them."""
    if "rows" not in archive:
        return None
    rows = archive.array("rows", n, kinds="b")
    if not rows.any():
        raise archive.damaged("no row is used")
    return rows


def _check_expressions(
    header: FitHeader, table: Table, given: Mapping[str, Any], reserved: list[str]
) -> None:
    """Refuse formulas that hold more than the whitelist, or names that are not given."""
    formula, own = header.formula, header.generalized
    try:
        bound = bind(parse_formula(formula), tuple(table))
        beside = {
            name: bind_auxiliary(name, source, bound, tuple(table), reserved=reserved)
            for name, source in (own.auxiliary if own is not None else {}).items()
        }
    except (RecursionError, MemoryError):
        raise FormulaError("load: the formula is nested too deeply.") from None
    names = names_from_context(bound, table, given, "load", beside)
    lacking = [name for name in names if name not in given]
    if lacking:
        raise DataError(
            f"load: the formula {formula!r} uses {', '.join(map(repr, lacking))} from your code; "
            f"{load_with(lacking)}."
        )


def _with_status(state: FitState, header: FitHeader, archive: Archive) -> Estimate:
    """The estimate at the stored θ, ended as the optimiser of the fit did."""
    estimate = state.estimate
    optimum: Any = replace(estimate.optimum, **header.optimum)  # exact or iterative
    at = optimum.evaluation
    if "gradient" in archive:
        gradient = archive.array("gradient", len(at.gradient))
        optimum = replace(optimum, evaluation=replace(at, gradient=gradient))
    found = {}
    for name, attribute in (("singular", "singular"), ("flat", "unidentified")):
        pairs = getattr(header, name)
        if pairs is None:
            continue
        found[attribute] = _parts(archive, state.design, name, pairs)
    ended = replace(estimate, optimum=optimum, unidentified=found.pop("unidentified", ()))
    return ended.with_values(**found)


def _parts(archive: Archive, design: Design, name: str, pairs: Pairs) -> Pairs:
    """Random terms of a header, which must be there."""
    counts = [len(group.terms) for group in design.groups]
    if any(group >= len(counts) or part >= counts[group] for group, part in pairs):
        raise archive.damaged(f"{name} names random terms that are not there")
    return pairs


def _check_figures(state: FitState, header: FitHeader, beta: FloatArray) -> None:
    """Refuse a fit whose recomputed figures are not the stored ones (NaN is no figure)."""
    stored = np.append(beta, [header.criterion, header.sigma])
    at = state.estimate
    found = np.append(at.beta, [at.criterion, at.sigma])
    if stored.shape == found.shape:
        size = np.abs(found)
        size[:-2] = np.maximum(size[:-2], np.sqrt(np.diag(at.cov_beta)))
        size[-2] = max(1.0, size[-2])
        if (np.abs(found - stored) <= FIGURE_TOLERANCE * size).all():
            return
    raise NumericalError(
        f"load: the criterion recomputed from the file is {at.criterion:.8g}, the stored one "
        f"{header.criterion:.8g}: the file is damaged or a function in `context` differs."
    )
