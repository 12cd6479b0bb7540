"""`InfluenceMethods`: residuals, leverages, and what deletions do to a fit."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import ArgumentError, ModelError
from ..support.arguments import flag, named_arguments, one_of
from .estimates import ModelEstimates
from .residual_kinds import RESIDUAL_KINDS, ResidualKind, residuals_of_kind

if TYPE_CHECKING:
    from ..inference.influence.influence import Influence
    from ..inference.influence.marginal_rows import MarginalRows


class InfluenceMethods(ModelEstimates):
    """Residuals, leverages and deletions; the numbers are in :mod:`lmforms.inference.influence`."""

    @property
    def resid(self) -> pd.Series:
        """Response less fitted values."""
        return self.residuals()

    @named_arguments
    def residuals(self, kind: ResidualKind = "response") -> pd.Series:
        """Residuals on the index of the data.

        Parameters
        ----------
        kind : str
            Conditional residuals, of ŷ = Xβ̂ + Zb̂ + offset:

            - ``"response"``: y − ŷ;
            - ``"pearson"``: divided by their standard deviations relative to σ (times √w with
              weights alone);
            - ``"scaled"``: that divided by σ̂;
            - ``"normalized"``: R^(−1/2)(y − ŷ)/σ̂, which are uncorrelated under the model: each row
              less its prediction from the earlier rows of its series. The same as ``"scaled"``
              without correlations;
            - ``"standardized"``: y − ŷ over its own standard deviation. Without correlations this
              is σ̂√(R_ii(1 − h_ii)) with the leverage h, and lme4's ``rstudent``; in general σ̂ times
              the root of the diagonal of RP₀R;
            - ``"studentized"``: each row less its prediction from all other rows, over the standard
              deviation by the σ̂ of those, at held θ: t with n − p − 1 degrees of freedom (REML) if
              θ is the true one.

            Marginal residuals, of Xβ̂ + offset:

            - ``"marginal"``: y − Xβ̂ − offset;
            - ``"marginal-standardized"``: over its own standard deviation, σ̂ times the root of the
              diagonal of V₀ − X(X'V₀⁻¹X)⁻¹X'.

            Where a row has a coefficient of its own, standardised residuals are NaN.

        Raises
        ------
        ModelError
            For standardised kinds, the model was fitted by conjugate gradients.

        References
        ----------
        Nobre, Singer (2007), *Residual analysis for linear mixed models*, Biometrical Journal
        49(6); Schabenberger (2004), *Mixed model influence diagnostics*, SUGI 29, paper 189.
        """
        chosen = one_of("kind", kind, RESIDUAL_KINDS)
        values = residuals_of_kind(self.state, chosen, lambda: self._marginal_rows)
        return pd.Series(values, index=self.state.design.index, name="resid")

    @cached_property
    def _marginal_rows(self) -> MarginalRows:
        from ..inference.influence.marginal_rows import marginal_rows

        return marginal_rows(self.state, "leverages and standardised residuals")

    @cached_property
    def leverage(self) -> pd.Series:
        """How much of each observation is in its own fitted value, ∂ŷ_i/∂y_i at held variances.

        The diagonal of H, ŷ = Hy without an offset, as lme4's ``hatvalues``. Their sum is the
        effective number of fixed and random effects, at least p and at most p + q.

        Raises
        ------
        ModelError
            The model was fitted by conjugate gradients.

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"))
        >>> float(fit.leverage.sum().round(4))  # of 1 + 6
        4.9126
        """
        values = self._marginal_rows.leverage
        return pd.Series(values, index=self.state.design.index, name="leverage")

    @cached_property
    def cooks_distance(self) -> pd.Series:
        """Cook's distance of the fitted values, as lme4's ``cooks.distance(fit)``.

        r²h/(1 − h)/p with standardised residuals r (:meth:`residuals`), leverages h and p fixed
        effects, as for linear models; NaN where h is 1. It counts how far an observation moves its
        own fitted value, random effects included. How far it moves the fixed effects is
        ``fit.influence().cooks_distance``, another number.
        """
        from ..inference.influence.standardized import standardized

        rows, p = self._marginal_rows, len(self.params)
        if not p:
            raise ModelError("cooks_distance: the model has no fixed effects.")
        h = rows.leverage
        values = np.square(standardized(rows, self.sigma)) * h / (1.0 - h) / p
        return pd.Series(values, index=self.state.design.index, name="cooks_distance")

    @named_arguments
    def influence(
        self, by: Any = "observation", *, refit: bool = False, progress: bool = False
    ) -> Influence:
        """Estimates without each observation, each level of a factor, or other parts of the data.

        Parameters
        ----------
        by : str or array (n,)
            ``"observation"``; the name of a grouping factor, such as ``"Subject"`` or
            ``"batch:cask"``; a column of the model, whose rows of equal value are left out
            together; or one value for each row, for a column that the model does not use.
        refit : bool
            Estimate all parameters again, each time from the fit's θ. By default θ (and φ of the
            residuals) are held: β and σ are then exact for these and come from the factor of the
            fit, without fitting anything.
        progress : bool
            Whether tqdm shows a bar, with `refit`. An interrupt keeps the refits that are done.

        Returns
        -------
        Influence
            ``cooks_distance, dfbetas, mdffits, covratio, covtrace, params, bse, sigma, table``,
            and ``vcomp, vcomp_change`` of refits.

        Raises
        ------
        ArgumentError, DataError
            `by` is no part of the model, or has another length; `progress` without `refit`.
        ModelError
            Without some part a grouping factor has one level or too few rows are left; or without
            any part the same fixed effects cannot be estimated. The model has no fixed effects,
            or was fitted by conjugate gradients (only ``refit=True`` then).

        Warns
        -----
        NotEstimableWarning
            Without single parts some of the fixed effects cannot be estimated: NaN there.

        References
        ----------
        Christensen, Pearson, Johnson (1992), *Case-deletion diagnostics for mixed models*,
        Technometrics 34(1).

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
        >>> fit.influence(by="Subject").cooks_distance.nlargest(3).round(4)
        Subject
        309    0.1485
        335    0.1295
        337    0.1260
        Name: cooks_distance, dtype: float64
        """
        from ..inference.influence.influence import influence

        refit, progress = flag("refit", refit), flag("progress", progress)
        if progress and not refit:
            raise ArgumentError("influence: progress=True is for refit=True.")
        return influence(self.state, by, refit=refit, progress=progress)
