"""`MixedModelResults`: the result of a fit, which users get; adds the methods with options."""

from __future__ import annotations

from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..control import METHODS_WITHOUT_START
from ..data.align import in_row_order
from ..data.frame import real_array
from ..errors import DataError
from ..support.arguments import flag, named_arguments, proportion
from ..support.arrays import FloatArray
from .bootstrap_methods import BootstrapMethods
from .diagnostic_methods import DiagnosticMethods
from .inference_methods import InferenceMethods
from .influence_methods import InfluenceMethods
from .maketables_attributes import MaketablesMethods
from .means_methods import MeansMethods
from .model_comparisons import ModelComparisons
from .plot_methods import PlotMethods
from .prediction_methods import PredictionMethods
from .profile_methods import ProfileMethods
from .residual_methods import ResidualMethods
from .robust_methods import RobustMethods
from .tidy_methods import TidyMethods
from .unknown_names import UnknownNames

if TYPE_CHECKING:
    from ..companion import Forms
    from ..inference.degrees_of_freedom.methods import DfName, Information
    from .matrices import ModelMatrices
    from .summary_tables import ModelSummary


class MixedModelResults(
    PredictionMethods,
    TidyMethods,
    InferenceMethods,
    BootstrapMethods,
    MeansMethods,
    ModelComparisons,
    ResidualMethods,
    InfluenceMethods,
    RobustMethods,
    DiagnosticMethods,
    ProfileMethods,
    MaketablesMethods,
    PlotMethods,
    UnknownNames,
):
    """A fitted linear mixed model.

    Made by :func:`lmforms.lmer` or :meth:`lmforms.MixedModel.fit`. Stored values are
    attributes; whatever has options is a method.

    Attributes
    ----------
    model : MixedModel
    state : FitState
        Design, estimate and options, which every result is computed from.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("pr_dung ~ flies + (1 | oven_block)", lf.datasets.load("dung"))
    >>> fit.vcomp.round(6)
            group      name1 name2  variance     sdcor
    0  oven_block  Intercept        0.000210  0.014484
    1    Residual                   0.000063  0.007951
    """

    @named_arguments
    def at(self, theta: npt.ArrayLike) -> MixedModelResults:
        """The model at another θ: β and σ profiled out, everything else as in a fit.

        Parameters
        ----------
        theta : array
            As :attr:`theta`: per term in formula order.

        Returns
        -------
        MixedModelResults
            Not optimised: `converged` is None.

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"))
        >>> other = fit.at(fit.theta + 0.1)
        >>> bool(other.criterion > fit.criterion), other.converged
        (True, None)
        """
        state = self.state
        return state.refit(
            state.response,
            reml=self.reml,
            start=theta,
            control=state.control,
            method=state.method,
            phi=state.estimate.phi,
            optimize=False,
        )

    @named_arguments
    def deviance_terms(self) -> pd.DataFrame:
        """The criterion term by term, with β and σ profiled out.

        Returns
        -------
        DataFrame
            Each term with its ``value`` and its ``contribution`` to the criterion; the last row
            is their sum. ‖e‖² = (y − Xβ̂ − Zb̂)'R⁻¹(y − Xβ̂ − Zb̂) and ‖u‖² = û'K⁻¹û add up to r².
            Where single variances of related levels were estimated together with σ, the terms are
            those of ``fit.at(fit.theta)``, which profiles it out.

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"))
        >>> fit.deviance_terms().loc[["ln|L|²", "ln|R_X|²", "r²", "criterion"], "value"].round(4)
        ln|L|²           9.1541
        ln|R_X|²         1.8755
        r²           71086.2500
        criterion      319.6543
        Name: value, dtype: float64
        """
        from .deviance import deviance_terms

        return deviance_terms(self.state)

    @cached_property
    def matrices(self) -> ModelMatrices:
        """The fitted y, X, Z, Λ, L and P, shown as y = Xβ + Zb + e (Bates et al. 2015)."""
        from .assembled_matrices import model_matrices

        return model_matrices(self.state)

    @named_arguments
    def summary(
        self,
        ddf: DfName = "satterthwaite",
        *,
        information: Information | None = None,
        level: float | None = None,
    ) -> ModelSummary:
        """Tables of the fit: text, HTML, LaTeX, Markdown, Typst and DataFrames.

        Parameters
        ----------
        ddf, information
            Degrees of freedom of the tests of the fixed effects, see :meth:`contrast`.
        level : float, optional
            Of confidence limits of the fixed effects; none are shown by default.
        """
        from .summary import summarize

        level = None if level is None else proportion("level", level)
        return summarize(self.state, ddf, information, level)

    @named_arguments
    def forms(self, rank: int | None = None, **params: Any) -> Forms:
        """A linear mixed form of this model's y, X and Z, beside the fit.

        Y ≈ (K+H)α', X ≈ Kβ', Z ≈ Hu' with Y the response less its offset, X the independent
        columns, Z all random terms side by side less their projection on X, and every row
        multiplied by √w where there are prior weights. It knows neither θ nor a `relationship`.

        Parameters
        ----------
        rank : int, optional
            All that X carries by default, at most what Z carries, and at most 20.
        **params
            Of :class:`lmforms.latent.LinearMixedForm`. By default `weights` let Y count 0.01, X
            1e6 (100 if the rank is below that of X) and Z 1, each over its ‖·‖², as y alone has
            noise in a mixed model (``weights=None`` counts all alike); `start` is
            ``"regression"``, which F can hardly fall below with these weights; and `tol` is at most
            1e-9, less where the variation of y is a small part of F.

        Returns
        -------
        Forms

        Raises
        ------
        ModelError
            No fixed or no random effects, fixed effects that span Z, or a rank above what X or Z
            carry.
        ArgumentError
            A parameter is unknown or out of its range.

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
        >>> print(fit.forms(rank=2).table.loc["random", "correlation"].round(2))
        0.96
        """
        from ..companion import companion

        return companion(self.state, rank, params)

    @named_arguments
    def refit(
        self, y: npt.ArrayLike | None = None, *, reml: bool | None = None
    ) -> MixedModelResults:
        """Fit the same model again, to another response or by the other criterion.

        Parameters
        ----------
        y : array, optional
            New response: one value for each row used (`nobs`), or a Series with their
            labels, in whatever order.
        reml : bool, optional
            As before by default.

        Notes
        -----
        By the same `method`, which starts from this fit's θ, unless it is singular or the method
        has no use for a start.
        """
        state = self.state
        has_start = state.method not in METHODS_WITHOUT_START and not self.is_singular
        return state.refit(
            state.response if y is None else self._new_response(y),
            reml=self.reml if reml is None else flag("reml", reml),
            start=self.theta if has_start else None,
            control=state.control,
            method=state.method,
            phi=state.estimate.phi if has_start else None,
        )

    def _new_response(self, y: npt.ArrayLike) -> FloatArray:
        index = self.state.design.index
        values = real_array("refit: y", in_row_order("refit: y", y, index, allow_more=True))
        if values.shape != (self.nobs,):
            raise DataError(f"refit: y has shape {values.shape}; the model uses {self.nobs} rows.")
        if not np.isfinite(values).all():
            raise DataError("refit: y has missing or infinite values.")
        if (values == values[0]).all():
            raise DataError("refit: y is constant.")
        return values

    @named_arguments
    def save(self, path: str | PathLike[str]) -> None:
        """Write the fit to a file that :func:`lmforms.load` reads.

        A zip archive of JSON and plain arrays: the formula, the options, the columns of
        the data that the model uses, known covariances, and the estimates. No code, pickled or
        other.

        The file appears in one step: until then, and after any failure, `path` holds what it
        held before. An existing file keeps its mode; a symbolic link stays a link.

        Parameters
        ----------
        path : str or path

        Raises
        ------
        FormulaError
            The formula holds Python code that :func:`lmforms.load` would not evaluate.
        DataError, ModelError
            Something else cannot be written; the message says what to do.
        FileError
            The file cannot be written: the folder is not there or read-only, the disk is full.

        Warns
        -----
        ContextWarning
            The formula calls functions of yours, which `load` must be given as ``context=``.

        Examples
        --------
        >>> import lmforms as lf, tempfile, pathlib
        >>> fit = lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"))
        >>> fit.save(pathlib.Path(tempfile.mkdtemp()) / "dyestuff.lmf")
        """
        from ..storage.save import save

        save(self.state, path)

    def __str__(self) -> str:
        return str(self.summary())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What IPython shows: a line for a fit within a list or another container."""
        nested = len(printer.stack) > 1
        printer.text(self._one_line() if nested or cycle else str(self))

    def _one_line(self) -> str:
        kind = "REML" if self.reml else "ML"
        structure = "" if self.residual == "iid" else f", residual {self.residual!r}"
        return (
            f"<MixedModelResults {self.formula!r}{structure}: {kind} criterion "
            f"{self.criterion:.4f}, {self.nobs} rows>"
        )
