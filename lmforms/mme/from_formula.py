"""`equations`: mixed-model equations from a formula or a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ArgumentError
from ..support.arguments import named_arguments, short_repr
from ..varcomp import ComponentModel
from .mixed_model_equations import MixedModelEquations


@named_arguments
def equations(
    model: str | ComponentModel,
    data: Any = None,
    *,
    variances: Any,
    relationship: Mapping[str, Any] | None = None,
    weights: Any = None,
) -> MixedModelEquations:
    """Mixed-model equations of a formula with data, or of an existing model.

    Parameters
    ----------
    model : str or ComponentModel
        A formula whose random terms are scalars: ``(1 | g)``, ``(x || g)``.
    data : table
        For a formula, as are `relationship` and `weights`; see
        :meth:`lmforms.varcomp.ComponentModel.of_formula`.
    variances : mapping or Series
        σ_i² of each term by its name, and σ² as ``Residual``.
    relationship : mapping, optional
        Known covariance K of a grouping factor's levels, by its name.
    weights : str or sequence, optional
        Var(e_i) = σ²/w_i.

    Returns
    -------
    MixedModelEquations

    Examples
    --------
    >>> import lmforms as lf
    >>> mme = lf.mme.equations("travel ~ 1 + (1 | Rail)", lf.datasets.load("Rail"),
    ...                        variances={"Rail": 615.31, "Residual": 16.17})
    >>> mme
    MixedModelEquations(18 rows, 1 fixed effect, 6 random effects)
      Rail       variance 615.31, lambda 0.0262794
      Residual   variance 16.17
    """
    if isinstance(model, str):
        model = ComponentModel.of_formula(model, data, relationship=relationship, weights=weights)
    elif not isinstance(model, ComponentModel):
        raise ArgumentError(
            f"model must be a formula or a ComponentModel, not {short_repr(model)}."
        )
    elif not (data is None and relationship is None and weights is None):
        raise ArgumentError("a ComponentModel has its data: give it and `variances` alone.")
    return MixedModelEquations(model, variances)
