"""The results of a fit of a form: one `FormFit`, with a `FittedModality` for each matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import ArgumentError
from ..support.arguments import one_of
from ..support.arrays import FloatArray
from . import derived_quantities as derived
from .als import FormEstimate
from .constant_columns import varying_columns
from .encoding import GivenModality, second_moments
from .form_identity import SeparateCodes
from .input_matrices import LabelledMatrix, check_columns, modality
from .modalities import Modalities, Side
from .objective import Codes, Weights


@dataclass(frozen=True, eq=False)
class FittedModality:
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
        """What is added to decoded columns: the constants of those left out, zero for others."""
        return np.nan_to_num(self.constants)

    def given(self, found: LabelledMatrix, shrink: bool) -> GivenModality:
        """New rows of this modality, to be encoded; see :func:`.input_matrices.check_columns`."""
        self.check(found)
        return GivenModality(
            modality(found), self.loading, self.precisions if shrink else self.weight
        )

    def check(self, found: LabelledMatrix) -> None:
        """Refuse rows whose columns are not those of the fit.

        Raises
        ------
        DataError
        """
        check_columns(found, len(self.loading), self.columns, f'form.loadings_["{self.name}"]')


@dataclass(frozen=True, eq=False)
class FormFit:
    """Codes and moments of the rows fitted, and the modalities.

    Attributes
    ----------
    parts : dict of FittedModality
        By name, the response first.
    codes : Codes
    moments : ndarray (2k, 2k)
    ridge : float
    rows : pandas.Index or None
    shrunken : bool
        Whether the codes are predictions, and those of new rows should be.
    separate_codes : SeparateCodes
        The codes of the rows from each side alone.
    """

    parts: dict[str, FittedModality]
    codes: Codes
    moments: FloatArray
    ridge: float
    rows: pd.Index | None
    shrunken: bool
    separate_codes: SeparateCodes

    @classmethod
    def of(
        cls,
        matrices: tuple[LabelledMatrix, ...],
        data: Modalities,
        estimate: FormEstimate,
        weights: Weights,
        ridge: float,
    ) -> FormFit:
        """From data and the estimate for them."""
        moments, variances = implied_model(data, estimate)
        estimated = estimate.variances is not None
        constants = estimate.constants or tuple(np.full(len(L), np.nan) for L in estimate.loadings)
        precisions = derived.noise_precisions(data, variances)
        residual = variances
        if estimated:
            residual = derived.residual_variances(data, estimate.codes, estimate.loadings)
        per_part = zip(
            matrices,
            estimate.loadings,
            weights,
            variances,
            (np.where(np.isnan(c), p, 0.0) for c, p in zip(constants, precisions)),
            derived.explained_shares(data, residual, varying_columns(constants)),
            constants,
        )
        parts = {
            b.name: FittedModality(b.name, b.side, b.columns, *figures) for b, *figures in per_part
        }
        rows = next((b.rows for b in matrices if b.rows is not None), None)
        separate = SeparateCodes(data, estimate.loadings, weights)
        return cls(parts, estimate.codes, moments, ridge, rows, estimated, separate)

    def check_same(self, matrices: tuple[LabelledMatrix, ...]) -> None:
        """Refuse to start a fit of other modalities from this one.

        Raises
        ------
        ArgumentError
        """
        for b in matrices:
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

    def part(self, name: str, argument: str = "modality") -> FittedModality:
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
    data: Modalities, estimate: FormEstimate
) -> tuple[FloatArray, tuple[FloatArray, ...]]:
    """Σ of the codes and D of the columns: the estimates, or the moments of the rows fitted."""
    if estimate.moments is not None and estimate.variances is not None:
        return estimate.moments, estimate.variances
    codes, loadings = estimate.codes, estimate.loadings
    return second_moments(codes), derived.residual_variances(data, codes, loadings)
