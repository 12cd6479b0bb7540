"""`GeneralizedTables`: a generalised fit as the tables of R's broom.mixed, and as a file."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy.typing as npt

from ...errors import ArgumentError
from ...support.arguments import flag, named_arguments, proportion
from ..estimates import CommonEstimates

if TYPE_CHECKING:
    from ...tables.result_table import ResultTable


class GeneralizedTables(CommonEstimates):
    """Tables with broom's columns, and files; the numbers are those of the other attributes."""

    @named_arguments
    def tidy(
        self,
        effects: str | Sequence[str] = ("fixed", "ran_pars"),
        *,
        conf_int: bool = False,
        conf_level: float = 0.95,
        exponentiate: bool = False,
    ) -> ResultTable:
        """One row for each effect, in the columns that broom.mixed has for ``glmer``.

        Parameters
        ----------
        effects : str or sequence of str
            Which rows: ``"fixed"``; ``"ran_pars"``, standard deviations and correlations;
            ``"ran_vals"``, the random effects of each level; ``"ran_coefs"``, fixed plus random
            effects of each level. ``"random"`` is ``ran_pars`` and ``ran_vals``, ``"all"`` these
            and ``fixed``. By default ``fixed`` and ``ran_pars``. Parameters of the family are not
            among them: they are :attr:`family_params`.
        conf_int : bool
            Add ``conf.low`` and ``conf.high`` of fixed and random effects, by the normal
            distribution.
        conf_level : float
            Of these limits.
        exponentiate : bool
            Fixed effects as ratios: of odds with the logit link, of means with the log link, of
            hazards with ``cloglog``. Estimates and limits are exponentiated, standard errors are
            those of the ratios by the delta method; statistic and p-value remain those of the
            coefficient. Rows of other effects stay on the scale of the link.

        Returns
        -------
        ResultTable
            ``effect``, ``group``, ``level``, ``term``, ``estimate``, ``std.error``, ``statistic``,
            ``p.value``, ``conf.low``, ``conf.high``: those that one of the effects has. Terms of
            ``ran_pars`` are ``sd__Intercept``, ``cor__Intercept.x``. ``std.error`` of a random
            effect is its conditional standard deviation, √Var(b | y).

        Raises
        ------
        ArgumentError
            An unknown kind of effect, an option that concerns none of the rows, or ratios of a link
            whose coefficients are no logarithms.

        Examples
        --------
        >>> import lmforms as lf
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
        >>> fit.tidy("fixed", exponentiate=True, conf_int=True).iloc[1:, 1:].round(3)
                  term  estimate  std.error  statistic  p.value  conf.low  conf.high
        1  period[T.2]     0.371      0.114     -3.236    0.001     0.203      0.676
        2  period[T.3]     0.323      0.106     -3.455    0.001     0.171      0.614
        3  period[T.4]     0.206      0.088     -3.697    0.000     0.089      0.476
        >>> fit.tidy("ran_pars")
        Standard deviations and correlations
        effect    group  term           estimate
        ----------------------------------------
        ran_pars  herd   sd__Intercept    0.6423
        """
        from ..tidy_tables import effect_kinds, tidy_table
        from .columns import as_ratios, check_ratios

        kinds = effect_kinds(effects)
        ratios = flag("exponentiate", exponentiate)
        if ratios:
            check_ratios(self.state, kinds)
        level = proportion("conf_level", conf_level)
        limits = flag("conf_int", conf_int)
        if not limits and level != 0.95:
            raise ArgumentError(f"conf_level={level:g} needs conf_int=True.")
        chosen = level if limits else None
        table = tidy_table(self.state, kinds, ddf="none", information=None, level=chosen)
        return as_ratios(self.state, table) if ratios else table

    @named_arguments
    def glance(self) -> ResultTable:
        """The fit in one row, in the columns that broom.mixed has for ``glmer``.

        Returns
        -------
        ResultTable
            ``nobs``, ``sigma``, ``logLik``, ``AIC``, ``BIC``, ``deviance``, ``df.residual``.
            ``deviance`` is the sum of the squared deviance residuals, given the random effects; it
            is not −2 × log-likelihood. ``sigma`` is 1 for binomial, Poisson and negative binomial
            families and the root of the dispersion for gaussian, gamma and inverse gaussian ones
            (here its maximum-likelihood estimate); it is absent for families that lme4 does not
            have, and where the dispersion has a formula. Ordered classes have no ``deviance``.

        Examples
        --------
        >>> import lmforms as lf
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
        >>> fit.glance()
        The fit in one row
        nobs  sigma  logLik     AIC     BIC  deviance  df.residual
        ----------------------------------------------------------
          56      1  −92.03  194.05  204.18     73.47           51
        """
        from .columns import glance_generalized

        return glance_generalized(self.state)

    @named_arguments
    def augment(
        self,
        data: Any = None,
        *,
        newdata: Any = None,
        new_levels: Literal["raise", "zero"] = "raise",
        offset: npt.ArrayLike | None = None,
    ) -> Any:
        """The rows of the fit with what the model says of each, in the columns of broom.mixed.

        Parameters
        ----------
        data : table, optional
            The table that the model was fitted to, whose other columns are wanted too. By default
            the columns that the model uses.
        newdata : table, optional
            Other rows instead, of which ``.fitted``, ``.fixed`` and ``.mu`` are computed.
        new_levels, offset
            For `newdata`, as for :meth:`predict`.

        Returns
        -------
        DataFrame
            The rows used, on the index of the data, or as a table of polars or pyarrow if `data`
            is one. As in broom.mixed, ``.fitted`` and ``.fixed`` (without random effects) are on
            the scale of the link, and ``.resid`` are deviance residuals. ``.mu`` are the fitted
            means, :attr:`fittedvalues`, and ``.eta`` is ``.fitted`` again. ``.weights`` are case
            weights times numbers of trials; ``.sqrtrwt`` is one over the standard deviation of the
            response, ``.sqrtXwt`` this times ∂μ/∂η (absent where zeros are added or left out), and
            ``.wtres`` are Pearson residuals. After ``refit(y)`` also ``.response``, the response
            fitted: proportions if binomial. broom's ``.hat`` and ``.cooksd`` are not there. Of
            ordered classes only columns of the linear predictor are there.

        Raises
        ------
        ColumnError, DataError
            Another table than that of the fit, or one that has columns of these names.

        Examples
        --------
        >>> import lmforms as lf
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
        >>> fit.augment()[["herd", "period", ".fitted", ".resid", ".fixed", ".mu"]].round(3).head(2)
          herd period  .fitted  .resid  .fixed    .mu
        0    1      1   -0.809  -1.438  -1.399  0.308
        1    1      2   -1.801   0.989  -2.391  0.142
        """
        from ..augment import augmented_rows
        from .columns import augment_columns, augmented_new_rows

        if newdata is None:
            if offset is not None or new_levels != "raise":
                raise ArgumentError("augment: new_levels= and offset= are for newdata=.")
            return augmented_rows(self.state, data, augment_columns(self.state))
        if data is not None:
            raise ArgumentError("augment: give data=, the table of the fit, or newdata=, not both.")
        return augmented_new_rows(self.state, newdata, new_levels=new_levels, offset=offset)

    @named_arguments
    def save(self, path: str | PathLike[str]) -> None:
        """Write the fit to a file that :func:`lmforms.load` reads.

        See :meth:`lmforms.MixedModelResults.save`. The file holds family and link by name, with
        the values of parameters that were given, formulas of parameters beside the mean, trials,
        weights, and the estimates; nothing is fitted again when it is loaded.

        Parameters
        ----------
        path : str or path

        Raises
        ------
        FormulaError
            A formula holds Python code that :func:`lmforms.load` would not evaluate.
        DataError, ModelError
            Something else cannot be written: a family of your own, for one.
        FileError
            The file cannot be written.

        Warns
        -----
        ContextWarning
            A formula calls functions of yours, which `load` must be given as ``context=``.

        Examples
        --------
        >>> import lmforms as lf, tempfile, pathlib
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "cbpp.lmf"
        >>> fit.save(path)
        >>> lf.load(path).criterion == fit.criterion
        True
        """
        from ...storage.save import save

        save(self.state, path)
