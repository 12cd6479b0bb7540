"""What the package maketables reads of a fit: its tables in Word, Typst, HTML and LaTeX.

Its plug-in format is a set of attributes, so that neither package needs the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..inference.coefficients import coefficient_table
from ..inference.diagnostics.variance_parts import variance_parts
from ..inference.model_comparison.criteria import aic, bic, loglik
from ..inference.model_parameters import model_parameters, parameter_values
from ..support.arguments import named_arguments
from .state import FitState

if TYPE_CHECKING:
    from ..inference.degrees_of_freedom.methods import DfName, Information

LEVEL = 0.95

LEVELS_OF = "levels of "
"""In front of a grouping factor in the name of a statistic."""

LABELS = {
    "r2_marginal": "R², marginal",
    "r2_conditional": "R², conditional",
    "criterion": "Criterion",
    "sigma": "σ",
    "method": "Method",
}


class MaketablesAttributes:
    """The attributes of maketables' plug-in format.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
    >>> fit.__maketables_coef_table__.loc["Days"].round(3).to_dict()
    {'b': 10.467, 'se': 1.546, 't': 6.771, 'p': 0.0, 'ci95l': 7.206, 'ci95u': 13.729}
    >>> fit.__maketables_stat__("N"), round(fit.__maketables_stat__("sd(Days | Subject)"), 3)
    (180, 5.922)
    """

    state: FitState

    def _tested_coefficients(self) -> pd.DataFrame:
        return coefficient_table(self.state, level=LEVEL)

    @property
    def __maketables_coef_table__(self) -> pd.DataFrame:
        table = self._tested_coefficients()
        names = {
            "estimate": "b",
            "std_error": "se",
            "statistic": "t",
            "p_value": "p",
            "lower": "ci95l",
            "upper": "ci95u",
        }
        return pd.DataFrame(table)[list(names)].rename(columns=names).rename_axis("Coefficient")

    def __maketables_stat__(self, key: str) -> Any:
        """A statistic; None for one that a mixed model has not, as its single R²."""
        state = self.state
        if key in ("r2_marginal", "r2_conditional"):
            parts = variance_parts(state)
            return float(parts.marginal_r2 if key == "r2_marginal" else parts.conditional_r2)
        statistics = {
            "N": state.design.n,
            "ll": float(loglik(state)),
            "aic": float(aic(state)),
            "bic": float(bic(state)),
            "criterion": float(state.estimate.criterion),
            "sigma": float(state.estimate.sigma),
            "method": "REML" if state.estimate.reml else "ML",
            **{LEVELS_OF + g.name: len(g.labels) for g in state.design.groups},
        }
        if key in statistics:
            return statistics[key]
        names = [parameter.name for parameter in model_parameters(state)]
        return float(parameter_values(state)[names.index(key)]) if key in names else None

    @property
    def __maketables_depvar__(self) -> str:
        return str(self.state.design.bound.formula.response.text)

    @property
    def __maketables_fixef_string__(self) -> None:
        """None: a fixed effect there is a factor whose coefficients are left out."""
        return

    @property
    def __maketables_var_labels__(self) -> None:
        return

    @property
    def __maketables_vcov_info__(self) -> dict[str, Any]:
        return {"vcov_type": "model-based"}

    @property
    def __maketables_stat_labels__(self) -> dict[str, str]:
        groups = {LEVELS_OF + g.name: f"Levels of {g.name}" for g in self.state.design.groups}
        return {**LABELS, **groups}

    @property
    def __maketables_default_stat_keys__(self) -> list[str]:
        groups = [LEVELS_OF + g.name for g in self.state.design.groups]
        return ["N", *groups, "method", "ll", "aic", "bic", "r2_marginal", "r2_conditional"]


@dataclass(frozen=True, eq=False, repr=False)
class MaketablesModel(MaketablesAttributes):
    """What :meth:`lmforms.MixedModelResults.maketables` returns: the attributes alone.

    maketables takes whatever has `params`, `bse` and `pvalues` for a model of statsmodels, before
    it asks for its plug-in format: then the response, R² and the limits by t are lost.
    """

    state: FitState
    ddf: str
    information: str | None

    def _tested_coefficients(self) -> pd.DataFrame:
        return coefficient_table(self.state, self.ddf, self.information, LEVEL)

    def __repr__(self) -> str:
        return f"<MaketablesModel {str(self.state.design.bound.formula)!r}>"


class MaketablesMethods(MaketablesAttributes):
    """What :class:`lmforms.MixedModelResults` has for maketables."""

    @named_arguments
    def maketables(
        self, ddf: DfName = "satterthwaite", *, information: Information | None = None
    ) -> MaketablesModel:
        """The fit for the package maketables, which makes tables for Word, Typst and HTML.

        ``maketables.ETable([fit1.maketables(), fit2.maketables()])`` shows coefficients, rows,
        levels, log-likelihood, AIC, BIC and both R². Further ``model_stats`` are ``"sigma"``,
        ``"criterion"`` and all parameters by their names, such as ``"sd(Days | Subject)"``.

        Parameters
        ----------
        ddf, information
            Degrees of freedom of the tests of the fixed effects, see :meth:`contrast`.

        Returns
        -------
        MaketablesModel

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
        >>> fit.maketables(ddf="kenward-roger")
        <MaketablesModel 'Reaction ~ Days + (Days | Subject)'>
        """
        return MaketablesModel(self.state, ddf, information)
