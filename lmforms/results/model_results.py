"""`MixedModelResults`: thin, labelled accessors over a frozen fit."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..control import STARTLESS, Control
from ..data.align import in_order
from ..data.frame import real_array
from ..engine.estimate import Estimate
from ..engine.status import OptimizerReport, unidentified_message
from ..errors import DataError
from ..support.arguments import flag, named_arguments, one_of, share
from ..support.arrays import FloatArray
from .singular import singular_message

if TYPE_CHECKING:
    from ..companion import Forms
    from ..data.design import Design
    from ..model import MixedModel
    from ..varcomp.report import ComponentEstimate
    from .matrices import ModelMatrices
    from .summary import ModelSummary

RESIDUAL_KINDS = ("response", "pearson", "scaled")


class MixedModelResults:
    """A fitted linear mixed model.

    Made by :func:`lmforms.lmer` or :meth:`lmforms.MixedModel.fit`. Stored values are
    attributes; whatever has options is a method.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("pr_dung ~ flies + (1 | oven_block)", lf.datasets.load("dung"))
    >>> fit.vcomp.round(6)
            group      name1 name2  variance     sdcor
    0  oven_block  Intercept        0.000210  0.014484
    1    Residual                   0.000063  0.007951
    """

    def __init__(
        self,
        model: MixedModel,
        estimate: Estimate | ComponentEstimate,
        response: FloatArray,
        control: Control,
        method: str = "auto",
    ) -> None:
        self.model = model
        self._estimate = estimate
        self._y = response
        self._control = control
        self._method = method

    # --- what was fitted ------------------------------------------------------------------

    @property
    def _design(self) -> Design:
        return self.model.design

    @property
    def formula(self) -> str:
        """The formula."""
        return str(self.model.formula)

    @property
    def reml(self) -> bool:
        """Whether the fit is by restricted maximum likelihood."""
        return self._estimate.reml

    @property
    def nobs(self) -> int:
        """Number of rows used."""
        return self._design.n

    @property
    def ngroups(self) -> dict[str, int]:
        """Number of levels of each grouping factor."""
        return {g.name: len(g.levels) for g in self._design.groups}

    @property
    def dropped(self) -> list[str]:
        """Fixed-effects columns left out because they depend on earlier ones."""
        return self._design.x_dropped

    # --- fixed effects --------------------------------------------------------------------

    @cached_property
    def params(self) -> pd.Series:
        """Fixed effects β̂ (dropped columns are absent)."""
        return pd.Series(self._estimate.beta, index=self._design.x_names, dtype=np.float64)

    @cached_property
    def bse(self) -> pd.Series:
        """Standard errors of the fixed effects."""
        variances = np.diag(self._estimate.cov_beta)
        return pd.Series(np.sqrt(variances), index=self._design.x_names, dtype=np.float64)

    @property
    def tvalues(self) -> pd.Series:
        """Fixed effects divided by their standard errors."""
        return self.params / self.bse

    @named_arguments
    def cov_params(self) -> pd.DataFrame:
        """Covariance matrix of the fixed effects, σ²(X'V₀⁻¹X)⁻¹."""
        names = self._design.x_names
        return pd.DataFrame(self._estimate.cov_beta, index=names, columns=names)

    @named_arguments
    def conf_int(self, level: float = 0.95, method: Literal["wald"] = "wald") -> pd.DataFrame:
        """Confidence intervals of the fixed effects.

        Parameters
        ----------
        level : float
            Between 0 and 1.
        method : {"wald"}
            Estimate ± normal quantile × standard error, as ``confint(method="Wald")``
            of lme4.

        Returns
        -------
        DataFrame
            Columns ``lower`` and ``upper``.
        """
        level = share("level", level)
        one_of("method", method, ("wald",))
        from scipy.special import ndtri

        half = float(ndtri(0.5 + 0.5 * level)) * self.bse
        return pd.DataFrame({"lower": self.params - half, "upper": self.params + half})

    # --- variance components --------------------------------------------------------------

    @cached_property
    def theta(self) -> FloatArray:
        """Covariance parameters θ: per term in formula order, lower triangle by columns."""
        return theta_in_formula_order(self._design, self._estimate.theta)

    @property
    def sigma(self) -> float:
        """Residual standard deviation σ."""
        return self._estimate.sigma

    @property
    def scale(self) -> float:
        """Residual variance σ²."""
        return self._estimate.sigma**2

    @cached_property
    def vcomp(self) -> pd.DataFrame:
        """Variances and covariances of the random effects and the residual.

        One row per variance (``name2`` empty; ``sdcor`` is the standard deviation) and per
        covariance (``sdcor`` is the correlation), in the order of the formula.
        """
        rows: list[tuple[str, str, str, float, float]] = []
        for term, lam in zip(self._design.terms, self._relative_factors, strict=True):
            group = self._design.groups[term.group].name
            cov = self.scale * (lam @ lam.T)
            sd = np.sqrt(np.diag(cov))
            rows += [(group, c, "", cov[i, i], sd[i]) for i, c in enumerate(term.columns)]
            for i, j in term.covariance.covariances():
                size = sd[i] * sd[j]
                corr = cov[i, j] / size if size > 0 else np.nan
                rows.append((group, term.columns[i], term.columns[j], cov[i, j], corr))
        rows.append(("Residual", "", "", self.scale, self.sigma))
        return pd.DataFrame(rows, columns=["group", "name1", "name2", "variance", "sdcor"])

    @property
    def _relative_factors(self) -> list[FloatArray]:
        """Relative covariance factor λ of each random term, in formula order."""
        by_term: dict[int, FloatArray] = {}
        for group, lam in zip(self._design.groups, self._estimate.factors, strict=True):
            for t, c in zip(group.terms, group.covariance.column_slices(), strict=True):
                by_term[t] = lam[c, c]
        return [by_term[t] for t in range(len(self._design.terms))]

    @cached_property
    def random_effects(self) -> dict[str, pd.DataFrame]:
        """Conditional modes (BLUPs) b̂: a frame (levels × effects) per grouping factor.

        Terms on one grouping factor stand side by side.
        """
        return {
            g.name: pd.DataFrame(b, index=g.levels, columns=list(g.columns))
            for g, b in zip(self._design.groups, self._estimate.b, strict=True)
        }

    @cached_property
    def random_effects_cov(self) -> dict[str, FloatArray]:
        """Var(b | y) by level, (levels, k, k) per grouping factor, rows as `random_effects`.

        Conditional on θ̂, σ̂ and β̂, as lme4's ``condVar``.
        """
        blocks = self._estimate.conditional_covariances()
        return {g.name: c for g, c in zip(self._design.groups, blocks, strict=True)}

    # --- rows -----------------------------------------------------------------------------

    @cached_property
    def _fitted(self) -> FloatArray:
        design = self._design
        out = design.X @ self._estimate.beta + design.offset
        for group, b in zip(design.groups, self._estimate.b, strict=True):
            out += np.einsum("ik,ik->i", design.basis(group), b[group.codes])
        return np.asarray(out)

    @property
    def fittedvalues(self) -> pd.Series:
        """Xβ̂ + Zb̂ + offset, on the index of the data."""
        return pd.Series(self._fitted, index=self._design.index, name="fitted")

    @property
    def resid(self) -> pd.Series:
        """Response less fitted values."""
        return self.residuals()

    @named_arguments
    def residuals(self, kind: Literal["response", "pearson", "scaled"] = "response") -> pd.Series:
        """Residuals on the index of the data.

        Parameters
        ----------
        kind : {"response", "pearson", "scaled"}
            y − ŷ; times √w; times √w/σ̂.
        """
        one_of("kind", kind, RESIDUAL_KINDS)
        values = self._y - self._fitted
        if kind != "response":
            values = self._design.residual.whiten(values)
        if kind == "scaled":
            values = values / self.sigma
        return pd.Series(values, index=self._design.index, name="resid")

    # --- likelihood -----------------------------------------------------------------------

    @property
    def criterion(self) -> float:
        """−2 × log-likelihood (ML) or restricted log-likelihood (REML)."""
        return self._estimate.criterion

    @property
    def criterion_se(self) -> float:
        """Standard error of `criterion`: 0 unless it was estimated (``factor="cg"``).

        θ, β and the random effects are not concerned, see the page on large models.
        """
        return self._estimate.criterion_se

    @property
    def llf(self) -> float:
        """Log-likelihood, restricted under REML."""
        return -0.5 * self.criterion

    @property
    def df_model(self) -> int:
        """Parameters: rank of X, covariance parameters θ, and σ."""
        return len(self._estimate.beta) + self._estimate.n_theta + 1

    @property
    def df_resid(self) -> int:
        """Rows less parameters, n − df_model."""
        return self.nobs - self.df_model

    @property
    def aic(self) -> float:
        """criterion + 2 df_model."""
        return self.criterion + 2.0 * self.df_model

    @property
    def bic(self) -> float:
        """criterion + ln(n) df_model, with n the number of rows also under REML (as lme4)."""
        return self.criterion + float(np.log(self.nobs)) * self.df_model

    @named_arguments
    def criterion_at(self, theta: npt.ArrayLike) -> float:
        """The criterion at another θ, profiled over β and σ.

        Parameters
        ----------
        theta : array
            As :attr:`theta`: per term in formula order.

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"))
        >>> bool(fit.criterion_at(fit.theta + 0.1) > fit.criterion)
        True
        """
        return self.model._at(theta, self._y, reml=self.reml, control=self._control).criterion

    # --- status ---------------------------------------------------------------------------

    @property
    def converged(self) -> bool:
        """Whether the optimiser's own test of convergence was met."""
        return self._estimate.converged

    @property
    def is_singular(self) -> bool:
        """Whether the estimated covariance of a random term has a direction of no variance."""
        return bool(self._estimate.singular)

    @property
    def singular_terms(self) -> list[str]:
        """Labels of the random terms whose estimated covariance is singular."""
        return [self._design.terms[t].label for t in self._places(self._estimate.singular)]

    @property
    def unidentified_terms(self) -> list[str]:
        """Labels of the random terms whose variances the data cannot tell."""
        return [self._design.terms[t].label for t in self._places(self._estimate.flat)]

    def _places(self, parts: Sequence[tuple[int, int]]) -> list[int]:
        """Places in the formula of the parts of grouping factors."""
        return [self._design.groups[g].terms[part] for g, part in parts]

    @property
    def unidentified_message(self) -> str:
        """Which variances the data cannot tell; empty where they can."""
        random = self._design.bound.random
        return unidentified_message([random[t].written for t in self._places(self._estimate.flat)])

    @property
    def singular_message(self) -> str:
        """What is singular, and what to do about it; empty for a regular fit."""
        places = self._places(self._estimate.singular)
        return singular_message(
            self._design,
            places,
            self._relative_factors,
            self._control.singular,
            self.model.relationship,
        )

    @cached_property
    def optimizer(self) -> OptimizerReport:
        """Status of the optimiser: message, evaluations, gradient, blocks of the factor."""
        return self._estimate.report([g.name for g in self._design.groups])

    # --- further --------------------------------------------------------------------------

    @cached_property
    def matrices(self) -> ModelMatrices:
        """The fitted y, X, Z, Λ, L and P in the notation of Bates et al. (2015)."""
        from .matrices import model_matrices

        return model_matrices(self)

    @named_arguments
    def summary(self) -> ModelSummary:
        """Tables of the fit: text, HTML, LaTeX, Markdown and DataFrames.

        Tests of the fixed effects print t alone, as lme4 does.
        """
        from .summary import summarize

        return summarize(self)

    @named_arguments
    def predict(
        self,
        data: Any = None,
        *,
        random: Literal["all", "none"] | Sequence[str] = "all",
        new_levels: Literal["raise", "zero"] = "raise",
        offset: npt.ArrayLike | None = None,
    ) -> pd.Series:
        """Predict the response.

        Parameters
        ----------
        data : table, optional
            New rows, with every column that the right-hand side needs; the model's own
            rows by default.
        random : {"all", "none"} or sequence of str
            Which random effects to add: all, none (the population's mean), or those of
            the terms or grouping factors named, such as ``["Subject"]`` or
            ``["Days | Subject"]``.
        new_levels : {"raise", "zero"}
            A level that was not in the data is refused, or has random effects 0.
        offset : array, optional
            For a model fitted with an offset array: its values for the new rows, or a Series
            with their labels. An offset column or an ``offset()`` in the formula is taken from
            `data`.

        Returns
        -------
        Series
            On the index of `data`; NaN where a predictor is missing.
        """
        from .predict import predict

        return predict(self, data, random=random, new_levels=new_levels, offset=offset)

    @named_arguments
    def forms(self, rank: int | None = None, **params: Any) -> Forms:
        """A linear mixed form of this model's y, X and Z, beside the fit.

        Y ≈ (K+H)α', X ≈ Kβ', Z ≈ Hu' with Y the response less its offset, X the independent
        columns, Z all random terms side by side, and every row multiplied by √w where there are
        prior weights. It knows neither θ nor a `relationship`.

        Parameters
        ----------
        rank : int, optional
            All that X carries by default, at most what Z carries, and at most 20.
        **params
            Of :class:`lmforms.latent.LinearMixedForm`. By default `weights` let Y count 0.01, X
            100 and Z 1, each over its ‖·‖², as y alone has noise in a mixed model
            (``weights=None`` counts all alike), and `tol` is at most 1e-9, less where the variation
            of y is a small part of F.

        Returns
        -------
        Forms

        Raises
        ------
        ModelError
            No fixed or no random effects, or a rank above what X or Z carry.
        ArgumentError
            A parameter is unknown or out of its range.

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
        >>> fit.forms(rank=2).table.loc["random", "correlation"].round(2)
        np.float64(0.96)
        """
        from ..companion import companion

        return companion(self, rank, params)

    @named_arguments
    def refit(
        self, y: npt.ArrayLike | None = None, *, reml: bool | None = None
    ) -> MixedModelResults:
        """Fit the same model again, to another response or by the other criterion.

        Parameters
        ----------
        y : array, optional
            New response: one value for each row used (`nobs`), or a Series with their
            labels, in whatever order.
        reml : bool, optional
            As before by default.

        Notes
        -----
        By the same `method`, which starts from this fit's θ, unless it is singular or the method
        has no use for a start.
        """
        response = self._y if y is None else self._new_response(y)
        has_start = self._method not in STARTLESS
        return self.model._fit(
            response,
            reml=self.reml if reml is None else flag("reml", reml),
            start=self if has_start and not self.is_singular else None,
            control=self._control,
            method=self._method,
        )

    def _new_response(self, y: npt.ArrayLike) -> FloatArray:
        values = real_array("refit: y", in_order("refit: y", y, self._design.index, more=True))
        if values.shape != (self.nobs,):
            raise DataError(f"refit: y has shape {values.shape}; the model uses {self.nobs} rows.")
        if not np.isfinite(values).all():
            raise DataError("refit: y has missing or infinite values.")
        if (values == values[0]).all():
            raise DataError("refit: y is constant.")
        return values

    @named_arguments
    def save(self, path: str | PathLike[str]) -> None:
        """Write the fit to a file that :func:`lmforms.load` reads.

        A zip archive of JSON and plain arrays: the formula, the options, the columns of
        the data that the model uses, and the estimates. No code, pickled or other.

        The file appears in one step: until then, and after any failure, `path` holds what it
        held before. An existing file keeps its mode; a symbolic link stays a link.

        Parameters
        ----------
        path : str or path

        Raises
        ------
        FormulaError
            The formula holds Python code that :func:`lmforms.load` would not evaluate.
        DataError, ModelError
            Something else cannot be written; the message says what to do.
        FileError
            The file cannot be written: the folder is not there or read-only, the disk is full.

        Warns
        -----
        ContextWarning
            The formula calls functions of yours, which `load` must be given as ``context=``.

        Examples
        --------
        >>> import lmforms as lf, tempfile, pathlib
        >>> fit = lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"))
        >>> fit.save(pathlib.Path(tempfile.mkdtemp()) / "dyestuff.lmf")
        """
        from ..storage import save

        save(self, path)

    def __repr__(self) -> str:
        kind = "REML" if self.reml else "ML"
        return (
            f"<MixedModelResults {self.formula!r}: {kind} criterion {self.criterion:.4f}, "
            f"{self.nobs} rows>"
        )

    def __str__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()


# --- θ: by grouping factor for the engine, by term for users ---------------------------------


def theta_in_formula_order(design: Design, by_group: Sequence[FloatArray]) -> FloatArray:
    """θ of each grouping factor, put together in the order of the terms."""
    parts: dict[int, FloatArray] = {}
    for group, theta in zip(design.groups, by_group, strict=True):
        for t, s in zip(group.terms, group.covariance.theta_slices(), strict=True):
            parts[t] = theta[s]
    return np.concatenate([np.empty(0), *(parts[t] for t in range(len(design.terms)))])


def theta_by_group(design: Design, theta: FloatArray) -> list[FloatArray]:
    """The inverse of :func:`theta_in_formula_order`."""
    ends = np.cumsum([0, *(t.covariance.n_theta for t in design.terms)])
    return [
        np.concatenate([theta[ends[t] : ends[t + 1]] for t in group.terms])
        for group in design.groups
    ]
