"""Functions that R users expect in formulas and that formulaic does not know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from ..support.arrays import FloatArray

FIRST_WHOLE_DOUBLE = 2.0**52
"""Doubles from here on have no fraction."""


def _elementwise(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a function that treats each row by itself: predictions may call it."""
    function.is_elementwise = True  # type: ignore[attr-defined]
    return function


@_elementwise
def exp10(x: Any) -> Any:
    """10 to the power x."""
    return 10.0**x


@_elementwise
def ifelse(test: Any, yes: Any, no: Any) -> Any:
    """Elements of `yes` where `test` holds, and of `no` elsewhere.

    Examples
    --------
    >>> ifelse(np.array([True, False]), 1.0, [5.0, 7.0])
    array([1., 7.])
    """
    if getattr(getattr(test, "dtype", None), "kind", "") == "f" and np.isnan(test).any():
        raise ValueError("the condition is NaN in some rows")
    parts = [
        p.astype(object) if isinstance(getattr(p, "dtype", None), pd.CategoricalDtype) else p
        for p in (yes, no)
    ]
    made = np.where(np.asarray(test, dtype=bool), *parts)
    return pd.Series(made, index=getattr(test, "index", None)) if made.dtype.kind in "UO" else made


@_elementwise
def as_numeric(x: Any) -> Any:
    """Numbers and booleans as floats; R would give a factor's codes, which is refused."""
    if getattr(getattr(x, "dtype", None), "kind", "") not in tuple("biuf") and np.ndim(x):
        raise TypeError("is for numbers and booleans; convert labels before, in the data")
    return x.astype(np.float64) if np.ndim(x) else float(x)


@_elementwise
def as_integer(x: Any) -> Any:
    """Numbers without their fractions."""
    return np.trunc(as_numeric(x))


@_elementwise
def as_logical(x: Any) -> Any:
    """Whether numbers differ from zero."""
    return as_numeric(x) != 0


@_elementwise
def as_character(x: Any) -> Any:
    """Labels as text; whole numbers without a decimal point.

    Examples
    --------
    >>> list(as_character([2.0, 2.5, "b"]))
    ['2', '2.5', 'b']
    """
    values = pd.Series(x)
    texts = [f"{v:.15g}" if isinstance(v, float) else str(v) for v in values.tolist()]
    return pd.Series(texts, index=values.index, dtype=object)


@_elementwise
def c(*elements: Any) -> list[Any]:
    """A list, as R users write it."""
    return list(elements)


@_elementwise
def rounded(x: Any, digits: int = 0) -> Any:
    """Numbers to some decimal digits, as R since 4.0: the nearer of two neighbours, else the even.

    Examples
    --------
    >>> rounded(np.array([0.15, 0.45, 2.5]), 1).tolist(), float(rounded(2.5))
    ([0.1, 0.4, 2.5], 2.0)
    """
    x, unit = as_numeric(x), 10.0 ** abs(int(digits))
    steps, back = (np.divide, np.multiply) if digits < 0 else (np.multiply, np.divide)
    scaled = steps(x, unit)
    low, high = back(np.floor(scaled), unit), back(np.ceil(scaled), unit)
    below, above = x - low, high - x
    down = (below < above) | ((below == above) & (np.floor(scaled) % 2 == 0))
    made = np.where(np.abs(scaled) < FIRST_WHOLE_DOUBLE, np.where(down, low, high), x)
    return pd.Series(made, index=x.index) if isinstance(x, pd.Series) else made[()]


@_elementwise
def is_na(x: Any) -> Any:
    """Whether values are missing."""
    return pd.isna(x)


ELEMENTWISE: dict[str, Callable[..., Any]] = {
    **{
        name: getattr(np, name)
        for name in (
            "sqrt",
            "abs",
            "sin",
            "cos",
            "tan",
            "sinh",
            "cosh",
            "tanh",
            "log1p",
            "expm1",
            "sign",
            "floor",
            "trunc",
        )
    },
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "ceiling": np.ceil,
    "pmin": np.minimum,
    "pmax": np.maximum,
    "exp10": exp10,
    "round": rounded,
    "ifelse": ifelse,
    "as_numeric": as_numeric,
    "as_integer": as_integer,
    "as_logical": as_logical,
    "as_character": as_character,
    "is_na": is_na,
}
"""Functions of R that treat each row by itself, by the names that formulas use."""


@cache
def stateful() -> dict[str, Callable[..., Any]]:
    """Transforms that remember what they learnt from the rows of the fit."""
    from formulaic.materializers.types import FactorValues
    from formulaic.transforms import natural_cubic_spline
    from formulaic.utils.stateful_transforms import stateful_transform

    @stateful_transform
    def ns(
        x: Any,
        df: int | None = None,
        knots: Sequence[float] | None = None,
        intercept: bool = False,
        boundary_knots: Sequence[float] | None = None,
        _state: dict[str, Any] = {},  # noqa: B006 - formulaic always gives one
    ) -> Any:
        """Natural cubic splines that span what ``splines::ns`` of R spans.

        Columns are the values at the knots; without `intercept` all are zero at the lower
        boundary, as R's.
        """
        values = np.asarray(x, dtype=np.float64)
        if "inner" not in _state:
            _state["inner"], _state["bounds"] = natural_knots(
                values, df, knots, bool(intercept), boundary_knots
            )
            _state["spline"] = {}
        low, high = _state["bounds"]
        if _state["inner"]:
            basis = natural_cubic_spline(
                values,
                knots=_state["inner"],
                lower_bound=low,
                upper_bound=high,
                _state=_state["spline"],
            )
            columns = list(basis.__wrapped__.values())
        else:  # a straight line
            share = (values - low) / (high - low)
            columns = [1.0 - share, share]
        kept = columns if intercept else columns[1:]
        return FactorValues(
            {i + 1: column for i, column in enumerate(kept)},
            kind="numerical",
            spans_intercept=bool(intercept),
            drop_field=1,
            format="{name}[{field}]",
            encoded=False,
        )

    return {"ns": ns}


def natural_knots(
    x: FloatArray,
    df: int | None,
    knots: Sequence[float] | None,
    intercept: bool,
    boundary_knots: Sequence[float] | None,
) -> tuple[list[float], tuple[float, float]]:
    """Inner and boundary knots of ``ns``: quantiles of x, as R chooses them.

    Examples
    --------
    >>> natural_knots(np.arange(9.0), 4, None, False, None)
    ([2.0, 4.0, 6.0], (0.0, 8.0))
    """
    ends = (np.nanmin(x), np.nanmax(x)) if boundary_knots is None else sorted(boundary_knots)
    low, high = float(ends[0]), float(ends[-1])
    if not low < high:
        raise ValueError("ns needs at least two different values")
    if knots is not None and df is not None:
        raise ValueError("ns takes either df= or knots=")
    if knots is None:
        count = (1 if df is None else int(df)) - 1 - intercept
        if count < 0 or (df is not None and df != int(df)):
            raise ValueError(f"df={df} must be a whole number of at least {1 + intercept}")
        inside = x[(x >= low) & (x <= high)]
        inner = np.quantile(inside, np.linspace(0.0, 1.0, count + 2)[1:-1])
    else:
        inner = np.sort(np.atleast_1d(np.asarray(knots, dtype=np.float64)))
    if len(np.unique([low, *inner, high])) != len(inner) + 2 or (inner < low).any():
        raise ValueError(
            "the knots of ns coincide with each other or the boundary: use a smaller df or give "
            "knots= between the boundary knots"
        )
    return [float(k) for k in inner], (low, high)


@cache
def built_in_names() -> dict[str, Any]:
    """What names mean in every formula, unless ``context=`` or a column has them."""
    from formulaic.transforms import TRANSFORMS, C

    return {**TRANSFORMS, "pi": np.pi, "factor": C, **ELEMENTWISE, **stateful()}


FALLBACKS: dict[str, Any] = {"T": True, "F": False, "c": c}
"""Short names of R: used unless the caller has a variable of that name."""

HINTS = {
    "as": "write factor(x), or convert the column before",
    "NA": "use is.na(x), or drop rows before",
    "offset": "it is a term of its own, y ~ x + offset(z)",
    "cut": "make the column before, data['part'] = pd.cut(data['x'], [0, 1, 2])",
    "interaction": "write f:g",
    "relevel": "write C(f, contr.treatment('b'))",
    "ordered": "write C(f, contr.poly)",
    "as.ordered": "write C(f, contr.poly)",
    "mean": "write center(x), which is remembered for predictions",
    "sd": "write scale(x), which is remembered for predictions",
    "s": "smooths are splines here: write cr(x, df=5, constraints='center')",
    "rcs": "write ns(x, df=4)",
    "paste": "write f:g",
    "cbind": "cbind(successes, failures) is the whole left side of a binomial model",
    "seq": "write a list of numbers",
}
"""What to write instead of words of R that are not available."""
