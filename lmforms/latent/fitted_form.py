"""The methods of a fitted form: codes, predictions, covariances, the identity."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..errors import ArgumentError, DataError
from ..support.arguments import flag, named_arguments
from . import derived_quantities as derived
from .encoding import encoded
from .form_fit import FormFit
from .form_identity import FormIdentity, printed_identity
from .input_matrices import check_rows, checked_matrix, matrices_by_name
from .modalities import Side
from .objective import Codes


class FittedForm:
    """Methods that need the results of a fit."""

    _form_fit: FormFit

    @named_arguments
    def encode(
        self, Y: Any = None, X: Any = None, Z: Any = None, shrink: bool | None = None
    ) -> Codes:
        """Codes K and H of rows, from any of their modalities.

        They minimise F for what is given. Y alone determines K + H only and X alone K only;
        the rest, on which F depends by its ridge only, is then set to its linear regression on
        what is determined, over the rows of the fit. With `shrink` the codes are
        instead best linear predictions under the covariance D + LΣL' that the form implies.
        Columns that the fit left out (`constants_`) are not used.

        Parameters
        ----------
        Y, X, Z : DataFrame, array or sparse matrix, optional
            At least one, with the columns of the fit. Y may have NaN.
        shrink : bool, optional
            Default: as the codes of the fit are made, by prediction for ``method="ml"`` only.

        Returns
        -------
        Codes
            K and H, (rows, k) each.

        Raises
        ------
        DataError
            Rows or columns do not fit.

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
        fit = self._fitted()
        sides = ((Y, "Y", Side.RESPONSE), (X, "X", Side.FIXED), (Z, "Z", Side.RANDOM))
        matrices = [
            (name, A, side)
            for data, letter, side in sides
            if data is not None
            for name, A in matrices_by_name(data, letter).items()
        ]
        if not matrices:
            raise ArgumentError("encode() needs rows of at least one of Y, X and Z.")
        checked = []
        for name, A, side in matrices:
            if fit.part(name).side is not side:
                raise ArgumentError(f"{name} was not fitted on this side: pass it as it was.")
            checked.append(checked_matrix(A, name, side))
        check_rows(checked)
        shrink = fit.shrunken if shrink is None else flag("shrink", shrink)
        given = [fit.part(b.name).given(b, shrink) for b in checked]
        found = encoded(given, fit.ridge, fit.moments, shrink)
        rows = next((b.rows for b in checked if b.rows is not None), None)
        return Codes(*(with_component_labels(A, rows) for A in found))

    @named_arguments
    def decode(self, codes: Codes, to: str = "Y") -> Any:
        """One modality from codes: (K+H)α', Kβ' or Hu'.

        Parameters
        ----------
        codes : Codes
            From :meth:`encode`, or any pair of (rows, k).
        to : str
            Its name.

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
        part = self._fitted().part(to, "to")
        found, rows = checked_codes(codes, part.loading.shape[1])
        values = found.of_side(part.side) @ part.loading.T + part.offset
        if rows is None and part.columns is None:
            return values
        return pd.DataFrame(values, index=rows, columns=part.columns)

    @named_arguments
    def transform(
        self, Y: Any = None, X: Any = None, Z: Any = None, to: str = "Y", shrink: bool = True
    ) -> Any:
        """One modality of rows predicted from any others: encoded, then decoded.

        Parameters
        ----------
        Y, X, Z : as for :meth:`encode`
        to : str
            Its name.
        shrink : bool
            Predict the codes instead of minimising F. Minimising F makes the code of a weak
            component large: it divides noise by a small loading.

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
        self._fitted().part(to, "to")  # raises before any work is done
        shrink = flag("shrink", shrink)
        return self.decode(self.encode(Y=Y, X=X, Z=Z, shrink=shrink), to)

    @named_arguments
    def reconstruction(self, of: str = "Y") -> Any:
        """One modality of the rows of the fit, reconstructed from their codes.

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
        fit = self._fitted()
        fit.part(of, "of")
        return self.decode(Codes(*(with_component_labels(A, fit.rows) for A in fit.codes)), of)

    @named_arguments
    def form_identity(self, normalised: bool = True) -> FormIdentity:
        """The paper's full expression, Yπ(α) = Xπ(β) + Zπ(u) + e with π(L) = L(L'L)⁻¹, and e.

        Each term is the least-squares code of the rows of the fit from one modality alone. They
        agree if Y = (K+H)α', X = Kβ' and Z = Hu' hold; so e shows how far the modalities disagree
        about the codes. Several modalities of a side have one code, with the weights of F.

        Parameters
        ----------
        normalised : bool
            False: as printed, (K+H)(α'α) = K(β'β) + H(u'u) + e without the inverses, where e is
            not small and depends on the units.

        Returns
        -------
        FormIdentity
            Where Y has fewer columns than components, α determines as many directions of the code
            as it has independent columns, and e is in these. Rows whose known entries of Y
            determine fewer are NaN and not in the share.

        Raises
        ------
        ModelError
            β or u has less than full column rank, so that π is not defined.
        DataError
            No row has enough entries of Y.

        References
        ----------
        D. Banh, "Linear Mixed Forms", section 2, the second and the last expression.

        Examples
        --------
        >>> import lmforms as lf
        >>> rng = np.random.default_rng(0)
        >>> K, H = rng.normal(size=(2, 40, 2))
        >>> Y, X, Z = (C @ rng.normal(size=(2, 5)) for C in (K + H, K, H))
        >>> form = lf.latent.LinearMixedForm(rank=2).fit(Y, X, Z)
        >>> form.form_identity().share < 1e-20, form.form_identity(normalised=False).share > 0.1
        (True, True)
        """
        fit = self._fitted()
        if flag("normalised", normalised):
            found = fit.separate_codes.identity()
        else:
            parts = fit.parts.values()
            found = printed_identity(
                fit.codes, tuple(p.loading for p in parts), tuple(p.side for p in parts)
            )
        return replace(found, e=with_component_labels(found.e, fit.rows))

    @named_arguments
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
        fit = self._fitted()
        part = fit.part(of, "of")
        found = derived.implied_moments(part.side, part.loading, fit.moments, part.variances)
        found = found + np.outer(part.offset, part.offset)
        columns = part.columns
        return found if columns is None else pd.DataFrame(found, index=columns, columns=columns)

    @named_arguments
    def covariance_share(self, data: Any, of: str = "Y") -> float:
        """The share of A'A/n that the implied covariance explains: 1 − ‖difference‖²/‖A'A/n‖².

        Parameters
        ----------
        data : DataFrame, array or sparse matrix
            Complete rows of the modality `of`.
        of : str
            Its name.

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
        part = self._fitted().part(of, "of")
        found = checked_matrix(data, of, part.side)
        part.check(found)
        if np.isnan(found.values.data if sp.issparse(found.values) else found.values).any():
            raise DataError(f"{of} has missing entries: pass complete rows.")
        return derived.rebuilt_share(found.values, np.asarray(self.implied_covariance(of)))

    def _fitted(self) -> FormFit:
        if not hasattr(self, "_form_fit"):
            raise ArgumentError("This form is not fitted yet: call fit(Y, X, Z) first.")
        return self._form_fit


def checked_codes(codes: Any, rank: int) -> tuple[Codes, pd.Index | None]:
    """K and H as arrays (rows, k), and their row labels.

    Raises
    ------
    DataError
    """
    try:
        K, H = (
            np.asarray(checked_matrix(C, name, Side.FIXED).values) for C, name in zip(codes, "KH")
        )
        pair = len(codes) == 2
    except DataError:
        raise
    except (TypeError, ValueError) as error:
        raise DataError("codes must be a pair (K, H), as encode() gives it.") from error
    if not pair or K.shape != H.shape or K.shape[1] != rank:
        raise DataError(
            f"codes of shape {K.shape} and {H.shape} are not those of this form, which has "
            f"{rank} components: take them from encode()."
        )
    rows = [C.index for C in codes if isinstance(C, pd.DataFrame)]
    if len(rows) == 2 and not rows[0].equals(rows[1]):
        raise DataError("K and H have different row labels: put them in one order.")
    return Codes(K, H), rows[0] if rows else None


def with_component_labels(A: np.ndarray, index: pd.Index | None) -> Any:
    """Rows of codes or loadings as a frame with components c1, c2, … if they have labels."""
    if index is None:
        return A
    return pd.DataFrame(A, index=index, columns=[f"c{j + 1}" for j in range(A.shape[1])])
