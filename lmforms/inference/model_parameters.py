"""All parameters of a fit under the names by which profiles, bootstraps and intervals call them.

Fixed effects by their coefficient; ``sd(Days | Subject)`` and ``cor(Intercept, Days | Subject)`` of
random terms; ``rho(ar1(0 + visit | Subject))`` of terms whose structure has parameters of its own;
parameters of the residuals under the names of ``residual_params``; and ``sigma``. Fits of families
have their parameters in the place of those of the residuals (see :mod:`.family_parameters`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..residual.parametric import ParametricResidual
from ..results.state import FitState
from ..support.arrays import FloatArray
from .family_parameters import family_parameters
from .generalized import generalized_estimate
from .residual_estimates import has_parameters, residual_values

SIGMA = "sigma"

Kind = Literal["fixed", "sd", "cor", "structure", "residual", "sigma", "family"]


@dataclass(frozen=True)
class ModelParameter:
    """One parameter of a fit.

    Attributes
    ----------
    name : str
        Unique in the fit.
    kind : {"fixed", "sd", "cor", "structure", "residual", "sigma", "family"}
        ``residual`` are all parameters of a structure of the residuals, standard deviations
        included; ``sigma`` is σ where the residuals have one variance or ratios to it.
    low, high : float
        Bounds.
    term : int
        Place of the random term in the formula; −1 for others.
    first, second : int
        Of a standard deviation its effect within the term, of a correlation both; of others
        `first` is the place among those of their kind (coefficients, natural parameters of the
        term, :func:`.residual_values`, or :func:`.family_parameters`).
    """

    name: str
    kind: Kind
    low: float
    high: float
    term: int = -1
    first: int = -1
    second: int = -1

    @property
    def is_deviation(self) -> bool:
        """Whether it is a standard deviation in the units of the response."""
        return self.kind in ("sd", "sigma") or self.name.startswith(("sd[", "sd("))


def model_parameters(state: FitState) -> tuple[ModelParameter, ...]:
    """Parameters: fixed effects, random terms in the order of the formula, residuals or family.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
    >>> for parameter in model_parameters(fit.state):
    ...     print(parameter.name)
    Intercept
    Days
    sd(Intercept | Subject)
    sd(Days | Subject)
    cor(Intercept, Days | Subject)
    sigma
    """
    out = [
        ModelParameter(str(name), "fixed", -np.inf, np.inf, first=i)
        for i, name in enumerate(state.design.x_names)
    ]
    for t in range(len(state.design.terms)):
        out += _term_parameters(state, t)
    if state.family is not None:
        return _unique(out + _family_parameters(state))
    return _unique(out + _residual_parameters(state))


def _family_parameters(state: FitState) -> list[ModelParameter]:
    found = enumerate(family_parameters(state))
    return [ModelParameter(p.name, "family", *p.bounds, first=i) for i, p in found]


def _term_parameters(state: FitState, t: int) -> list[ModelParameter]:
    term = state.design.terms[t]
    group = term.label.rpartition(" | ")[2]
    own = term.covariance.parameters()
    if own:
        return [
            ModelParameter(f"{p.name}({term.written})", "structure", p.low, p.high, t, i)
            for i, p in enumerate(own)
        ]
    names = term.columns
    out = [
        ModelParameter(f"sd({name} | {group})", "sd", 0.0, np.inf, t, i)
        for i, name in enumerate(names)
    ]
    for i, j in term.covariance.covariances():
        name = f"cor({names[i]}, {names[j]} | {group})"
        out.append(ModelParameter(name, "cor", -1.0, 1.0, t, i, j))
    return out


def _residual_parameters(state: FitState) -> list[ModelParameter]:
    if not has_parameters(state):
        return [ModelParameter(SIGMA, "sigma", 0.0, np.inf)]
    residual = state.residual
    assert isinstance(residual, ParametricResidual)
    bounds = [part.bounds() for part in residual.parts]
    low = np.concatenate([b[0] for b in bounds])
    high = np.concatenate([b[1] for b in bounds])
    out, natural = [], 0
    for i, name in enumerate(residual_values(state)[0]):
        if name == SIGMA:
            out.append(ModelParameter(name, "sigma", 0.0, np.inf, first=i))
        elif name.startswith("sd["):
            out.append(ModelParameter(name, "residual", 0.0, np.inf, first=i))
        else:
            out.append(ModelParameter(name, "residual", low[natural], high[natural], first=i))
            natural += 1
    return out


def _unique(parameters: list[ModelParameter]) -> tuple[ModelParameter, ...]:
    """The same with numbers behind names that stand twice."""
    seen: dict[str, int] = {}
    out = []
    for parameter in parameters:
        count = seen[parameter.name] = seen.get(parameter.name, 0) + 1
        name = parameter.name if count == 1 else f"{parameter.name} #{count}"
        out.append(replace(parameter, name=name))
    return tuple(out)


def parameter_values(state: FitState) -> FloatArray:
    """Estimates of :func:`model_parameters`, NaN for a correlation beside a zero variance.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"))
    >>> parameter_values(fit.state).round(2)
    array([1527.5 ,   42.  ,   49.51])
    """
    from ..results.quantities import relative_factors, term_thetas

    sigma, lams, thetas = state.estimate.sigma, relative_factors(state), term_thetas(state)
    residual = np.empty(0) if state.family is not None else residual_values(state)[1]
    out = []
    for parameter in model_parameters(state):
        first, second = parameter.first, parameter.second
        if parameter.kind == "fixed":
            out.append(float(state.estimate.beta[first]))
        elif parameter.kind == "structure":
            covariance = state.design.terms[parameter.term].covariance
            unit = sigma if covariance.parameters()[first].relative else 1.0
            out.append(float(unit * covariance.natural(thetas[parameter.term])[first]))
        elif parameter.kind in ("sd", "cor"):
            rows = lams[parameter.term]
            size = np.sqrt(np.einsum("ij,ij->i", rows, rows))
            if parameter.kind == "sd":
                out.append(float(sigma * size[first]))
                continue
            both = size[first] * size[second]
            product = float(rows[first] @ rows[second])
            out.append(product / both if both > 0 else float("nan"))
        elif parameter.kind == "family":
            own = family_parameters(state)[first]
            out.append(own.value(float(generalized_estimate(state).coefficients[own.entry])))
        else:
            out.append(float(residual[first]) if len(residual) else sigma)
    return np.array(out)
