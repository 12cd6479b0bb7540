"""A fit as a model of the package ``marginaleffects``: its data, coefficients and predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl  # type: ignore[import-not-found,unused-ignore]
from marginaleffects.classes import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
    ModelAbstract,
    ModelVault,
)

from ..errors import ArgumentError
from ..inference.means.predictors import fixed_predictors
from ..support.arrays import FloatArray

if TYPE_CHECKING:
    from ..results.model_results import MixedModelResults


class FitModel(ModelAbstract):  # type: ignore[misc]
    """See :func:`lmforms.interop.marginaleffects_model`.

    Parameters
    ----------
    model : MixedModelResults
    random : {"none", "all"}
    df : float
    """

    def __init__(self, model: MixedModelResults, random: str, df: float) -> None:
        self.random = random
        self.df_resid = df
        design = model.state.design
        columns = design.frame.table.columns
        self._labels = {
            name: {str(label): label for label in column.cat.categories}
            for name, column in columns.items()
            if isinstance(column.dtype, pd.CategoricalDtype)
        }
        data = {
            name: pl.Series(name, list(map(str, column)), dtype=pl.Enum(list(self._labels[name])))
            if name in self._labels
            else pl.Series(name, column.to_numpy())
            for name, column in columns.items()
        }
        response, predictors = design.bound.formula.response.label, fixed_predictors(design)
        # names alone, which say what must not be missing; X is of the fit's own formula
        right = " + ".join(f"`{name}`" for name in predictors) or "1"
        vault = ModelVault(
            coef=model.params.to_numpy(),
            coefnames=model.params.index.to_numpy(),
            formula=f"{right.partition(' + ')[0]} ~ {right}",
            modeldata=pl.DataFrame(data),
            package="lmforms",
            variable_names=[response, *predictors],
        )
        super().__init__(model, vault)

    def validation(self) -> None:
        """Set what the package's own check of a model sets; the fit has been checked.

        Kinds of variables are found here, as polars 2 refuses how the package looks for them.
        """
        self.coef, self.response_name = self.get_coef(), self.find_response()
        self.formula = self.get_formula()
        data = self.get_modeldata()
        self.vault.variables_type = {name: _kind(data[name]) for name in data.columns}

    def get_exog(self, newdata: pl.DataFrame) -> FloatArray:
        """X of new rows, and in a last column what is added to Xβ, unless this is zero."""
        columns: dict[str, Any] = {}
        for name in newdata.columns:
            values = newdata[name].to_list()
            labels = self._labels.get(name)
            # a label that the fit does not know is left to it to refuse
            columns[name] = values if labels is None else [labels.get(str(v), v) for v in values]
        table = pd.DataFrame(columns)
        rows = self.model.design(table, random=self.random, new_levels="zero")
        X = np.asarray(rows.X, dtype=np.float64)
        known = np.asarray(rows.offset, dtype=np.float64)
        if self.random == "all":
            known = known + rows.Z @ self.model.matrices.b
        return np.column_stack([X, known]) if known.any() else X

    def get_predict(self, params: FloatArray, newdata: Any) -> pl.DataFrame:
        """Predictions at other coefficients, of what `get_exog` makes."""
        p = len(self.vault.coef)
        values = newdata[:, :p] @ np.asarray(params) + newdata[:, p:].sum(axis=1)
        rows = pl.Series("rowid", np.arange(len(values)), dtype=pl.Int32)
        return pl.DataFrame([rows, pl.Series("estimate", values)])

    def get_vcov(self, vcov: Any = True) -> FloatArray | None:
        """Covariance of the coefficients, by the name of its `type` if it is text."""
        if vcov is None or vcov is False:
            return None
        if vcov is not True and not isinstance(vcov, str):
            raise ArgumentError(
                "vcov must be True, False, a matrix, or a type of fit.cov_params, such as 'CR2'."
            )
        return self.model.cov_params(None if vcov is True else vcov).to_numpy()

    def get_autodiff_args(self) -> dict[str, Any]:
        """What its automatic differentiation needs, by which X alone can be differentiated."""
        return {"model_type": "linear", "family": None, "link": None}

    def get_df(self) -> float:
        """Refuse joint tests, which alone ask for this.

        Raises
        ------
        ArgumentError
        """
        raise ArgumentError(
            "joint= takes the names of predictors for those of coefficients, by their places, and "
            "may test others than those named: write fit.contrast([…], joint=True)."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.model, self.random, self.df_resid)


def _kind(column: pl.Series) -> str:
    """The package's name for a kind of variable."""
    if column.dtype == pl.Boolean:
        return "boolean"
    if not column.dtype.is_numeric():
        return "character" if isinstance(column.dtype, pl.Enum) else "unknown"
    if set(column.unique().to_list()) <= {0, 1}:
        return "binary"
    return "integer" if column.dtype.is_integer() else "numeric"
