"""`ModelComparisons`: other models for the rows of a fit, and comparisons with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy.typing as npt

from ..control import Control, control_of
from ..data.changed_formula import ModelChanges
from ..residual import ResidualSpec
from ..support.arguments import UNCHANGED, flag, named_arguments
from .estimates import ModelEstimates

if TYPE_CHECKING:
    from ..inference.degrees_of_freedom.methods import DfName, Information
    from ..inference.model_comparison.stepwise import Elimination
    from ..tables.result_table import ResultTable


class ModelComparisons(ModelEstimates):
    """Other models for the same rows; the numbers are in :mod:`lmforms.inference`."""

    # --- other models for the same rows -----------------------------------------------------

    @named_arguments
    def update(
        self,
        formula: str = UNCHANGED,
        data: Any = UNCHANGED,
        *,
        reml: bool = UNCHANGED,
        weights: str | npt.ArrayLike | None = UNCHANGED,
        offset: str | npt.ArrayLike | None = UNCHANGED,
        contrasts: Mapping[str, Any] | None = UNCHANGED,
        residual: str | ResidualSpec | None = UNCHANGED,
        relationship: Mapping[str, Any] | None = UNCHANGED,
        method: str = UNCHANGED,
        start: npt.ArrayLike | Self | None = None,
        control: Control | None = UNCHANGED,
        context: Mapping[str, Any] | None = UNCHANGED,
    ) -> Self:
        """Fit another model to the rows of this one.

        Whatever is not given stays as it was; None means none, as for :func:`lmforms.lmer`.

        Parameters
        ----------
        formula : str, optional
            A whole formula, or one with ``.`` for what this one has there, as R's ``update``:
            ``". ~ . - x + (1 | g)"``. Terms are added by ``+`` and taken out by ``-``, random
            ones too; the left side may be left out. ``.`` on the right is the fixed part, to
            which the random terms and offsets come along.
        data : table, optional
            Another table, read as by :func:`lmforms.lmer`. Without it the rows are those of this
            fit, also if the new formula has no use for a column with missing values, so that the
            two can be compared; columns are those that this fit uses, or one that it was updated
            from.
        reml, weights, offset, contrasts, residual, relationship, method, start, control, context
            As for :func:`lmforms.lmer`. Arrays have one value for each row used (`nobs`); rows of
            a Series are found by their labels. A known covariance stays with its grouping factor
            or term.

        Returns
        -------
        MixedModelResults

        Raises
        ------
        ColumnError
            The fit did not keep a column: give `data`.
        FormulaError
            A term that is to be taken out is not there.
        DataError, ModelError, ArgumentError

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
        >>> intercepts = fit.update(". ~ . - (Days | Subject) + (1 | Subject)", reml=False)
        >>> intercepts.formula, round(intercepts.criterion, 4)
        ('Reaction ~ Days + (1 | Subject)', 1794.0786)
        """
        changes = ModelChanges(
            formula=formula,
            data=data,
            weights=weights,
            offset=offset,
            contrasts=contrasts,
            residual=residual,
            relationship=relationship,
            context=context,
        )
        state = self.state
        return state.update(
            state,
            changes,
            reml=state.estimate.reml if reml is UNCHANGED else flag("reml", reml),
            start=start,
            control=None if control is UNCHANGED else control_of(control),
            method=state.method if method is UNCHANGED else method,
        )

    # --- tests of terms -----------------------------------------------------------------------

    @named_arguments
    def ranova(self) -> ResultTable:
        """Likelihood-ratio tests of the random effects, each taken out by itself.

        ``(1 | g)`` is taken out, ``(x | g)`` is reduced to ``(1 | g)``, and of several effects
        left of a bar those are taken out, one at a time, that no other one contains. Fits keep
        their criterion: REML fits are compared by REML, which their fixed effects allow.

        Returns
        -------
        ResultTable
            A row ``<none>`` for this fit and one for each effect taken out, such as
            ``(1 | g)`` or ``x in (x | g)``: ``npar, criterion, loglik, aic, bic`` of the reduced
            model and its test, with ``p_value`` by χ² and ``p_value_mixture`` for one variance on
            the boundary, see :func:`lmforms.anova`.

        Raises
        ------
        ModelError
            The model has no random effects, or its θ was given.

        Notes
        -----
        As ``ranova`` of lmerTest. An effect without an intercept beside it, ``(0 + x | g)``, is
        taken out as a whole; lmerTest tests it against ``(1 | g)``, which is no special case.

        References
        ----------
        Kuznetsova, Brockhoff, Christensen (2017), *lmerTest Package: Tests in Linear Mixed Effects
        Models*, J. Stat. Software 82(13).

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
        >>> fit.ranova()[["npar", "loglik", "statistic", "df"]].round(3)
                                  npar   loglik  statistic   df
        <none>                       6 -871.814        NaN  NaN
        Days in (Days | Subject)     4 -893.233     42.837  2.0
        """
        from ..inference.model_comparison.single_terms import ranova

        return ranova(self.state)

    @named_arguments
    def drop1(
        self,
        test: Literal["lrt", "F"] = "lrt",
        *,
        ddf: DfName | None = None,
        information: Information | None = None,
    ) -> ResultTable:
        """Tests of the fixed terms that can be dropped: those that no other term contains.

        Parameters
        ----------
        test : {"lrt", "F"}
            Likelihood ratios of fits by maximum likelihood, as ``drop1`` of lme4, or F tests in
            this fit, as that of lmerTest.
        ddf, information
            For F tests, see :meth:`contrast`; Satterthwaite by default.

        Returns
        -------
        ResultTable
            With ``"lrt"``: a row ``<none>`` for this model and one for each model without a term,
            ``npar, criterion, loglik, aic, bic, statistic, df, p_value``. With ``"F"``: a row for
            each term, ``sum_sq, mean_sq, num_df, den_df, statistic, p_value``.

        Raises
        ------
        ModelError
            There is no term but the intercept, or the method of the degrees of freedom is not
            defined for this fit.
        ArgumentError

        Examples
        --------
        >>> import lmforms as lf
        >>> cake = lf.datasets.load("cake")
        >>> fit = lf.lmer("angle ~ recipe + temp + (1 | recipe:replicate)", cake)
        >>> fit.drop1("F")[["num_df", "den_df", "statistic"]].round(3)
                num_df  den_df  statistic
        recipe       2    42.0      0.249
        temp         1   224.0     94.976
        """
        from ..inference.model_comparison.single_terms import drop1

        return drop1(self.state, test, ddf, information)

    @named_arguments
    def step(
        self,
        *,
        ddf: DfName = "satterthwaite",
        information: Information | None = None,
        alpha_random: float | None = 0.1,
        alpha_fixed: float | None = 0.05,
        keep: Sequence[str] = (),
    ) -> Elimination:
        """Backward elimination: of random effects by :meth:`ranova`, then of fixed terms by F.

        At each step the effect with the largest p-value is taken out, if that is above the
        level. p-values after a selection are too small; see the page on comparing models.

        Parameters
        ----------
        ddf, information
            Of the F tests, see :meth:`contrast`.
        alpha_random, alpha_fixed : float or None
            Levels; None takes nothing out of that part.
        keep : sequence of str
            Terms that stay, fixed ones such as ``"x:f"`` or random ones such as ``"(x | g)"``.

        Returns
        -------
        Elimination
            With the tables ``random`` and ``fixed``, the fit ``final`` and its ``formula``.

        Raises
        ------
        ArgumentError, ModelError

        References
        ----------
        Kuznetsova, Brockhoff, Christensen (2017), *lmerTest Package: Tests in Linear Mixed Effects
        Models*, J. Stat. Software 82(13).

        Examples
        --------
        >>> import lmforms as lf
        >>> cake = lf.datasets.load("cake")
        >>> fit = lf.lmer("angle ~ recipe * temp + (1 | recipe:replicate)", cake)
        >>> found = fit.step()
        >>> found.formula
        'angle ~ temp + (1 | recipe:replicate)'
        >>> found.fixed[["eliminated", "num_df", "den_df", "statistic"]].round(3)
                     eliminated  num_df  den_df  statistic
        recipe:temp           1       2   222.0      0.042
        recipe                2       2    42.0      0.249
        temp                  0       1   224.0     94.976
        """
        from ..inference.model_comparison.stepwise import step

        return step(
            self,
            ddf=ddf,
            information=information,
            alpha_random=alpha_random,
            alpha_fixed=alpha_fixed,
            keep=keep,
        )
