"""`TableFormats`: the methods by which results are written as text, HTML, LaTeX and others."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import pandas as pd

from ..errors import ArgumentError, near_matches
from ..support.arguments import flag, short_repr, whole_number
from .labels import renamed
from .shown import ShownResult

F = TypeVar("F", bound=Callable[..., Any])

LEAST_WIDTH = 40
"""Fewest characters of a line."""

MOST_DIGITS = 15
"""Significant digits of a number of double precision."""


def format_arguments(method: F) -> F:
    """Refuse arguments that the method does not have.

    Tables are DataFrames, whose methods of these names have other arguments: the message says how
    to call those.
    """
    known = [name for name in inspect.signature(method).parameters if name != "self"]

    @functools.wraps(method)
    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        unknown = next((name for name in kwargs if name not in known), None)
        if args or unknown is not None:
            call = f"{type(self).__name__}.{method.__name__}()"
            what = f"has no argument `{unknown}`" if unknown else "has named arguments only"
            hint = near_matches(unknown, known) if unknown else ""
            hint = hint or f" It has: {', '.join(known)}."
            pandas = hasattr(pd.DataFrame, method.__name__) and isinstance(self, pd.DataFrame)
            way = f" Those of pandas: pd.DataFrame(table).{method.__name__}()." if pandas else ""
            raise ArgumentError(f"{call} {what}.{hint}{way}")
        return method(self, **kwargs)

    return cast(F, checked)


class TableFormats:
    """Methods ``to_text``, ``to_html``, ``to_latex``, ``to_markdown`` and ``to_typst``.

    All of them have the options of :meth:`to_html`. Printed, it is the plain text; a notebook shows
    the HTML.
    """

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.to_html()

    def _shown(self, stars: bool, digits: int | None) -> ShownResult:
        """What is shown, with stars or with other digits where they are asked for."""
        raise NotImplementedError

    def _asked(
        self, labels: Mapping[str, str] | None, stars: bool, digits: int | None
    ) -> ShownResult:
        if digits is not None:
            digits = whole_number("digits", digits, least=1, most=MOST_DIGITS)
        return renamed(self._shown(flag("stars", stars), digits), labels)

    @format_arguments
    def to_text(
        self,
        *,
        labels: Mapping[str, str] | None = None,
        stars: bool = False,
        digits: int | None = None,
        width: int = 80,
    ) -> str:
        """Plain text.

        Parameters
        ----------
        labels, stars, digits
            See :meth:`to_html`.
        width : int
            Characters of a line: long labels are broken, and more columns follow below.
        """
        from .text import text

        width = whole_number("width", width, least=LEAST_WIDTH)
        return text(self._asked(labels, stars, digits), width)

    @format_arguments
    def to_html(
        self,
        *,
        caption: str | None = None,
        labels: Mapping[str, str] | None = None,
        stars: bool = False,
        digits: int | None = None,
    ) -> str:
        """HTML that needs no style sheet.

        Parameters
        ----------
        caption : str, optional
            In place of the title.
        labels : dict of str to str, optional
            Other names of coefficients, effects, grouping factors and columns:
            ``{"condition[T.control]": "Control"}``. A name is also replaced within others, as in
            ``Days:condition[T.control]``.
        stars : bool
            Mark estimates by their p-values, with a legend.
        digits : int, optional
            Significant digits of the smallest standard error, or of the smallest number of a
            column where there are none; 4 by default. Estimates have as many decimals.

        Raises
        ------
        ArgumentError
            A label's name is not there, or a table without p-values is to have stars.
        """
        from .html import html

        return html(self._asked(labels, stars, digits), _text("caption", caption))

    @format_arguments
    def to_latex(
        self,
        *,
        caption: str | None = None,
        label: str | None = None,
        labels: Mapping[str, str] | None = None,
        stars: bool = False,
        digits: int | None = None,
        booktabs: bool = False,
    ) -> str:
        r"""LaTeX, which pdflatex compiles without a package.

        Parameters
        ----------
        caption : str, optional
            With it the tables stand in a ``table``, which floats.
        label : str, optional
            For ``\ref``; with a caption only.
        labels, stars, digits
            See :meth:`to_html`.
        booktabs : bool
            Rules of the package booktabs, which the document must load.
        """
        from .latex import latex

        result = self._asked(labels, stars, digits)
        booktabs = flag("booktabs", booktabs)
        return latex(result, _text("caption", caption), _reference(caption, label), booktabs)

    @format_arguments
    def to_markdown(
        self,
        *,
        caption: str | None = None,
        labels: Mapping[str, str] | None = None,
        stars: bool = False,
        digits: int | None = None,
    ) -> str:
        """GitHub-flavoured Markdown.

        Parameters
        ----------
        caption, labels, stars, digits
            See :meth:`to_html`.
        """
        from .markdown import markdown

        return markdown(self._asked(labels, stars, digits), _text("caption", caption))

    @format_arguments
    def to_typst(
        self,
        *,
        caption: str | None = None,
        label: str | None = None,
        labels: Mapping[str, str] | None = None,
        stars: bool = False,
        digits: int | None = None,
    ) -> str:
        """Typst.

        Parameters
        ----------
        caption : str, optional
            With it the tables stand in a ``figure``.
        label : str, optional
            For references ``@label``; with a caption only.
        labels, stars, digits
            See :meth:`to_html`.
        """
        from .typst import typst

        result = self._asked(labels, stars, digits)
        return typst(result, _text("caption", caption), _reference(caption, label))


def _text(name: str, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise ArgumentError(f"{name}={short_repr(value)}: a text is needed.")


def _reference(caption: Any, label: Any) -> str | None:
    """The name of a float, which needs a caption, in characters that both programs take."""
    if _text("label", label) is None:
        return None
    if caption is None:
        raise ArgumentError(f"label={label!r}: give a caption= too; its number is referred to.")
    if not label or not all(c.isascii() and (c.isalnum() or c in ":.-_") for c in label):
        raise ArgumentError(
            f"label={short_repr(label)}: letters, digits and the signs : . - _ are needed."
        )
    return str(label)
