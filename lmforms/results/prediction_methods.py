"""`PredictionMethods`: what a fit says about new rows, and responses drawn from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..support.arguments import generator, named_arguments, one_of, whole_number
from .estimates import ModelEstimates

if TYPE_CHECKING:
    from ..data.design_rows import DesignMatrices


class PredictionMethods(ModelEstimates):
    """Predictions, the matrices of new rows, and simulated responses."""

    @named_arguments
    def predict(
        self,
        data: Any = None,
        *,
        random: Literal["all", "none"] | Sequence[str] = "all",
        new_levels: Literal["raise", "zero"] = "raise",
        residual: Literal["series", "none"] | None = None,
        offset: npt.ArrayLike | None = None,
    ) -> pd.Series:
        """Predict the response.

        Parameters
        ----------
        data : table, optional
            New rows, with every column that the right-hand side and the residual structure need;
            the model's own rows by default.
        random : {"all", "none"} or sequence of str
            Which random effects to add: all, none (the population's mean), or those of
            the terms or grouping factors named, such as ``["Subject"]`` or
            ``["Days | Subject"]``. A name of :attr:`random_effects` means the effects there.
        new_levels : {"raise", "zero"}
            A level that was not in the data is refused, or has random effects 0.
        residual : {"series", "none"}, optional
            With correlated residuals, whether to add what the residuals of the observed rows of
            the same series (or field) say about those of the new rows. By default they are added
            to new rows, unless the population's mean is asked for by ``random="none"``.
        offset : array, optional
            For a model fitted with an offset array: its values for the new rows, or a Series
            with their labels. An offset column or an ``offset()`` in the formula is taken from
            `data`.

        Returns
        -------
        Series
            On the index of `data`; NaN where a predictor, or a column of the residual structure
            that is used, is missing.

        Raises
        ------
        ColumnError, DataError, ArgumentError
            New rows lack a column, or have a time, visit or stratum to which the residual
            structure gives no correlation or variance.

        Notes
        -----
        The best linear prediction of a new residual is R_no R_oo⁻¹ê, with ê = y − Xβ̂ − Zb̂ − offset
        and R_no the covariances of new and observed rows. In space it is kriging. A series without
        observed rows has none. Without a nugget, a new row at the time or place of an observed one
        is predicted to be that observation; with a nugget it is a new measurement there.

        Examples
        --------
        >>> import lmforms as lf
        >>> growth = lf.datasets.load("Orthodont")
        >>> fit = lf.lmer("distance ~ age*Sex", growth, residual="ar1(age | Subject)")
        >>> new = {"age": [16, 16], "Sex": ["Male", "Male"], "Subject": ["M01", "M02"]}
        >>> fit.predict(new).round(2).tolist(), fit.predict(new, random="none").round(2).tolist()
        ([31.17, 28.36], [28.91, 28.91])
        """
        from .predict import rows_of, series_part, uses_series

        rows = rows_of(
            self.state.design,
            data,
            random=random,
            new_levels=new_levels,
            offset=offset,
            what="predict",
        )
        values = rows.linear_predictor(self.state.estimate.beta, self.state.estimate.b)
        if uses_series(data, random, residual):
            values = values + series_part(self.state, data, "predict")
        return pd.Series(values, index=rows.index, name="predicted")

    @named_arguments
    def simulate(
        self,
        n: int = 1,
        *,
        seed: int | np.random.Generator | None = None,
        random: Literal["new", "fitted"] = "new",
    ) -> pd.DataFrame:
        """Draw responses from the model at its estimates.

        Parameters
        ----------
        n : int
            Number of draws.
        seed : int or numpy.random.Generator, optional
            The same seed gives the same draws, and the first of them whatever `n` is.
        random : {"new", "fitted"}
            Random effects are drawn anew from N(0, σ²K ⊗ λλ'), or are the fitted ones.

        Returns
        -------
        DataFrame
            Columns ``sim_1``, ``sim_2``, …, on the index of the rows used. They are what the left
            side of the formula makes of the response, as :meth:`refit` takes it.

        Raises
        ------
        ArgumentError

        Notes
        -----
        Residuals have the variances σ²/w of known weights, and the correlations and variances of
        the residual structure at its estimates. The offset is added.

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"))
        >>> draws = fit.simulate(3, seed=1)
        >>> draws.shape, list(draws.columns)
        ((30, 3), ['sim_1', 'sim_2', 'sim_3'])
        >>> fit.refit(draws["sim_1"]).nobs
        30
        """
        from .simulate import simulated

        count = whole_number("n", n, least=1)
        kind = one_of("random", random, ("new", "fitted"))
        values = simulated(self.state, count, generator("seed", seed), new_effects=kind == "new")
        columns = [f"sim_{i}" for i in range(1, count + 1)]
        return pd.DataFrame(values, index=self.state.design.index, columns=columns)

    @named_arguments
    def design(
        self,
        new_data: Any = None,
        *,
        random: Literal["all", "none"] | Sequence[str] = "all",
        new_levels: Literal["raise", "zero"] = "raise",
        offset: npt.ArrayLike | None = None,
    ) -> DesignMatrices:
        """The matrices of the model for its own rows or for new ones.

        Parameters
        ----------
        new_data, random, new_levels, offset
            As `data` and the others of :meth:`predict`. Columns of Z of random effects that are
            left out are zero, so that one vector of random effects fits all.

        Returns
        -------
        DesignMatrices
            X, Z and the offset: :meth:`predict` with the same arguments is X β̂ + Z b̂ + offset.
            In rows with a missing predictor X and the offset are NaN.

        Raises
        ------
        ColumnError, DataError, ArgumentError

        Examples
        --------
        >>> import lmforms as lf
        >>> import numpy as np
        >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
        >>> new = {"Days": [0, 10], "Subject": ["308", "309"]}
        >>> rows = fit.design(new)
        >>> rows
        <DesignMatrices X beta + Z b + offset: n = 2, p = 2, q = 36, 4 nonzeros in Z>
        >>> rows.X
           Intercept  Days
        0        1.0   0.0
        1        1.0  10.0
        >>> b = fit.matrices.b
        >>> bool(np.allclose(rows.X @ fit.params + rows.Z @ b + rows.offset, fit.predict(new)))
        True
        """
        from ..data.design_rows import design_matrices
        from .predict import rows_of

        rows = rows_of(
            self.state.design,
            new_data,
            random=random,
            new_levels=new_levels,
            offset=offset,
            what="design",
        )
        return design_matrices(rows)
