"""Families in files: their names, with the values of parameters that were given."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import DataError
from ..glmm.families.base import Family
from ..glmm.families.links import LINKS, Link
from ..glmm.families.lookup import FAMILIES
from ..glmm.families.ordinal import LatentLink, Ordinal
from ..glmm.families.truncation import Adapted, Truncated
from ..glmm.families.zeros import Hurdle, ZeroInflated

PLAIN: dict[str, type[Family]] = {**FAMILIES, Ordinal.name: Ordinal}
"""Families that need no other one, by name. Classes of an ordinal one are those of the response."""

ADAPTED: dict[str, type[Adapted]] = {
    kind.prefix: kind for kind in (Truncated, Hurdle, ZeroInflated)
}
"""Families around another one, by the beginning of their names."""


def encode_family(family: Family) -> dict[str, Any]:
    """Facts of a family.

    Raises
    ------
    DataError
        It is none of the families that can be named.

    Examples
    --------
    >>> from lmforms.glmm.families.counts import NegativeBinomial
    >>> encode_family(Hurdle(NegativeBinomial(size=2.0)))
    {'name': 'hurdle', 'given': {}, 'of': {'name': 'negative_binomial', 'given': {'size': 2.0}}}
    """
    if isinstance(family, Adapted):
        facts = {"name": family.prefix, "given": dict(family.given)}
        facts["of"] = encode_family(family.family)
    else:
        facts = {"name": family.name, "given": dict(family.given)}
    is_ordinal = type(family) is Ordinal
    if not are_family(facts) or not (is_ordinal or decode_family(facts) == family):
        raise DataError(
            f"save: the family {family!r} cannot be written: only those that lmforms has can be "
            "named in a file."
        )
    return facts


def decode_family(facts: dict[str, Any]) -> Family:
    """A family from facts that :func:`are_family` has passed."""
    if "of" in facts:
        return ADAPTED[facts["name"]](decode_family(facts["of"]), **facts["given"])
    return PLAIN[facts["name"]](**facts["given"])


def link_name(link: Link) -> str:
    """The name of a link.

    Raises
    ------
    DataError
        It is none of the links that can be named.
    """
    if not isinstance(link, LatentLink) and LINKS.get(link.name) != link:
        raise DataError(
            f"save: the link {link!r} cannot be written: only those that lmforms has can be named "
            "in a file."
        )
    return link.name


def are_family(value: Any, *, inside: bool = False) -> bool:
    """Whether a field of the header describes a family; `inside` another one, a plain one."""
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return False
    around = not inside and "of" in value
    kinds: Mapping[str, type[Family]] = ADAPTED if around else PLAIN
    keys = {"name", "given", "of"} if around else {"name", "given"}
    if value["name"] not in kinds or set(value) != keys:
        return False
    known = kinds[value["name"]].own_parameters
    return _are_given(value["given"], known) and (
        not around or are_family(value["of"], inside=True)
    )


def _are_given(value: Any, known: Sequence[str]) -> bool:
    """Whether these are values of some of the parameters."""
    return isinstance(value, dict) and all(
        name in known and isinstance(number, float) and math.isfinite(number)
        for name, number in value.items()
    )
