"""The methods of a layer that use its loadings: encode, decode, objective."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...errors import ArgumentError, DataError, NumericalError
from ..objective import Codes
from . import layer_checks, solve


class Encoder(nn.Module):
    """Methods that use the loadings; the layer defines the attributes."""

    def encode(
        self, Y: Tensor | None = None, X: Tensor | None = None, Z: Tensor | None = None
    ) -> Codes:
        """Codes K and H, (..., k) each; parameters and errors as of :meth:`forward`.

        Examples
        --------
        >>> from lmforms.latent.torch import LinearMixedFormLayer
        >>> one = torch.ones(1, 1)
        >>> layer = LinearMixedFormLayer(1, 1, 1, rank=1, ridge=0.0)
        >>> _ = layer.load_state_dict({**layer.state_dict(), "alpha": one, "beta": one, "u": one})
        >>> layer.encode(Y=6 * one).K.round(decimals=4)  # Y alone does not tell K from H
        tensor([[3.]], grad_fn=<RoundBackward1>)
        """
        given = layer_checks.rows(Y, X, Z, self._columns(), self.alpha, "encode")
        A, b = solve.equations(given, self._designs(), self._weights())
        if not bool(A.isfinite().all()):
            raise NumericalError(
                "Loadings or weights of the layer are not finite, or their squares overflow. If "
                "this is in training, lower the learning rate or raise `ridge`."
            )
        found = (
            solve.predicted(A, b, self.root)
            if self.shrink
            else solve.minimal(A, b, self.ridge, self.root)
        )
        return Codes(*found.split(self.rank, dim=-1))

    def decode(self, codes: Codes, to: str = "Y") -> Tensor:
        """One modality from codes: (K+H)α', Kβ' or Hu', and the constants of a form.

        Parameters
        ----------
        codes : Codes
            K and H, (..., k) each.
        to : {"Y", "X", "Z"}

        Returns
        -------
        Tensor (..., columns of `to`)
        """
        if to not in layer_checks.NAMES:
            raise ArgumentError(f"There is no modality {to!r}: it is one of 'Y', 'X', 'Z'.")
        both = torch.cat(layer_checks.codes(codes, self.rank, self.alpha), dim=-1)
        return both @ self._designs()[to].mT + self._by_modality(self.offsets)[to]

    def objective(
        self,
        codes: Codes,
        Y: Tensor | None = None,
        X: Tensor | None = None,
        Z: Tensor | None = None,
    ) -> Tensor:
        """F of the modalities given: weighted squared residuals, and the ridge.

        It is the objective of :class:`LinearMixedForm`, a sum over rows. Added to a loss (divided
        by the number of rows) it makes the loadings reconstruct what they encode.

        Parameters
        ----------
        codes : Codes
        Y, X, Z : Tensor, optional
            At least one. Entries of Y that are NaN are left out.

        Returns
        -------
        Tensor ()

        Examples
        --------
        >>> from lmforms.latent.torch import LinearMixedFormLayer
        >>> layer = LinearMixedFormLayer(2, 3, 3, rank=3, ridge=0.0)
        >>> X = torch.eye(3)
        >>> round(layer.objective(layer.encode(X=X), X=X).item(), 6)
        0.0
        """
        given = layer_checks.rows(Y, X, Z, self._columns(), self.alpha, "objective")
        weights = self._weights()
        total = codes[0].new_zeros(())
        for name, rows in given.items():
            made = self.decode(codes, name)
            if made.shape != rows.shape:
                raise DataError(f"{name} is {tuple(rows.shape)}, its codes {codes[0].shape}.")
            residual = torch.where(rows.isnan(), 0.0, rows - made) if name == "Y" else rows - made
            total = total + (weights[name] * residual.square()).sum()
        if not self.ridge:
            return total
        return total + self.ridge * sum(
            A.square().sum() for A in (*codes, self.alpha, self.beta, self.u)
        )

    @property
    def moments(self) -> Tensor:
        """Σ (2k, 2k), second moments of (K, H) about zero."""
        return self.root @ self.root.mT

    def set_moments(self, codes: Codes) -> None:
        """Take Σ from codes, as a rule those of the training rows, without gradient.

        Raises
        ------
        DataError
            There are no rows, or codes are not finite.

        Examples
        --------
        >>> from lmforms.latent.torch import LinearMixedFormLayer
        >>> layer = LinearMixedFormLayer(1, 1, 1, rank=1)
        >>> layer.set_moments((torch.tensor([[1.0], [3.0]]), torch.tensor([[1.0], [-1.0]])))
        >>> layer.moments.round(decimals=4)
        tensor([[ 5., -1.],
                [-1.,  1.]])
        """
        K, H = layer_checks.codes(codes, self.rank, self.alpha)
        if K.numel() == 0 or not bool((K.isfinite() & H.isfinite()).all()):
            raise DataError("Second moments need finite codes of at least one row.")
        with torch.no_grad():
            self.root.copy_(solve.square_root(solve.second_moments(K.detach(), H.detach())))

    def _columns(self) -> dict[str, int]:
        return {"Y": self.n_Y, "X": self.n_X, "Z": self.n_Z}

    def _designs(self) -> dict[str, Tensor]:
        return solve.designs(self.alpha, self.beta, self.u)

    def _weights(self) -> dict[str, Tensor]:
        """The weight of each column, by modality."""
        scales = self._by_modality(self.log_scales)
        return {
            name: (log + scales[name]).exp()
            for name, log in zip(layer_checks.NAMES, self.log_weights)
        }

    def _by_modality(self, values: Tensor) -> dict[str, Tensor]:
        """Entries for all columns, modality by modality."""
        columns = self._columns()
        return dict(zip(columns, values.split(list(columns.values()))))
