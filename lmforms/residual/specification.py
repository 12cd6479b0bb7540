"""What residual structure a user asks for, before the columns of the data are known."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from ..errors import ArgumentError
from ..support.arguments import flag, number, whole_number
from .structures import (
    CORRELATIONS,
    HETEROGENEOUS_NAMES,
    INDEPENDENT,
    VARIANCES,
    WITH_VARIANCES,
    OptionValue,
    StructureFacts,
)

PLAIN_NAME = re.compile(r"[^\W\d][\w.]*")
"""Names of columns that need no backticks."""

RESERVED_NAMES = ("units", "fitted")
"""Words with a meaning of their own: columns of these names are written in backticks."""

FITTED = "(fitted)"
"""In the place of a column: the fitted values."""

MOST_COORDINATES = 3

T = TypeVar("T")


@dataclass(frozen=True)
class CorrelationTerm:
    """A correlation structure and the columns that place a row in its series.

    Attributes
    ----------
    structure : str
        A key of :data:`~lmforms.residual.structures.CORRELATIONS`.
    columns : tuple of str
        Times, visits or coordinates; none where rows are exchangeable, ``cs(1 | g)``.
    options : tuple of (str, value)
        Such as ``("q", 2)``, all of them.
    """

    structure: str
    columns: tuple[str, ...]
    options: tuple[tuple[str, OptionValue], ...] = ()

    def __post_init__(self) -> None:
        given = dict(self.options)
        full = {n: given.get(n, option.default) for n, option in self.facts.options.items()}
        object.__setattr__(self, "options", tuple(full.items()))
        _check_columns(self)
        _check_options(self)

    @property
    def facts(self) -> StructureFacts:
        """What the structure needs."""
        return CORRELATIONS[self.structure]

    def written(self, name: str, group: tuple[str, ...] = ()) -> str:
        """The term as text, under a name and with its group."""
        inner = " + ".join(map(quoted, self.columns)) or "1"
        if group:
            inner += f" | {':'.join(map(quoted, group))}"
        known = self.facts.options
        shown = [
            (n, v) for n, v in self.options if known[n].kind == "order" or v != known[n].default
        ]
        options = "".join(f", {option}={value}" for option, value in shown)
        return f"{name}({inner}{options})"


@dataclass(frozen=True)
class VarianceTerm:
    """A variance function of a covariate or of strata.

    Attributes
    ----------
    function : {"idh", "power", "expvar", "constpower"}
    columns : tuple of str
        One covariate, or `FITTED`; of ``idh`` also several, whose combinations are the strata.
    """

    function: str
    columns: tuple[str, ...]

    def __str__(self) -> str:
        if self.columns == (FITTED,):
            return f"{self.function}(fitted)"
        return f"{self.function}({':'.join(map(quoted, self.columns))})"


@dataclass(frozen=True)
class ResidualSpec:
    """A residual structure: correlations within series, and variances of rows.

    Its text, ``str(spec)``, is read back as an equal one. Make one by the functions of
    :mod:`lmforms.residual`, or from text by
    :func:`~lmforms.residual.grammar.parse_residual`. Variance functions are added by ``*``.

    Attributes
    ----------
    correlations : tuple of CorrelationTerm
        None for independent residuals; two for a Kronecker product.
    group : tuple of str
        Columns whose combinations are the series; none if all rows are one.
    variances : tuple of VarianceTerm
    nugget : bool
        Whether each row has an independent part besides.

    Raises
    ------
    ArgumentError
        Parts that cannot be combined.

    Examples
    --------
    >>> import lmforms as lf
    >>> spec = lf.residual.AR1("time", "subject") * lf.residual.Idh("sex")
    >>> spec
    <ResidualSpec 'ar1(time | subject) * idh(sex)'>
    >>> lf.residual.parse_residual(str(spec)) == spec
    True
    """

    correlations: tuple[CorrelationTerm, ...] = ()
    group: tuple[str, ...] = ()
    variances: tuple[VarianceTerm, ...] = ()
    nugget: bool = False

    def __post_init__(self) -> None:
        check_combination(self)
        own = [VarianceTerm("idh", term.columns) for term in self.correlations]
        first = [term for term in own if term in self.variances]  # the order of the factors
        rest = [term for term in self.variances if term not in first]
        object.__setattr__(self, "variances", (*first, *rest))

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is needed, once."""
        placed = [name for term in self.correlations for name in term.columns]
        of_variances = [name for term in self.variances for name in term.columns]
        found = dict.fromkeys([*placed, *self.group, *of_variances])
        return tuple(name for name in found if name != FITTED)

    @property
    def depends_on_fitted(self) -> bool:
        """Whether variances depend on the fitted values."""
        return any(term.columns == (FITTED,) for term in self.variances)

    @property
    def numeric_columns(self) -> frozenset[str]:
        """Columns that must be numbers."""
        places = [t.columns for t in self.correlations if t.facts.kind == "place"]
        covariates = [t.columns for t in self.variances if t.function != "idh"]
        found = (name for columns in (*places, *covariates) for name in columns)
        return frozenset(name for name in found if name != FITTED)

    @property
    def is_independent(self) -> bool:
        """Whether there is nothing to estimate: independent residuals of one variance."""
        return not (self.correlations or self.variances)

    def __mul__(self, other: ResidualSpec) -> ResidualSpec:
        if not isinstance(other, ResidualSpec):
            return NotImplemented
        if self.correlations and other.correlations:
            raise ArgumentError(
                f"residual: `{self}` and `{other}` are two correlations: `*` adds a variance "
                "function. A Kronecker product is written ar1(row):ar1(col), or by "
                "lmforms.residual.Kronecker."
            )
        return ResidualSpec(
            correlations=self.correlations or other.correlations,
            group=self.group or other.group,
            variances=(*self.variances, *other.variances),
            nugget=self.nugget or other.nugget,
        )

    def with_nugget(self) -> ResidualSpec:
        """With an independent part of each row, ``+ units`` in text."""
        if self.nugget:
            raise ArgumentError("residual: `units` and `nugget` are one thing: give it once.")
        return replace(self, nugget=True)

    def __str__(self) -> str:
        rest = list(self.variances)
        names = []
        for term in self.correlations:
            own = VarianceTerm("idh", term.columns)
            is_own = own in rest and term.structure in HETEROGENEOUS_NAMES
            names.append(HETEROGENEOUS_NAMES[term.structure] if is_own else term.structure)
            if is_own:
                rest.remove(own)
        more = [str(term) for term in rest]
        suffix = " + units" if self.nugget else ""
        if len(self.correlations) == 2:
            text = ":".join(t.written(n) for t, n in zip(self.correlations, names, strict=True))
            if self.group:
                text += f" | {':'.join(map(quoted, self.group))}"
                text = f"({text})" if more or self.nugget else text
        elif self.correlations:
            text = self.correlations[0].written(names[0], self.group)
        else:
            text = ""
        return (" * ".join([part for part in (text, *more) if part]) or INDEPENDENT) + suffix

    def __repr__(self) -> str:
        return f"<ResidualSpec {str(self)!r}>"


def quoted(name: str) -> str:
    """A column as it is written in text."""
    is_plain = PLAIN_NAME.fullmatch(name) and name not in RESERVED_NAMES
    return name if is_plain else f"`{name}`"


def _check_columns(term: CorrelationTerm) -> None:
    name, facts, columns = term.structure, term.facts, term.columns
    if not columns and name != "cs":
        way = "" if facts.kind == "place" else " rows may come in any order."
        raise ArgumentError(
            f"residual: {name}() needs a column of {_plural(facts)}:{way} Write {example(name)}."
        )
    if len(columns) > 1 and facts.kind != "place":
        raise ArgumentError(
            f"residual: {name}() takes one column, not {len(columns)}; write {example(name)}, "
            "or a product such as ar1(row):ar1(col)."
        )
    if len(columns) > MOST_COORDINATES:
        raise ArgumentError(f"residual: {name}() takes up to {MOST_COORDINATES} coordinates.")
    twice = first_twice(columns)
    if twice is not None:
        raise ArgumentError(f"residual: `{twice}` is twice a coordinate of {name}(): leave one.")


def _check_options(term: CorrelationTerm) -> None:
    for name, value in term.options:
        option = term.facts.options[name]
        what = f"residual: {term.structure}({name})"
        if option.kind == "flag":
            flag(what, value)
        elif option.kind == "order":
            whole_number(what, value, least=int(option.least), most=int(option.most))
        elif value is not None:
            number(what, value, least=option.least, most=option.most)
    if dict(term.options).get("per_axis") and len(term.columns) < 2:
        raise ArgumentError(
            f"residual: {term.structure}(per_axis=True) needs two coordinates or more."
        )


def _plural(facts: StructureFacts) -> str:
    return {"time": "times", "visit": "visits", "place": "coordinates"}[facts.kind]


def example(name: str) -> str:
    """How a structure is written, for messages."""
    facts = CORRELATIONS[WITH_VARIANCES.get(name, name)]
    return f"{name}({facts.argument} | group)"


def check_combination(spec: ResidualSpec) -> None:
    """Refuse parts that cannot be combined.

    Raises
    ------
    ArgumentError
    """
    terms = spec.correlations
    if len(terms) > 2:
        raise ArgumentError(f"residual: a product of {len(terms)} correlations: take two of them.")
    placed = [name for term in terms for name in term.columns]
    twice = first_twice(placed)
    if twice is not None:
        raise ArgumentError(
            f"residual: `{twice}` is in both factors of the product: each has a column of its own, "
            "as in ar1(row):ar1(col)."
        )
    shared = [name for name in placed if name in spec.group]
    if shared:
        raise ArgumentError(
            f"residual: `{shared[0]}` is both the place in a series and the series: leave it out "
            "on one side of the bar."
        )
    if first_twice(spec.group) is not None:
        raise ArgumentError(f"residual: `{first_twice(spec.group)}` is twice in the group.")
    if len(terms) == 2 and not all(term.columns for term in terms):
        raise ArgumentError("residual: in a product cs() needs a column: cs(visit):ar1(time).")
    if spec.group and not terms:
        raise ArgumentError("residual: a group belongs to a correlation, as in ar1(time | group).")
    _check_variances(spec)
    if spec.nugget:
        _check_nugget(spec)


def check_series(spec: ResidualSpec) -> None:
    """Refuse a whole structure that lacks the series it needs; a factor of a product may.

    Raises
    ------
    ArgumentError
    """
    terms = spec.correlations
    if terms and not spec.group and all(term.facts.needs_group for term in terms):
        name = terms[0].structure
        raise ArgumentError(
            f"residual: {name}() needs several series to be estimated from: name what they are "
            f"after a bar, {example(name) if len(terms) == 1 else 'cs(a):cs(b) | group'}."
        )


def _check_variances(spec: ResidualSpec) -> None:
    for term in spec.variances:
        if term.function not in VARIANCES or not term.columns:
            raise ArgumentError(f"residual: {term.function}() needs a column: {term.function}(x).")
        if len(term.columns) > 1 and term.function != "idh":
            raise ArgumentError(f"residual: {term.function}() takes one column.")
    twice = first_twice(spec.variances)
    if twice is None:
        return
    own = [t.structure for t in spec.correlations if twice.columns == t.columns]
    if twice.function == "idh" and own:
        full = HETEROGENEOUS_NAMES.get(own[0], own[0])
        raise ArgumentError(
            f"residual: {full}() has a variance of its own for every value of "
            f"`{twice.columns[0]}` already: leave out `{twice}`."
        )
    raise ArgumentError(f"residual: `{twice}` is there twice: leave one out.")


def _check_nugget(spec: ResidualSpec) -> None:
    terms = spec.correlations
    if not terms:
        raise ArgumentError(
            "residual: an independent part of each row is all that independent residuals have: "
            "leave out `+ units`."
        )
    if len(terms) == 1 and not terms[0].facts.takes_nugget:
        name = terms[0].structure
        ways = [n for n, facts in CORRELATIONS.items() if facts.takes_nugget]
        raise ArgumentError(
            f"residual: {name}() holds an independent part already, so that another one cannot be "
            f"told from it: leave it out. It goes with {', '.join(ways)}."
        )


def first_twice(values: Iterable[T]) -> T | None:
    """The first of some values that is there a second time."""
    seen = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return None
