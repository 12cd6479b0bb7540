"""`UnknownNames`: what a fit, or a model, says when it is asked for what it does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import UnknownNameError
from ..support.foreign_names import unknown_name


class UnknownNames:
    """Answers names of other packages with those used here."""

    _label = "a fit"
    _fitted: type | None = None
    """What an object becomes that is not fitted yet."""

    if not TYPE_CHECKING:  # type checkers know all names that there are

        def __getattr__(self, name: str) -> Any:
            __tracebackhide__ = True  # pytest leaves this frame out
            if hasattr(type(self), name):
                # a property failed by an AttributeError of its own, which is to be seen
                return object.__getattribute__(self, name)
            if name.startswith("_"):  # copy, pickle, IPython and NumPy ask for these
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            raise self._unknown(name)

    def _unknown(self, name: str) -> AttributeError:
        if self._fitted is not None and name in public_names(self._fitted):
            return UnknownNameError(
                f"{self._label} has no `{name}` before it is fitted: write model.fit().{name}.",
                self,
            )
        return unknown_name(self, self._label, name, public_names(type(self)))


def public_names(owner: type) -> list[str]:
    """Names of the attributes and methods of a class, without those that are its own business."""
    return [name for name in dir(owner) if not name.startswith("_")]
