"""The matrices of a fit, and equations of them, as text, HTML and LaTeX.

Functions take the :class:`.ModelMatrices` of a fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ..support.arguments import one_of
from ..support.arrays import FloatArray, IndexArray
from ..support.label_texts import joined_label, with_subscript
from ..tables.matrix_blocks import MatrixPiece, Names, matrix_block, spelled_out
from ..tables.matrix_markup import equation_html, equation_latex
from ..tables.matrix_text import Item, equation_text, text_width

TEXT_WIDTH = 80
TEXT_COLUMNS = (12, 10, 8, 6, 4)
"""Columns shown of each matrix of a text: the most with which it is not too wide."""

FEW_COLUMNS = 6
"""A text leaves out names of columns before it shows fewer columns than this."""

MOST_ROWS = 20
"""Rows shown of a matrix, those in the middle left out."""

HTML_COLUMNS, LATEX_COLUMNS = 12, 10

EQUATIONS = ("model", "symbols", "sums")


@dataclass(frozen=True, eq=False)
class MatrixDisplay:
    """Matrices with brackets; print it, or let a notebook show it.

    Attributes
    ----------
    title : str
    items : tuple of MatrixPiece or str
        Matrices and the operators between them.
    most_rows, most_columns : int, optional
        More are left out in the middle of a matrix.
    """

    title: str
    items: tuple[MatrixPiece | str, ...]
    most_rows: int | None = None
    most_columns: int | None = None

    def __str__(self) -> str:
        choices = [(c, True) for c in TEXT_COLUMNS if c >= FEW_COLUMNS]
        choices += [(c, False) for c in TEXT_COLUMNS]
        if self.most_columns is not None:
            choices = [(self.most_columns, True)]
        for columns, named in choices:
            items = self._blocks(columns)
            if not named:
                items = [i if isinstance(i, str) else replace(i, column_names=()) for i in items]
            if text_width(items) <= TEXT_WIDTH:
                break
        return f"{self.title}\n\n{equation_text(items, TEXT_WIDTH)}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_html(self) -> str:
        """HTML that needs no style sheet, and takes the colours of the page."""
        return equation_html(self._blocks(self.most_columns or HTML_COLUMNS), self.title)

    def to_latex(self) -> str:
        r"""A displayed equation of bmatrix environments; it needs ``\usepackage{amsmath}``.

        Names of rows and columns are left out.
        """
        return equation_latex(self._blocks(self.most_columns or LATEX_COLUMNS))

    def to_markdown(self) -> str:
        """The same equation between ``$$``, as pages of Markdown with mathematics have it."""
        body = self.to_latex().split("\\[\n", 1)[1].removesuffix("\n\\]")
        return f"$$\n{body}\n$$"

    def _blocks(self, columns: int) -> list[Item]:
        rows = self.most_rows or MOST_ROWS
        return [i if isinstance(i, str) else matrix_block(i, rows, columns) for i in self.items]


def equation(matrices: Any, which: str) -> MatrixDisplay:
    """One of the equations of a model.

    Parameters
    ----------
    matrices : ModelMatrices
    which : {"model", "symbols", "sums"}
        With estimates, with unknowns in their places, with Xβ and Zb multiplied out.
    """
    n, p = matrices.X.shape
    q = matrices.Z.shape[1]
    own = ("y", "X", "beta", "Z", "b", "e")
    parts = {name: without_names(matrix_piece(matrices, name)) for name in own}
    if which == "symbols":
        first = 0 if p and matrices.X.columns[0] == "Intercept" else 1
        parts["beta"] = _symbols("β", p, first)
        parts["b"], parts["e"] = _symbols("b", q), _symbols("e", n, letter="ε")
    if which == "sums":
        fixed = matrices.X.to_numpy() @ matrices.beta.to_numpy()
        parts["fixed"] = _vector("Xβ", fixed)
        parts["random"] = _vector("Zb", matrices.Z @ matrices.b.to_numpy())
        names = [["fixed"]] * bool(p) + [["random"]] * bool(q) + [["e"]]
    else:
        names = [["X", "beta"]] * bool(p) + [["Z", "b"]] * bool(q) + [["e"]]
    items: list[MatrixPiece | str] = [parts["y"]]
    for operator, factors in zip("=" + "+" * n, names, strict=False):
        items += [operator, *(parts[name] for name in factors)]
    right = " + ".join(t for t, k in (("Xβ", p), ("Zb", q), ("e", 1)) if k)
    return MatrixDisplay(f"{parts['y'].symbol} = {right}", tuple(items))


def single(matrices: Any, which: str) -> MatrixDisplay:
    """One matrix with the names of its rows and columns."""
    piece = matrix_piece(matrices, which)
    return MatrixDisplay(f"{piece.symbol}: {MEANINGS[which]}", (piece,))


def without_names(piece: MatrixPiece) -> MatrixPiece:
    """The same matrix without names of its rows and columns."""
    return replace(piece, row_names=None, column_names=None)


MEANINGS = {
    "y": "the response",
    "X": "columns of the fixed effects",
    "beta": "fixed effects",
    "Z": "columns of the random effects",
    "b": "random effects, b = Λu",
    "u": "spherical random effects",
    "e": "residuals, e = y − Xβ − Zb",
    "Lambda": "relative covariance factor, Var(b) = σ²ΛKΛ'",
    "template": "where each θ stands in Λ",
    "R": "Var(e) = σ²R",
    "Q": "inverse of K",
    "K": "relative covariance of u, Var(u) = σ²K",
    "A": "Λ'Z'R⁻¹ZΛ + Q",
    "L": "sparse Cholesky factor, LL' = PAP'",
    "P": "fill-reducing permutation",
    "R_ZX": "L R_ZX = PΛ'Z'R⁻¹X",
    "R_X": "R_X'R_X = X'R⁻¹X − R_ZX'R_ZX",
    "V": "Var(y) = σ²(ZΛKΛ'Z' + R)",
}


def checked_which(which: Any) -> str:
    """The name of a matrix or an equation.

    Raises
    ------
    ArgumentError
    """
    return one_of("which", spelled_out(which), (*EQUATIONS, *MEANINGS))


def matrix_piece(matrices: Any, which: str) -> MatrixPiece:
    """A matrix of a fit, for display."""
    m = matrices
    rows = _names(m.X.index)
    fixed, random = _names(m.X.columns), _random_names(m.z_names)
    order = m.P.indices

    def permuted(places: IndexArray) -> Sequence[str]:
        return random(order[places])

    sparse: dict[str, tuple[str, Any, Names | None, Names | None]] = {
        "Lambda": ("Λ", m.Lambda, random, random),
        "R": ("R", m.R, rows, rows),
        "Q": ("Q", m.Q, random, random),
        "A": ("A", m.A, random, random),
        "L": ("L", m.L, permuted, permuted),
        "P": ("P", m.P, permuted, random),
    }
    if which in sparse:
        symbol, matrix, down, across = sparse[which]
        return MatrixPiece(symbol, matrix.shape, _sparse_entries(matrix), down, across, zero="·")
    if which == "Z":
        units = _units(m.z_names)
        piece = MatrixPiece("Z", m.Z.shape, _sparse_entries(m.Z), rows, random, zero="0")
        return replace(piece, column_units=units)
    if which == "template":
        return MatrixPiece("Λ", m.Lambda.shape, _template_entries(m), random, random)
    if which in ("K", "V"):
        of = m.covariance_of_u if which == "K" else m.covariance_of_y
        names, size = (random, m.Q.shape[0]) if which == "K" else (rows, len(m.y))
        return MatrixPiece(which, (size, size), of, names, names, zero="·" if which == "K" else "0")
    if which in ("X", "R_X", "R_ZX"):
        values = m.X.to_numpy() if which == "X" else getattr(m, which)
        down = {"X": rows, "R_X": fixed, "R_ZX": permuted}[which]
        piece = MatrixPiece(which, values.shape, _dense_entries(values), down, fixed)
        if which == "X":
            return replace(piece, column_units=np.arange(values.shape[1]))
        return replace(piece, zero="0")
    symbol = {"beta": "β", "y": "y − offset" if np.any(m.offset) else "y"}.get(which, which)
    down = {"beta": fixed, "b": random, "u": random}.get(which, rows)
    piece = replace(_vector(symbol, getattr(m, which).to_numpy()), row_names=down)
    if which == "beta":
        return replace(piece, row_units=np.arange(len(m.beta)))
    return replace(piece, row_units=_units(m.z_names)) if which in ("b", "u") else piece


def _units(names: pd.MultiIndex) -> IndexArray:
    """Which random effects are of one unit: those of one effect and grouping factor."""
    if not len(names):  # of which no level can be dropped
        return np.empty(0, dtype=np.intp)
    return np.asarray(names.droplevel("level").factorize()[0], dtype=np.intp)


def _vector(symbol: str, values: FloatArray) -> MatrixPiece:
    return MatrixPiece(symbol, (len(values), 1), _dense_entries(values[:, None]))


def _symbols(symbol: str, count: int, first: int = 1, letter: str = "") -> MatrixPiece:
    """A vector of unknowns, with numbers from `first`."""

    def entries(rows: IndexArray, _: IndexArray) -> Any:
        texts = [with_subscript(letter or symbol, i + first) for i in rows]
        return np.array(texts, dtype=object)[:, None]

    return MatrixPiece(symbol, (count, 1), entries)


def _dense_entries(values: FloatArray) -> Callable[[IndexArray, IndexArray], Any]:
    return lambda rows, columns: values[np.ix_(rows, columns)]


def _sparse_entries(matrix: Any) -> Callable[[IndexArray, IndexArray], Any]:
    return lambda rows, columns: matrix.tocsr()[rows][:, columns].toarray()


def _template_entries(matrices: Any) -> Callable[[IndexArray, IndexArray], Any]:
    place, value = _sparse_entries(matrices.template), _sparse_entries(matrices.Lambda)

    def entries(rows: IndexArray, columns: IndexArray) -> Any:
        texts = np.where(value(rows, columns) != 0, "f(θ)", "·").astype(object)
        places = place(rows, columns)
        for i, j in zip(*np.nonzero(places), strict=True):
            texts[i, j] = with_subscript("θ", int(places[i, j]))
        return texts

    return entries


def _names(index: pd.Index) -> Names:
    return lambda places: [str(label) for label in index[places]]


def _random_names(names: pd.MultiIndex) -> Names:
    """Levels, with the effect where there are several and the factor where there are several."""
    has_effects = names.get_level_values("effect").nunique() > 1
    has_groups = names.get_level_values("group").nunique() > 1

    def of(places: IndexArray) -> list[str]:
        out = []
        for group, level, effect in names[places]:
            parts = [str(group)] * has_groups + [joined_label(level)] + [str(effect)] * has_effects
            out.append(" ".join(parts))
        return out

    return of
