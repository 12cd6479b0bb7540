"""`model_estimate`: estimates of a model, by the engine or by an estimator of `varcomp`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .control import Control
from .data.design import Design
from .engine.estimate import Estimate, estimate
from .errors import ArgumentError
from .relationship import Relationship
from .relationship.priors import priors_of
from .support.arrays import FloatArray


def model_estimate(
    design: Design,
    relationship: Mapping[str, Relationship],
    y: FloatArray,
    *,
    reml: bool,
    start: Sequence[FloatArray] | None,
    control: Control,
    method: str,
    phi: FloatArray | None = None,
    nearby: bool = False,
) -> Estimate:
    """Estimate a model from a response.

    Parameters
    ----------
    design : Design
    relationship : mapping of str to Relationship
    y : ndarray (n,)
    reml, control, method
        See :meth:`lmforms.MixedModel.fit`.
    start : sequence of ndarray, optional
        θ of each grouping factor to start from.
    phi : ndarray, optional
        Parameters of the residuals to start from.
    nearby : bool
        Whether the optimum is known to be near the start.

    Raises
    ------
    ArgumentError
        An estimator of `varcomp` is to estimate parameters of the residuals.
    """
    priors = priors_of(design, relationship)
    if method == "auto":
        return estimate(
            design.rows(y, phi),
            [g.covariance for g in design.groups],
            reml=reml,
            control=control,
            priors=priors,
            start=start,
            nearby=nearby,
        )
    if len(design.residual.phi):
        raise ArgumentError(
            f"method={method!r} is for independent residuals; this model has residual "
            "parameters. Use method='auto'."
        )
    from .varcomp.design_estimates import estimate_design

    return estimate_design(
        design, relationship, priors, y, reml=reml, start=start, control=control, method=method
    )
