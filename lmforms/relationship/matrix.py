"""`Relationship`: one covariance of labelled levels, in one of several representations."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, RelationshipError
from ..support.arguments import named_arguments
from ..support.arrays import FloatArray, IndexArray
from . import check
from .kronecker import kronecker_product, pairs, spectrum
from .labels import Labels, checked_labels, listed_values, positions
from .matrix_roots import Sparse
from .representations import Representation

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Relationship:
    """A known covariance K between q levels, with their labels.

    Make one with :meth:`of` (K itself), :meth:`from_root` (K = LL') or :meth:`from_precision`
    (K⁻¹), by :meth:`kron`, or let :class:`Pedigree`, :func:`vanraden`, :func:`gaussian`,
    :func:`exponential` or :func:`ar1` do it.

    Attributes
    ----------
    labels : tuple
        Unique hashable values, in the order of the rows.
    form : Representation
        How K is represented: a ``DenseMatrix`` or ``SparseMatrix`` (K itself), ``LowRank`` (a root
        L with K = LL') or ``Precision`` (K⁻¹).

    Notes
    -----
    Random effects u of the levels have covariance σ²K. With LL' = K they are u = Lv for v of
    covariance σ²I, whatever the rank of K.

    Examples
    --------
    >>> import pandas as pd
    >>> K = pd.DataFrame([[1, 0.5], [0.5, 1]], index=["a", "b"], columns=["a", "b"])
    >>> Relationship.of(K)
    Relationship(2 labels, dense)
    >>> Relationship.of(K).aligned(["b"]).dense()
    array([[1.]])
    """

    labels: Labels
    form: Representation

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", checked_labels(self.labels))
        if self.form.q != len(self.labels):
            raise RelationshipError(
                f"The relationship has {self.form.q:,} rows, but {len(self.labels):,} labels."
            )

    @classmethod
    @named_arguments
    def of(cls, obj: Any, labels: Any = None) -> Relationship:
        """A covariance matrix with its labels.

        Parameters
        ----------
        obj : DataFrame (q, q), tuple of (matrix, labels), matrix, Relationship or Pedigree
            The matrix is dense or of scipy.sparse. A Relationship is returned as it is, and a
            :class:`Pedigree` gives the covariance of its animals.
        labels : sequence of q values, optional
            For a bare matrix.

        Raises
        ------
        RelationshipError
            If K is not square, finite, symmetric and positive semi-definite, or its labels are
            not unique, missing, of another number, or not the same for rows and columns.
        ArgumentError
            If labels are missing or given twice.

        Examples
        --------
        >>> Relationship.of(np.eye(2), labels=["a", "b"]).rank
        2
        """
        convert = getattr(obj, "as_relationship", lambda: obj)  # of a Pedigree
        known = convert()
        if isinstance(known, Relationship):
            if labels is not None:
                raise ArgumentError(f"A {type(obj).__name__} has its labels: leave out `labels`.")
            return known
        check.check_frame(obj)
        matrix, labels = check.matrix_and_labels("relationship", obj, labels)
        names = checked_labels(labels)
        return cls(names, check.checked_covariance(matrix, names))

    @classmethod
    @named_arguments
    def from_root(cls, root: Any, labels: Any = None) -> Relationship:
        """The covariance K = LL' of a root L.

        Parameters
        ----------
        root : DataFrame, tuple of (matrix, labels) or matrix, (q, r)
            Markers, for instance. The index of a frame has the labels.
        labels : sequence of q values, optional

        Examples
        --------
        >>> Relationship.from_root([[1.0], [2.0]], labels=["a", "b"]).dense()
        array([[1., 2.],
               [2., 4.]])
        """
        matrix, labels = check.matrix_and_labels("root", root, labels)
        names = checked_labels(labels)
        return cls(names, check.checked_root(matrix, names))

    @classmethod
    @named_arguments
    def from_precision(cls, precision: Any, labels: Any = None) -> Relationship:
        """The covariance K = Q⁻¹ of a sparse precision Q.

        Parameters
        ----------
        precision : DataFrame, tuple of (matrix, labels) or matrix, (q, q)
            Positive definite. It is factored here, once, by SuperLU.
        labels : sequence of q values, optional

        Examples
        --------
        >>> Relationship.from_precision(np.diag([1.0, 4.0]), labels=["a", "b"]).dense()
        array([[1.  , 0.  ],
               [0.  , 0.25]])
        """
        check.check_frame(precision)
        matrix, labels = check.matrix_and_labels("precision", precision, labels)
        names = checked_labels(labels)
        return cls(names, check.checked_precision(matrix, names))

    @classmethod
    @named_arguments
    def kron(cls, A: Any, B: Any) -> Relationship:
        """The Kronecker product A ⊗ B, for the levels of an interaction.

        Level (i, k) has covariance A_ij B_kl with level (j, l): genotypes that are related with A,
        say, in environments that are related with B.

        Parameters
        ----------
        A, B : DataFrame, tuple of (matrix, labels), Relationship or Pedigree
            As for :meth:`of`, with q and r labels.

        Returns
        -------
        Relationship
            Its qr labels are pairs (label of A, label of B), which are the levels of
            ``(1 | a:b)``; labels that are tuples are joined, so that a product of three parts has
            triples. A precision if one part is one and the other has an inverse, sparse if one
            part is, a root if both are roots.

        Examples
        --------
        >>> A = Relationship.of([[1, 0.5], [0.5, 1]], labels=["x", "y"])
        >>> K = Relationship.kron(A, Relationship.of(np.diag([1.0, 2.0]), labels=[2020, 2021]))
        >>> K.labels
        (('x', 2020), ('x', 2021), ('y', 2020), ('y', 2021))
        >>> K.subset([("x", 2021), ("y", 2021)]).dense()
        array([[2., 1.],
               [1., 2.]])
        """
        first, second = cls.of(A), cls.of(B)
        labels = pairs(first.labels, second.labels)
        return cls(labels, kronecker_product(first.form, second.form))

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"Relationship({len(self):,} labels, {self.form.name})"

    @property
    def rank(self) -> int:
        """Rank of K. It costs what :meth:`root` does, except for a precision."""
        return len(self) if self.form.keeps_all_levels else int(self.form.root().shape[1])

    @property
    def given_root(self) -> FloatArray | None:
        """L (q, r) as it was given to :meth:`from_root`, None for another representation."""
        return self.form.given_root

    @named_arguments
    def root(self) -> FloatArray | Sparse:
        """L (q, r) with LL' = K and r the rank of K.

        Dense: Cholesky's factor if K is safely regular, else eigenvectors times square roots
        of the eigenvalues that are not zero. Sparse: the same block by block, a sparse matrix.
        Root: as it was given, if its columns are independent. Precision: the inverse of
        its triangle, which is dense.
        """
        return self.form.root()

    @named_arguments
    def dense(self) -> FloatArray:
        """K (q, q)."""
        return self.form.dense()

    @named_arguments
    def spectrum(self) -> tuple[pd.Series, pd.DataFrame]:
        """Eigenvalues and eigenvectors, K = U diag(d) U'.

        Returns
        -------
        d : Series (q,)
            Eigenvalues, largest first; zeros where K is singular.
        U : DataFrame (q, q)
            Orthonormal eigenvectors in the columns, by label; the largest entry of each is
            positive.

        Notes
        -----
        It takes O(q³) operations and a dense U, also of a sparse precision.

        Examples
        --------
        >>> d, U = Relationship.of([[1, 0.5], [0.5, 1]], labels=["a", "b"]).spectrum()
        >>> d.tolist(), U.loc["a"].round(3).abs().tolist()
        ([1.5, 0.5], [0.707, 0.707])
        """
        import pandas as pd

        values, vectors = spectrum(self.form)
        lengths = {len(x) if isinstance(x, tuple) else 0 for x in self.labels}
        index = (
            pd.MultiIndex.from_tuples(self.labels)
            if len(lengths) == 1 and max(lengths) > 1
            else pd.Index(self.labels, tupleize_cols=False)
        )
        return pd.Series(values, name="eigenvalue"), pd.DataFrame(vectors, index=index)

    @named_arguments
    def positions(self, levels: Iterable[Any]) -> IndexArray:
        """Position of each level among the labels; levels may repeat.

        Parameters
        ----------
        levels : sequence of n values

        Returns
        -------
        ndarray of int (n,)

        Raises
        ------
        RelationshipError
            If levels have no label: the message has the first few and their number.

        Examples
        --------
        >>> Relationship.of(np.eye(2), labels=["a", "b"]).positions(["b", "a", "b"])
        array([1, 0, 1])
        """
        return positions(self._index, levels)

    @named_arguments
    def subset(self, levels: Iterable[Any]) -> Relationship:
        """The covariance of some levels, in their order.

        The others are integrated out, which for a precision gives a dense matrix.
        """
        levels = listed_values("levels", levels)
        return Relationship(tuple(levels), self.form.marginal(self.positions(levels)))

    @named_arguments
    def aligned(self, levels: Iterable[Any]) -> Relationship:
        """The relationship for a model of these levels, which become the first labels.

        Labels without a level are left out of a covariance. A precision keeps them behind the
        others, as leaving them out would fill it: ancestors without records, for instance,
        stay in the model and have no rows in Z.

        Parameters
        ----------
        levels : sequence of unique values

        Returns
        -------
        Relationship
            Label i is level i for each of the levels.

        Examples
        --------
        >>> K = Relationship.from_precision(np.diag([1.0, 4.0]), labels=["a", "b"])
        >>> K.aligned(["b"]).labels
        ('b', 'a')
        """
        levels = checked_labels(levels, "Levels")
        at = self.positions(levels)
        if not self.form.keeps_all_levels:
            return Relationship(levels, self.form.arranged(at))
        others = np.setdiff1d(np.arange(len(self)), at)
        at = np.concatenate([at, others])
        return Relationship(tuple(self.labels[i] for i in at), self.form.arranged(at))

    @cached_property
    def _index(self) -> dict[Hashable, int]:
        return {label: i for i, label in enumerate(self.labels)}
