"""A model of variance components: y = Xβ + ΣZᵢuᵢ + e, uᵢ ~ N(0, σᵢ²Kᵢ), e ~ N(0, σ²W⁻¹).

Made from a formula or from matrices, and used by all estimators.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..data.align import in_row_order
from ..data.frame import real_array
from ..data.read import read_formula_data
from ..engine.prior import Identity, Precision, Prior, Root
from ..errors import ArgumentError, DataError, ModelError, near_matches
from ..relationship import Relationship
from ..relationship.check import is_sparse
from ..relationship.model_relationships import related_design
from ..relationship.priors import prior_of
from ..support.arguments import instance, mapping, named_arguments, sequence
from ..support.arrays import FloatArray, as_dense

if TYPE_CHECKING:
    from ..data.design import Design, GroupingFactor


@dataclass(frozen=True, eq=False)
class Component:
    """One random term with one variance.

    Its effects u = La have covariance σ²K: a has precision Q/σ² (Q = I if there is a root L).

    Attributes
    ----------
    name : str
        Such as ``animal`` or ``Days | Subject``.
    Z : sparse (n, q)
    labels : tuple
        Of the q effects u.
    root : ndarray or sparse (q, r), optional
        L with LL' = K, without the null space of K.
    precision : sparse (q, q), optional
        Q = K⁻¹.
    given : Prior, optional
        What the engine needs of K; made of `root` or `precision` without it.
    """

    name: str
    Z: Any
    labels: tuple[Any, ...]
    root: Any = None
    precision: Any = None
    given: Prior | None = None

    @cached_property
    def prior(self) -> Prior:
        """K as the engine takes it."""
        if self.given is not None:
            return self.given
        if self.root is not None:
            return Root(self.root)
        return Identity() if self.precision is None else Precision(self.precision.tocsc())

    def __repr__(self) -> str:
        n, q = self.Z.shape
        related = "independent" if self.prior.is_identity else "related"
        return f"<Component {self.name!r}: {q:,} {related} effects, {n:,} rows>"

    @property
    def n_effects(self) -> int:
        """Number of effects a: the rank of K."""
        return int(self.Z.shape[1] if self.root is None else self.root.shape[1])

    @named_arguments
    def effects(self, a: FloatArray) -> FloatArray:
        """u = La."""
        return a if self.root is None else np.asarray(self.root @ a)

    @named_arguments
    def covariance(self) -> FloatArray:
        """K, dense."""
        if self.root is not None:
            root = as_dense(self.root)
            return np.asarray(root @ root.T)
        if self.precision is None:
            return np.eye(self.Z.shape[1])
        return np.asarray(np.linalg.inv(self.precision.toarray()))


@dataclass(frozen=True, eq=False)
class ComponentModel:
    """y, X and the components, with names.

    Make one with :meth:`of_formula` or :meth:`of_matrices`.

    Attributes
    ----------
    y : ndarray (n,)
        Response less offset.
    X : ndarray (n, p)
        Of full rank.
    components : tuple of Component
    x_names : tuple of str
    weights : ndarray (n,), optional
        Var(e_i) = σ²/w_i.
    response_size : float
        Largest absolute value of response and offset, if above that of y.

    Examples
    --------
    >>> import lmforms as lf
    >>> from lmforms.varcomp import ComponentModel
    >>> model = ComponentModel.of_formula("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"))
    >>> [c.name for c in model.components]
    ['Batch']
    """

    y: FloatArray
    X: FloatArray
    components: tuple[Component, ...]
    x_names: tuple[str, ...]
    weights: FloatArray | None = None
    response_size: float = 0.0

    def __repr__(self) -> str:
        effects = [f"{c.Z.shape[1]:,} of {c.name}" for c in self.components]
        weighted = ", weighted" if self.weights is not None else ""
        random = f", random effects: {', '.join(effects)}" if effects else ""
        return (
            f"<ComponentModel: {self.n:,} rows, {self.X.shape[1]} fixed effects{random}{weighted}>"
        )

    @property
    def row_weights(self) -> FloatArray:
        """w, (n,): ones without weights."""
        return np.ones(self.n) if self.weights is None else self.weights

    @property
    def root_weights(self) -> FloatArray:
        """√w, (n,)."""
        return np.sqrt(self.row_weights)

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.y)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the components."""
        return tuple(c.name for c in self.components)

    @classmethod
    @named_arguments
    def of_formula(
        cls,
        formula: str,
        data: Any,
        *,
        relationship: Mapping[str, Any] | None = None,
        weights: Any = None,
        offset: Any = None,
    ) -> ComponentModel:
        """From a formula whose random terms are scalars: ``(1 | g)``, ``(x || g)``.

        Parameters
        ----------
        formula, data, weights, offset
            As for :func:`lmforms.lmer`.
        relationship : mapping, optional
            Known covariances K of levels, as for :class:`lmforms.MixedModel`.

        Raises
        ------
        ModelError
            A term has correlated effects.
        RelationshipError
            A level has no label in K.
        """
        formula_data = read_formula_data(formula, data, weights=weights, offset=offset)
        return component_model(*related_design(formula_data, relationship))

    @classmethod
    @named_arguments
    def of_matrices(
        cls,
        y: npt.ArrayLike,
        X: npt.ArrayLike,
        Z: Mapping[str, Any],
        K: Mapping[str, Any] | None = None,
        *,
        weights: npt.ArrayLike | None = None,
        x_names: Sequence[str] | None = None,
    ) -> ComponentModel:
        """From y (n,), X (n, p) of full rank, and Z_i (n, q_i) dense or sparse, by name.

        K_i may be a :class:`~lmforms.relationship.Relationship` or a bare matrix in the order
        of the columns of Z_i; the identity without one. Rows of Series and frames are found by
        their index, which must be the same for all; where Z_i is a frame with names of columns,
        those of K_i are found by them.

        Raises
        ------
        ArgumentError
            Shapes that do not fit together.
        DataError
            Missing values, no real numbers, other row labels, or dependent columns of X.
        """
        Z = mapping("Z", Z, "matrices by the names of terms")
        rows = _row_labels(y, X, *Z.values(), weights)
        if rows is not None:
            y, X, weights = (
                in_row_order(what, given, rows)
                for what, given in (("y", y), ("X", X), ("weights", weights))
            )
            Z = {name: in_row_order(f"Z[{name!r}]", z, rows) for name, z in Z.items()}
        y, X = real_array("y", y), real_array("X", X)
        if y.ndim != 1 or X.ndim != 2 or len(X) != len(y):
            raise ArgumentError(
                f"y has shape {y.shape} and X {X.shape}: (n,) and (n, p) are meant."
            )
        if not (np.isfinite(y).all() and np.isfinite(X).all()):
            raise DataError("y and X must be finite.")
        if X.shape[1] and np.linalg.matrix_rank(X) < X.shape[1]:
            raise DataError("the columns of X are linearly dependent: leave some out.")
        K = {} if K is None else mapping("K", K, "covariances by the names of terms")
        for name in K:
            if name not in Z:
                raise ArgumentError(
                    f"K: there is no term `{name}` in Z.{near_matches(str(name), Z)}"
                )
        components = tuple(
            _component_of_matrices(name, z, len(y), K.get(name)) for name, z in Z.items()
        )
        names = [f"x{j + 1}" for j in range(X.shape[1])]
        if x_names is not None:
            names = sequence("x_names", x_names, "names of the columns of X")
            if len(names) != X.shape[1]:
                raise ArgumentError(
                    f"x_names has {len(names)} names for {X.shape[1]} columns of X."
                )
        w = None if weights is None else real_array("weights", weights)
        if w is not None and (w.shape != y.shape or not ((w > 0) & np.isfinite(w)).all()):
            raise ArgumentError("weights must be positive and finite, one for each row.")
        return cls(y, X, components, tuple(names), w)


def component_model_of(model: Any) -> ComponentModel:
    """The model itself, or an ArgumentError that says how to make one."""
    return instance("model", model, ComponentModel, "ComponentModel.of_formula(…) makes one")


def component_model(
    design: Design, relationship: Mapping[str, Relationship], y: FloatArray | None = None
) -> ComponentModel:
    """The components of a design whose random terms are scalars.

    Parameters
    ----------
    design : Design
    relationship : mapping of str to Relationship
        In the order of the design's levels, from `align_relationships`.
    y : ndarray (n,), optional
        Another response.

    Raises
    ------
    ModelError
        The residuals have a structure with parameters.
    """
    if len(design.residual.phi):
        raise ModelError(
            f"this model has residual={str(design.residual_spec)!r}; variance components and the "
            "mixed-model equations are for independent residuals. fit.matrices has V, R and the "
            "rest of this fit; fit.update(residual=None) is the model without the structure."
        )
    rows = design.rows(y)
    components: list[Component] = []
    for group in design.groups:
        components += _of_group(design, group, relationship.get(group.name))
    variances = rows.residual.variances()
    return ComponentModel(
        y=rows.y,
        X=rows.X,
        components=tuple(components),
        x_names=tuple(design.x_names),
        weights=None if variances is None else 1.0 / variances,
        response_size=rows.size,
    )


def component_name(group: str, effect: str, *, alone: bool) -> str:
    """Name of the component of an effect of a group, which may have no other.

    A group is a grouping factor, or a term that has a `relationship` for itself.

    Examples
    --------
    >>> component_name("animal", "Intercept", alone=True), component_name("animal", "x", alone=True)
    ('animal', 'x | animal')
    >>> component_name("0 + x | animal", "x", alone=True)
    '0 + x | animal'
    """
    names_effect = effect in ("Intercept", "") or "|" in group
    return group if alone and names_effect else f"{effect} | {group}"


def _row_labels(*given: Any) -> pd.Index | None:
    """Labels of the rows of the first that has any."""
    labelled = (g.index for g in given if isinstance(g, (pd.Series, pd.DataFrame)))
    return next(labelled, None)


def _column_labels(z: Any) -> tuple[Any, ...] | None:
    """Names of the columns of a frame, unless they are only numbered."""
    if not isinstance(z, pd.DataFrame) or z.columns.equals(pd.RangeIndex(z.shape[1])):
        return None
    return tuple(z.columns.tolist())


def _component_of_matrices(name: str, z: Any, n: int, known: Any) -> Component:
    """A term of n rows from Z_i, and from K_i if it is known."""
    matrix = _real_design(name, z)
    if matrix.shape[0] != n:
        raise ArgumentError(f"Z[{name!r}] has {matrix.shape[0]} rows, y has {n}.")
    own = _column_labels(z)
    labels = own or tuple(range(matrix.shape[1]))
    if known is not None:
        if not isinstance(known, Relationship):
            has_labels = isinstance(known, (tuple, pd.DataFrame))
            known = Relationship.of(known, None if has_labels else labels)
        if own is not None and known.labels != own:
            known = known.aligned(own)
        if len(known) != matrix.shape[1]:
            raise ArgumentError(
                f"K[{name!r}] has {len(known)} rows, Z[{name!r}] {matrix.shape[1]} columns."
            )
        labels = known.labels
    return _component(name, matrix, labels, known)


def _real_design(name: str, z: Any) -> Any:
    """Z_i as a sparse matrix of real numbers."""
    import scipy.sparse as sp

    if is_sparse(z) and z.dtype.kind not in "biuf":
        raise DataError(f"Z[{name!r}]: real numbers are needed.")
    matrix = sp.csr_matrix(z if is_sparse(z) else real_array(f"Z[{name!r}]", z), dtype=np.float64)
    if not np.isfinite(matrix.data).all():
        raise DataError(f"Z[{name!r}] must be finite.")
    return matrix


def _of_group(design: Design, group: GroupingFactor, known: Relationship | None) -> list[Component]:
    import scipy.sparse as sp

    if not (group.covariance.independent and group.covariance.spans_covariances):
        raise ModelError(
            f"the effects of ({group.columns[0]}, … | {group.name}) are correlated; variance "
            f"components are single variances: write `||` in place of `|`, and no structure."
        )
    labels = tuple(group.levels)
    basis = design.basis(group)
    shape = (design.n, len(labels))
    start = np.arange(design.n + 1)
    out = []
    for j, column in enumerate(group.columns):
        name = component_name(group.name, column, alone=len(group.columns) == 1)
        z = sp.csr_matrix((basis[:, j].copy(), group.codes, start), shape=shape)
        out.append(_component(name, z, labels, known))
    return out


def _component(name: str, Z: Any, labels: tuple[Any, ...], known: Relationship | None) -> Component:
    if known is None:
        return Component(name, Z, labels)
    prior = prior_of(name, known.form)
    precision = prior.matrix if isinstance(prior, Precision) else None
    return Component(name, Z, labels, prior.root, precision, prior)
