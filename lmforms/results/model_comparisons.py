"""`ModelComparisons`: other models for the rows of a fit, and comparisons with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy.typing as npt

from ..control import Control
from ..data.changed_formula import ModelChanges
from ..support.arguments import UNCHANGED, flag, named_arguments
from .estimates import ModelEstimates


class ModelComparisons(ModelEstimates):
    """Other models for the same rows; the numbers are in :mod:`lmforms.inference`."""

    # --- other models for the same rows -----------------------------------------------------

    @named_arguments
    def update(
        self,
        formula: str = UNCHANGED,
        data: Any = UNCHANGED,
        *,
        reml: bool = UNCHANGED,
        weights: str | npt.ArrayLike | None = UNCHANGED,
        offset: str | npt.ArrayLike | None = UNCHANGED,
        contrasts: Mapping[str, Any] | None = UNCHANGED,
        relationship: Mapping[str, Any] | None = UNCHANGED,
        method: str = UNCHANGED,
        start: npt.ArrayLike | Self | None = None,
        control: Control | None = UNCHANGED,
        context: Mapping[str, Any] | None = UNCHANGED,
    ) -> Self:
        """Fit another model to the rows of this one.

        Whatever is not given stays as it was; None means none, as for :func:`lmforms.lmer`.

        Parameters
        ----------
        formula : str, optional
            A whole formula, or one with ``.`` for what this one has there, as R's ``update``:
            ``". ~ . - x + (1 | g)"``. Terms are added by ``+`` and taken out by ``-``, random
            ones too; the left side may be left out. ``.`` on the right is the fixed part, to
            which the random terms and offsets come along.
        data : table, optional
            Another table, read as by :func:`lmforms.lmer`. Without it the rows are those of this
            fit, also if the new formula has no use for a column with missing values, so that the
            two can be compared; columns are those that this fit uses, or one that it was updated
            from.
        reml, weights, offset, contrasts, relationship, method, start, control, context
            As for :func:`lmforms.lmer`. Arrays have one value for each row used (`nobs`); rows of
            a Series are found by their labels. A known covariance stays with its grouping factor
            or term.

        Returns
        -------
        MixedModelResults

        Raises
        ------
        ColumnError
            The fit did not keep a column: give `data`.
        FormulaError
            A term that is to be taken out is not there.
        DataError, ModelError, ArgumentError

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
        >>> fit.update(". ~ . - (Days | Subject) + (1 | Subject)", reml=False)
        <MixedModelResults 'Reaction ~ Days + (1 | Subject)': ML criterion 1794.0651, 180 rows>
        """
        changes = ModelChanges(
            formula=formula,
            data=data,
            weights=weights,
            offset=offset,
            contrasts=contrasts,
            relationship=relationship,
            context=context,
        )
        state = self.state
        return state.update(
            state,
            changes,
            reml=state.estimate.reml if reml is UNCHANGED else flag("reml", reml),
            start=start,
            control=state.control if control is UNCHANGED else control or Control(),
            method=state.method if method is UNCHANGED else method,
        )
