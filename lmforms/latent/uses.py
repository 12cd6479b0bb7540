"""What a fitted form is used for: codes, predictions, covariances, the identity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..errors import ArgumentError
from . import facts
from .encoding import encoded
from .inputs import Block, block, check_columns, check_rows, dense
from .objective import Codes, FloatArray, Loadings, Weights

NAMES = Weights._fields
_LOADING = dict(zip(NAMES, Loadings._fields))


class FittedForm:
    """The uses of a form, given what its fit has left behind."""

    ridge: float
    weights_: Weights
    K_: Any
    H_: Any
    _codes: Codes
    _loadings: Loadings
    _moments: FloatArray
    _precisions: Weights
    _variances: dict[str, FloatArray]
    _columns: dict[str, pd.Index | None]
    _rows: pd.Index | None

    def encode(self, Y: Any = None, X: Any = None, Z: Any = None, shrink: bool = False) -> Codes:
        """Codes K and H of rows, from any of their modalities.

        They minimise F for what is given. Y alone determines K + H only and X alone K only;
        the rest is then set to its linear regression on what is determined, over the rows of
        the fit. With `shrink` the codes are instead best linear predictions under the
        covariance that the form implies, with equal noise within a modality.

        Parameters
        ----------
        Y, X, Z : DataFrame, array or sparse matrix, optional
            At least one, with the columns of the fit. NaN may stand in Y.
        shrink : bool

        Returns
        -------
        Codes
            K and H, (rows, k) each.

        Raises
        ------
        DataError
            Rows or columns are not those they should be.

        Examples
        --------
        >>> import lmforms as lf
        >>> rng = np.random.default_rng(0)
        >>> K, H = rng.normal(size=(2, 40, 2))
        >>> Y, X, Z = (C @ rng.normal(size=(2, 5)) for C in (K + H, K, H))
        >>> form = lf.latent.LinearMixedForm(rank=2).fit(Y, X, Z)
        >>> codes = form.encode(X=X[:3], Z=Z[:3])
        >>> bool(np.allclose(codes.K, form.K_[:3]) and np.allclose(codes.H, form.H_[:3]))
        True
        """
        self._check_fitted()
        given = {name: A for name, A in zip(NAMES, (Y, X, Z)) if A is not None}
        if not given:
            raise ArgumentError("encode() needs rows of at least one of Y, X and Z.")
        blocks = [self._known(block(A, name, missing=name == "Y")) for name, A in given.items()]
        check_rows(blocks)
        values = {b.name: dense(b).values if b.name == "Y" else b.values for b in blocks}
        weights = self._precisions if shrink else self.weights_
        found = encoded(values, self._loadings, weights, float(self.ridge), self._moments, shrink)
        rows = next((b.rows for b in blocks if b.rows is not None), None)
        return Codes(*(self._labelled(A, rows) for A in found))

    def decode(self, codes: Codes, to: str = "Y") -> Any:
        """One modality from codes: (K+H)α', Kβ' or Hu'.

        Parameters
        ----------
        codes : Codes
            From :meth:`encode`, or any pair of (rows, k).
        to : {"Y", "X", "Z"}

        Returns
        -------
        DataFrame or ndarray (rows, columns of `to`)

        Examples
        --------
        >>> import lmforms as lf
        >>> rng = np.random.default_rng(0)
        >>> K, H = rng.normal(size=(2, 40, 2))
        >>> Y, X, Z = (C @ rng.normal(size=(2, 5)) for C in (K + H, K, H))
        >>> form = lf.latent.LinearMixedForm(rank=2).fit(Y, X, Z)
        >>> bool(np.allclose(form.decode(form.encode(Z=Z), to="Z"), Z))
        True
        """
        self._check_fitted()
        self._check_name(to)
        K, H = codes
        code = {"Y": lambda: K + H, "X": lambda: K, "Z": lambda: H}[to]()
        values = np.asarray(code, dtype=np.float64) @ getattr(self._loadings, _LOADING[to]).T
        columns = self._columns[to]
        rows = code.index if isinstance(code, pd.DataFrame) else None
        if rows is None and columns is None:
            return values
        return pd.DataFrame(values, index=rows, columns=columns)

    def transform(
        self, Y: Any = None, X: Any = None, Z: Any = None, to: str = "Y", shrink: bool = False
    ) -> Any:
        """One modality of rows predicted from any others: encoded, then decoded.

        Parameters
        ----------
        Y, X, Z, shrink : as for :meth:`encode`
        to : {"Y", "X", "Z"}

        Returns
        -------
        DataFrame or ndarray (rows, columns of `to`)

        Examples
        --------
        >>> import lmforms as lf
        >>> rng = np.random.default_rng(0)
        >>> K, H = rng.normal(size=(2, 40, 2))
        >>> Y, X, Z = (C @ rng.normal(size=(2, 5)) for C in (K + H, K, H))
        >>> form = lf.latent.LinearMixedForm(rank=2).fit(Y, X, Z)
        >>> bool(np.allclose(form.transform(X=X, Y=Y, to="Z"), Z))
        True
        """
        self._check_name(to)
        return self.decode(self.encode(Y=Y, X=X, Z=Z, shrink=shrink), to)

    def reconstruction(self, of: str = "Y") -> Any:
        """What the form makes of one modality of the rows it was fitted on.

        Examples
        --------
        >>> import lmforms as lf
        >>> rng = np.random.default_rng(0)
        >>> K, H = rng.normal(size=(2, 40, 2))
        >>> Y, X, Z = (C @ rng.normal(size=(2, 5)) for C in (K + H, K, H))
        >>> form = lf.latent.LinearMixedForm(rank=2).fit(Y, X, Z)
        >>> bool(np.allclose(form.reconstruction("Y"), Y))
        True
        """
        self._check_fitted()
        return self.decode(Codes(self.K_, self.H_), of)

    def form_identity(self) -> facts.FormIdentity:
        """The paper's full expression, (K+H)(α'α) = K(β'β) + H(u'u) + e, and e.

        The decomposition does not make e small: see the chapter on forms.

        Examples
        --------
        >>> import lmforms as lf
        >>> rng = np.random.default_rng(0)
        >>> K, H = rng.normal(size=(2, 40, 2))
        >>> Y, X, Z = (C @ rng.normal(size=(2, 5)) for C in (K + H, K, H))
        >>> form = lf.latent.LinearMixedForm(rank=2).fit(Y, X, Z)
        >>> form.form_identity().e.shape
        (40, 2)
        """
        self._check_fitted()
        found = facts.form_residual(self._codes, self._loadings)
        return facts.FormIdentity(self._labelled(found.e, self._rows), found.share)

    def implied_covariance(self, of: str = "Y") -> Any:
        """Second moments of a modality's columns, about zero, as the form implies them.

        D + αMα' for Y with M the second moments of K + H: Cov(Y) = D + ZGZ' in latent form.
        For X and Z likewise, with β and K, u and H. The result is square in the columns.

        Examples
        --------
        >>> import lmforms as lf
        >>> rng = np.random.default_rng(0)
        >>> K, H = rng.normal(size=(2, 40, 2))
        >>> Y, X, Z = (C @ rng.normal(size=(2, 5)) for C in (K + H, K, H))
        >>> form = lf.latent.LinearMixedForm(rank=2).fit(Y, X, Z)
        >>> bool(np.allclose(form.implied_covariance("X"), X.T @ X / 40))
        True
        """
        self._check_fitted()
        self._check_name(of)
        found = facts.implied(of, self._codes, self._loadings, self._variances[of])
        columns = self._columns[of]
        return found if columns is None else pd.DataFrame(found, index=columns, columns=columns)

    def covariance_share(self, data: Any, of: str = "Y") -> float:
        """How much of A'A/n the implied covariance rebuilds: 1 − ‖difference‖²/‖A'A/n‖².

        Parameters
        ----------
        data : DataFrame, array or sparse matrix
            Complete rows of the modality `of`.
        of : {"Y", "X", "Z"}

        Examples
        --------
        >>> import lmforms as lf
        >>> rng = np.random.default_rng(0)
        >>> K, H = rng.normal(size=(2, 40, 2))
        >>> Y, X, Z = (C @ rng.normal(size=(2, 5)) for C in (K + H, K, H))
        >>> form = lf.latent.LinearMixedForm(rank=2).fit(Y, X, Z)
        >>> round(form.covariance_share(Z, of="Z"), 6)
        1.0
        """
        known = self._known(block(data, of))
        return facts.rebuilt_share(known.values, np.asarray(self.implied_covariance(of)))

    def _labelled(self, A: np.ndarray, index: pd.Index | None) -> Any:
        if index is None:
            return A
        return pd.DataFrame(A, index=index, columns=[f"c{j + 1}" for j in range(A.shape[1])])

    def _known(self, found: Block) -> Block:
        """Refuse rows whose columns are not those of the fit."""
        loading = _LOADING[found.name]
        expected = getattr(self._loadings, loading).shape[0]
        check_columns(found, expected, self._columns[found.name], f"form.{loading}_.index")
        return found

    def _check_fitted(self) -> None:
        if not hasattr(self, "_loadings"):
            raise ArgumentError("This form is not fitted yet: call fit(Y, X, Z) first.")

    @staticmethod
    def _check_name(name: str) -> None:
        if name not in NAMES:
            raise ArgumentError(f"There is no modality {name!r}: it is one of 'Y', 'X', 'Z'.")
