"""`FitReport`: what a check of a fit found, to be read or taken as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..errors import ModelError
from ..inference.influence.influence import Influence
from ..support.arguments import named_arguments
from ..tables.html import html
from ..tables.shown import ShownResult, ShownTable
from ..tables.text import wrapped
from .affordable_influence import affordable_influence

Status = Literal["ok", "note", "problem", "fact"]

SIGNIFICANT = 0.01
"""Level of the tests of a report: there are several, and they are approximate."""

_MARKS = {"ok": "ok", "note": "note", "problem": "PROBLEM", "fact": "fact"}


@dataclass(frozen=True)
class Check:
    """One thing that was checked.

    Attributes
    ----------
    topic : str
    status : {"ok", "note", "problem", "fact"}
        A problem makes results wrong or unreliable; a note is worth a look; a fact is neither good
        nor bad.
    finding : str
        What was found.
    advice : str
        What to do; empty where nothing is needed.
    """

    topic: str
    status: Status
    finding: str
    advice: str = ""


@dataclass(frozen=True, repr=False)
class FitReport:
    """What :meth:`lmforms.MixedModelResults.check` returns; print it, or let a notebook.

    Attributes
    ----------
    title : str
    checks : tuple of Check
    fit : MixedModelResults, optional
        What was checked, for :meth:`plot`.
    """

    title: str
    checks: tuple[Check, ...]
    fit: Any = field(default=None, compare=False)

    @property
    def table(self) -> pd.DataFrame:
        """All checks: ``status``, ``finding`` and ``advice`` by topic."""
        rows = [(c.status, c.finding, c.advice) for c in self.checks]
        topics = pd.Index([c.topic for c in self.checks], name="topic")
        return pd.DataFrame(rows, index=topics, columns=["status", "finding", "advice"])

    @property
    def problems(self) -> list[Check]:
        """Checks that found a problem."""
        return [c for c in self.checks if c.status == "problem"]

    @property
    def notes(self) -> list[Check]:
        """Checks that found something worth a look."""
        return [c for c in self.checks if c.status == "note"]

    @property
    def ok(self) -> bool:
        """Whether no problem was found."""
        return not self.problems

    @named_arguments
    def plot(self, ax: Any = None) -> Any:
        """A panel for each assumption, with what is seen where it holds.

        Linearity, equal variances, influence, collinearity, normal residuals and normal random
        effects; without those that the model lacks, or whose influence was not computed. Of a
        generalised fit the linear predictor, the distribution, mean residuals in bins, counts,
        collinearity and normal random effects.

        Parameters
        ----------
        ax : sequence of matplotlib Axes, optional
            One for each panel. Default: of a new figure.

        Returns
        -------
        ndarray of Axes

        Raises
        ------
        ArgumentError
            Another number of Axes.
        ModelError
            The report was made without a fit.
        MissingPackageError
            matplotlib is not there.

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
        >>> [ax.get_title(loc="left").partition(":")[0] for ax in fit.check().plot()]
        ... # doctest: +NORMALIZE_WHITESPACE
        ['Linearity', 'Equal variances', 'Influence', 'Normal residuals', 'Normal random effects']
        """
        from ..plot.check_panels import assumption_panels, generalized_assumptions

        if self.fit is None:
            raise ModelError("this report has no fit to draw: use fit.check().plot().")
        if self.fit.state.family is not None:
            return generalized_assumptions(self.fit, ax, 0)
        found = affordable_influence(self.fit.state)
        return assumption_panels(self.fit, found if isinstance(found, Influence) else None, ax)

    @property
    def _headline(self) -> str:
        return f"{_counted(self.problems, 'problem')}, {_counted(self.notes, 'note')}"

    def __str__(self) -> str:
        lines = [self.title, "=" * len(self.title), self._headline]
        for check in self.checks:
            lines.append("")
            finding = f"[{_MARKS[check.status]}] {check.topic}: {check.finding}"
            lines += wrapped(finding, indent="  ")
            lines += wrapped(f"→ {check.advice}", first="  ", indent="    ") * bool(check.advice)
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html(self._shown())

    @named_arguments
    def to_html(self) -> str:
        """HTML that needs no style sheet."""
        return html(self._shown())

    @named_arguments
    def to_latex(self) -> str:
        """LaTeX, which pdflatex compiles without a package."""
        from ..tables.latex import latex

        return latex(self._shown())

    @named_arguments
    def to_markdown(self) -> str:
        """GitHub-flavoured Markdown."""
        from ..tables.markdown import markdown

        return markdown(self._shown())

    @named_arguments
    def to_typst(self) -> str:
        """Typst."""
        from ..tables.typst import typst

        return typst(self._shown())

    def _shown(self) -> ShownResult:
        stubs = tuple(_MARKS[check.status] for check in self.checks)
        rows = tuple(
            (check.topic, f"{check.finding} → {check.advice}" if check.advice else check.finding)
            for check in self.checks
        )
        table = ShownTable(("topic", "finding"), stubs, rows, "lp")
        return ShownResult(f"{self.title}: {self._headline}", (table,))


def label_text(label: Any) -> str:
    """A label as Python reads it."""
    if isinstance(label, tuple):
        return f"({', '.join(map(label_text, label))})"
    if type(label).__module__.partition(".")[0] == "pandas":  # a time, a period
        return f"pd.{label!r}"
    return repr(label.item() if isinstance(label, np.generic) else label)


def _counted(found: Sequence[Check], word: str) -> str:
    return f"{len(found) or 'no'} {word}{'' if len(found) == 1 else 's'}"
