"""Estimate variance components by a named method, with the path that it takes.

Every method stops when a Newton step on the average information promises to raise the
log-likelihood by less than `tolerance`; a variance that goes to zero is put there if the
likelihood does not fall.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..align import by_name
from ..errors import ArgumentError, ModelError, near_matches
from ..factor import calm_threads
from . import steps
from .emma import emma
from .equations import Equations
from .fit import RESIDUAL, VarCompFit, evaluated
from .gibbs import gibbs
from .likelihood import Likelihood, likelihood
from .model import ComponentModel
from .sums import Sums, sums_of
from .walks import Path, quasi_newton, rounding, settled, walk

FloatArray = npt.NDArray[np.float64]

TOLERANCE = 1e-15
"""Promised gain of the log-likelihood: variances are then within 10⁻⁷ standard errors."""

TINY = 1e-4
"""A residual variance below this share of what X leaves raises the question if there is any."""

LIMITS = {"em": 20_000, "em-fixed-point": 20_000}
"""Iterations where there are many …"""

LIMIT = 1_000
"""… and for the others, of which Fisher scoring is linear where the information is poor."""

METHODS = ("ai", "newton", "fisher", "em", "em-fixed-point", "quasi-newton")
"""Those that take steps from a start …"""

OTHERS = ("emma", "gibbs")
"""… and those that do not."""


def estimate(
    model: ComponentModel,
    method: str = "ai",
    *,
    reml: bool = True,
    start: Mapping[str, float] | npt.ArrayLike | None = None,
    tolerance: float | None = None,
    max_iterations: int | None = None,
    memory: float = 8 * 2**30,
    seed: Any = None,
) -> VarCompFit:
    """Variance components by (restricted) maximum likelihood.

    Parameters
    ----------
    model : ComponentModel
    method : str
        ``"ai"`` average information, ``"newton"`` observed, ``"fisher"`` expected information;
        ``"em"`` and ``"em-fixed-point"``, the two forms of the cheat sheet; ``"quasi-newton"``
        L-BFGS-B on the exact score. The first three halve a step that does not raise the
        likelihood, and take an EM step where that does not help; where the observed
        information is not positive definite, the average information serves. ``"newton"`` and
        ``"fisher"`` invert a dense matrix of all effects.
        ``"emma"`` is :func:`emma`, for one component; ``"gibbs"`` the joint posterior mode of
        :func:`gibbs` under flat priors. These two have no use for a start or a limit.
    reml : bool
    start : mapping or Series of names to variances, or array (r + 1,), optional
        Variances to start from, the residual's last; equal shares otherwise.
    tolerance : float, optional
        Promised gain of the log-likelihood at which to stop, 10⁻¹⁵.
    max_iterations : int, optional
        1,000; 20,000 for EM.
    memory : float
        Bytes that a dense matrix may take.
    seed : int or numpy Generator, optional
        Of ``"gibbs"``.

    Returns
    -------
    VarCompFit

    Raises
    ------
    ArgumentError
        An unknown method, or a start that does not fit the model.
    ModelError
        The components explain every row, and no residual is left.
    MemoryLimitError
        A dense matrix would not fit.

    References
    ----------
    Cheat sheet, section 7; Dempster, Laird, Rubin (1977), JRSS B 39; Patterson, Thompson
    (1971), Biometrika 58; Gilmour, Thompson, Cullis (1995), Biometrics 51.

    Examples
    --------
    >>> import lmforms as lf
    >>> from lmforms.varcomp import ComponentModel, estimate
    >>> model = ComponentModel.of_formula("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"))
    >>> estimate(model, "fisher").variances.round(2)
    Batch       1764.05
    Residual    2451.25
    Name: variance, dtype: float64
    """
    if method not in METHODS:
        return _other(model, method, reml, start, tolerance, max_iterations, memory, seed)
    if tolerance is None:
        tolerance = TOLERANCE
    if not (np.isfinite(tolerance) and tolerance > 0):
        raise ArgumentError(f"tolerance must be positive, not {tolerance!r}.")
    limit = LIMITS.get(method, LIMIT) if max_iterations is None else max_iterations
    if not (isinstance(limit, (int, np.integer)) and limit > 0):
        raise ArgumentError(f"max_iterations must be a positive whole number, not {limit!r}.")
    sums = sums_of(model)
    equations = Equations(sums, memory)
    path = Path(equations, bool(reml), [], [], [])
    with calm_threads(equations.largest):
        at = path.at(_start(start, model, sums))
        path.add(at, "start")
        go = quasi_newton if method == "quasi-newton" else walk
        at = settled(path, go(path, at, method, tolerance, int(limit)))
        _refuse_explained(path, at, model)
        return _result(model, method, path, at, tolerance, int(limit))


def _other(
    model: ComponentModel,
    method: str,
    reml: bool,
    start: Any,
    tolerance: float | None,
    max_iterations: int | None,
    memory: float,
    seed: Any,
) -> VarCompFit:
    """By a method that takes no steps from a start."""
    if method not in OTHERS:
        known = (*METHODS, *OTHERS)
        raise ArgumentError(
            f"method {method!r} is unknown.{near_matches(str(method), known)} "
            f"Use one of {', '.join(known)}."
        )
    given = {"start": start, "max_iterations": max_iterations, "tolerance": tolerance}
    unused = [name for name, value in given.items() if value is not None]
    if unused:
        raise ArgumentError(f"method={method!r} has no use for {', '.join(unused)}.")
    if method == "emma":
        return emma(model, reml=reml)
    if not reml:
        raise ArgumentError("method='gibbs' has no counterpart of ML: leave reml=True.")
    drawn = gibbs(model, seed=seed)
    equations = Equations(sums_of(model), memory)
    mode = drawn.joint_mode.to_numpy() / equations.sums.scale**2
    chains, draws = drawn.variance_draws.shape[:2]
    message = (
        f"joint posterior mode of {chains} chains of {draws} draws with flat priors; "
        "lmforms.varcomp.gibbs gives the draws"
    )
    return evaluated(model, likelihood(equations, mode, True), method, message)


def _refuse_explained(path: Path, at: Likelihood, model: ComponentModel) -> None:
    """Raise if σ² shrinks without end: where it is tiny, the score has no digits to tell."""
    if at.scale > TINY:
        return
    less = path.at(np.append(at.variances[:-1], 0.01 * at.scale))
    if less.criterion < at.criterion - 1e-3:
        raise ModelError(
            f"{' and '.join(model.names)} explain every row and no residual variance is left. "
            "Records repeated within levels, or a covariance of lower rank, would tell the two "
            "apart."
        )


def _result(
    model: ComponentModel, method: str, path: Path, at: Likelihood, tolerance: float, limit: int
) -> VarCompFit:
    left = steps.decrement(at)
    converged = left <= max(tolerance, rounding(at))
    if converged:
        message = "converged: a Newton step promises no further gain"
        zero = [n for n, v in zip(model.names, at.variances, strict=False) if v == 0]
        if zero:
            message += f"; {', '.join(zero)} at the boundary, zero"
    elif len(path.points) > limit:
        message = (
            f"stopped after {limit} iterations with a gain of {left:.1g} in sight: raise "
            "max_iterations, or use method='ai'"
        )
    else:
        message = f"no step raises the likelihood although a gain of {left:.1g} is predicted"
    shift = at.sums.criterion_shift(path.reml)
    return VarCompFit(
        model=model,
        method=method,
        reml=path.reml,
        steps=np.array(path.points) * at.sums.scale**2,
        criteria=np.array(path.criteria) + shift,
        kinds=tuple(path.kinds),
        converged=bool(converged),
        message=message,
        likelihood=at,
    )


def _start(start: Any, model: ComponentModel, sums: Sums) -> FloatArray:
    """Equal shares of the variance that X leaves, or what was given."""
    names = [*model.names, RESIDUAL]
    if start is None:
        share = 1.0 / len(names)
        return np.append(share / sums.sizes, share)
    start = by_name("start", start, pd.Index(names))
    if isinstance(start, Mapping):
        if sorted(start) != sorted(names):
            raise ArgumentError(f"start must name {', '.join(names)}, not {', '.join(start)}.")
        start = [start[name] for name in names]
    try:
        values = np.array(start, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentError("start must hold numbers, the residual variance last.") from None
    if values.shape != (len(names),) or not (np.isfinite(values).all() and (values >= 0).all()):
        raise ArgumentError(
            f"start must hold {len(names)} variances, not negative: {', '.join(names)}."
        )
    if not values[-1] > 0:
        raise ArgumentError("start: the residual variance must be positive.")
    return values / sums.scale**2
