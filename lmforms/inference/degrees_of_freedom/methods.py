"""Methods of denominator degrees of freedom: one object a fit and method, shared by all tests."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, get_args
from weakref import WeakKeyDictionary

import numpy as np

from ...engine.criterion.problem import Problem
from ...engine.linalg.threads import limited_blas_threads
from ...errors import ArgumentError, ModelError, NumericalError
from ...results.state import FitState
from ...support.arguments import one_of
from ...support.arrays import FloatArray
from ..generalized import refuse_generalized
from ..residual_estimates import names_at_bound
from .between_within import between_within_df
from .block_information import information_by_blocks, needs_blocks
from .f_statistic import JointTest, f_test, principal_axes, principal_rows
from .kenward_roger import adjusted_covariance, scaled_f
from .observed_information import observed_information
from .random_blocks import parameters_at_bound
from .satterthwaite import degrees_of_freedom, joint_degrees_of_freedom
from .variance_information import (
    LinearInformation,
    VarianceInformation,
    information_of_variances,
)

DfName = Literal[
    "satterthwaite",
    "kenward-roger",
    "kenward-roger-linear",
    "between-within",
    "residual",
    "none",
]
"""Names of the methods."""

DF_METHODS: tuple[str, ...] = get_args(DfName)

Information = Literal["observed", "expected"]
"""Which information of the variance parameters."""


@dataclass(frozen=True, eq=False, kw_only=True)
class DfMethod(ABC):
    """A covariance of β̂ and the degrees of freedom that go with it.

    Attributes
    ----------
    covariance : ndarray (p, p)
        Of β̂, for standard errors.
    label : str
        The method in words, such as "Satterthwaite, observed information".
    remarks : tuple of str
        What else a reader of the table should know.
    """

    covariance: FloatArray
    label: str
    remarks: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for a table of tests."""
        return (f"Degrees of freedom: {self.label}.", *self.remarks)

    @property
    def joint_notes(self) -> tuple[str, ...]:
        """Notes for a table of joint tests."""
        return self.notes

    def variances(self, L: FloatArray) -> FloatArray:
        """Variance of each row of L (r, p), (r,)."""
        return np.asarray(np.einsum("rp,pq,rq->r", L, self.covariance, L))

    @abstractmethod
    def df(self, L: FloatArray) -> FloatArray:
        """Degrees of freedom of each row of L (r, p) by itself, (r,)."""

    @abstractmethod
    def joint(self, L: FloatArray, estimate: FloatArray) -> JointTest:
        """F test that all rows are zero together.

        Parameters
        ----------
        L : ndarray (r, p)
            Its rows may depend on each other.
        estimate : ndarray (r,)
            Lβ̂, less what it should be.
        """


@dataclass(frozen=True, eq=False, kw_only=True)
class FixedDf(DfMethod):
    """The same degrees of freedom whatever the variances: residual, between–within, infinite.

    Attributes
    ----------
    by_column : ndarray (p,)
        A row of L has the least of those of its columns.
    """

    by_column: FloatArray

    def df(self, L: FloatArray) -> FloatArray:
        used = np.where(L != 0, self.by_column, np.inf)
        out = used.min(axis=1, initial=np.inf)
        return np.asarray(np.where((L != 0).any(axis=1), out, np.nan))

    def joint(self, L: FloatArray, estimate: FloatArray) -> JointTest:
        rows, values, _ = principal_rows(L, estimate, self.covariance)
        df = self.df(L)
        return f_test(values, float(np.nanmin(df, initial=np.inf)) if len(rows) else np.nan)


@dataclass(frozen=True, eq=False, kw_only=True)
class Satterthwaite(DfMethod):
    """Degrees of freedom from the uncertainty of the variances."""

    known: VarianceInformation

    def df(self, L: FloatArray) -> FloatArray:
        return degrees_of_freedom(L, self.known)

    def joint(self, L: FloatArray, estimate: FloatArray) -> JointTest:
        _, values, _ = principal_rows(L, estimate, self.covariance)
        if not len(values):
            return f_test(values, np.nan)
        axes = principal_axes(L, self.covariance, len(values))
        return f_test(values, joint_degrees_of_freedom(axes, self.known))


@dataclass(frozen=True, eq=False, kw_only=True)
class KenwardRoger(DfMethod):
    """The same with an adjusted covariance of β̂ and a scaled F."""

    known: LinearInformation

    def df(self, L: FloatArray) -> FloatArray:
        return degrees_of_freedom(L, self.known)

    def joint(self, L: FloatArray, estimate: FloatArray) -> JointTest:
        rows, values, independent = principal_rows(L, estimate, self.covariance)
        if not len(rows):
            return f_test(values, np.nan)
        if len(rows) == 1:  # the scale is 1, and there may be fewer than two degrees of freedom
            return f_test(values, float(self.df(rows)[0]))
        scaled = scaled_f(independent, self.known)
        if not scaled.den_df > 2.0:
            raise ModelError(
                f"Kenward–Roger: too few data for a test of {len(rows)} hypotheses at once (the "
                "approximate F distribution would have "
                f"{scaled.den_df:.3g} denominator degrees of freedom). Use "
                "ddf='satterthwaite', or test fewer hypotheses."
            )
        return f_test(values, scaled.den_df, scaled.scale)


_cached: WeakKeyDictionary[FitState, dict[tuple[str, str | None], DfMethod]] = WeakKeyDictionary()


def df_method(
    state: FitState, ddf: str = "satterthwaite", information: str | None = None
) -> DfMethod:
    """The degrees of freedom of a fit by a method, computed once.

    Parameters
    ----------
    state : FitState
    ddf : str
        One of `DF_METHODS`.
    information : {None, "observed", "expected"}
        Which information of the variance parameters. None is the observed one for Satterthwaite
        and the expected one for Kenward–Roger.

    Raises
    ------
    ArgumentError
        An unknown method, or `information` for a method that has none.
    ModelError
        Kenward–Roger for an ML fit or after conjugate gradients; any but "none" for a generalised
        model.
    """
    name = one_of("ddf", ddf, DF_METHODS)
    if name != "none":
        refuse_generalized(
            state, f"ddf={name!r}", "Generalised ones have normal tests: ddf='none'."
        )
    if information is not None:
        one_of("information", information, ("observed", "expected"))
        if name not in ("satterthwaite", "kenward-roger", "kenward-roger-linear"):
            raise ArgumentError(
                f"information={information!r} has no meaning for ddf={name!r}: leave it out."
            )
    by_method = _cached.setdefault(state, {})
    if (name, information) not in by_method:
        problem = state.estimate.problem
        with limited_blas_threads(problem.largest if isinstance(problem, Problem) else 1):
            by_method[name, information] = _made(state, name, information)
    return by_method[name, information]


def _made(state: FitState, name: str, information: str | None) -> DfMethod:
    covariance, p = state.estimate.cov_beta, len(state.estimate.beta)
    if name == "satterthwaite":
        return _satterthwaite(state, information)
    if name.startswith("kenward-roger"):
        return _kenward_roger(state, name, information or "expected")
    if name == "between-within":
        label, by_column = "between–within, as nlme", between_within_df(state.design)
    elif name == "residual":
        label, by_column = "residual, n − p", np.full(p, float(state.design.n - p))
    else:
        label, by_column = "infinite, normal distribution", np.full(p, np.inf)
    return FixedDf(covariance=covariance, label=label, by_column=by_column)


def _satterthwaite(state: FitState, information: str | None) -> DfMethod:
    estimate = state.estimate
    if not estimate.is_factored and information is not None:
        raise ModelError(
            f"information={information!r} needs a factor of the random effects, which a fit by "
            "conjugate gradients has not. Leave `information` out: the average information is "
            "then used."
        )
    if information == "expected":
        known: VarianceInformation = _of_variances(state, "expected")
    else:
        known = observed_information(state)
    remarks = _remarks(state, known)
    if estimate.singular and information != "expected":
        remarks.append("Singular fit: variances of zero count as known.")
    return Satterthwaite(
        covariance=estimate.cov_beta,
        label=f"Satterthwaite, {known.kind} information",
        remarks=tuple(remarks),
        known=known,
    )


def _kenward_roger(state: FitState, name: str, information: str) -> DfMethod:
    estimate = state.estimate
    if not estimate.is_factored:
        raise ModelError(
            "Kenward–Roger needs a factor of the random effects, which a fit by conjugate "
            "gradients has not. Use ddf='satterthwaite', by the average information."
        )
    if not estimate.reml:
        raise ModelError(
            "Kenward–Roger is defined for REML and this is an ML fit: use "
            "fit.refit(reml=True), or ddf='satterthwaite'."
        )
    kind: Information = "observed" if information == "observed" else "expected"
    known = _of_variances(state, kind)
    second_order = name != "kenward-roger-linear"
    terms = ""
    if not second_order:
        terms = ", linear covariance"
    elif known.weighted_curvature is not None:
        terms = " with second derivatives"
    covariance = adjusted_covariance(known, second_order)
    if not (covariance.diagonal() > 0).all():
        raise NumericalError(
            "Kenward–Roger's covariance of the fixed effects has negative variances: the data say "
            "too little of the variance parameters for its second-order terms. Use "
            f"ddf='{'kenward-roger-linear' if terms.startswith(' with') else 'satterthwaite'}'."
        )
    return KenwardRoger(
        covariance=covariance,
        label=f"Kenward–Roger{terms}, {kind} information",
        remarks=tuple(_remarks(state, known)),
        known=known,
    )


def _of_variances(state: FitState, kind: Information) -> LinearInformation:
    """From sums over random effects where these suffice, else over independent rows."""
    if needs_blocks(state):
        return information_by_blocks(state, kind)
    return information_of_variances(state.estimate, kind)


def _remarks(state: FitState, known: VarianceInformation) -> list[str]:
    out = []
    if not state.optimized:
        out.append("θ was given, not estimated: the degrees of freedom are those of an estimate.")
    names = parameters_at_bound(state)
    names += [f"{name} of the residuals" for name in names_at_bound(state)]
    if names:
        out.append(f"Parameters at a bound count as known: {', '.join(names)}.")
    if known.ignored:
        noun = "direction" if known.ignored == 1 else "directions"
        out.append(
            f"{known.ignored} {noun} of the variance parameters without information left out."
        )
    return out
