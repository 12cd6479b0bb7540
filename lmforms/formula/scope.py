"""The names that calls in a formula may use."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from types import ModuleType
from typing import Any

from .aliases import unaliased
from .transforms import FALLBACKS, built_in_names


class Scope(Mapping[str, Any]):
    """Names that calls in a formula may use: those of the caller before those of every formula.

    Parameters
    ----------
    given : mapping
        Functions and variables of the caller.
    python : bool
        Whether Python's own functions, such as ``round``, are among the names. Formulas from
        files do without.
    """

    def __init__(self, given: Mapping[str, Any] | None = None, *, python: bool = True) -> None:
        self.given = {} if given is None else dict(given)
        self._python = python

    @cached_property
    def _layers(self) -> list[Mapping[str, Any]]:
        layers = [self.given, built_in_names(), FALLBACKS]
        if self._python:
            layers.append({k: v for k, v in vars(builtins).items() if k[0] != "_"})
        return layers

    @classmethod
    def implicit(cls, variables: Mapping[str, Any], names: Iterable[str]) -> Scope:
        """The caller's variables among `names`, less what has a meaning in every formula.

        So a ``from math import log``, or a variable called ``C``, breaks no formula; to
        replace a transform, give it by ``context=``.
        """
        found = {n: variables[n] for n in names if n in variables}
        taken = built_in_names() if found else {}
        return cls({n: value for n, value in found.items() if n not in taken})

    def extended(self, more: Mapping[str, Any], *, before: bool = False) -> Scope:
        """With more names, which stand behind those of the caller unless `before`."""
        given = {**self.given, **more} if before else {**more, **self.given}
        return Scope(given, python=self._python)

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle, which copies no module: modules by their names, the rest as it is."""
        given = {k: _Module.of(v) for k, v in self.given.items()}
        return _unpickled, (given, self._python)

    def __getitem__(self, name: str) -> Any:
        plain = unaliased(name)
        for names in self._layers:
            # the alias of a name stands for a function only
            if plain in names and (name == plain or _can_be_called(names[plain])):
                return names[plain]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter({name for names in self._layers for name in names})

    def __len__(self) -> int:
        return len(list(iter(self)))


@dataclass(frozen=True)
class _Module:
    """A module by its name."""

    name: str

    @staticmethod
    def of(value: Any) -> Any:
        return _Module(value.__name__) if isinstance(value, ModuleType) else value


def _unpickled(given: Mapping[str, Any], python: bool) -> Scope:
    modules = {k: import_module(v.name) for k, v in given.items() if isinstance(v, _Module)}
    return Scope({**given, **modules}, python=python)


def _can_be_called(value: Any) -> bool:
    return callable(value) or isinstance(value, ModuleType)
