"""Parameters of tests that run only when asked for by `-m slow`, as CI does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest


def slow(*values: Any) -> Any:
    """A case that is left out by default."""
    return pytest.param(*values, marks=pytest.mark.slow)


def slow_if(condition: Callable[[Any], bool], cases: Iterable[Any]) -> list[Any]:
    """The cases, of which those that meet the condition are left out by default."""
    return [_slow(case) if condition(case) else case for case in cases]


def one_in(count: int, cases: Iterable[Any]) -> list[Any]:
    """The cases, of which one in so many is run by default: the others are of the same kind."""
    return [_slow(case) if i % count else case for i, case in enumerate(cases)]


def _slow(case: Any) -> Any:
    if hasattr(case, "marks"):  # already a pytest.param
        return case._replace(marks=[*case.marks, pytest.mark.slow])
    return slow(*case) if isinstance(case, tuple) else slow(case)
