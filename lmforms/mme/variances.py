"""The variances that a user gives by name, checked."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ..errors import ArgumentError, DataError, listed, near_matches
from ..varcomp import ComponentModel
from ..varcomp.fit import RESIDUAL
from ..varcomp.model import component_name


def checked_variances(model: ComponentModel, given: Any) -> dict[str, float]:
    """The variances in the order of the model's terms, the residual's last.

    Parameters
    ----------
    model : ComponentModel
    given : mapping, Series or table
        One number for each term by its name, and one for ``Residual``; or ``vcomp`` of a fit.

    Raises
    ------
    ArgumentError
        A name is missing or unknown, or a value is no number.
    DataError
        A variance is negative or not finite, or the residual variance is zero.

    Examples
    --------
    >>> import lmforms as lf
    >>> from lmforms.varcomp import ComponentModel
    >>> rail = ComponentModel.of_formula("travel ~ 1 + (1 | Rail)", lf.datasets.load("Rail"))
    >>> checked_variances(rail, {"Residual": 16, "Rail": 615})
    {'Rail': 615.0, 'Residual': 16.0}
    """
    names = [*model.names, RESIDUAL]
    if hasattr(given, "columns"):
        given = _of_table(given)
    if not isinstance(given, Mapping):
        if not (hasattr(given, "to_dict") and hasattr(given, "index")):
            raise ArgumentError(
                "variances must be a mapping of names to numbers: "
                f"{{{', '.join(f'{n!r}: …' for n in names)}}}."
            )
        twice = list(given.index[given.index.duplicated()])
        if twice:
            raise ArgumentError(f"variances: {listed(twice)} twice.")
        given = given.to_dict()
    for name in given:
        if name not in names:
            raise ArgumentError(
                f"variances: there is no term `{name}`; there are {listed(names)}."
                f"{near_matches(str(name), names)}"
            )
    missing = [n for n in names if n not in given]
    if missing:
        raise ArgumentError(f"variances: {listed(missing)} missing; all of {listed(names)} count.")
    out = {name: _number(name, given[name]) for name in names}
    if out[RESIDUAL] == 0:
        raise DataError(
            "The residual variance must be positive: the equations are divided by it, and "
            "without it V may have no inverse."
        )
    return out


def _of_table(table: Any) -> dict[str, float]:
    """Variances from ``vcomp`` of a fit, by the names of components."""
    if not {"group", "name1", "name2", "variance"} <= set(table.columns):
        raise ArgumentError(
            "variances: a table must be `vcomp` of a fit, with the columns group, name1, name2 "
            "and variance."
        )
    structure = getattr(table, "attrs", {}).get("residual")
    if structure:
        raise ArgumentError(
            f"variances: these are of a fit with residual={structure!r}, and the equations are for "
            "independent residuals: take those of fit.update(residual=None)."
        )
    rows = list(zip(table["group"], table["name1"], table["name2"], table["variance"], strict=True))
    correlated = [row for row in rows if row[2] != ""]
    if correlated:
        group, first, second, _ = correlated[0]
        raise ArgumentError(
            f"variances: `{first}` and `{second}` of `{group}` are correlated, and each term of "
            "the equations has one variance: fit the model with `||`."
        )
    counts = Counter(group for group, *_ in rows)
    out = {}
    for group, effect, _, value in rows:
        out[component_name(group, effect, alone=counts[group] == 1)] = value
    return out


def _number(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ArgumentError(f"The variance of `{name}` must be a number, not {value!r}.") from None
    if not math.isfinite(number) or number < 0:
        raise DataError(f"The variance of `{name}` is {number:g}; it must be finite and ≥ 0.")
    return number
