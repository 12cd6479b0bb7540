"""Random terms by the names that users give them."""

from __future__ import annotations

from collections.abc import Sequence

from .terms import BoundRandomTerm


def matching(name: str, texts: Sequence[str]) -> list[int]:
    """Places of the texts that are a name.

    If none is the very name: those that are it but for white space, backticks and parentheses
    around it.

    Examples
    --------
    >>> matching("(1|animal)", ["age | animal", "1 | animal"])
    [1]
    """
    exact = [i for i, text in enumerate(texts) if text == name]
    if exact:
        return exact
    wanted, plain = _plain(name), [_plain(text) for text in texts]
    return [i for i, text in enumerate(plain) if wanted in (text, f"({text})")]


def _plain(text: str) -> str:
    """A text without what is written in several ways."""
    return "".join(text.split()).replace("`", "").replace("^", "**")


def terms_named(random: Sequence[BoundRandomTerm], name: str) -> list[int]:
    """Places of the random terms of a name, as written or by their labels.

    Parameters
    ----------
    random : sequence of BoundRandomTerm
    name : str
        Such as ``age | animal``, also with ``||``; ``1 | g`` or ``1 | g:h`` of ``(1 | g/h)``.
    """
    written = matching(name, [term.text for term in random])
    return written or matching(name, [term.label for term in random])
