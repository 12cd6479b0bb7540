"""Checks of the layer's arguments, which raise the exceptions of lmforms."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...errors import ArgumentError, DataError, ModelError


class LayerWeights(NamedTuple):
    """The weight of each modality."""

    Y: float
    X: float
    Z: float


NAMES = LayerWeights._fields
DTYPES = (torch.float32, torch.float64)


def sizes(n_Y: Any, n_X: Any, n_Z: Any, rank: Any) -> tuple[int, int, int, int]:
    """Numbers of columns and components as integers.

    Raises
    ------
    ArgumentError
        One is not a positive integer.
    ModelError
        The rank is above the columns of X or Z.

    Examples
    --------
    >>> sizes(1, 5, 6, 2)
    (1, 5, 6, 2)
    """
    found = []
    for name, value in {"n_Y": n_Y, "n_X": n_X, "n_Z": n_Z, "rank": rank}.items():
        try:
            count = operator.index(value)
        except TypeError:
            count = 0
        if count < 1 or isinstance(value, bool):
            raise ArgumentError(f"{name} must be a positive integer, not {value!r}.")
        found.append(count)
    least = min(found[1], found[2])
    if found[3] > least:
        raise ModelError(
            f"rank={found[3]}, but X has {found[1]} columns and Z {found[2]}: their codes are "
            f"not determined beyond rank {least}."
        )
    return found[0], found[1], found[2], found[3]


def ridge(value: Any, shrink: bool, default: float) -> float:
    """ρ; zero with `shrink`, which uses Σ⁻¹ instead.

    Raises
    ------
    ArgumentError

    Examples
    --------
    >>> ridge(None, False, 0.5), ridge(None, True, 0.5)
    (0.5, 0.0)
    """
    if value is None:
        return 0.0 if shrink else default
    (found,) = _numbers([value], "ridge")
    if not (math.isfinite(found) and found >= 0):
        raise ArgumentError(f"ridge must be zero or positive, not {value!r}.")
    if shrink and found:
        raise ArgumentError(
            "shrink=True predicts codes under their second moments and has no use for `ridge`: "
            "give one of them."
        )
    return found


def weights(value: Any) -> LayerWeights:
    """The weight of each modality; 1 each if `value` is None.

    Raises
    ------
    ArgumentError

    Examples
    --------
    >>> weights({"Z": 3, "Y": 1, "X": 2})
    LayerWeights(Y=1.0, X=2.0, Z=3.0)
    """
    if value is None:
        return LayerWeights(1.0, 1.0, 1.0)
    if isinstance(value, Mapping):
        if set(value) != set(NAMES):
            raise ArgumentError(f"weights must have 'Y', 'X' and 'Z', not {sorted(value)!r}.")
        value = [value[name] for name in NAMES]
    found = _numbers(value, "weights")
    if len(found) != 3 or not all(math.isfinite(w) and w > 0 for w in found):
        raise ArgumentError(
            f"weights must be three positive numbers, those of Y, X, Z, not {value!r}."
        )
    return LayerWeights(*found)


def dtype(value: Any) -> Any:
    """A type in which systems can be solved; torch's default if `value` is None.

    Raises
    ------
    ArgumentError

    Examples
    --------
    >>> dtype(torch.float64)
    torch.float64
    """
    value = torch.get_default_dtype() if value is None else value
    if value not in DTYPES:
        raise ArgumentError(f"The codes are solved for in float32 or float64, not in {value}.")
    return value


def rows(
    Y: Any, X: Any, Z: Any, columns: Mapping[str, int], like: Tensor, user: str
) -> dict[str, Tensor]:
    """The modalities given, of one leading shape, with the columns and type of the layer.

    Raises
    ------
    ArgumentError
        None is given; one is not a tensor, or of another type or on another device.
    DataError
        Columns or rows do not fit; an entry is not finite.

    Examples
    --------
    >>> list(rows(None, torch.ones(3, 2), None, {"X": 2}, torch.ones(1), "forward"))
    ['X']
    """
    given = {name: A for name, A in zip(NAMES, (Y, X, Z)) if A is not None}
    if not given:
        raise ArgumentError(f"{user}() needs rows of at least one of Y, X and Z.")
    for name, A in given.items():
        _tensor(A, name, like)
        if A.ndim == 0 or A.shape[-1] != columns[name]:
            raise DataError(
                f"{name} has shape {tuple(A.shape)}; its last dimension must be the layer's "
                f"n_{name} = {columns[name]}."
            )
        bad = A.isinf() if name == "Y" else ~A.isfinite()
        if bool(bad.any()):
            way = "Write NaN where a response is missing" if name == "Y" else "Only Y may have gaps"
            raise DataError(f"{name} has entries that are not finite. {way}.")
    first, *others = given
    for other in others:
        if given[other].shape[:-1] != given[first].shape[:-1]:
            raise DataError(
                f"{first} has shape {tuple(given[first].shape)} and {other} "
                f"{tuple(given[other].shape)}: all dimensions but the last must be the same."
            )
    return given


def codes(value: Any, rank: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """K and H, (..., k) each.

    Raises
    ------
    ArgumentError, DataError

    Examples
    --------
    >>> K, H = codes((torch.ones(3, 2), torch.ones(3, 2)), 2, torch.ones(1))
    """
    if not isinstance(value, tuple) or len(value) != 2:
        raise ArgumentError("codes must be a pair (K, H), as encode() gives it.")
    for name, A in zip("KH", value):
        _tensor(A, name, like)
        if A.ndim == 0 or A.shape[-1] != rank or A.shape != value[0].shape:
            raise DataError(
                f"{name} has shape {tuple(A.shape)}; K and H must be (..., {rank}), both alike."
            )
    return value[0], value[1]


def _numbers(value: Any, name: str) -> list[float]:
    try:
        return [float(v) for v in value]
    except (TypeError, ValueError):
        raise ArgumentError(f"{name}={value!r} is not numeric.") from None


def _tensor(A: Any, name: str, like: Tensor) -> None:
    if not isinstance(A, Tensor):
        raise ArgumentError(f"{name} must be a torch.Tensor, not {type(A).__name__}.")
    if A.dtype != like.dtype or A.device != like.device:
        raise ArgumentError(
            f"{name} is {A.dtype} on {A.device} and the layer {like.dtype} on {like.device}: "
            "convert one of them with .to()."
        )
