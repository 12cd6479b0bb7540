"""Refits of one model to other responses of the same rows: only the response changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..control import Control
from ..engine.linalg.threads import limited_blas_threads
from ..errors import NumericalError
from ..support.arrays import FloatArray
from .estimate import GeneralizedEstimate, objective_of
from .families.base import Response
from .search import GeneralizedOptimum, search, search_near


@dataclass(frozen=True, eq=False)
class ResponseRefitter:
    """Fits a model to other responses, from its estimates and the curvature there.

    Columns, levels and the analysis of their pattern are those of the fit.

    Attributes
    ----------
    estimate : GeneralizedEstimate
    control : Control
    """

    estimate: GeneralizedEstimate
    control: Control

    def fit(self, y: FloatArray) -> GeneralizedEstimate:
        """The fit of a response: successes of binomial families.

        Raises
        ------
        NumericalError
            The family does not have such a response, or the likelihood cannot be evaluated.
        """
        old = self.estimate
        likelihood, problem = old.likelihood, old.problem
        response = Response(y, likelihood.response.trials)
        if old.family.outside(response)[0].any():
            raise NumericalError("the response is outside the range of the family.")
        model = replace(problem.model, likelihood=replace(likelihood, response=response))
        problem = replace(problem, model=model)
        objective = objective_of(old.nagq)
        with limited_blas_threads(model.rows.system.largest):
            if self._start is None:
                optimum = search(problem, objective, self.control)
            else:
                optimum = search_near(problem, objective, self.control, self._start)
        return replace(old, problem=problem, optimum=optimum)

    @cached_property
    def _start(self) -> GeneralizedOptimum | None:
        """Where searches begin; None where the fit is singular, as θ of zero is hard to leave."""
        estimate = self.estimate
        if estimate.singular:
            return None
        if estimate.nagq == 0 or estimate.no_standard_errors:
            return estimate.optimum
        information = 2.0 * np.asarray(np.linalg.inv(estimate.joint_covariance), dtype=np.float64)
        return replace(estimate.optimum, information=information)
