"""The permuted Cholesky factor of Λ'Z'ZΛ + Q ⊗ I: by block elimination, or jointly with Q ≠ I."""

from __future__ import annotations

from collections.abc import Sequence

from ...support.arrays import FloatArray
from .block_info import BlockInfo
from .chain_factorization import ChainFactorization, can_be_passed
from .direct_factorization import DirectFactorization
from .factorization import Factorization
from .joint_factorization import JointFactorization
from .joint_system import JointSystem
from .level_factorization import LevelFactorization
from .small_factorization import SmallFactorization
from .system import FactorMethod, System

__all__ = [
    "BlockInfo",
    "ChainFactorization",
    "DirectFactorization",
    "FactorMethod",
    "Factorization",
    "JointFactorization",
    "JointSystem",
    "LevelFactorization",
    "SmallFactorization",
    "System",
    "factorize",
]


def factorize(
    system: System | JointSystem, lams: Sequence[FloatArray]
) -> Factorization | JointFactorization:
    """A at one θ, factored.

    Parameters
    ----------
    system : System or JointSystem
    lams : sequence of ndarray (k, k)
        Relative factors λ of each grouping factor.
    """
    if isinstance(system, JointSystem):
        return JointFactorization(system, lams)
    if can_be_passed(system, lams):
        return ChainFactorization(system, lams)
    if system.is_by_level and system.kernels is not None:
        return LevelFactorization(system, lams)
    if system.is_small:
        return SmallFactorization(system, lams)
    return Factorization(system, lams)
