"""What residual structures there are: their columns, their options, what they go with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

PointKind = Literal["time", "visit", "place"]

OptionValue = int | float | bool | None


@dataclass(frozen=True)
class Option:
    """An option of a structure.

    Attributes
    ----------
    default : int, float, bool or None
    kind : {"order", "number", "flag"}
    least, most : float
        Bounds of an order or a number.
    """

    default: OptionValue
    kind: Literal["order", "number", "flag"] = "order"
    least: float = 1
    most: float = 1_000


@dataclass(frozen=True)
class StructureFacts:
    """A correlation structure.

    Attributes
    ----------
    kind : {"time", "visit", "place"}
        What its columns are: whole times, labels of visits, or real coordinates.
    argument : str
        What examples call the column.
    options : mapping of str to Option
    takes_nugget : bool
        Whether an independent part can be told from the structure itself.
    ordered : bool
        Whether the order of visits matters.
    needs_group : bool
        Whether one series alone says nothing about it.
    """

    kind: PointKind
    argument: str
    options: Mapping[str, Option] = field(default_factory=dict)
    takes_nugget: bool = False
    ordered: bool = True
    needs_group: bool = False


_PER_AXIS = Option(False, "flag")
"""A range of its own for every coordinate: anisotropy along the axes."""

CORRELATIONS: dict[str, StructureFacts] = {
    "ar1": StructureFacts("time", "time", takes_nugget=True),
    "ma": StructureFacts("time", "time", {"q": Option(1)}),
    "arma": StructureFacts("time", "time", {"p": Option(1), "q": Option(1, least=0)}),
    "cs": StructureFacts("visit", "visit", ordered=False, needs_group=True),
    "corsymm": StructureFacts("visit", "visit", ordered=False, needs_group=True),
    "toep": StructureFacts("time", "visit"),
    "ante": StructureFacts("visit", "visit", takes_nugget=True, needs_group=True),
    "exp": StructureFacts("place", "x", {"per_axis": _PER_AXIS}, takes_nugget=True),
    "gau": StructureFacts("place", "x", {"per_axis": _PER_AXIS}, takes_nugget=True),
    "sph": StructureFacts("place", "x", {"per_axis": _PER_AXIS}, takes_nugget=True),
    "mat": StructureFacts(
        "place",
        "x",
        {"per_axis": _PER_AXIS, "nu": Option(None, "number", 0.05, 50.0)},
        takes_nugget=True,
    ),
}
"""Correlation structures by the name they have in text."""

WITH_VARIANCES = {
    "us": "corsymm",
    "hcs": "cs",
    "har1": "ar1",
    "htoep": "toep",
    "hante": "ante",
}
"""Structures that are a correlation times ``idh`` of the same column."""

HETEROGENEOUS_NAMES = {base: name for name, base in WITH_VARIANCES.items()}

VARIANCES = ("idh", "power", "expvar", "constpower")
"""Variance functions."""

INDEPENDENT = "iid"

ALL_NAMES = (*CORRELATIONS, *WITH_VARIANCES, *VARIANCES, INDEPENDENT)

FOREIGN_NAMES = {
    **{"un": "us", "unstructured": "us", "csh": "hcs", "ar": "ar1", "ar1h": "har1"},
    **{"toeph": "htoep", "ad": "ante", "adh": "hante", "ou": "exp", "car1": "exp", "diag": "idh"},
    **{"corar1": "ar1", "corcar1": "exp", "corcompsymm": "cs", "corsymm": "corsymm"},
    **{"corarma": "arma", "corexp": "exp", "corgaus": "gau", "corspher": "sph"},
    **{"varident": "idh", "varpower": "power", "varexp": "expvar", "cor": "corsymm"},
    **{"varconstpower": "constpower", "matern": "mat", "corh": "us", "id": "iid", "idv": "iid"},
    **{"sp_exp": "exp", "sp_gau": "gau", "sp_sph": "sph", "sp_mat": "mat", "corgh": "us"},
}
"""Names that nlme, mmrm, glmmTMB, SAS and ASReml have, in lower case, and those here."""
