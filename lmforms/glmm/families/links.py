"""Every link, by name."""

from __future__ import annotations

from .link_base import Link
from .links_of_powers import Identity, Inverse, InverseSquared, Log, Sqrt
from .links_of_probabilities import Cauchit, CLogLog, Logit, Probit

__all__ = ["LINKS", "Link"]

LINKS: dict[str, Link] = {
    link.name: link
    for link in (
        Logit(),
        Probit(),
        CLogLog(),
        Cauchit(),
        Log(),
        Identity(),
        Sqrt(),
        Inverse(),
        InverseSquared(),
    )
}
"""Every link, by name."""
