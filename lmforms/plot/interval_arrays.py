"""Arrays that pictures of intervals show, from tables of estimates with limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ..errors import ArgumentError, listed, near_matches
from ..support.arguments import flag, mapping, one_of, sequence
from ..support.label_texts import joined_label
from .accepted_fits import any_fit, is_generalized


@dataclass(frozen=True, eq=False)
class Intervals:
    """Estimates with limits: a row for each label, a column for each series.

    Attributes
    ----------
    labels : tuple of str (r,)
    series : tuple of str (s,)
    estimate, lower, upper : ndarray (r, s)
        NaN where a series has no such row, or no limits.
    inner : pair of ndarray (r, s), optional
        Limits of a lower level.
    """

    labels: tuple[str, ...]
    series: tuple[str, ...]
    estimate: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    inner: tuple[np.ndarray, np.ndarray] | None = None

    def rows(self, chosen: Any) -> Intervals:
        """Some of the rows, or all in another order."""
        inner = None if self.inner is None else (self.inner[0][chosen], self.inner[1][chosen])
        return replace(
            self,
            labels=tuple(np.array(self.labels, dtype=object)[chosen]),
            estimate=self.estimate[chosen],
            lower=self.lower[chosen],
            upper=self.upper[chosen],
            inner=inner,
        )

    def descending(self) -> Intervals:
        """Rows ordered by the estimate of the first series that has one, largest first."""
        known = np.isfinite(self.estimate)
        first = np.take_along_axis(self.estimate, known.argmax(axis=1)[:, None], axis=1)[:, 0]
        return self.rows(np.argsort(-first, kind="stable"))

    def labelled(self, labels: Any) -> Intervals:
        """Rows under other labels, from a mapping; those it leaves out keep theirs.

        Raises
        ------
        ArgumentError
            It is no mapping, or names what is no row.
        """
        if labels is None:
            return self
        new = mapping("labels", labels, "coefficients to labels")
        for name in new:
            if name not in self.labels:
                near = near_matches(str(name), self.labels)
                raise ArgumentError(
                    f"labels: there is no coefficient `{name}`.{near} Drawn are: "
                    f"{listed(self.labels)}."
                )
        return replace(self, labels=tuple(str(new.get(name, name)) for name in self.labels))


def coefficient_intervals(
    fits: Mapping[str, Any],
    level: float,
    inner_level: float | None,
    ddf: str,
    information: str | None,
) -> Intervals:
    """Fixed effects of several fits, each coefficient in the row where the first fit has it."""
    options = {"ddf": ddf, "information": information}
    tables = [_fixed(fit, level, options) for fit in fits.values()]
    names = list(dict.fromkeys(name for table in tables for name in table.index))
    estimate, lower, upper = (
        _side_by_side(tables, names, column) for column in ("estimate", "conf.low", "conf.high")
    )
    inner = None
    if inner_level is not None:
        narrow = [_fixed(fit, inner_level, options) for fit in fits.values()]
        low, high = (_side_by_side(narrow, names, c) for c in ("conf.low", "conf.high"))
        inner = low, high
    return Intervals(tuple(names), tuple(fits), estimate, lower, upper, inner)


def _fixed(fit: Any, level: float, options: Mapping[str, Any]) -> pd.DataFrame:
    """Fixed effects with their limits, which are normal ones of generalised fits."""
    given = {} if is_generalized(fit) else options
    return _by_term(fit.tidy("fixed", conf_int=True, conf_level=level, **given))


def column_spreads(fits: Mapping[str, Any], names: Sequence[str]) -> np.ndarray:
    """Standard deviations (coefficients, fits) of the columns of X; NaN where there is none."""
    designs = [fit.state.design for fit in fits.values()]
    spreads = [pd.DataFrame(design.X, columns=design.x_names).std() for design in designs]
    return np.column_stack([spread.reindex(list(names)).to_numpy() for spread in spreads])


def exponentiated(intervals: Intervals) -> Intervals:
    """Ratios, of estimates and limits that are logarithms; infinite where they overflow."""
    inner = intervals.inner
    with np.errstate(over="ignore"):
        return replace(
            intervals,
            estimate=np.exp(intervals.estimate),
            lower=np.exp(intervals.lower),
            upper=np.exp(intervals.upper),
            inner=None if inner is None else (np.exp(inner[0]), np.exp(inner[1])),
        )


def scale_text(fits: Mapping[str, Any], standardize: bool) -> str:
    """What coefficients of these fits are, for an axis."""
    links = {fit.link if is_generalized(fit) else "identity" for fit in fits.values()}
    text = "estimate × sd of its column" if standardize else "estimate"
    if len(links) > 1:
        return f"{text}, on the scale of each link"
    return text if links == {"identity"} else f"{text} ({links.pop()} link)"


RATIOS = {"logit": "odds ratio", "log": "ratio of means", "cloglog": "hazard ratio"}
"""What the exponential of a coefficient is, by the name of the link."""


def ratio_text(fits: Mapping[str, Any]) -> str:
    """What exponentials of the coefficients of these fits are, for an axis.

    Raises
    ------
    ArgumentError
        They are no ratios.
    """
    for fit in fits.values():
        if not is_generalized(fit) or fit.link not in RATIOS:
            what = f"of the {fit.link} link" if is_generalized(fit) else "of a fit of lmer"
            raise ArgumentError(
                f"exponentiate=True: coefficients {what} are no logarithms of ratios. Leave it out."
            )
    found = {RATIOS[fit.link] for fit in fits.values()}
    return found.pop() if len(found) == 1 else "ratio"


def scaled(intervals: Intervals, factors: np.ndarray) -> Intervals:
    """Estimates and limits times positive factors (r, s)."""
    inner = intervals.inner
    return replace(
        intervals,
        estimate=intervals.estimate * factors,
        lower=intervals.lower * factors,
        upper=intervals.upper * factors,
        inner=None if inner is None else (inner[0] * factors, inner[1] * factors),
    )


@dataclass(frozen=True, eq=False)
class LevelsOfEffect:
    """One random effect of a grouping factor, level by level, from the bottom up.

    Attributes
    ----------
    group, effect : str
    labels : list of str (q,)
    estimate, lower, upper : ndarray (q,)
        Limits are NaN where there are none.
    """

    group: str
    effect: str
    labels: list[str]
    estimate: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def random_effect_panels(
    fit: Any, group: Any, effects: Any, level: float, sort: Any
) -> list[LevelsOfEffect]:
    """Each random effect that is to be drawn.

    Raises
    ------
    ArgumentError, ModelError
    """
    any_fit(fit)
    table = pd.DataFrame(fit.tidy("ran_vals", conf_int=True, conf_level=level))
    if group is not None:
        table = table[table["group"] == one_of("group", group, list(dict.fromkeys(table["group"])))]
    known = list(dict.fromkeys(table["term"]))
    drawn = known
    if effects is not None:
        given = [effects] if isinstance(effects, str) else sequence("effects", effects, "texts")
        drawn = [one_of("effects", name, known) for name in given]
        if not drawn:
            raise ArgumentError("effects= is empty: name at least one.")
    named = isinstance(sort, str)
    if named:
        one_of("sort", sort, known, says=" Or True or False.")
    panels = []
    for name, own in table.groupby("group", sort=False):
        by_term = {str(term): rows for term, rows in own.groupby("term", sort=False)}
        for term in (term for term in by_term if term in drawn):
            leading = by_term.get(sort, by_term[term]) if named else by_term[term]
            order = np.argsort(leading["estimate"].to_numpy(), kind="stable")
            if not named and not flag("sort", sort):
                order = np.arange(len(leading))[::-1]
            panels.append(_levels_of_effect(str(name), term, by_term[term].iloc[order]))
    return panels


def _levels_of_effect(group: str, effect: str, rows: pd.DataFrame) -> LevelsOfEffect:
    limits = (rows[column].to_numpy() for column in ("estimate", "conf.low", "conf.high"))
    return LevelsOfEffect(group, effect, [joined_label(level) for level in rows["level"]], *limits)


def level_text(level: float, inner_level: float | None = None) -> str:
    """What the limits are, for an axis.

    Examples
    --------
    >>> level_text(0.95), level_text(0.95, 0.5)
    ('95 % interval', '50 and 95 % intervals')
    """
    if inner_level is None:
        return f"{100 * level:g} % interval"
    return f"{100 * inner_level:g} and {100 * level:g} % intervals"


def _by_term(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(table).set_index("term")


def _side_by_side(tables: Sequence[pd.DataFrame], names: Sequence[str], column: str) -> np.ndarray:
    return np.column_stack([table[column].reindex(names).to_numpy() for table in tables])
