"""The matrices of a fitted model, for teaching and checking.

In the notation of Bates et al. (2015): y = Xβ + Zb + e, b = Λu, and the permuted sparse
Cholesky factor L with LL' = P(Λ'Z'R⁻¹ZΛ + Q)P'.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ..engine.linalg.sparse_cholesky import cholesky_of
from ..support.arguments import flag, named_arguments, whole_number
from ..support.arrays import FloatArray, IndexArray
from ..tables.result_table import ResultTable
from .matrix_display import (
    EQUATIONS,
    MatrixDisplay,
    checked_which,
    equation,
    single,
    without_names,
)
from .matrix_rows import row_table


@dataclass(frozen=True, eq=False)
class ModelMatrices:
    """Matrices of a fit. Columns of Z stand term by term, within a term level by level.

    It is shown as y = Xβ + Zb + e with brackets, :meth:`show` shows any of the matrices, and
    :attr:`rows` the equation row by row.

    Random effects are b = Λu here; texts that call b "u" mean :attr:`b`.

    Attributes
    ----------
    y : Series (n,)
        Response less offset.
    offset : Series (n,)
    X : DataFrame (n, p)
    Z : scipy.sparse.csr_array (n, q)
    Lambda : scipy.sparse.csr_array (q, q)
        Relative covariance factor: Var(b) = σ²ΛΛ'.
    template : scipy.sparse.csr_array (q, q)
        Λ's pattern, with the place of each entry in θ, counted from 1 (0 for an entry that is no
        single θ).
    R : scipy.sparse.dia_array (n, n)
        Var(e) = σ²R.
    Q : scipy.sparse.csr_array (q, q)
        Var(u) = σ²Q⁻¹: the identity unless levels are related.
    A : scipy.sparse.csr_array (q, q)
        Λ'Z'R⁻¹ZΛ + Q.
    L : scipy.sparse.csc_array (q, q)
        Lower triangular, LL' = PAP'.
    P : scipy.sparse.csr_array (q, q)
        Fill-reducing permutation.
    R_ZX : ndarray (q, p)
        L R_ZX = PΛ'Z'R⁻¹X.
    R_X : ndarray (p, p)
        Upper triangular, R_X'R_X = X'R⁻¹X − R_ZX'R_ZX = X'V₀⁻¹X with V = σ²V₀.
    sigma : float
    beta : Series (p,)
    b, u : Series (q,)
        Random effects b = Λu and spherical random effects u.
    e : Series (n,)
        Residuals.
    z_names : pandas.MultiIndex (q,)
        Grouping factor, level and effect of each column of Z.
    terms : dict of str to slice
        Columns of Z of each random term.
    relative_factors : list of ndarray (k, k)
        λ of each term; Λ repeats it for every level.
    """

    y: pd.Series
    offset: pd.Series
    X: pd.DataFrame
    Z: Any
    Lambda: Any
    template: Any
    R: Any
    Q: Any
    A: Any
    L: Any
    P: Any
    R_ZX: FloatArray
    R_X: FloatArray
    beta: pd.Series
    b: pd.Series
    u: pd.Series
    e: pd.Series
    z_names: pd.MultiIndex
    terms: dict[str, slice]
    relative_factors: list[FloatArray]
    sigma: float

    @property
    def K(self) -> FloatArray:
        """Q⁻¹ (q, q), dense."""
        return np.asarray(np.linalg.inv(self.Q.toarray()))

    @property
    def V(self) -> FloatArray:
        """Var(y) = σ²(ZΛKΛ'Z' + R) (n, n), dense."""
        ZL = (self.Z @ self.Lambda).toarray()
        return np.asarray(self.sigma**2 * (ZL @ self.K @ ZL.T + self.R.toarray()))

    @property
    def rows(self) -> ResultTable:
        """The equation row by row: y, Xβ, Zb of each random term, e (see :meth:`row_table`)."""
        return row_table(self, by_coefficient=False)

    @named_arguments
    def row_table(self, *, by_coefficient: bool = False) -> ResultTable:
        """The equation row by row: the columns after y add up to it.

        Parameters
        ----------
        by_coefficient : bool
            Each column of X times its coefficient, in the place of Xβ.

        Returns
        -------
        DataFrame (n, …)
            ``y``, ``offset`` if there is one, ``Xβ``, ``Zb (1 | g)`` of each random term, ``e``.

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("pr_dung ~ flies + (1 | oven_block)", lf.datasets.load("dung"))
        >>> fit.matrices.row_table().iloc[0].round(6).tolist()
        [0.143375, 0.158501, -0.016208, 0.001082]
        """
        return row_table(self, by_coefficient=flag("by_coefficient", by_coefficient))

    @named_arguments
    def show(
        self,
        which: str = "model",
        *,
        rows: int | None = None,
        columns: int | None = None,
        decimals: int | None = None,
        names: bool = True,
    ) -> MatrixDisplay:
        """A matrix with brackets and names, or an equation: text, HTML, LaTeX.

        Parameters
        ----------
        which : str
            A matrix: ``"y"``, ``"X"``, ``"beta"``, ``"Z"``, ``"b"``, ``"u"``, ``"e"``,
            ``"Lambda"``, ``"template"`` (Λ in symbols), ``"R"``, ``"Q"``, ``"K"``, ``"A"``,
            ``"L"``, ``"P"``, ``"R_ZX"``, ``"R_X"``, ``"V"``. Or an equation: ``"model"`` is
            y = Xβ + Zb + e, ``"symbols"`` the same with unknowns in their places, ``"sums"`` with
            Xβ and Zb multiplied out.
        rows, columns : int, optional
            More are left out in the middle of a matrix. By default 20 rows, and as many columns as
            stand side by side: 4 to 12 in text, 12 in HTML, 10 in LaTeX.
        decimals : int, optional
            Of numbers that are not all whole; columns of X and Z that are whole have none. By
            default as few as show the largest and the smallest number of a matrix, and four digits
            of each coefficient: with an exponent, where sizes differ much.
        names : bool
            Names of the rows and columns of a single matrix.

        Returns
        -------
        MatrixDisplay

        Raises
        ------
        ArgumentError

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
        >>> print(fit.matrices.show("template", rows=5, columns=5, names=False))
        Λ: where each θ stands in Λ
        <BLANKLINE>
        ⎡θ₁   ·  …   ·   ·⎤
        ⎢θ₂  θ₃  …   ·   ·⎥
        ⎢ :   :  …   :   :⎥
        ⎢ ·   ·  …  θ₁   ·⎥
        ⎣ ·   ·  …  θ₂  θ₃⎦
                 Λ
               36×36
        """
        which = checked_which(which)
        made = equation(self, which) if which in EQUATIONS else single(self, which)
        for name, value in (("rows", rows), ("columns", columns)):
            if value is not None:
                whole_number(name, value, least=3)
        if decimals is not None:
            decimals = whole_number("decimals", decimals, most=15)
        items = made.items
        if not flag("names", names):
            items = tuple(i if isinstance(i, str) else without_names(i) for i in items)
        items = tuple(i if isinstance(i, str) else replace(i, decimals=decimals) for i in items)
        return replace(made, items=items, most_rows=rows, most_columns=columns)

    def covariance_of_u(self, rows: IndexArray, columns: IndexArray) -> FloatArray:
        """Some rows and columns of K."""
        wanted = np.zeros((self.Q.shape[0], len(columns)))
        wanted[columns, np.arange(len(columns))] = 1.0
        return self._times_K(wanted)[rows]

    def covariance_of_y(self, rows: IndexArray, columns: IndexArray) -> FloatArray:
        """Some rows and columns of V, without the others."""
        ZL = (self.Z @ self.Lambda).tocsr()
        random = ZL[rows] @ self._times_K(ZL[columns].T.toarray())
        return np.asarray(self.sigma**2 * (random + self.R.tocsr()[rows][:, columns].toarray()))

    def _times_K(self, x: FloatArray) -> FloatArray:
        return cholesky_of(self.Q)[1].solve(x) if x.size else x

    def __repr__(self) -> str:
        return str(equation(self, "model"))

    def _repr_html_(self) -> str:
        return equation(self, "model").to_html()

    def to_html(self) -> str:
        """y = Xβ + Zb + e in HTML; of other equations and matrices ``show(…).to_html()``."""
        return self._repr_html_()

    def to_latex(self) -> str:
        r"""y = Xβ + Zb + e in LaTeX; it needs ``\usepackage{amsmath}``."""
        return equation(self, "model").to_latex()

    def to_markdown(self) -> str:
        """y = Xβ + Zb + e in Markdown with mathematics."""
        return equation(self, "model").to_markdown()
