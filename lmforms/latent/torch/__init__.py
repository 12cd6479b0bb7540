"""Linear mixed forms inside networks: the encode step as a PyTorch layer.

:class:`LinearMixedFormLayer` has the loadings α, β, u as parameters; its forward pass solves for
the codes of each row and decodes them. Needs the extra ``lmforms[torch]``.

>>> import torch
>>> from lmforms.latent.torch import LinearMixedFormLayer
>>> layer = LinearMixedFormLayer(n_Y=10, n_X=6, n_Z=7, rank=3)
>>> layer(X=torch.ones(5, 6), Z=torch.ones(5, 7)).shape
torch.Size([5, 10])
"""

from __future__ import annotations

from ...errors import MissingPackageError

try:
    import torch as _torch  # noqa: F401
except ImportError:
    raise MissingPackageError(
        "lmforms.latent.torch needs PyTorch: pip install 'lmforms[torch]'."
    ) from None

from .layer import LinearMixedFormLayer

__all__ = ["LinearMixedFormLayer"]
