"""Docstrings in NumPy style where napoleon and the field lists of Sphinx misread them.

- A property's docstring is read as "type: description" up to its first colon, and its sections
  are not read at all. Here it is read like a method's.
- "Raises" with several exceptions in one entry becomes one link, with a dash after it where
  nothing follows. Here every exception has its own link.
- The values of results are made by fits, so that their constructors are not for readers.
"""

from __future__ import annotations

import inspect
import re
from functools import cached_property
from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.napoleon import NumpyDocstring

import lmforms

# classes that readers call themselves; errors inherit their signature from Python's
CONSTRUCTED = {
    "lmforms.MixedModel",
    "lmforms.Control",
    "lmforms.latent.LinearMixedForm",
    "lmforms.latent.sklearn.FormRegressor",
    "lmforms.latent.torch.LinearMixedFormLayer",
    "lmforms.varcomp.InverseChiSquared",
}
AFTER_NAPOLEON = 501
RAISES = re.compile(r"^:raises (?P<names>[^:]+): ?(?P<text>.*)$")


def read_property(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Read the docstring of a property again, with sections, and colons being only colons."""
    if isinstance(obj, property | cached_property) and obj.__doc__:
        original = inspect.cleandoc(obj.__doc__).splitlines()
        lines[:] = NumpyDocstring(original, app.config, app, "method", name, obj, options).lines()


def _exception(name: str) -> str:
    known = hasattr(lmforms.errors, name)
    return f":exc:`~lmforms.errors.{name}`" if known else f"``{name}``"


def list_exceptions(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Turn the ``:raises …:`` fields of a docstring into one field with a list."""
    found = [index for index, line in enumerate(lines) if RAISES.match(line)]
    if not found:
        return
    for index in found:
        match = RAISES.match(lines[index])
        names = ", ".join(_exception(n.strip().lstrip("~")) for n in match["names"].split(","))
        text = f" – {match['text']}" if match["text"].strip() else ""
        lines[index] = f"   * {names}{text}"
    lines.insert(found[0], ":Raises:")


def hide_constructor(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str, returns: str
) -> tuple[str, str] | None:
    """Leave out the arguments of classes that only the package itself calls."""
    if what == "class" and name not in CONSTRUCTED:
        return "", returns
    return None


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", read_property, priority=AFTER_NAPOLEON)
    app.connect("autodoc-process-docstring", list_exceptions, priority=AFTER_NAPOLEON + 1)
    app.connect("autodoc-process-signature", hide_constructor)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
