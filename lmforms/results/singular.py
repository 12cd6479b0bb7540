"""What a singular fit says: which random effects have no variance, and what to write instead."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from ..data.design import Design, RandomTerm
from ..engine.linalg.stable_columns import root_mean_squares
from ..formula.aliases import unaliased
from ..support.arrays import FloatArray


def singular_message(
    design: Design,
    terms: Sequence[int],
    factors: Sequence[FloatArray],
    tolerance: float,
    related: Collection[str] = (),
    bounds: Mapping[int, Sequence[str]] | None = None,
) -> str:
    """What is singular, and what to do about it (empty for no terms).

    Parameters
    ----------
    design : Design
    terms : sequence of int
        Places of the singular terms in the formula.
    factors : sequence of ndarray (k, k)
        Relative covariance factor of each of the formula's terms.
    tolerance : float
        Standard deviations below it, relative to σ, are zero.
    related : collection of str
        Grouping factors and terms with a `relationship`.
    bounds : mapping of int to sequence of str, optional
        For terms with a structure, parameters of it that are at a bound.
    """
    structured = [t for t in terms if t in (bounds or {})]
    terms = [t for t in terms if t not in structured]
    said = [_structured_message(design, t, (bounds or {})[t]) for t in structured]
    if not terms:
        return " ".join(said)
    random = design.bound.random
    zero_columns = {
        t: _zero_variance_columns(design.terms[t], factors[t], tolerance) for t in terms
    }
    found = [
        f"{_description(design.terms[t], factors[t], zero_columns[t])} in {design.terms[t].written}"
        for t in terms
    ]
    remedies = []
    for part in dict.fromkeys(id(random[t].group_part) for t in terms):
        same = [t for t, bound in enumerate(random) if id(bound.group_part) == part]
        remedy = _remedy(design, same, zero_columns)
        names = {design.groups[design.terms[t].group].name for t in same} & set(related)
        if names and remedy.startswith("drop ("):
            remedy += " and its relationship"
        elif any(random[t].text in names and t in zero_columns for t in same):
            remedy += " (and change `relationship`, which names it)"
        remedies.append(remedy)
    plain = (
        f"singular fit: {'; '.join(found)}. The fit is the optimum; to remove the redundancy, "
        f"{', and '.join(remedies)}."
    )
    return " ".join([plain, *said])


def _structured_message(design: Design, t: int, names: Sequence[str]) -> str:
    """The same for a term with a structure."""
    written = design.terms[t].written
    if not names:
        return (
            f"singular fit: the random effects of {written} have no variance in some direction. "
            "The fit is the optimum; to remove the redundancy, take a structure of fewer "
            "parameters or of lower rank."
        )
    verb = "are at their bounds" if len(names) > 1 else "is at its bound"
    return (
        f"singular fit: {', '.join(names)} of {written} {verb}, without a standard error. The fit "
        "is the optimum; to remove the redundancy, take a structure without this parameter, or "
        "drop the term."
    )


def _zero_variance_columns(term: RandomTerm, factor: FloatArray, tolerance: float) -> list[int]:
    """Columns whose random effects have a standard deviation that is negligible beside σ."""
    sizes = np.linalg.norm(factor, axis=1) * root_mean_squares(term.matrix.values)
    zero_columns = np.flatnonzero(sizes < tolerance)
    if not len(zero_columns) and term.covariance.independent:
        # the smallest is the singular one, in units of its column's spread
        zero_columns = np.array([sizes.argmin()])
    return [int(j) for j in zero_columns]


def _description(term: RandomTerm, factor: FloatArray, zero_columns: Sequence[int]) -> str:
    names = [f"`{name}`" for name in term.columns]
    if zero_columns:
        plural = "variances" if len(zero_columns) > 1 else "variance"
        return f"the estimated {plural} of {_listed([names[j] for j in zero_columns])} 0"
    if len(names) == 2:
        sign = "−" if factor[0] @ factor[1] < 0 else ""
        return f"the estimated correlation of {names[0]} and {names[1]} is {sign}1"
    return f"some combination of {', '.join(names)} has no variance"


def _listed(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} is"
    return f"{', '.join(names[:-1])} and {names[-1]} are"


def _remedy(design: Design, same: Sequence[int], zero_columns: Mapping[int, Sequence[int]]) -> str:
    """What to write in place of a term of the formula, which is several with ``g/h``."""
    random = design.bound.random
    first = random[same[0]]
    whole = first.as_written_by(first.group_part.label)
    new = []
    for t in same:
        term, name = design.terms[t], random[t].group_name
        if t not in zero_columns:
            new.append(random[t].written)
        elif not zero_columns[t]:  # correlations, which the other bar leaves out
            new.append(f"({first.part.label} || {name})")
        elif remaining := _remaining_parts(term, zero_columns[t]):
            bar = "||" if term.covariance.independent and len(remaining) > 1 else "|"
            start = [] if "1" in remaining else ["0"]
            new.append(f"({' + '.join([*start, *remaining])} {bar} {name})")
    if not new:
        return f"drop {whole}"
    only_correlated = not any(zero_columns.get(t) for t in same)
    slopes = "drop a random slope, or " if only_correlated else ""
    return f"{slopes}write {' + '.join(new)} in place of {whole}"


def _remaining_parts(term: RandomTerm, zero_columns: Sequence[int]) -> list[str]:
    """Parts of the expression that stay if those with a column in `zero_columns` go."""
    parts = _parts(term)
    dropped = {name for name, columns in parts.items() if set(columns) & set(zero_columns)}
    remaining = [name for name in parts if name not in dropped]
    if "1" in dropped and any(len(parts[name]) > 1 for name in remaining):
        return ["1"]  # without an intercept a factor would have a column more instead
    if not remaining and len(zero_columns) < len(term.columns):
        return ["1"]  # only some levels of a factor have no variance
    return remaining


def _parts(term: RandomTerm) -> dict[str, list[int]]:
    """Terms of the expression with the places of their columns."""
    terms = [unaliased(str(t)) for t in term.matrix.spec.formula]
    if len(terms) == len(term.columns):
        return {name: [j] for j, name in enumerate(terms)}
    return {
        unaliased(str(t)): list(range(span.start, span.stop))
        for t, span in term.matrix.spec.term_slices.items()
    }
