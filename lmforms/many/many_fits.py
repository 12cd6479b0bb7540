"""`ManyFits`: the fits of one model to many responses, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..inference.multiple_tests import NAMES, Adjustment
from ..support.arguments import named_arguments, one_of
from ..tables.result_table import ResultTable
from .coefficients import Coefficients

if TYPE_CHECKING:
    from ..companion import Forms
    from .fit_inputs import FitInputs


@dataclass(frozen=True, eq=False)
class ManyFits:
    """Fits of one model to many responses, as tidy tables.

    Attributes
    ----------
    fits : DataFrame
        One row per response: ``response``, θ (``theta``, or ``theta[0]``, ``theta[1]``, …),
        ``sigma, criterion, loglik, nobs, converged, singular``.
    variances : DataFrame
        One row per response and variance or covariance: ``response, group, name1, name2,
        variance, sdcor``, as ``vcomp`` of a single fit.

    Notes
    -----
    Degrees of freedom are computed when one of `fixed`, `df_denom` or `pvalues` is asked for,
    once. Until then numbers of each response are kept from which they can be: two with one scalar
    random term, else sums over its rows, as many as there are random and fixed effects.
    """

    fits: pd.DataFrame
    variances: pd.DataFrame
    _coefficients: Coefficients = field(repr=False)
    _inputs: FitInputs | None = field(default=None, repr=False)

    @cached_property
    def fixed(self) -> ResultTable:
        """Fixed effects, one row per response and coefficient.

        ``response, term, estimate, std_error, df, statistic, p_value``, with Satterthwaite's
        degrees of freedom and two-sided p-values, as the summary of a single fit.

        Examples
        --------
        >>> import lmforms as lf
        >>> sleep = lf.datasets.load("sleepstudy")
        >>> Y = sleep[["Reaction"]].assign(speed=1e3 / sleep["Reaction"])
        >>> lf.lmer_many("~ Days + (Days | Subject)", sleep, Y).fixed
        Coefficients
        response  term        estimate  std_error  df  statistic  p_value
        -----------------------------------------------------------------
        Reaction  Intercept  251.40510    6.82456  17     36.838  <0.0001
        Reaction  Days        10.46729    1.54579  17      6.771  <0.0001
        speed     Intercept    3.96581    0.10866  17     36.496  <0.0001
        speed     Days        −0.11099    0.01550  17     −7.160  <0.0001
        Degrees of freedom: Satterthwaite, observed information.
        """
        return self._coefficients.table()

    @cached_property
    def df_denom(self) -> ResultTable:
        """Denominator degrees of freedom by Satterthwaite, responses × coefficients."""
        coefficients = self._coefficients
        return coefficients.frame(coefficients.found.df, "Denominator degrees of freedom")

    @cached_property
    def pvalues(self) -> ResultTable:
        """Two-sided p-values by t with Satterthwaite's df, responses × coefficients.

        Examples
        --------
        >>> import lmforms as lf
        >>> sleep = lf.datasets.load("sleepstudy")
        >>> Y = sleep[["Reaction"]].assign(speed=1e3 / sleep["Reaction"])
        >>> many = lf.lmer_many("~ Days + (Days | Subject)", sleep, Y)
        >>> many.pvalues
        p-values
                  Intercept       Days
        ------------------------------
        Reaction  1.171e−17  3.264e−06
        speed      1.37e−17  1.596e−06
        Degrees of freedom: Satterthwaite, observed information.
        """
        return self._coefficients.frame(self._coefficients.p_value, "p-values")

    @named_arguments
    def adjusted_pvalues(self, adjust: Adjustment = "fdr") -> ResultTable:
        """p-values adjusted for the number of responses, responses × coefficients.

        Each coefficient is a family of tests by itself. Responses without a p-value do not count.

        Parameters
        ----------
        adjust : {"fdr", "by", "bonferroni", "sidak", "holm", "hochberg", "hommel"}
            The false discovery rate of Benjamini and Hochberg (1995), or of Benjamini and
            Yekutieli (2001) under any dependence of the responses; the others control the
            probability of any false rejection.

        References
        ----------
        Benjamini, Hochberg (1995), *Controlling the false discovery rate*, J. Royal Statistical
        Society B 57(1); Benjamini, Yekutieli (2001), *The control of the false discovery rate in
        multiple testing under dependency*, Annals of Statistics 29(4).

        Examples
        --------
        >>> import lmforms as lf
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> data = {"x": rng.normal(size=60), "g": np.arange(60) % 10}
        >>> Y = rng.normal(size=(60, 100))
        >>> Y[:, :5] += data["x"][:, None]
        >>> many = lf.lmer_many("~ x + (1 | g)", data, Y)
        >>> adjusted = many.adjusted_pvalues("fdr")["x"]
        >>> adjusted[adjusted < 0.05].index.tolist()
        [0, 1, 2, 3, 4]
        """
        one_of("adjust", adjust, NAMES)
        return self._coefficients.adjusted(adjust)

    def __len__(self) -> int:
        return len(self.fits)

    def __repr__(self) -> str:
        good = int(self.fits["converged"].sum())
        return f"ManyFits({len(self):,} responses, {good:,} converged)"

    @named_arguments
    def forms(self, rank: int | None = None, **params: Any) -> Forms:
        """A linear mixed form of all responses with the model's X and Z, beside the fits.

        As :meth:`lmforms.MixedModelResults.forms`, with Y all responses at once: they share the
        codes and should be in one unit. Missing ones are left out of F. The responses are read
        again from what :func:`lmforms.lmer_many` was given, and Zb̂ is found at the variances of
        the table, at the cost of one evaluation for each response.

        Parameters
        ----------
        rank : int, optional
        **params
            Of :class:`lmforms.latent.LinearMixedForm`.

        Returns
        -------
        Forms

        Raises
        ------
        DataError
            The fits came from a stream, or the responses have changed since.
        ModelError
            They have a relationship; no fixed or no random effects; a rank above what X or Z
            carry.

        Examples
        --------
        >>> import lmforms as lf
        >>> import numpy as np
        >>> pastes = lf.datasets.load("Pastes")
        >>> Y = pastes[["strength"]].assign(rooted=np.sqrt(pastes["strength"]))
        >>> many = lf.lmer_many("~ 1 + (1 | batch)", pastes, Y)
        >>> many.forms(tol=1e-6).responses
        ('strength', 'rooted')
        """
        from .forms_of_many import forms_of_many

        return forms_of_many(self.fits, self._coefficients.estimate, self._inputs, rank, params)

    @classmethod
    @named_arguments
    def joined(cls, parts: Sequence[ManyFits]) -> ManyFits:
        """Several of them as one."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            pd.concat([part.fits for part in parts], ignore_index=True),
            pd.concat([part.variances for part in parts], ignore_index=True),
            Coefficients.joined([part._coefficients for part in parts]),
        )
