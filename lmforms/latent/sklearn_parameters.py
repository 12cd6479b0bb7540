"""Parameters as scikit-learn reads and sets them, without scikit-learn."""

from __future__ import annotations

import inspect
import reprlib
from typing import Any, TypeVar

from ..errors import ArgumentError, near_matches

Self = TypeVar("Self", bound="Parameters")


class Parameters:
    """Base of an estimator whose constructor stores its arguments under their names."""

    @classmethod
    def _parameters(cls) -> dict[str, inspect.Parameter]:
        found = dict(inspect.signature(cls.__init__).parameters)
        found.pop("self")
        return found

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name, as given; `deep` is accepted for scikit-learn and not used."""
        return {name: getattr(self, name) for name in self._parameters()}

    def set_params(self: Self, **params: Any) -> Self:
        """Change parameters by name; returns itself.

        Raises
        ------
        ArgumentError
            There is no such parameter.
        """
        known = self._parameters()
        for name, value in params.items():
            if name not in known:
                raise ArgumentError(
                    f"{type(self).__name__} has no parameter {name!r}.{near_matches(name, known)}"
                )
            setattr(self, name, value)
        return self

    def __sklearn_clone__(self: Self) -> Self:
        """A copy with the same parameters: scikit-learn would replace a fit in `start=`."""
        return type(self)(**self.get_params())

    @reprlib.recursive_repr()  # a fit may be its own start
    def __repr__(self) -> str:
        said = []
        for name, parameter in self._parameters().items():
            value = getattr(self, name)
            if repr(value) != repr(parameter.default):  # arrays are compared as a whole
                said.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(said)})"
