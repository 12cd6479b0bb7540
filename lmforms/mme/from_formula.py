"""`equations`: mixed-model equations from a formula, a model or a fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from ..errors import ArgumentError
from ..support.arguments import named_arguments, short_repr
from ..varcomp import ComponentModel
from ..varcomp.fit import RESIDUAL
from ..varcomp.model import component_model
from .mixed_model_equations import MixedModelEquations


class Fit(Protocol):
    """A fitted model: :class:`lmforms.MixedModelResults`."""

    @property
    def state(self) -> Any:
        """Design, relationship, response and estimate."""


@named_arguments
def equations(
    model: str | ComponentModel | Fit,
    data: Any = None,
    *,
    variances: Any = None,
    relationship: Mapping[str, Any] | None = None,
    weights: Any = None,
) -> MixedModelEquations:
    """Mixed-model equations of a formula with data, or of an existing model or fit.

    Parameters
    ----------
    model : str, ComponentModel or MixedModelResults
        A formula whose random terms are scalars: ``(1 | g)``, ``(x || g)``; or a model or fit
        of such a formula.
    data : table
        For a formula, as are `relationship` and `weights`; see
        :meth:`lmforms.varcomp.ComponentModel.of_formula`.
    variances : mapping, Series or table
        σ_i² of each term by its name, and σ² as ``Residual``; or the table ``vcomp`` of a fit. A
        fit has its own.
    relationship : mapping, optional
        Known covariances K of levels, as for :class:`lmforms.MixedModel`.
    weights : str or sequence, optional
        Var(e_i) = σ²/w_i.

    Returns
    -------
    MixedModelEquations

    Raises
    ------
    ArgumentError, DataError
        Variances are missing, wrong or not those of the model.
    ModelError
        Random effects of a term are correlated.

    Examples
    --------
    >>> import lmforms as lf
    >>> rail = lf.datasets.load("Rail")
    >>> mme = lf.mme.equations("travel ~ 1 + (1 | Rail)", rail,
    ...                        variances={"Rail": 615.31, "Residual": 16.17})
    >>> mme
    MixedModelEquations(18 rows, 1 fixed effect, 6 random effects)
      Rail       variance 615.31, lambda 0.0262794
      Residual   variance 16.17
    >>> fit = lf.lmer("travel ~ 1 + (1 | Rail)", rail)
    >>> lf.mme.equations(fit).solve().beta.round(2).to_list()
    [66.5]
    """
    if isinstance(model, str):
        model = ComponentModel.of_formula(model, data, relationship=relationship, weights=weights)
    elif not (data is None and relationship is None and weights is None):
        raise ArgumentError("a model or fit has its data: give it and `variances` alone.")
    elif hasattr(model, "state"):
        state = model.state
        model = component_model(state.design, state.relationship, state.response)
        if variances is None:
            variances = _estimated_variances(model, state.estimate)
    elif not isinstance(model, ComponentModel):
        raise ArgumentError(
            f"model must be a formula, a ComponentModel or a fitted model, not {short_repr(model)}."
        )
    if variances is None:
        names = ", ".join(f"{name!r}: …" for name in (*model.names, RESIDUAL))
        raise ArgumentError(f"variances are missing: give variances={{{names}}}.")
    return MixedModelEquations(model, variances)


def _estimated_variances(model: ComponentModel, estimate: Any) -> dict[str, float]:
    """σ²λ² of each component, in the order of the grouping factors, and σ²."""
    ratios = np.concatenate([np.empty(0), *(np.diag(lam) ** 2 for lam in estimate.lams)])
    values = estimate.sigma**2 * np.append(ratios, 1.0)
    return dict(zip((*model.names, RESIDUAL), map(float, values), strict=True))
