"""`MixedModelEquations`: the equations of one model at given variances, with their results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from ..data.frame import real_array
from ..errors import ArgumentError
from ..support.arguments import flag, named_arguments, one_of
from ..support.arrays import FloatArray
from ..varcomp import ComponentModel
from ..varcomp.component_problem import ComponentProblem, component_problem
from ..varcomp.fit import RESIDUAL
from ..varcomp.likelihood import Likelihood, likelihood
from ..varcomp.model import component_model_of
from . import accuracy, dense_covariance, labelled_arrays, solvers
from .henderson_system import EQUATION_FORMS, HendersonSystem, divisor, system_of, woodbury
from .identities import claims, table_of_claims, tolerance
from .solution import Solution, labelled_solution
from .variances import checked_variances

if TYPE_CHECKING:
    import pandas as pd


@named_arguments
@dataclass(frozen=True, eq=False, repr=False)
class MixedModelEquations:
    """(W'W + Σ)g = W'y with its matrices and solutions, each computed when first used.

    Attributes
    ----------
    model : ComponentModel
    variances : mapping or Series
        σ_i² by name, and σ² as ``Residual``; afterwards a dict in the order of the model.

    Notes
    -----
    Sections are those of the cheat sheet. A term whose K was given as a matrix or a root, of
    whatever rank, has coefficients a with u = La, LL' = K, and Q = I for K⁻¹: see
    :mod:`lmforms.mme.henderson_system`. Dense n×n matrices are made up to 5,000 rows; everything
    else is sparse.

    Raises
    ------
    ArgumentError, DataError
        Variances with wrong or missing names, negative, or zero for the residual.
    ModelError
        X explains the response exactly, or leaves no degrees of freedom.
    """

    model: ComponentModel
    variances: Mapping[str, float]

    def __post_init__(self) -> None:
        component_model_of(self.model)
        object.__setattr__(self, "variances", checked_variances(self.model, self.variances))

    # --- shared quantities --------------------------------------------------------------------

    @cached_property
    def _values(self) -> FloatArray:
        return np.array(list(self.variances.values()))

    @cached_property
    def _system(self) -> HendersonSystem:
        return system_of(self.model, self._values)

    @cached_property
    def _problem(self) -> ComponentProblem:
        return component_problem(self.model)

    def _likelihood(self, reml: bool) -> Likelihood:
        return likelihood(self._problem, self._values / self._problem.variance_units, reml)

    @cached_property
    def _restricted(self) -> Likelihood:
        return self._likelihood(True)

    @property
    def lambdas(self) -> pd.Series:
        """λ_i = σ²/σ_i² of each term; infinite for a variance of zero (section 3)."""
        import pandas as pd

        with np.errstate(divide="ignore"):
            ratios = self._values[-1] / self._values[:-1]
        return pd.Series(ratios, index=list(self.model.names), name="lambda")

    # --- V and P ------------------------------------------------------------------------------

    @cached_property
    def V(self) -> FloatArray:
        """V = ΣZ_iK_iZ_i'σ_i² + Rσ², (n, n), dense (section 1)."""
        return dense_covariance.dense_covariance(self.model, self._values)

    @cached_property
    def P(self) -> FloatArray:
        """P = V⁻¹ − V⁻¹X(X'V⁻¹X)⁻¹X'V⁻¹, (n, n), dense, from V itself (section 2)."""
        return dense_covariance.projection(self.V, self.model.X)

    @property
    def V_inverse(self) -> FloatArray:
        """V⁻¹, (n, n), dense, by :meth:`V_inverse_times`."""
        dense_covariance.check_dense_size(self.model.n, "the inverse of V")
        return self.V_inverse_times(np.eye(self.model.n))

    @named_arguments
    def V_inverse_times(self, x: npt.ArrayLike) -> FloatArray:
        """V⁻¹x by Woodbury's identity, without V (section 2, where λ is not printed).

        (V/σ²)⁻¹ = I − Z(Z'Z + K⁻¹λ)⁻¹Z', for rows times √w.

        Parameters
        ----------
        x : array (n,) or (n, c)

        Examples
        --------
        >>> import lmforms as lf
        >>> mme = lf.mme.equations("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"),
        ...                        variances={"Batch": 1, "Residual": 1})
        >>> mme.V_inverse_times(np.ones(30))[:2]  # 1/(σ² + 5σ_1²)
        array([0.16666667, 0.16666667])
        """
        x = real_array("x", x)
        if x.ndim not in (1, 2) or len(x) != self.model.n:
            raise ArgumentError(f"x has shape {x.shape}; it needs {self.model.n:,} rows.")
        return woodbury(self._problem, self._restricted.at.factor, x) / self._values[-1]

    @named_arguments
    def properties(self) -> pd.DataFrame:
        """Whether the identities of the cheat sheet hold for this model, as printed or corrected.

        Returns
        -------
        DataFrame
            ``section``, ``claim`` as printed, whether it ``holds``, its largest ``deviation``
            relative to the largest entry compared, the ``correct`` statement and its deviation.
        """
        given = self.V, self.P, self.solve(), self.C(), self.r()
        found = claims(self.model, self.variances, *given)
        largest = tolerance(self.V, self.model.row_weights, self.variances[RESIDUAL])
        return table_of_claims(found, largest)

    @named_arguments
    def loglik(self, reml: bool = True) -> pd.DataFrame:
        """The (restricted) log-likelihood term by term (section 2, with the terms omitted there).

        Returns
        -------
        DataFrame
            Each term with its ``value`` and its ``contribution`` to ln L, −½ of that; the last row
            is ``ln L``.

        Examples
        --------
        >>> import lmforms as lf
        >>> mme = lf.mme.equations("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"),
        ...                        variances={"Batch": 1764.05, "Residual": 2451.25})
        >>> mme.loglik().round(4)
                        value  contribution
        ln|V|        243.2847     -121.6423
        ln|X'V⁻¹X|    -5.9288        2.9644
        y'Py          29.0000      -14.5000
        (n−r)·ln 2π   53.2984      -26.6492
        ln L              NaN     -159.8271
        """
        at = self._likelihood(flag("reml", reml))
        return labelled_arrays.loglik(at, self.variances[RESIDUAL])

    @named_arguments
    def score(self, reml: bool = True) -> pd.Series:
        """∂ ln L/∂v of the variances v = (σ_1², …, σ²) (section 7, with signs and factors ½).

        Zero at the estimates, but for variances that are estimated as zero.

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"))
        >>> bool(lf.mme.equations(fit).score().abs().max() < 1e-8)
        True
        """
        score = self._likelihood(flag("reml", reml)).score / self._problem.variance_units
        return labelled_arrays.by_variance(self.model, score)

    @named_arguments
    def information(
        self, kind: Literal["average", "observed", "expected"] = "average", reml: bool = True
    ) -> pd.DataFrame:
        """Information on the variances (section 7): average, observed or expected.

        Parameters
        ----------
        kind : {"average", "observed", "expected"}
            ½y'PV_iPV_jPy, −∂²ln L/∂v_i∂v_j, or its expectation ½tr(PV_iPV_j).
        reml : bool

        Returns
        -------
        DataFrame
            The inverse of the expected information is the asymptotic covariance of the variances.
        """
        chosen = one_of("kind", kind, ("average", "observed", "expected"))
        at = self._likelihood(flag("reml", reml))
        return labelled_arrays.square([*self.model.names, RESIDUAL], at.information(chosen))

    # --- the equations ------------------------------------------------------------------------

    @cached_property
    def labels(self) -> pd.MultiIndex:
        """Names of the coefficients g: term (``fixed`` for X) and label."""
        return labelled_arrays.labels(self.model, self._system)

    @cached_property
    def W(self) -> Any:
        """X | Z_1 | … | Z_r, sparse (n, p + m) (section 4); ZL for a term with a root L."""
        import scipy.sparse as sp

        if self.model.weights is None:
            return self._system.W
        return sp.diags(1.0 / np.sqrt(self.model.weights)) @ self._system.W

    @named_arguments
    def Sigma(self, form: str = "ratio") -> Any:
        """Σ = diag(0, K_i⁻¹λ_i), sparse, or diag(0, K_i⁻¹/σ_i²) for ``form="variance"``."""
        return self._system.Sigma / divisor(self._system, form)

    @named_arguments
    def C(self, form: str = "ratio") -> Any:
        """C = W'W + Σ, sparse, or W'R⁻¹W + G⁻¹ for ``form="variance"`` (section 4)."""
        return self._system.C / divisor(self._system, form)

    @named_arguments
    def r(self, form: str = "ratio") -> FloatArray:
        """r = W'y, (p + m,), or W'R⁻¹y for ``form="variance"`` (section 4)."""
        return self._system.r / divisor(self._system, form)

    @named_arguments
    def table(self, what: str, form: str = "ratio") -> pd.DataFrame:
        """A matrix with its labels, dense, for display.

        Parameters
        ----------
        what : {"W", "Sigma", "C", "r", "V", "P"}
        form : {"ratio", "variance"}
        """
        what = one_of("what", what, labelled_arrays.TABLES)
        form = one_of("form", form, EQUATION_FORMS)
        if what in ("V", "P"):
            return labelled_arrays.rows_by_rows(getattr(self, what))
        value = self.W if what == "W" else getattr(self, what)(form)
        return labelled_arrays.labelled_matrix(value, self.labels, what)

    @named_arguments
    def solve(
        self,
        method: str = "direct",
        *,
        tolerance: float | None = None,
        max_iterations: int | None = None,
        **options: Any,
    ) -> Solution:
        """BLUE and BLUP (section 3).

        Parameters
        ----------
        method : {"direct", "pcg", "gauss_seidel"}
            A factor of the equations, :func:`lmforms.mme.solvers.pcg`, or coefficient by
            coefficient as in section 5: :func:`lmforms.mme.gauss_seidel.gauss_seidel`.
        tolerance, max_iterations : optional
            For the iterative ones: see :mod:`lmforms.mme.iterations`.
        **options
            ``preconditioner`` for ``"pcg"``, ``compiled`` for ``"gauss_seidel"``.

        Warns
        -----
        ConvergenceWarning
            If an iterative method ends before it has converged.

        Examples
        --------
        >>> import lmforms as lf
        >>> mme = lf.mme.equations("travel ~ 1 + (1 | Rail)", lf.datasets.load("Rail"),
        ...                        variances={"Rail": 615.31, "Residual": 16.17})
        >>> mme.solve("pcg").beta.round(6)
        Intercept    66.5
        Name: b, dtype: float64
        """
        given = {"tolerance": tolerance, "max_iterations": max_iterations}
        options |= {name: value for name, value in given.items() if value is not None}
        found = solvers.solve(method, self._system, self.model, lambda: self._restricted, options)
        return labelled_solution(self.model, self._system, self.labels, found)

    # --- accuracy -----------------------------------------------------------------------------

    @property
    def cov_beta(self) -> pd.DataFrame:
        """(X'V⁻¹X)⁻¹ = σ²C^bb, the covariance of b."""
        return labelled_arrays.square(self.model.x_names, self._restricted.cov_beta)

    @cached_property
    def pev(self) -> dict[str, pd.Series]:
        """Var(u_j − û_j) of each level: the diagonal of σ²C^ii, of u = La for a root."""
        values = accuracy.error_variances(self._restricted)
        return labelled_arrays.by_term(self.model, values, "pev")

    @cached_property
    def reliability(self) -> dict[str, pd.Series]:
        """1 − PEV_j/(K_jjσ_i²), the squared correlation of u_j and û_j.

        NaN where u_j does not vary.
        """
        pev = [v.to_numpy() for v in self.pev.values()]
        values = accuracy.reliabilities(self._problem, self._values, pev)
        return labelled_arrays.by_term(self.model, values, "reliability")

    @named_arguments
    def shrinkage(self, name: str) -> pd.Series:
        """n_j/(n_j + λ) of each level j of a term with K = I (section 5).

        n_j = w_j'w_j is the number of its rows, their sum of weights, or Σx² for a slope. If it is
        the only random term, û_j is this times the mean of its level's y − Xb.

        Parameters
        ----------
        name : str
            Of the term.
        """
        component, value = accuracy.shrinkage(self.model, self._values, name)
        return labelled_arrays.one_term(component, value, "shrinkage")

    def __repr__(self) -> str:
        p, m = self.model.X.shape[1], sum(c.n_effects for c in self.model.components)
        s = "" if p == 1 else "s"
        lines = [
            f"MixedModelEquations({self.model.n:,} rows, {p} fixed effect{s}, {m:,} random effects)"
        ]
        for name, ratio in self.lambdas.items():
            lines.append(f"  {name:<10} variance {self.variances[str(name)]:g}, lambda {ratio:g}")
        lines.append(f"  {RESIDUAL:<10} variance {self.variances[RESIDUAL]:g}")
        return "\n".join(lines)
