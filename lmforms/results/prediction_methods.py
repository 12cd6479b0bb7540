"""`PredictionMethods`: what a fit says about new rows, and responses drawn from it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import ArgumentError
from ..support.arguments import generator, named_arguments, one_of, whole_number
from .estimates import ModelEstimates

if TYPE_CHECKING:
    from ..data.design_rows import DesignMatrices
    from ..inference.predictions.intervals import PredictionDf


class PredictionMethods(ModelEstimates):
    """Predictions, the matrices of new rows, and simulated responses."""

    @named_arguments
    def predict(
        self,
        data: Any = None,
        *,
        random: Literal["all", "none"] | Sequence[str] = "all",
        new_levels: Literal["raise", "zero"] = "raise",
        interval: Literal["confidence", "prediction"] | None = None,
        level: float = 0.95,
        ddf: PredictionDf | None = None,
        residual: Literal["series", "none"] | None = None,
        offset: npt.ArrayLike | None = None,
        weights: float | str | npt.ArrayLike | None = None,
        keep: Sequence[str] | None = None,
        to: str | PathLike[str] | None = None,
    ) -> Any:
        """Predict the response, with intervals if asked for.

        Parameters
        ----------
        data : table or source, optional
            New rows, with every column that the right-hand side and the residual structure need;
            the model's own rows by default. Of random terms that are left out the grouping
            factors are not needed. Of a source, see :func:`lmforms.summarise`, the predictions
            come chunk by chunk.
        random : {"all", "none"} or sequence of str
            Which random effects to add: all, none (the population's mean), or those of
            the terms or grouping factors named, such as ``["Subject"]`` or
            ``["Days | Subject"]``. A name of :attr:`random_effects` means the effects there.
        new_levels : {"raise", "zero"}
            A level that was not in the data is refused, or has random effects 0. So has a missing
            label under ``"zero"``; under ``"raise"`` its row is missing.
        interval : {"confidence", "prediction"}, optional
            Limits for the mean x'β + z'b with the random effects chosen, or for a new observation
            there, whose other random effects are those of new levels. See the notes.
        level : float
            Of the intervals.
        ddf : {"satterthwaite", "kenward-roger", "residual", "none"}, optional
            Degrees of freedom of the intervals: of the whole variance by Satterthwaite's formula
            (the default); with standard errors that are enlarged for the estimation of the
            variances besides; n − p; or infinite, for the normal distribution.
        residual : {"series", "none"}, optional
            With correlated residuals, whether to add what the residuals of the observed rows of
            the same series (or field) say about those of the new rows. By default they are added
            to new rows, unless the population's mean is asked for by ``random="none"``.
        offset : array, optional
            For a model fitted with an offset array: its values for the new rows, or a Series
            with their labels. An offset column or an ``offset()`` in the formula is taken from
            `data`.
        weights : float, str or array, optional
            For a model fitted with weights: those of the new observations, which have the variance
            σ²/weight. By default the column of that name in `data`.
        keep : sequence of str, optional
            Of a source: columns that stand before the predictions, such as the number of a row.
        to : str or path, optional
            Of a source: a file of Parquet to write.

        Returns
        -------
        Series or DataFrame
            Predictions, or with `interval` the columns ``estimate, std_error, lower, upper``, where
            ``std_error`` is the standard deviation of the error of the prediction. In pandas on the
            index of `data`; for a polars or pyarrow table a column or table of that library.
            Missing where a predictor, or a column of the residual structure that is used, is
            missing. For a source an iterator of Arrow tables, with ``predicted`` or these columns
            behind those of `keep`, or with `to` the number of rows that were written.

        Raises
        ------
        ColumnError, DataError, ArgumentError
            New rows lack a column, or have a time, visit or stratum to which the residual
            structure gives no correlation or variance.
        ModelError
            Intervals of random effects after conjugate gradients, or ``ddf="kenward-roger"`` where
            it is not defined.

        Notes
        -----
        The error of x'β̂ + z'b̂ has the variance σ²(x', z')C⁻¹(x', z')', with the inverse of
        Henderson's equations: it holds the uncertainty of β̂, of b̂ and their covariance. Random
        effects of a new level add z'Var(b)z. A prediction interval adds these for the terms left
        out, and the residual variance. The variance parameters are held at their estimates, but
        degrees of freedom count their uncertainty.

        The best linear prediction of a new residual is R_no R_oo⁻¹ê, with ê = y − Xβ̂ − Zb̂ − offset
        and R_no the covariances of new and observed rows. In space it is kriging. A series without
        observed rows has none. Without a nugget, a new row at the time or place of an observed one
        is predicted to be that observation; with a nugget it is a new measurement there.

        References
        ----------
        Henderson (1975), *Best linear unbiased estimation and prediction under a selection model*,
        Biometrics 31(2); Goldberger (1962), JASA 57(298).

        Examples
        --------
        >>> import lmforms as lf
        >>> growth = lf.datasets.load("Orthodont")
        >>> fit = lf.lmer("distance ~ age*Sex", growth, residual="ar1(age | Subject)")
        >>> new = {"age": [16, 16], "Sex": ["Male", "Male"], "Subject": ["M01", "M02"]}
        >>> fit.predict(new).round(2).tolist(), fit.predict(new, random="none").round(2).tolist()
        ([31.17, 28.36], [28.91, 28.91])

        Day 10 of a subject that was observed, and of one that was not:

        >>> sleep = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
        >>> new = {"Days": [10, 10], "Subject": ["308", "999"]}
        >>> sleep.predict(new, new_levels="zero", interval="prediction", level=0.9).round(1)
           estimate  std_error  lower  upper
        0     450.3       30.1  400.5  500.1
        1     356.1       72.3  231.3  480.9
        """
        from ..data.output_table import column_like, table_like
        from ..sources.lookup import source_of
        from .predict import rows_of, series_part, uses_series
        from .prediction_intervals import (
            INTERVALS,
            check_interval_arguments,
            has_series,
            interval_columns,
            residuals_of_rows,
        )
        from .streamed_predictions import predicted_chunks, write_predictions

        if interval is not None:
            one_of("interval", interval, INTERVALS)
        source = source_of(data)
        if source is not None:
            options: dict[str, Any] = {"random": random, "new_levels": new_levels, "ddf": ddf}
            options |= {"interval": interval, "level": level, "residual": residual}
            options |= {"offset": offset, "weights": weights}
            predict = partial(self.predict, **options)
            first, chunks = predicted_chunks(self.state.design, predict, source, keep or ())
            return chunks if to is None else write_predictions(first, chunks, to)
        if keep is not None or to is not None:
            raise ArgumentError(
                "predict: keep= and to= are for sources of rows; the predictions of a table are "
                "in its order."
            )
        rows = rows_of(
            self.state.design,
            data,
            random=random,
            new_levels=new_levels,
            offset=offset,
            what="predict",
            others=interval == "prediction",
        )
        series = uses_series(data, random, residual) and has_series(self.state)
        check_interval_arguments(interval, level, ddf, weights, data, series=series)
        residuals = None
        if interval is not None:  # first: its messages hold for intervals
            residuals = residuals_of_rows(
                self.state, data, rows, interval=interval, series=series, weights=weights
            )
        values = rows.linear_predictor(self.state.estimate.beta, self.state.estimate.b)
        if series:
            values = values + series_part(self.state, data, weights, "predict")
        if interval is None:
            return column_like(data, "predicted", values, rows.index)
        columns = interval_columns(
            self.state,
            rows,
            values,
            residuals,
            level=float(level),
            ddf=ddf or "satterthwaite",
        )
        return table_like(data, columns, rows.index)

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
