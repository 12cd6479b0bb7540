"""The rows of a prediction: the model's own or new ones, with all or some random terms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from ..data.design_rows import DesignRows, own_rows
from ..data.new_rows import new_rows
from ..errors import ArgumentError, near_matches
from ..formula.term_names import matching, terms_named
from ..support.arguments import one_of, sequence

if TYPE_CHECKING:
    from ..data.design import Design


def rows_of(
    design: Design,
    data: Any,
    *,
    random: str | Sequence[str],
    new_levels: str,
    offset: npt.ArrayLike | None,
    what: str,
) -> DesignRows:
    """The design of new rows, or of the model's own if `data` is None.

    Parameters
    ----------
    design : Design
    data, random, new_levels, offset
        See :meth:`lmforms.MixedModelResults.predict`.
    what : str
        Method that the user called, for messages.
    """
    new_levels = one_of("new_levels", new_levels, ("raise", "zero"))
    terms = chosen_terms(design, random)
    if data is not None:
        return new_rows(design, data, terms, new_levels=new_levels, offset=offset, what=what)
    if offset is not None:
        raise ArgumentError(f"{what}: offset needs new data.")
    return own_rows(design, terms)


def chosen_terms(design: Design, random: str | Sequence[str]) -> list[int]:
    """Indices of the random terms that the argument `random` names.

    Raises
    ------
    ArgumentError
        A name is neither a grouping factor nor a random term.
    """
    if isinstance(random, str):
        if random == "all":
            return list(range(len(design.terms)))
        random = [] if random == "none" else [random]
    random = sequence("random", random, "grouping factors or terms, or 'all' or 'none'")
    chosen: set[int] = set()
    labels = [t.label for t in design.terms]
    groups = [design.groups[t.group].name for t in design.terms]
    for name in map(str, random):
        found = (
            matching(name, groups)
            or matching(name, labels)
            or terms_named(design.bound.random, name)
        )
        if not found:
            known = list(dict.fromkeys([*groups, *labels]))
            raise ArgumentError(
                f"random: `{name}` is neither a grouping factor nor a random term."
                f"{near_matches(name, known)} Use 'all', 'none' or some of: {', '.join(known)}."
            )
        chosen.update(found)
    return sorted(chosen)
