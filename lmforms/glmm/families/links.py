"""Every link, by name."""

from __future__ import annotations

from .link_base import Link
from .links_of_powers import Identity, Inverse, InverseSquared, Log, Sqrt
from .links_of_probabilities import Cauchit, CLogLog, Logit, Probit

__all__ = ["LINKS", "UNBOUNDED_LINKS", "Link"]

UNBOUNDED_LINKS = ("logit", "probit", "cloglog", "cauchit")
"""Links of probabilities that reach 0 and 1 at infinite predictors only."""

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
