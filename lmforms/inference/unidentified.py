"""Parameters that the data do not determine have no intervals."""

from __future__ import annotations

from collections.abc import Sequence

from ..engine.status import unidentified_message
from ..errors import ModelError
from ..results.state import FitState
from .model_parameters import ModelParameter


def refuse_unidentified(state: FitState, parameters: Sequence[ModelParameter]) -> None:
    """Refuse variances of terms that the data do not tell, and those of the residuals beside them.

    Raises
    ------
    ModelError
    """
    design = state.design
    terms = {design.groups[g].terms[part] for g, part in state.estimate.unidentified}
    if not terms:
        return
    named = [p.name for p in parameters if p.term in terms or p.kind in ("sigma", "residual")]
    if named:
        said = unidentified_message([design.terms[t].written for t in sorted(terms)])
        raise ModelError(
            f"{', '.join(named)}: no intervals, as {said} The fixed effects "
            "have intervals: which='fixed'."
        )
