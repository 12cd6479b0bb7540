"""Families and links as users name them, here, in R and in statsmodels."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from ...errors import ArgumentError, listed, near_matches
from .base import Family
from .beta import Beta
from .binomial import BetaBinomial, Binomial
from .counts import NegativeBinomial, NegativeBinomial1, Poisson
from .gaussian import Gaussian
from .links import LINKS, Link
from .ordinal import Ordinal
from .positive import Gamma, InverseGaussian
from .student_t import StudentT
from .truncation import Truncated
from .tweedie import Tweedie
from .zeros import Hurdle

FAMILIES: dict[str, type[Family]] = {
    family.name: family
    for family in (
        Binomial,
        Poisson,
        NegativeBinomial,
        NegativeBinomial1,
        Gamma,
        InverseGaussian,
        Beta,
        BetaBinomial,
        Tweedie,
        StudentT,
        Gaussian,
    )
}
"""Families that need no argument, by name."""

_FAMILY_ALIASES: dict[str, Callable[[], Family]] = {
    "normal": Gaussian,
    "bernoulli": Binomial,
    "nbinom2": NegativeBinomial,
    "nb2": NegativeBinomial,
    "nbinom": NegativeBinomial,
    "negativebinomial2": NegativeBinomial,
    "nbinom1": NegativeBinomial1,
    "nb1": NegativeBinomial1,
    "wald": InverseGaussian,
    "t": StudentT,
    "student": StudentT,
    "truncatedpoisson": lambda: Truncated(Poisson()),
    "truncatednbinom1": lambda: Truncated(NegativeBinomial1()),
    "truncatednbinom2": lambda: Truncated(NegativeBinomial()),
    "ordinal": Ordinal,
    "cumulative": Ordinal,
    "clm": Ordinal,
    "hurdlepoisson": lambda: Hurdle(Poisson()),
    "hurdlenbinom1": lambda: Hurdle(NegativeBinomial1()),
    "hurdlenbinom2": lambda: Hurdle(NegativeBinomial()),
    "hurdlegamma": lambda: Hurdle(Gamma()),
}
_LINK_ALIASES = {
    "cauchy": "cauchit",
    "complementaryloglog": "cloglog",
    "1/mu": "inverse",
    "inversepower": "inverse",
    "reciprocal": "inverse",
    "1/mu^2": "inverse_squared",
    "squareroot": "sqrt",
}
_POWERS = {1.0: "identity", -1.0: "inverse", -2.0: "inverse_squared", 0.5: "sqrt", 0.0: "log"}
_NO_DERIVATIVES = (
    "lmforms needs third derivatives of log-densities, which classes from elsewhere do not have."
)


def family_of(family: Any, link: Any = None) -> tuple[Family, Link]:
    """The family and the link that are meant.

    Parameters
    ----------
    family : str, Family, type or statsmodels family
        Names are taken in any case, with or without ``_``, ``-``, ``.`` and spaces, and R's are
        known.
    link : str, Link, type or statsmodels link, optional
        The family's default if None; that of a statsmodels family is its own.

    Raises
    ------
    ArgumentError
        A name that is not known, a link that does not suit the family, a class from elsewhere.

    Examples
    --------
    >>> family_of("nbinom2")
    (NegativeBinomial(), Log())
    >>> family_of("inverse.gaussian", "1/mu^2")
    (InverseGaussian(), InverseSquared())
    """
    found, own = _family(family)
    chosen = LINKS[found.links[0]] if link is None and own is None else _link(link or own)
    if chosen.name not in found.links:
        raise ArgumentError(
            f"The {chosen.name} link does not suit the {found.name} family, which takes "
            f"{listed(found.links)}."
        )
    return found, chosen


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c not in "_-. ")


def _known(names: Iterable[str]) -> dict[str, str]:
    return {_plain(name): name for name in names}


def _family(family: Any) -> tuple[Family, Any]:
    """A family, and the link that comes with it if it is one of statsmodels."""
    if isinstance(family, str):
        return _named_family(family), None
    if isinstance(family, Family):
        return family, None
    if isinstance(family, type) and (issubclass(family, Family) or _of_statsmodels(family)):
        try:
            return _family(family())
        except TypeError:
            raise ArgumentError(
                f"{family.__name__} takes another family, as in {family.__name__}(Poisson())."
            ) from None
    if _of_statsmodels(type(family)):
        return _statsmodels_family(family), getattr(family, "link", None)
    raise ArgumentError(
        f"family must be a name such as 'binomial', or a family of lmforms or statsmodels, not "
        f"{_described(family)}"
    )


def _described(thing: Any) -> str:
    """What was given, and why a subclass of one of statsmodels' classes does not do."""
    kind = thing if isinstance(thing, type) else type(thing)
    reason = f". {_NO_DERIVATIVES}" if any(map(_of_statsmodels, kind.__mro__)) else "."
    return f"{kind.__name__}{reason}"


def _named_family(name: str) -> Family:
    plain, known = _plain(name), _known(FAMILIES)
    if plain in known:
        return FAMILIES[known[plain]]()
    if plain in _FAMILY_ALIASES:
        return _FAMILY_ALIASES[plain]()
    if plain.startswith("quasi"):
        raise ArgumentError(
            f"{name!r} has no likelihood. For more variance use 'negative_binomial' or "
            "'beta_binomial', or a random effect for each row."
        )
    raise ArgumentError(
        f"There is no family {name!r}.{near_matches(name, [*FAMILIES, *_FAMILY_ALIASES])} "
        f"Families: {listed([*FAMILIES, Ordinal.name])}."
    )


def _link(link: Any) -> Link:
    if isinstance(link, Link):
        return link
    if isinstance(link, str):
        return _named_link(link)
    kind = link if isinstance(link, type) else type(link)
    if issubclass(kind, Link):
        return LINKS[kind.name]
    if _of_statsmodels(kind):
        name = _plain(kind.__name__)
        if name == "power":
            name = _POWERS.get(float(link.power), "") if not isinstance(link, type) else "identity"
        known = _known(LINKS) | _LINK_ALIASES
        if name in known:
            return LINKS[known[name]]
        raise ArgumentError(
            f"The link {kind.__name__} of statsmodels is not known here. Links: "
            f"{listed(list(LINKS))}."
        )
    raise ArgumentError(
        f"link must be a name such as 'logit', or a link of lmforms or statsmodels, not "
        f"{_described(link)}"
    )


def _named_link(name: str) -> Link:
    known = _known(LINKS) | _LINK_ALIASES
    plain = _plain(name)
    if plain in known:
        return LINKS[known[plain]]
    raise ArgumentError(
        f"There is no link {name!r}.{near_matches(name, [*LINKS, *_LINK_ALIASES])} "
        f"Links: {listed(list(LINKS))}."
    )


# --- statsmodels, which is not imported for it --------------------------------------------


def _of_statsmodels(kind: type) -> bool:
    """Whether a class is a family or link of statsmodels itself, not one derived from it."""
    module = kind.__module__
    return module in sys.modules and module.startswith("statsmodels.genmod.families.")


def _statsmodels_family(family: Any) -> Family:
    name = type(family).__name__
    if name == "NegativeBinomial":
        return NegativeBinomial(size=1.0 / float(family.alpha))
    if name == "Tweedie":
        power = float(family.var_power)
        if not 1.0 < power < 2.0:
            raise ArgumentError(
                f"Tweedie(var_power={power:g}): lmforms has powers between 1 and 2 alone. "
                "At 0, 1, 2 and 3 it is the gaussian, poisson, gamma and inverse gaussian family."
            )
        return Tweedie(power=power)
    plain: dict[str, Callable[[], Family]] = {
        "Binomial": Binomial,
        "Poisson": Poisson,
        "Gamma": Gamma,
        "InverseGaussian": InverseGaussian,
        "Gaussian": Gaussian,
    }
    if name not in plain:
        raise ArgumentError(
            f"The family {name} of statsmodels is not known here. Families: "
            f"{listed(list(FAMILIES))}."
        )
    return plain[name]()
