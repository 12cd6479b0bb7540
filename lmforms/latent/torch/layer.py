"""`LinearMixedFormLayer`: the encode step of a linear mixed form as a layer of a network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import ArgumentError
from ..form import LinearMixedForm
from . import layer_arrays, layer_checks, solve
from .encoder import Encoder
from .layer_arrays import Loadings

RIDGE = 1e-3
TARGETS = ("Y", "X", "Z", "K+H", "codes")


class LinearMixedFormLayer(Encoder):
    """Codes (K, H) of each row from any of Y, X, Z, and one modality made from them.

    Parameters of the network are the loadings α, β, u; the codes are not learnt but solved for,
    row by row, in the forward pass: they minimise

        w_Y‖Y − (K+H)α'‖² + w_X‖X − Kβ'‖² + w_Z‖Z − Hu'‖² + ρ(‖K‖² + ‖H‖²)

    over the modalities given. Whatever is given, the output is linear in it; what is not linear
    is how it depends on the loadings.

    Parameters
    ----------
    n_Y, n_X, n_Z : int
        Columns of the response, of the fixed and of the random side.
    rank : int
        Number k of latent components; at most n_X and n_Z.
    ridge : float, optional
        ρ. Default 1e-3, with which a code is at most 16 times as long as the row of X or Z that it
        is solved from. Zero is allowed, and is for loadings that stay of full rank.
    weights : tuple of three or mapping, optional
        Weights of Y, X, Z. Default: 1 each.
    learn_weights : bool
        Make the logarithms of the weights parameters too. If X and Z are given without Y, and
        ρ is zero, nothing depends on them.
    shrink : bool
        Predict codes under their second moments Σ instead, (Σ⁻¹ + A)⁻¹b, as `shrink` does in
        :meth:`LinearMixedForm.encode`; weights and scales are then reciprocals of noise variances.
    device : torch.device, optional
    dtype : {torch.float32, torch.float64}, optional

    Attributes
    ----------
    alpha, beta, u : Parameter (n_Y, k), (n_X, k), (n_Z, k)
        Start with orthonormal columns (rows, if n_Y < k).
    log_weights : Parameter or buffer (3,)
    log_scales : buffer (n_Y + n_X + n_Z,)
        Logarithm of the weight of each column within its modality. Zeros, except after
        :meth:`from_form`: there noise differs from column to column, and columns that the form
        left out have weight zero (−∞).
    offsets : buffer (n_Y + n_X + n_Z,)
        What is added to decoded columns: zeros, except for the constants of columns that a form
        of :meth:`from_form` left out.
    root : buffer (2k, 2k)
        R with RR' = Σ. What the rows given do not determine (H, if only X is given) is set to its
        regression on the rest under Σ. Σ is the identity until :meth:`set_moments`: then H = 0
        given X alone, and K = H given Y alone.
    ridge : float
    shrink : bool
        Both are part of the state dict.

    Raises
    ------
    ArgumentError
        A parameter is out of its range.
    ModelError
        The rank is above n_X or n_Z.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> layer = LinearMixedFormLayer(n_Y=10, n_X=6, n_Z=7, rank=3)
    >>> X, Z = torch.randn(5, 6), torch.randn(5, 7)
    >>> layer(X=X, Z=Z).shape, layer(X=X, to="K+H").shape
    (torch.Size([5, 10]), torch.Size([5, 3]))
    >>> layer(X=X, Z=Z).square().sum().backward()
    >>> layer.beta.grad.shape
    torch.Size([6, 3])
    """

    def __init__(
        self,
        n_Y: int,
        n_X: int,
        n_Z: int,
        rank: int,
        ridge: float | None = None,
        weights: Iterable[float] | Mapping[str, float] | None = None,
        learn_weights: bool = False,
        shrink: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.n_Y, self.n_X, self.n_Z, self.rank = layer_checks.sizes(n_Y, n_X, n_Z, rank)
        self.shrink = bool(shrink)
        self.ridge = layer_checks.ridge(ridge, self.shrink, RIDGE)
        logs = [math.log(w) for w in layer_checks.weights(weights)]
        kind = {"device": device, "dtype": layer_checks.dtype(dtype)}
        for name, rows in {"alpha": self.n_Y, "beta": self.n_X, "u": self.n_Z}.items():
            setattr(self, name, nn.Parameter(torch.empty(rows, self.rank, **kind)))
        if learn_weights:
            self.log_weights = nn.Parameter(torch.tensor(logs, **kind))
        else:
            self.register_buffer("log_weights", torch.tensor(logs, **kind))
        self.register_buffer("log_scales", torch.zeros(self.n_Y + self.n_X + self.n_Z, **kind))
        self.register_buffer("offsets", torch.zeros_like(self.log_scales))
        self.register_buffer("root", torch.eye(2 * self.rank, **kind))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new loadings, with orthonormal columns, so that codes begin as projections."""
        for loading in (self.alpha, self.beta, self.u):
            nn.init.orthogonal_(loading)

    def forward(
        self,
        Y: Tensor | None = None,
        X: Tensor | None = None,
        Z: Tensor | None = None,
        to: str = "Y",
    ) -> Any:
        """Encode what is given and decode it.

        Parameters
        ----------
        Y, X, Z : Tensor (..., n_Y), (..., n_X), (..., n_Z), optional
            At least one, with the same leading dimensions. Y may have NaN.
        to : {"Y", "X", "Z", "K+H", "codes"}
            A modality, the sum of the codes, or both codes.

        Returns
        -------
        Tensor (..., columns of `to`), or Codes

        Raises
        ------
        ArgumentError, DataError
            `to` is unknown, or rows are not what the layer takes.
        NumericalError
            The loadings or weights are not finite.
        """
        if to not in TARGETS:
            raise ArgumentError(f"to={to!r} is unknown: it is one of {', '.join(TARGETS)}.")
        codes = self.encode(Y, X, Z)
        if to == "codes":
            return codes
        return codes.K + codes.H if to == "K+H" else self.decode(codes, to)

    @classmethod
    def from_form(
        cls,
        form: LinearMixedForm,
        shrink: bool | None = None,
        learn_weights: bool = False,
        device: Any = None,
        dtype: Any = torch.float64,
    ) -> LinearMixedFormLayer:
        """The layer equivalent to a fitted form: with its loadings, weights, ridge and moments.

        Parameters
        ----------
        form : LinearMixedForm
            Fitted to three matrices.
        shrink : bool, optional
            As in :meth:`LinearMixedForm.encode`, with its default.
        learn_weights, device, dtype : as of the constructor

        Raises
        ------
        ArgumentError
            It is no form, or not a fitted one, or one of lists of matrices.

        Examples
        --------
        >>> import lmforms as lf
        >>> rng = np.random.default_rng(0)
        >>> K, H = rng.normal(size=(2, 40, 2))
        >>> Y, X, Z = (C @ rng.normal(size=(2, 5)) for C in (K + H, K, H))
        >>> form = lf.latent.LinearMixedForm(rank=2).fit(Y, X, Z)
        >>> layer = LinearMixedFormLayer.from_form(form)
        >>> made = layer(X=torch.tensor(X), to="Y").detach().numpy()
        >>> bool(np.allclose(made, form.transform(X=X, to="Y", shrink=False)))
        True
        """
        loadings = layer_arrays.form_loadings(form)
        shrink = form.method == "ml" if shrink is None else shrink
        m, p, q = (len(L) for L in loadings)
        layer = cls(
            m,
            p,
            q,
            loadings.alpha.shape[1],
            ridge=None if shrink else float(form.ridge),
            weights=None if shrink else form.weights_,
            learn_weights=learn_weights,
            shrink=shrink,
            device=device,
            dtype=dtype,
        )
        with torch.no_grad():
            for name, values in loadings._asdict().items():
                getattr(layer, name).copy_(torch.from_numpy(values))
            scales = torch.from_numpy(
                layer_arrays.precisions(form) if shrink else layer_arrays.counted(form)
            )
            layer.log_scales.copy_(scales.log())
            layer.offsets.copy_(torch.from_numpy(layer_arrays.offsets(form)))
            layer.root.copy_(solve.square_root(torch.from_numpy(form.moments_)))
        return layer

    def to_loadings(self) -> Loadings:
        """α, β, u as arrays of doubles, copied.

        Examples
        --------
        >>> LinearMixedFormLayer(2, 3, 4, rank=2).to_loadings().u.shape
        (4, 2)
        """
        found = (
            A.detach().cpu().numpy().astype(np.float64) for A in (self.alpha, self.beta, self.u)
        )
        return Loadings(*found)

    def get_extra_state(self) -> dict[str, Any]:
        """Settings of the forward pass that are not tensors."""
        return {"ridge": self.ridge, "shrink": self.shrink}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`get_extra_state` returned."""
        self.ridge, self.shrink = state["ridge"], state["shrink"]

    def extra_repr(self) -> str:
        """The part of repr() between the brackets."""
        said = f"n_Y={self.n_Y}, n_X={self.n_X}, n_Z={self.n_Z}, rank={self.rank}"
        return said + (", shrink=True" if self.shrink else f", ridge={self.ridge:g}")
