"""`TidyMethods`: results of a fit as R's broom.mixed gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError
from ..support.arguments import flag, named_arguments, one_of, proportion
from .estimates import ModelEstimates

if TYPE_CHECKING:
    from ..inference.degrees_of_freedom.methods import DfName, Information
    from ..tables.result_table import ResultTable


class TidyMethods(ModelEstimates):
    """Tables with broom's columns; the numbers are those of the other attributes."""

    @named_arguments
    def tidy(
        self,
        effects: str | Sequence[str] = ("fixed", "ran_pars"),
        *,
        ddf: DfName = "satterthwaite",
        information: Information | None = None,
        conf_int: bool = False,
        conf_level: float = 0.95,
    ) -> ResultTable:
        """One row for each effect, in the columns of broom.mixed.

        Parameters
        ----------
        effects : str or sequence of str
            Which rows: ``"fixed"``; ``"ran_pars"``, standard deviations and correlations;
            ``"ran_vals"``, the random effects of each level; ``"ran_coefs"``, fixed plus random
            effects of each level. ``"random"`` is ``ran_pars`` and ``ran_vals``, ``"all"`` these
            and ``fixed``. By default ``fixed`` and ``ran_pars``.
        ddf, information
            Degrees of freedom of the fixed effects, see :meth:`contrast`.
        conf_int : bool
            Add ``conf.low`` and ``conf.high``: by t for the fixed effects, by the normal
            distribution for random effects, none for the others.
        conf_level : float
            Of these limits.

        Returns
        -------
        ResultTable
            ``effect``, ``group``, ``level``, ``term``, ``estimate``, ``std.error``, ``statistic``,
            ``df``, ``p.value``, ``conf.low``, ``conf.high``: those that one of the effects has.
            Terms of ``ran_pars`` are ``sd__Intercept``, ``cor__Intercept.Days``,
            ``sd__Observation``; where residuals have a structure, ``sd__`` of each visit or
            stratum and parameters such as ``rho`` of the group ``Residual``. ``std.error`` of a
            random effect is its conditional standard deviation, √Var(b | y), NaN after conjugate
            gradients. The level of an interaction of grouping factors is a tuple.

        Raises
        ------
        ArgumentError
            An unknown kind of effect, or an option that concerns none of the rows.
        ModelError
            No random effects, or degrees of freedom that are not defined for this fit.

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
        >>> fit.tidy("fixed", conf_int=True)[["term", "estimate", "conf.low", "conf.high"]].round(3)
                term  estimate  conf.low  conf.high
        0  Intercept   251.405   237.007    265.804
        1       Days    10.467     7.206     13.729
        >>> fit.tidy("ran_pars")
        Standard deviations and correlations
        effect    group     term                 estimate
        -------------------------------------------------
        ran_pars  Subject   sd__Intercept        24.74045
        ran_pars  Subject   cor__Intercept.Days   0.06555
        ran_pars  Subject   sd__Days              5.92213
        ran_pars  Residual  sd__Observation      25.59182
        >>> fit.tidy("ran_vals").query("level == '308'").round(3)
              effect    group level       term  estimate  std.error
        0   ran_vals  Subject   308  Intercept     2.259     12.071
        18  ran_vals  Subject   308       Days     9.199      2.305
        """
        from ..inference.degrees_of_freedom.methods import DF_METHODS
        from .tidy_tables import effect_kinds, tidy_table

        kinds = effect_kinds(effects)
        ddf = one_of("ddf", ddf, DF_METHODS)  # type: ignore[assignment]
        has_options = ddf != "satterthwaite" or information is not None
        if has_options and "fixed" not in kinds:
            raise ArgumentError(
                "ddf= and information= concern the fixed effects: leave them out, or add 'fixed' "
                "to the effects."
            )
        level = proportion("conf_level", conf_level)
        if not flag("conf_int", conf_int):
            if level != 0.95:
                raise ArgumentError(f"conf_level={level:g} needs conf_int=True.")
            return tidy_table(self.state, kinds, ddf=ddf, information=information, level=None)
        return tidy_table(self.state, kinds, ddf=ddf, information=information, level=level)

    @named_arguments
    def glance(self) -> ResultTable:
        """The fit in one row, in the columns of broom.mixed.

        Returns
        -------
        ResultTable
            ``nobs``, ``sigma``, ``logLik``, ``AIC``, ``BIC``, ``df.residual``, and the criterion:
            ``REMLcrit``, or ``deviance`` of an ML fit.

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
        >>> fit.glance()
        The fit in one row
        nobs  sigma   logLik      AIC      BIC  REMLcrit  df.residual
        -------------------------------------------------------------
         180  25.59  −871.81  1755.63  1774.79   1743.63          174
        """
        from .tidy_tables import glance_table

        return glance_table(self.state)

    @named_arguments
    def augment(self, data: Any = None) -> Any:
        """The rows of the fit with what the model says of each, in the columns of broom.mixed.

        Parameters
        ----------
        data : table, optional
            The table that the model was fitted to, whose other columns are wanted too. By default
            the columns that the model uses.

        Returns
        -------
        DataFrame
            The rows used, on the index of the data, or as a table of polars or pyarrow if `data`
            is one, with ``.fitted``, ``.resid``, ``.fixed``
            (fitted without random effects), ``.mu`` (the same as ``.fitted`` in a linear model),
            ``.offset``, ``.sqrtXwt``, ``.sqrtrwt``, ``.weights``, and ``.wtres`` (the residual
            times √w). After ``refit(y)`` also ``.response``, the response fitted. broom's ``.hat``
            and ``.cooksd`` are not there.

        Raises
        ------
        ColumnError, DataError
            Another table than that of the fit, or one that has columns of these names.

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"))
        >>> fit.augment()[["Yield", "Batch", ".fitted", ".resid", ".fixed"]].round(2).head(2)
            Yield Batch  .fitted  .resid  .fixed
        0  1545.0     A  1509.89   35.11  1527.5
        1  1440.0     A  1509.89  -69.89  1527.5
        """
        from .augment import augmented_rows

        return augmented_rows(self.state, data)
