"""What a fit of a form leaves behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import ArgumentError
from ..support.arguments import one_of
from ..support.arrays import FloatArray
from . import derived as facts
from .als import FormEstimate
from .constant import varying
from .data import Modalities, Side
from .encoding import Given, second_moments
from .inputs import Block, check_columns, modality
from .objective import Codes, Weights


@dataclass(frozen=True, eq=False)
class Part:
    """One modality of a fit.

    Attributes
    ----------
    name : str
    side : Side
    columns : pandas.Index or None
    loading : ndarray (c, k)
    weight : float
        In F.
    variances : ndarray (c,)
        D: mean squared residual of each column, or its noise by maximum likelihood.
    precisions : ndarray (c,)
        Their reciprocals; zero for columns that were left out.
    explained : float
    constants : ndarray (c,)
        The constants of columns that were left out; NaN for all others.
    """

    name: str
    side: Side
    columns: pd.Index | None
    loading: FloatArray
    weight: float
    variances: FloatArray
    precisions: FloatArray
    explained: float
    constants: FloatArray

    @property
    def offset(self) -> FloatArray:
        """What stands in the columns beside what codes say: their constants, or zero."""
        return np.nan_to_num(self.constants)

    def given(self, found: Block, shrink: bool) -> Given:
        """New rows of this modality, to be encoded; see :func:`.inputs.check_columns`."""
        self.check(found)
        return Given(modality(found), self.loading, self.precisions if shrink else self.weight)

    def check(self, found: Block) -> None:
        """Refuse rows whose columns are not those of the fit.

        Raises
        ------
        DataError
        """
        check_columns(found, len(self.loading), self.columns, f'form.loadings_["{self.name}"]')


@dataclass(frozen=True, eq=False)
class Fitted:
    """Codes and moments of the rows fitted, and the modalities.

    Attributes
    ----------
    parts : dict of Part
        By name, the response first.
    codes : Codes
    moments : ndarray (2k, 2k)
    ridge : float
    rows : pandas.Index or None
    shrunken : bool
        Whether the codes are predictions, and those of new rows should be.
    """

    parts: dict[str, Part]
    codes: Codes
    moments: FloatArray
    ridge: float
    rows: pd.Index | None
    shrunken: bool

    @classmethod
    def of(
        cls,
        blocks: tuple[Block, ...],
        data: Modalities,
        walk: FormEstimate,
        weights: Weights,
        ridge: float,
    ) -> Fitted:
        """From data and the walk on them."""
        moments, variances = implied_model(data, walk)
        estimated = walk.variances is not None
        constants = walk.constants or tuple(np.full(len(L), np.nan) for L in walk.loadings)
        precisions = facts.noise_precisions(data, variances)
        left = facts.residual_variances(data, walk.codes, walk.loadings) if estimated else variances
        per_part = zip(
            blocks,
            walk.loadings,
            weights,
            variances,
            (np.where(np.isnan(c), p, 0.0) for c, p in zip(constants, precisions)),
            facts.explained_shares(data, left, varying(constants)),
            constants,
        )
        parts = {b.name: Part(b.name, b.side, b.columns, *figures) for b, *figures in per_part}
        rows = next((b.rows for b in blocks if b.rows is not None), None)
        return cls(parts, walk.codes, moments, ridge, rows, estimated)

    def check_same(self, blocks: tuple[Block, ...]) -> None:
        """Refuse to start a fit of other modalities from this one.

        Raises
        ------
        ArgumentError
        """
        for b in blocks:
            known = self.parts.get(b.name)
            if (
                known is None
                or known.side is not b.side
                or not same_labels(known.columns, b.columns)
            ):
                raise ArgumentError(
                    f"The fit given as start= has another {b.name}, or other columns there: start "
                    "from 'svd'."
                )

    def part(self, name: str, argument: str = "modality") -> Part:
        """A modality by its name, which is the value of `argument`.

        Raises
        ------
        ArgumentError
        """
        return self.parts[one_of(argument, name, self.parts)]


def same_labels(here: pd.Index | None, there: pd.Index | None) -> bool:
    """Whether labels are the same, as far as both sides have some."""
    return here is None or there is None or here.equals(there)


def implied_model(
    data: Modalities, walk: FormEstimate
) -> tuple[FloatArray, tuple[FloatArray, ...]]:
    """Σ of the codes and D of the columns: estimated beside, or as they are in the rows fitted."""
    if walk.moments is not None and walk.variances is not None:
        return walk.moments, walk.variances
    return second_moments(walk.codes), facts.residual_variances(data, walk.codes, walk.loadings)
