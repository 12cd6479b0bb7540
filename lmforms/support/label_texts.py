"""Labels and symbols as text: joined, cut, with subscripts."""

from __future__ import annotations

from typing import Any

SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉"


def joined_label(label: Any) -> str:
    """A label of several parts as one text.

    Examples
    --------
    >>> joined_label(("A", 3)), joined_label(308)
    ('A:3', '308')
    """
    return ":".join(map(str, label)) if isinstance(label, tuple) else str(label)


def cut_at_end(text: str, longest: int) -> str:
    """At most so many characters of a text, the last of them an ellipsis.

    Examples
    --------
    >>> cut_at_end("Intercept", 6)
    'Inter…'
    """
    return text if len(text) <= longest else text[: longest - 1] + "…"


def cut_in_middle(text: str, longest: int) -> str:
    """At most so many characters of a text, without some in the middle.

    Examples
    --------
    >>> cut_in_middle("poly(average_temperature_of_the_month, 2)[1]", 36)
    'poly(average_tempe…_the_month, 2)[1]'
    """
    if len(text) <= longest:
        return text
    half = (longest - 1) // 2
    return f"{text[: longest - 1 - half]}…{text[-half:]}"


def with_subscript(symbol: str, number: int) -> str:
    """A symbol with a whole number as its subscript.

    Examples
    --------
    >>> with_subscript("θ", 12)
    'θ₁₂'
    """
    return symbol + str(number).translate(str.maketrans("0123456789", SUBSCRIPTS))
