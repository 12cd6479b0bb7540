"""Arrays of the equations as labelled pandas objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..support.arrays import FloatArray
from ..varcomp.fit import RESIDUAL
from ..varcomp.likelihood import Likelihood
from ..varcomp.model import Component, ComponentModel
from .dense_covariance import check_dense_size
from .henderson_system import HendersonSystem

if TYPE_CHECKING:
    import pandas as pd


TABLES = ("W", "Sigma", "C", "r", "V", "P")
"""What :meth:`lmforms.mme.MixedModelEquations.table` shows."""

FIXED_TERM = "fixed"
"""The name of the term of the columns of X."""


def labels(model: ComponentModel, system: HendersonSystem) -> pd.MultiIndex:
    """Term and label of each coefficient; those of a root are numbered from 1."""
    import pandas as pd

    out: list[tuple[Any, Any]] = [(FIXED_TERM, name) for name in model.x_names]
    for i in system.terms:
        c = model.components[i]
        own = c.labels if c.root is None else range(1, c.n_effects + 1)
        out += [(c.name, _as_one(label)) for label in own]
    return pd.MultiIndex.from_tuples(out, names=["term", "label"])


def _as_one(label: Any) -> Any:
    """A label as one value; that of a nested level as A:a."""
    return ":".join(map(str, label)) if isinstance(label, tuple) else label


def levels(component: Component) -> pd.Index:
    """The labels of a term; those of a nested one by factor."""
    import pandas as pd

    name, own = component.name, component.labels
    if not (own and isinstance(own[0], tuple)):
        return pd.Index(own, name=name)
    factors = name.rsplit(" | ", 1)[-1].split(":")
    return pd.MultiIndex.from_tuples(own, names=factors if len(factors) == len(own[0]) else None)


def labelled_matrix(value: Any, index: pd.MultiIndex, what: str) -> pd.DataFrame:
    """W, Σ, C or r as a frame."""
    import pandas as pd

    if what == "r":
        return pd.DataFrame({"r": value}, index=index)
    check_dense_size(max(value.shape), what)
    rows = pd.RangeIndex(value.shape[0], name="row") if what == "W" else index
    return pd.DataFrame(value.toarray(), index=rows, columns=index)


def rows_by_rows(matrix: FloatArray) -> pd.DataFrame:
    """V or P as a frame of rows by rows."""
    import pandas as pd

    index = pd.RangeIndex(len(matrix), name="row")
    return pd.DataFrame(matrix, index=index, columns=index)


def loglik(at: Likelihood, sigma2: float) -> pd.DataFrame:
    """The terms of the (restricted) log-likelihood in the user's units, with σ² in each."""
    import pandas as pd

    parts, n, p = at.parts, at.problem.n, at.problem.p
    terms = {"ln|V|": n * np.log(sigma2) + parts.log_det + parts.log_det_residual}
    if at.reml:
        terms["ln|X'V⁻¹X|"] = parts.log_det_x - p * np.log(sigma2)
    terms["y'Py"] = parts.r2 / sigma2
    terms[f"{'(n−r)' if at.reml else 'n'}·ln 2π"] = parts.nu * np.log(2.0 * np.pi)
    values = np.array(list(terms.values()))
    return pd.DataFrame(
        {"value": [*values, np.nan], "contribution": [*(-0.5 * values), -0.5 * values.sum()]},
        index=[*terms, "ln L"],
    )


def by_variance(model: ComponentModel, score: FloatArray) -> pd.Series:
    """The score with its names."""
    import pandas as pd

    return pd.Series(score, index=[*model.names, RESIDUAL], name="score")


def square(names: Sequence[str], values: FloatArray) -> pd.DataFrame:
    """A matrix with the same names for rows and columns."""
    import pandas as pd

    return pd.DataFrame(values, index=list(names), columns=list(names))


def one_term(component: Component, values: FloatArray, name: str) -> pd.Series:
    """One number for each level."""
    import pandas as pd

    return pd.Series(values, index=levels(component), name=name)


def by_term(model: ComponentModel, values: Sequence[FloatArray], name: str) -> dict[str, pd.Series]:
    """One Series for each term."""
    return {c.name: one_term(c, v, name) for c, v in zip(model.components, values, strict=True)}
