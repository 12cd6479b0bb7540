"""The bar that long work shows with ``progress=True``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from ..errors import MissingPackageError

T = TypeVar("T")


def with_bar(items: Iterable[T], shown: bool, name: str) -> Iterable[T]:
    """The same items, with a bar of tqdm's while they are gone through.

    Raises
    ------
    MissingPackageError
        tqdm is not there.
    """
    return _tqdm()(items, desc=name) if shown else items  # type: ignore[no-any-return]


def bar_of(total: int, name: str) -> Any:
    """A bar of tqdm's, to be updated by hand.

    Raises
    ------
    MissingPackageError
        tqdm is not there.
    """
    return _tqdm()(total=total, desc=name)


def row_bar(name: str) -> Any:
    """A bar that counts rows, whose number is not known, with rows per second.

    Raises
    ------
    MissingPackageError
        tqdm is not there.
    """
    return _tqdm()(desc=name, unit=" rows", unit_scale=True)


def _tqdm() -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        raise MissingPackageError(
            "progress=True needs tqdm: pip install 'lmforms[bayes]' or 'lmforms[stream]', or leave "
            "`progress` out."
        ) from None
    return tqdm
