"""`Forms`: a fitted form, the model's values of the same rows, and their comparison."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..data.random_design import random_part
from ..errors import ArgumentError, ConvergenceWarning, DataError, listed, near_matches
from ..latent import LinearMixedForm
from ..support.arguments import named_arguments, short_repr
from ..support.arrays import FloatArray
from ..support.caller import caller_depth
from .comparison import PartComparison, compare_parts
from .display import as_html, as_text
from .form_inputs import FormInputs, fit_form
from .notes import notes_of

if TYPE_CHECKING:
    from ..results.state import FitState

PARTS = ("fixed", "random", "fitted", "residual")


@dataclass(frozen=True, eq=False)
class Forms:
    """A linear mixed form of a model's own y, X and Z, with the fitted model for comparison.

    Made by :meth:`lmforms.MixedModelResults.forms` and :meth:`lmforms.ManyFits.forms`.

    Attributes
    ----------
    form : LinearMixedForm
        Fitted to rows √w·(y − offset, X, Z), with w the prior weights (1 without any) and Z less
        its projection on X. Columns of X bear the names of their coefficients, those of Z the
        grouping factor, level and effect.
    table : DataFrame
        Rows `fixed` (Xβ̂ and Kα'), `random` (Zb̂ and Hα'), `fitted` (their sums) and `residual`;
        columns as described in Notes. With several responses the first level of the index is
        the response.
    frame : DataFrame
        Row by row, in units of the response: `y` (less offset), `fixed` and `random` (Xβ̂,
        Zb̂), `residual`, and the same from the form: `fixed_form` (Kα'), `random_form` (Hα'),
        `residual_form`. With several responses they are stacked.
    notes : tuple of str
        What to consider in the comparison.
    formula : str
    responses : tuple
        Names.
    stacked : bool
        Whether the response is a level of the index of `table` and `frame`.

    Notes
    -----
    ``table`` has the means of both, their standard deviations about these, their `correlation`,
    the share of the model's variation that the form's part has `explained` (1 − squared
    differences over squares, both about their means) and the root mean squared difference. Rows
    weigh as they do in the model. A constant part, such as Xβ̂ of an intercept, has neither
    correlation nor share.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Reaction ~ Days + (1 | Subject)", lf.datasets.load("sleepstudy"))
    >>> fit.forms().table["correlation"].round(2)
    fixed       1.0
    random      1.0
    fitted      1.0
    residual    1.0
    Name: correlation, dtype: float64
    """

    form: LinearMixedForm
    table: pd.DataFrame
    frame: pd.DataFrame
    notes: tuple[str, ...]
    formula: str
    responses: tuple[Any, ...]
    stacked: bool = False

    @named_arguments
    def rows(self, response: Any = None) -> pd.DataFrame:
        """`frame` of one response.

        Parameters
        ----------
        response : optional
            Its name; the first by default.

        Raises
        ------
        ArgumentError
            There is none of this name.
        """
        return self._of(self.frame, response)

    @named_arguments
    def likeness(self, response: Any = None) -> pd.DataFrame:
        """`table` of one response, as :meth:`rows`."""
        return self._of(self.table, response)

    @named_arguments
    def plot(self, response: Any = None, ax: Any = None) -> Any:
        """Kα' against Xβ̂ and Hα' against Zb̂, row by row.

        Parameters
        ----------
        response : optional
            Its name; the first by default.
        ax : two matplotlib Axes, optional

        Returns
        -------
        list of matplotlib Axes
        """
        from ..plot.form_comparison import companion as draw

        return draw(self, response=response, ax=ax)

    def _of(self, frame: pd.DataFrame, response: Any) -> pd.DataFrame:
        name = self.responses[0] if response is None else response
        if not isinstance(name, Hashable) or name not in set(self.responses):
            known = [str(r) for r in self.responses]
            raise ArgumentError(
                f"there is no response {short_repr(name)}.{near_matches(str(name), known)} "
                f"Those of the form: {listed(known)}."
            )
        return frame.loc[name] if self.stacked else frame

    def __repr__(self) -> str:
        (n, k), m = np.shape(self.form.K_), len(self.responses)
        of = f"{m} responses" if m > 1 else repr(self.formula)
        return f"<Forms of {of}: rank {k}, {n} rows>"

    def __str__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)


def companion(state: FitState, rank: int | None, params: Mapping[str, Any]) -> Forms:
    """See :meth:`lmforms.MixedModelResults.forms`."""
    design, estimate = state.design, state.estimate
    formula = design.bound.formula
    fixed = design.X @ estimate.beta
    random = random_part(design, estimate.b)
    parts = (state.response - design.offset)[:, None], fixed[:, None], random[:, None]
    inputs, names = FormInputs.of(design), (formula.response.label,)
    return compare_with_form(inputs, names, *parts, rank, params, str(formula))


def compare_with_form(
    inputs: FormInputs,
    responses: tuple[Any, ...],
    Y: FloatArray,
    fixed: FloatArray,
    random: FloatArray,
    rank: int | None,
    params: Mapping[str, Any],
    formula: str,
    stacked: bool = False,
) -> Forms:
    """Fit the form and compare it with Xβ̂ and Zb̂.

    Parameters
    ----------
    inputs : FormInputs
    responses : tuple
        m names.
    Y, fixed, random : ndarray (n, m)
        Responses less offsets, Xβ̂ and Zb̂; NaN where missing.
    rank : int, optional
    params : mapping
        Of the form.
    formula : str
    stacked : bool
        Whether tables have the response in their index.

    Raises
    ------
    DataError
        Two responses have one name.
    """
    twice = [name for name, count in Counter(responses).items() if count > 1]
    if twice:
        raise DataError(f"forms: several responses are named {listed(twice)}: rename them.")
    names = pd.Index(responses, tupleize_cols=False)
    form = fit_form(Y, names, inputs, rank, params)
    if not form.status_.converged:
        warnings.warn(form.status_.message, ConvergenceWarning, stacklevel=caller_depth())
    alpha = np.asarray(form.alpha_).T
    K, H = (inputs.unweighted(np.asarray(C) @ alpha) for C in (form.K_, form.H_))
    w = None if inputs.root is None else inputs.root**2
    frames, tables = {}, {}
    for j, name in enumerate(responses):
        rows = pd.DataFrame(
            {
                "y": Y[:, j],
                "fixed": fixed[:, j],
                "fixed_form": K[:, j],
                "random": random[:, j],
                "random_form": H[:, j],
                "residual": Y[:, j] - fixed[:, j] - random[:, j],
                "residual_form": Y[:, j] - K[:, j] - H[:, j],
            },
            index=inputs.index,
        )
        frames[name], tables[name] = rows, _table(rows, w)
    first = responses[0]
    return Forms(
        form=form,
        table=_stacked(tables, ["part"]) if stacked else tables[first],
        frame=_stacked(frames, list(inputs.index.names)) if stacked else frames[first],
        notes=notes_of(form, inputs, Y, K, H, list(tables.values())),
        formula=formula,
        responses=responses,
        stacked=stacked,
    )


def _stacked(parts: Mapping[Any, pd.DataFrame], names: list[Any]) -> pd.DataFrame:
    """Frames one below the other, with their names as the first level of the index."""
    return pd.concat(
        list(parts.values()),
        keys=pd.Index(list(parts), tupleize_cols=False),
        names=["response", *names],
    )


def _table(rows: pd.DataFrame, w: FloatArray | None) -> pd.DataFrame:
    """One line for each of `PARTS`, over the rows known to both."""
    known = (rows["y"] + rows["fixed"]).notna().to_numpy()
    if not known.any():
        return pd.DataFrame(np.nan, index=list(PARTS), columns=list(PartComparison._fields))
    rows = rows[known]
    w = None if w is None else w[known]
    rows = rows.assign(
        fitted=rows["fixed"] + rows["random"], fitted_form=rows["fixed_form"] + rows["random_form"]
    )
    lines = [compare_parts(rows[p].to_numpy(), rows[f"{p}_form"].to_numpy(), w) for p in PARTS]
    return pd.DataFrame(lines, index=list(PARTS))
