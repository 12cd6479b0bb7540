"""Which engine fits a model: a Cholesky factor, or conjugate gradients for the largest ones.

Where an exact evaluation is expensive, conjugate gradients find where the exact search begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from ..control import Control
from ..errors import ArgumentError, MemoryLimitError
from .criterion.problem import Problem
from .factor import FactorMethod, JointSystem, System
from .iterative import IterativeSystem
from .iterative.probes import PROBE_COUNT
from .kernel_choice import kernels_of_fit
from .prior import Identity, Prior
from .sums.cross_products import CrossProducts

ALWAYS_EXACT_COLUMNS = 12_000
"""With up to so many random effects beside the leading factor's a model is fitted exactly. At this
size a dense factor takes some twenty seconds per evaluation on two cores, and its time grows with
the cube."""

PATTERN_ANALYSIS_BYTES = 2**29
"""Beyond that size, most bytes for determining whether the Schur complement is sparse."""


ROUGH_PRODUCTS = 50.0
"""Products with C, of each column, that a rough search by conjugate gradients takes: two in each
of some eight iterations of three evaluations."""

PRODUCT_COST_RATIO = 40.0
"""Time of a number of C in such a product over that of a multiplication in LAPACK."""


def analyse(
    cp: CrossProducts, control: Control, priors: Sequence[Prior] = ()
) -> System | JointSystem | IterativeSystem:
    """The system to be solved, with compiled passes over its levels where these suit it.

    Parameters
    ----------
    cp : CrossProducts
    control : Control
    priors : sequence of Prior
        One for each grouping factor; none if all levels are independent.

    Raises
    ------
    ArgumentError
        Conjugate gradients were requested for a model that they do not suit, or kernels without
        numba.
    MemoryLimitError
        No engine fits into memory.
    """
    system = _analyse(cp, control, priors)
    if isinstance(system, System) and (system.is_small or system.is_by_level):
        system.kernels = kernels_of_fit(system.count)
    return system


def _analyse(
    cp: CrossProducts, control: Control, priors: Sequence[Prior]
) -> System | JointSystem | IterativeSystem:
    """By the engine of `control` or the one that suits the sizes."""
    if control.factor == "cg":
        if _has_related_levels(cp, priors):
            _refuse_conjugate_gradients(any(not prior.is_identity for prior in priors))
        return _iterative_on_request(cp)
    if _has_related_levels(cp, priors):
        return exact_system(cp, control.factor, control.memory, priors)
    is_exact = control.factor != "auto" or len(cp.factors) == 1
    if is_exact or _columns_beside_largest(cp) <= ALWAYS_EXACT_COLUMNS:
        return _by_factor_if_it_fits(cp, control.factor, control.memory)
    iterative = IterativeSystem(cp)
    if iterative.is_separate():
        return System(cp, "auto", control.memory)
    if iterative.pattern_bytes > min(PATTERN_ANALYSIS_BYTES, control.memory):
        return iterative
    try:
        return System(cp, "auto", control.memory, dense_up_to=ALWAYS_EXACT_COLUMNS)
    except MemoryLimitError:
        return iterative


def exact_system(
    cp: CrossProducts, method: FactorMethod, memory: int, priors: Sequence[Prior] = ()
) -> System | JointSystem:
    """The system that is solved by a factor.

    Raises
    ------
    MemoryLimitError
        The factor does not fit into memory.
    """
    if not _has_related_levels(cp, priors) or _is_one_factor_with_root(cp, priors):
        return System(cp, method, memory)
    return JointSystem(cp, priors or [Identity()] * len(cp.factors), method, memory)


def _has_related_levels(cp: CrossProducts, priors: Sequence[Prior]) -> bool:
    if not priors:
        return bool(cp.own)
    return bool(cp.own) or not all(prior.is_identity for prior in priors)


def _is_one_factor_with_root(cp: CrossProducts, priors: Sequence[Prior]) -> bool:
    """Whether the coordinates of the only grouping factor are independent and do not meet."""
    return not cp.own and len(priors) == 1 and priors[0].has_unit_precision


def rough_system(problem: Problem) -> IterativeSystem | None:
    """What a rough search by conjugate gradients needs; None where it would cost too much.

    It spares an exact search about one evaluation with its derivatives, at least.
    """
    system = problem.system
    if not isinstance(system, System) or not system.is_expensive:
        return None
    cp = system.cp
    columns = cp.p + 1 + PROBE_COUNT + problem.n_theta
    numbers = sum(pair.blocks.size for pair in cp.pairs.values())
    if system.factor_work < PRODUCT_COST_RATIO * ROUGH_PRODUCTS * columns * numbers:
        return None
    iterative = IterativeSystem(cp, like=system)
    is_full = system.solver is None
    return iterative if is_full or not iterative.is_separate() else None


def _by_factor_if_it_fits(
    cp: CrossProducts, method: FactorMethod, memory: int
) -> System | IterativeSystem:
    try:
        return System(cp, method, memory)
    except MemoryLimitError:
        if method != "auto":
            raise
        iterative = IterativeSystem(cp)
        if iterative.is_separate():
            raise
        return iterative


def _refuse_conjugate_gradients(related: bool) -> NoReturn:
    reason = "rows that belong to several levels, or residuals correlated across them"
    raise ArgumentError(
        "factor='cg' is for independent levels; this model has "
        f"{'a relationship' if related else reason}. Use factor='auto'."
    )


def _iterative_on_request(cp: CrossProducts) -> IterativeSystem:
    if len(cp.factors) < 2:
        raise ArgumentError(
            "factor='cg' is for crossed grouping factors; this model has "
            f"{len(cp.factors)}. Use factor='auto'."
        )
    iterative = IterativeSystem(cp)
    if iterative.is_separate():
        raise ArgumentError(
            "factor='cg': the grouping factors are nested, or consist of small sets of levels that "
            "are not connected. An exact factor is cheap there and conjugate gradients are slow: "
            "use factor='auto'."
        )
    return iterative


def _columns_beside_largest(cp: CrossProducts) -> int:
    """Columns of all factors but the largest."""
    sizes = [f.zz.shape[0] * f.zz.shape[1] for f in cp.factors]
    return sum(sizes) - max(sizes, default=0)
