"""`Profile`: the profile likelihood of parameters, with intervals, tables and densities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from ...errors import ArgumentError, listed, near_matches
from ...results.state import FitState
from ...support.arguments import named_arguments, proportion, short_repr
from ...support.arrays import FloatArray
from ...tables.result_table import ResultTable
from ..model_parameters import ModelParameter, model_parameters
from .curve import ProfileCurve
from .held import Held
from .interpolation import interpolated_zeta, zeta_slopes
from .roots import root


class ProfiledModel(Protocol):
    """A fit at the minimum of the criterion that is profiled."""

    @property
    def state(self) -> FitState:
        """The fit."""

    @property
    def rounding(self) -> float:
        """Error of the criterion."""

    def curve(self, parameter: ModelParameter, limit: float) -> ProfileCurve:
        """The profile of a parameter, to |ζ| = `limit` or a bound."""

    def refitted_from(self, held: Held, x: FloatArray) -> ProfiledModel:
        """The fit that a search from x leads to, where a profile was lower."""

    def values(self, held: Held, tau: float, x: FloatArray) -> FloatArray:
        """All parameters of the fit, in the user's units, at x."""


@dataclass(frozen=True, eq=False)
class ParameterProfile:
    """The profile of one parameter.

    Attributes
    ----------
    parameter : ModelParameter
    curve : ProfileCurve
    is_variance : bool
        Whether values are squared.
    """

    parameter: ModelParameter
    curve: ProfileCurve
    is_variance: bool = False

    @property
    def name(self) -> str:
        """Of the parameter, or of its square."""
        if not self.is_variance:
            return self.parameter.name
        return variance_name(self.parameter.name)

    def value(self, tau: float) -> float:
        """The parameter at a coordinate."""
        value = self.curve.held.value(tau)
        return value**2 if self.is_variance else value

    def coordinates(self, values: FloatArray) -> FloatArray:
        """The coordinates of values, NaN of those beyond the bounds."""
        with np.errstate(all="ignore"):
            roots = np.sqrt(values) if self.is_variance else values
            return np.array([self.curve.held.coordinate(float(value)) for value in roots])

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest value that there is."""
        return self.parameter.low, self.parameter.high

    @property
    def estimate(self) -> float:
        """Where ζ is zero."""
        return self.value(self.curve.centre.tau)


def variance_name(name: str) -> str:
    """``var(…)`` of ``sd(…)``, ``sigma2`` of ``sigma``.

    Examples
    --------
    >>> variance_name("sd(Days | Subject)"), variance_name("sigma")
    ('var(Days | Subject)', 'sigma2')
    """
    return "sigma2" if name == "sigma" else "var" + name.removeprefix("sd")


class Profile:
    """Profile likelihood of the parameters of a fit, made by ``fit.profile()``.

    For each value v of a parameter the criterion is minimised over all others. The signed root of
    its rise over the minimum, ζ(v), is a straight line where the likelihood is quadratic, and the
    limits of an interval are where ζ = ±z.

    Attributes
    ----------
    state : FitState
        The fit that was profiled: the refit by ML of a REML fit.
    notes : tuple of str
        Which likelihood it is.

    References
    ----------
    Bates, Mächler, Bolker, Walker (2015), *Fitting Linear Mixed-Effects Models Using lme4*, J.
    Stat. Software 67(1), section 5.1.
    """

    def __init__(
        self,
        fit: ProfiledModel,
        profiles: Sequence[ParameterProfile],
        undefined: Sequence[str] = (),
        notes: Sequence[str] = (),
    ) -> None:
        self.state: FitState = fit.state
        self.notes = tuple(notes)
        self._fit, self._profiles = fit, {p.name: p for p in profiles}
        self._undefined = tuple(undefined)
        self._roots: dict[tuple[str, float], float] = {}

    @property
    def names(self) -> list[str]:
        """Names of the parameters that have a profile."""
        return list(self._profiles)

    @property
    def estimates(self) -> pd.Series:
        """Estimates, at which ζ is zero."""
        return pd.Series({name: p.estimate for name, p in self._profiles.items()}, dtype=np.float64)

    # --- intervals ------------------------------------------------------------------------

    @named_arguments
    def conf_int(self, level: float = 0.95) -> ResultTable:
        """Profile-likelihood intervals: the values between ζ = −z and ζ = z.

        The limits are roots of ζ on the criterion itself, not interpolated. Where a profile ends
        before, at a bound or because the data do not limit the parameter, its end is the limit, and
        the notes say so.

        Parameters
        ----------
        level : float
            Between 0 and 1.

        Returns
        -------
        ResultTable
            Columns ``lower`` and ``upper``; rows in the order of the fit's parameters.
        """
        found = self._limits(proportion("level", level))
        names = [p.name for p in model_parameters(self.state)]
        rows = {name: [limit for limit, _ in pair] for name, pair in found.items()}
        rows.update({name: [np.nan, np.nan] for name in self._undefined})
        if not any(p.is_variance for p in self._profiles.values()):
            rows = {name: rows[name] for name in names if name in rows}
        table = np.array(list(rows.values()), dtype=np.float64).reshape(len(rows), 2)
        return ResultTable(
            {"lower": table[:, 0], "upper": table[:, 1]},
            index=pd.Index(list(rows)),
            title=f"{100 * level:g} % profile-likelihood intervals",
            notes=[*self.notes, *self._limit_notes(found)],
        )

    @named_arguments
    def at_bound(self, level: float = 0.95) -> pd.DataFrame:
        """Which limits of the intervals are ends of the profile, not roots of ζ = ±z.

        Returns
        -------
        DataFrame of bool
            Columns ``lower`` and ``upper``.
        """
        found = self._limits(proportion("level", level))
        flags = {name: [is_end for _, is_end in pair] for name, pair in found.items()}
        return pd.DataFrame.from_dict(flags, orient="index", columns=["lower", "upper"])

    def _limits(self, level: float) -> dict[str, list[tuple[float, bool]]]:
        """The limits of each parameter, and whether they are ends of its profile."""
        from scipy.special import ndtri

        z = float(ndtri(0.5 + 0.5 * level))
        out = {}
        for name, profile in self._profiles.items():
            pair = []
            for side in (-1, 1):
                key = name, side * z
                if key not in self._roots:
                    tau, _ = root(profile.curve, side * z, self._fit.rounding)
                    self._roots[key] = tau
                tau = self._roots[key]
                pair.append(
                    (self._end(profile, side), True)
                    if np.isnan(tau)
                    else (profile.value(tau), False)
                )
            out[name] = pair
        return out

    def _end(self, profile: ParameterProfile, side: int) -> float:
        """Where a profile ends: at a bound, or at the parameter's own if it is not limited."""
        held, point = profile.curve.held, profile.curve.end(side)
        bound = held.high if side > 0 else held.low
        if point.tau == bound or np.isfinite(bound):
            return profile.value(point.tau)
        return profile.bounds[1 if side > 0 else 0]

    def _limit_notes(self, found: dict[str, list[tuple[float, bool]]]) -> list[str]:
        notes = []
        for i, side in enumerate(("lower", "upper")):
            ends = [name for name, pair in found.items() if pair[i][1] and np.isfinite(pair[i][0])]
            free = [
                name for name, pair in found.items() if pair[i][1] and not np.isfinite(pair[i][0])
            ]
            if ends:
                notes.append(f"The {side} limit is the end of the profile: {', '.join(ends)}.")
            if free:
                notes.append(f"The data set no {side} limit: {', '.join(free)}.")
        bent = [name for name, p in self._profiles.items() if not p.curve.is_monotone]
        if bent:
            notes.append(
                f"The profile has several minima, and the interval reaches over them: "
                f"{', '.join(bent)}."
            )
        if self._undefined:
            notes.append(
                f"Not defined, as a standard deviation is estimated at zero: "
                f"{', '.join(self._undefined)}."
            )
        return notes

    # --- points ---------------------------------------------------------------------------

    @cached_property
    def table(self) -> ResultTable:
        """The points of the profiles.

        ``parameter``, its ``value``, ``zeta``, and all parameters at the minimum there.
        """
        names = [p.name for p in model_parameters(self.state)]
        labels, rows = [], []
        for name, profile in self._profiles.items():
            held = profile.curve.held
            for point in profile.curve.points:
                labels.append(name)
                value = profile.value(point.tau)
                all_values = self._fit.values(held, point.tau, point.x)
                rows.append([value, point.zeta, *all_values])
        table = ResultTable(
            np.array(rows).reshape(len(rows), len(names) + 2),
            columns=["value", "zeta", *names],
            title="Profiles",
            notes=self.notes,
        )
        table.insert(0, "parameter", labels)
        return table

    @named_arguments
    def points(self, parameter: str) -> pd.DataFrame:
        """Where the profile of a parameter was computed.

        Parameters
        ----------
        parameter : str
            One of `names`.

        Returns
        -------
        DataFrame
            Its ``value`` and ``zeta``, in ascending order.
        """
        profile = self._profile(parameter)
        values = [profile.value(point.tau) for point in profile.curve.points]
        return pd.DataFrame({"value": values, "zeta": profile.curve.zeta})

    @named_arguments
    def zeta(self, parameter: str, values: npt.ArrayLike) -> FloatArray:
        """ζ at values of a parameter, interpolated between the points; NaN outside of them.

        Parameters
        ----------
        parameter : str
            One of `names`.
        values : array

        Returns
        -------
        ndarray
        """
        profile = self._profile(parameter)
        flat = np.ravel(np.asarray(values, dtype=np.float64))
        return interpolated_zeta(profile.curve, profile.coordinates(flat)).reshape(np.shape(values))

    @named_arguments
    def density(self, parameter: str, values: npt.ArrayLike) -> FloatArray:
        """The density whose distribution function is Φ(ζ), at values of a parameter.

        That of a confidence distribution; NaN outside of the points. Where a profile ends before
        ζ = ±∞ its integral is less than one: the rest is at the bound.
        """
        profile = self._profile(parameter)
        flat = np.ravel(np.asarray(values, dtype=np.float64))
        tau = profile.coordinates(flat)
        zeta = interpolated_zeta(profile.curve, tau)
        slopes = zeta_slopes(profile.curve, tau)
        with np.errstate(all="ignore"):
            rates = np.array([_derivative(profile, t) for t in tau])
            found = np.exp(-0.5 * zeta**2) / np.sqrt(2.0 * np.pi) * slopes / rates
        return np.asarray(np.maximum(found, 0.0)).reshape(np.shape(values))

    @named_arguments
    def trace(self, parameter: str, other: str) -> pd.DataFrame:
        """How another parameter moves along a profile: ζ of both at its points.

        Parameters
        ----------
        parameter : str
            Whose profile it is.
        other : str
            Whose value at the minimum is given.

        Returns
        -------
        DataFrame
            ``zeta`` of the parameter and ``other``, that of the other one; NaN beyond its points.
        """
        along, moved = self._profile(parameter), self._profile(other)
        rows = self.table.loc[self.table["parameter"] == along.name]
        values = rows[moved.parameter.name].to_numpy()
        zeta = self.zeta(other, values**2 if moved.is_variance else values)
        return pd.DataFrame({"zeta": rows["zeta"].to_numpy(), "other": zeta})

    @named_arguments
    def variances(self) -> Profile:
        """The profiles of the standard deviations and of σ, as those of the variances.

        Returns
        -------
        Profile
            Of ``var(…)`` and ``sigma2``; other parameters are left out.
        """
        chosen = [
            p for p in self._profiles.values() if p.parameter.is_deviation and not p.is_variance
        ]
        if not chosen:
            raise ArgumentError("variances: no standard deviation was profiled.")
        return Profile(self._fit, [replace(p, is_variance=True) for p in chosen], (), self.notes)

    def _profile(self, parameter: Any) -> ParameterProfile:
        if isinstance(parameter, str) and parameter in self._profiles:
            return self._profiles[parameter]
        hint = near_matches(parameter, self._profiles) if isinstance(parameter, str) else ""
        raise ArgumentError(
            f"parameter={short_repr(parameter)}: there are profiles of {listed(self.names)}.{hint}"
        )

    def __repr__(self) -> str:
        return f"<Profile of {listed(self.names)}>"


def _derivative(profile: ParameterProfile, tau: float) -> float:
    step = 1e-5 * max(1.0, abs(tau))
    return (profile.value(tau + step) - profile.value(tau - step)) / (2.0 * step)
