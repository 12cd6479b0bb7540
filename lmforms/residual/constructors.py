"""Residual structures as objects: a function for each name that text has.

Every one returns a :class:`~lmforms.residual.specification.ResidualSpec`; the text of the same
structure is ``str(spec)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ArgumentError
from ..support.arguments import flag, instance, named_arguments, short_repr
from .specification import CorrelationTerm, ResidualSpec, VarianceTerm
from .structures import CORRELATIONS, WITH_VARIANCES, OptionValue

Names = str | Sequence[str]


def _names(what: str, value: Any) -> tuple[str, ...]:
    """Names of columns, one or several."""
    if value is None:
        return ()
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not all(isinstance(n, str) and n for n in names):
        raise ArgumentError(f"{what}={short_repr(value)}: a column's name or several are needed.")
    bad = next((name for name in names if "`" in name), None)
    if bad is not None:
        raise ArgumentError(f"{what}={bad!r}: a name with a backtick cannot be used: rename it.")
    return tuple(names)


def _correlated(
    name: str,
    columns: Names | None,
    group: Names | None,
    nugget: bool = False,
    **options: OptionValue,
) -> ResidualSpec:
    structure = WITH_VARIANCES.get(name, name)
    placed = _names(CORRELATIONS[structure].argument, columns)
    term = CorrelationTerm(structure, placed, tuple(options.items()))
    own = (VarianceTerm("idh", placed),) if name in WITH_VARIANCES else ()
    return ResidualSpec((term,), _names("group", group), own, flag("nugget", nugget))


@named_arguments
def AR1(time: str, group: Names | None = None, *, nugget: bool = False) -> ResidualSpec:
    """First-order autoregression, ρ^|s − t| at whole times s and t: ``ar1(time | group)``.

    Parameters
    ----------
    time : str
        Column of whole numbers, or of ordered labels.
    group : str or sequence of str, optional
        Columns whose combinations are the series; all rows are one without it.
    nugget : bool
        Whether each row has an independent part besides, ``+ units``.

    Examples
    --------
    >>> AR1("time", "subject")
    <ResidualSpec 'ar1(time | subject)'>
    """
    return _correlated("ar1", time, group, nugget)


@named_arguments
def HAR1(time: str, group: Names | None = None, *, nugget: bool = False) -> ResidualSpec:
    """:func:`AR1` with a variance for every time: ``har1(time | group)``.

    Examples
    --------
    >>> HAR1("time", "subject") == AR1("time", "subject") * Idh("time")
    True
    """
    return _correlated("har1", time, group, nugget)


@named_arguments
def MA(time: str, group: Names | None = None, *, q: int = 1) -> ResidualSpec:
    """Moving average of order q: ``ma(time | group, q=1)``.

    Examples
    --------
    >>> MA("time", "subject", q=2)
    <ResidualSpec 'ma(time | subject, q=2)'>
    """
    return _correlated("ma", time, group, q=q)


@named_arguments
def ARMA(time: str, group: Names | None = None, *, p: int = 1, q: int = 1) -> ResidualSpec:
    """Autoregression of order p with a moving average of order q.

    Examples
    --------
    >>> ARMA("time", "subject")
    <ResidualSpec 'arma(time | subject, p=1, q=1)'>
    """
    return _correlated("arma", time, group, p=p, q=q)


@named_arguments
def CS(visit: str | None = None, group: Names | None = None) -> ResidualSpec:
    """Compound symmetry, one correlation within a series: ``cs(visit | group)``.

    Parameters
    ----------
    visit : str, optional
        Column of visits; without it rows need not be told apart, ``cs(1 | group)``.
    group : str or sequence of str

    Examples
    --------
    >>> CS("visit", "subject"), CS(group="batch")
    (<ResidualSpec 'cs(visit | subject)'>, <ResidualSpec 'cs(1 | batch)'>)
    """
    return _correlated("cs", visit, group)


@named_arguments
def HCS(visit: str, group: Names | None = None) -> ResidualSpec:
    """:func:`CS` with a variance for every visit: ``hcs(visit | group)``.

    Examples
    --------
    >>> HCS("visit", "subject")
    <ResidualSpec 'hcs(visit | subject)'>
    """
    return _correlated("hcs", visit, group)


@named_arguments
def CorSymm(visit: str, group: Names | None = None) -> ResidualSpec:
    """A correlation for every pair of visits, one variance: ``corsymm(visit | group)``.

    Examples
    --------
    >>> CorSymm("visit", "subject")
    <ResidualSpec 'corsymm(visit | subject)'>
    """
    return _correlated("corsymm", visit, group)


@named_arguments
def US(visit: str, group: Names | None = None) -> ResidualSpec:
    """Unstructured: a variance for every visit, a correlation for every pair.

    Examples
    --------
    >>> US("visit", "subject") == CorSymm("visit", "subject") * Idh("visit")
    True
    """
    return _correlated("us", visit, group)


@named_arguments
def Toep(visit: str, group: Names | None = None) -> ResidualSpec:
    """Toeplitz, a correlation for every distance in time: ``toep(visit | group)``.

    Examples
    --------
    >>> Toep("visit", "subject")
    <ResidualSpec 'toep(visit | subject)'>
    """
    return _correlated("toep", visit, group)


@named_arguments
def HToep(visit: str, group: Names | None = None) -> ResidualSpec:
    """:func:`Toep` with a variance for every visit: ``htoep(visit | group)``.

    Examples
    --------
    >>> HToep("visit", "subject")
    <ResidualSpec 'htoep(visit | subject)'>
    """
    return _correlated("htoep", visit, group)


@named_arguments
def Ante(visit: str, group: Names | None = None, *, nugget: bool = False) -> ResidualSpec:
    """First-order antedependence, a correlation for every two neighbouring visits.

    Examples
    --------
    >>> Ante("visit", "subject")
    <ResidualSpec 'ante(visit | subject)'>
    """
    return _correlated("ante", visit, group, nugget)


@named_arguments
def HAnte(visit: str, group: Names | None = None, *, nugget: bool = False) -> ResidualSpec:
    """:func:`Ante` with a variance for every visit: ``hante(visit | group)``.

    Examples
    --------
    >>> HAnte("visit", "subject")
    <ResidualSpec 'hante(visit | subject)'>
    """
    return _correlated("hante", visit, group, nugget)


@named_arguments
def Exp(
    x: Names, group: Names | None = None, *, nugget: bool = False, per_axis: bool = False
) -> ResidualSpec:
    """Exponential, exp(−distance/range) in continuous time or space: ``exp(x + y | group)``.

    Parameters
    ----------
    x : str or sequence of str
        Columns of times or coordinates.
    group : str or sequence of str, optional
        Columns whose combinations are the series; all rows are one without it.
    nugget : bool
        Whether each row has an independent part besides, ``+ units``.
    per_axis : bool
        Whether every coordinate has a range of its own (anisotropy).

    Examples
    --------
    >>> Exp("day", "subject"), Exp(["x", "y"], nugget=True)
    (<ResidualSpec 'exp(day | subject)'>, <ResidualSpec 'exp(x + y) + units'>)
    """
    return _correlated("exp", x, group, nugget, per_axis=per_axis)


@named_arguments
def Gau(
    x: Names, group: Names | None = None, *, nugget: bool = False, per_axis: bool = False
) -> ResidualSpec:
    """Gaussian, exp(−(distance/range)²): ``gau(x + y | group)``.

    Examples
    --------
    >>> Gau(["x", "y"], "field")
    <ResidualSpec 'gau(x + y | field)'>
    """
    return _correlated("gau", x, group, nugget, per_axis=per_axis)


@named_arguments
def Sph(
    x: Names, group: Names | None = None, *, nugget: bool = False, per_axis: bool = False
) -> ResidualSpec:
    """Spherical, zero beyond the range: ``sph(x + y | group)``.

    Examples
    --------
    >>> Sph(["x", "y"], "field")
    <ResidualSpec 'sph(x + y | field)'>
    """
    return _correlated("sph", x, group, nugget, per_axis=per_axis)


@named_arguments
def Mat(
    x: Names,
    group: Names | None = None,
    *,
    nugget: bool = False,
    per_axis: bool = False,
    nu: float | None = None,
) -> ResidualSpec:
    """Matérn, with a range and a smoothness: ``mat(x + y | group)``.

    Parameters
    ----------
    x, group, nugget, per_axis
        See :func:`Exp`.
    nu : float, optional
        Smoothness; estimated by default.

    Examples
    --------
    >>> Mat(["x", "y"], "field")
    <ResidualSpec 'mat(x + y | field)'>
    """
    return _correlated("mat", x, group, nugget, per_axis=per_axis, nu=nu)


@named_arguments
def Kronecker(
    first: ResidualSpec, second: ResidualSpec, group: Names | None = None
) -> ResidualSpec:
    """The Kronecker product of two correlations: ``ar1(row):ar1(col) | group``.

    Parameters
    ----------
    first, second : ResidualSpec
        A correlation each, without a group.
    group : str or sequence of str, optional
        Columns whose combinations are the series or fields.

    Examples
    --------
    >>> Kronecker(AR1("row"), AR1("col"))
    <ResidualSpec 'ar1(row):ar1(col)'>
    >>> Kronecker(US("trait"), AR1("time"), "subject")
    <ResidualSpec 'us(trait):ar1(time) | subject'>
    """
    for name, factor in (("first", first), ("second", second)):
        instance(name, factor, ResidualSpec, "such as AR1('row')")
        if len(factor.correlations) != 1 or factor.group or factor.nugget:
            raise ArgumentError(
                f"residual: {name}={factor} is no correlation without a group: the group of a "
                "product is the argument group=, an independent part is .with_nugget()."
            )
    return ResidualSpec(
        (*first.correlations, *second.correlations),
        _names("group", group),
        (*first.variances, *second.variances),
    )


@named_arguments
def Idh(f: Names) -> ResidualSpec:
    """A variance for every level of a column, or combination of levels of several: ``idh(f)``.

    Examples
    --------
    >>> Idh("sex"), AR1("time", "subject") * Idh(["sex", "site"])
    (<ResidualSpec 'idh(sex)'>, <ResidualSpec 'ar1(time | subject) * idh(sex:site)'>)
    """
    return _variance("idh", f)


@named_arguments
def Power(x: str) -> ResidualSpec:
    """Standard deviation σx^δ of a positive covariate: ``power(x)``.

    ``power(fitted)``, or ``Power(FITTED)``, takes the absolute fitted values, and so do the other
    functions of a covariate (``expvar`` with their signs). The variances then follow the fit, which
    is repeated until they are settled: there is no one likelihood that it maximises.

    Examples
    --------
    >>> Power("age")
    <ResidualSpec 'power(age)'>
    """
    return _variance("power", x)


@named_arguments
def ExpVar(x: str) -> ResidualSpec:
    """Standard deviation σ exp(δx) of a covariate: ``expvar(x)``.

    Examples
    --------
    >>> ExpVar("age")
    <ResidualSpec 'expvar(age)'>
    """
    return _variance("expvar", x)


@named_arguments
def ConstPower(x: str) -> ResidualSpec:
    """Standard deviation σ(c + x^δ) of a positive covariate: ``constpower(x)``.

    Examples
    --------
    >>> ConstPower("age")
    <ResidualSpec 'constpower(age)'>
    """
    return _variance("constpower", x)


def _variance(function: str, columns: Names) -> ResidualSpec:
    return ResidualSpec(variances=(VarianceTerm(function, _names(f"{function}()", columns)),))
