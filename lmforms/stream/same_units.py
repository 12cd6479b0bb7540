"""Sums that were made apart, in the units of others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..engine.sums.additive_sums import AdditiveSums, LevelSums
from ..engine.sums.units import Scaling
from ..errors import ModelError
from .plan import Plan


def same_columns(a: Plan, b: Plan) -> None:
    """Refuse sums of other columns.

    Raises
    ------
    ModelError
        Factors have other levels, transforms have learnt something else, or the columns of X have
        other names.
    """
    for name, dtype in a.factors.items():
        own, other = list(dtype.categories), list(b.factors[name].categories)
        if own != other:
            raise ModelError(
                f"the sums have other levels of `{name}`: {own} and {other}. Give all that there "
                f"are to both, as in levels={{{name!r}: {sorted({*own, *other}, key=str)}}}."
            )
    if learnt(a) != learnt(b):
        raise ModelError(
            "transforms such as scale() and poly() have learnt different numbers from the rows of "
            "the two sums: make the columns before, with the same numbers everywhere."
        )
    given, others = a.formula_data, b.formula_data
    if (given.weights_column, given.offset_column) != (others.weights_column, others.offset_column):
        raise ModelError("the sums have other weights or offsets: give the same to both.")
    names = [plan.prototype.fixed.names for plan in (a, b)]
    if names[0] != names[1] or str(given.contrasts) != str(others.contrasts):
        raise ModelError("the sums have other columns of X: make both with the same contrasts.")


def learnt(plan: Plan) -> dict[str, str]:
    """What the transforms of a formula have learnt, as text."""
    matrices = [plan.response, plan.prototype.fixed, *plan.prototype.offsets]
    matrices += [term.matrix for term in plan.prototype.terms]
    if plan.bound.plain is not None:
        return {}
    return {
        text: repr(state)
        for matrix in matrices
        for text, state in matrix.spec.transform_state.items()
    }


def in_units(sums: AdditiveSums, to: Scaling) -> AdditiveSums:
    """The same sums in other units of the same columns.

    Parameters
    ----------
    sums : AdditiveSums
    to : Scaling
        Without pilot effects.

    Notes
    -----
    X̃₂ = X̃₁L with L = A₁⁻¹A₂; and as y = c₁ + X̃₁γ₁ + s₁ỹ₁ = c₂ + X̃₂γ₂ + s₂ỹ₂, where the constant
    column makes the difference of the shifts c one of coefficients,
    ỹ₂ = X̃₁(γ₁ + A₁⁻¹w(c₁ − c₂) − Lγ₂)/s₂ + ỹ₁s₁/s₂ with Xw = 1.
    """
    own = sums.scaling
    p = len(own.pilot.gamma)
    L = own.units.x.inverse @ to.units.x.linear
    ones = np.zeros(p)
    if own.units.x.constant is not None:
        ones[own.units.x.constant] = own.pilot.shift - to.pilot.shift
    shift = own.units.x.inverse @ ones
    change = np.zeros((p + 1, p + 1))
    change[:p, :p] = L
    change[:p, p] = (own.pilot.gamma + shift - L @ to.pilot.gamma) / to.pilot.y_scale
    change[p, p] = own.pilot.y_scale / to.pilot.y_scale
    bases = [a.inverse @ b.linear for a, b in zip(own.units.bases, to.units.bases, strict=True)]
    return AdditiveSums(
        scaling=to,
        facts=sums.facts,
        rr=change.T @ sums.rr @ change,
        root=sums.root @ L,
        factors=tuple(
            LevelSums(B.T @ f.zz @ B, B.T @ f.zr @ change, f.counts)
            for f, B in zip(sums.factors, bases, strict=True)
        ),
        pairs={
            (a, b): replace(pair, blocks=bases[a].T @ pair.blocks @ bases[b])
            for (a, b), pair in sums.pairs.items()
        },
    )
