"""A front end for 8×8 images, and what can stand behind it: a form or linear layers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lmforms.latent.torch import LinearMixedFormLayer

CLASSES, HALF, RANK = 10, 64, 12  # HALF: features of the left, and of the right half
SHARE_OF_F = 0.1  # what F of the features counts beside the cross-entropy, where it does


class FrontEnd(nn.Module):
    """Images (n, 1, 8, 8) to features of their left and right halves, (n, 64) each."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """X and Z."""
        left, right = self.layers(images).unbind(-1)
        return left.flatten(1), right.flatten(1)


class FormHead(nn.Module):
    """X fixed, Z random, and the ten class scores the response that is decoded."""

    def __init__(self, share_of_F: float = 0.0) -> None:
        super().__init__()
        self.form = LinearMixedFormLayer(CLASSES, HALF, HALF, RANK)
        self.bias = nn.Parameter(torch.zeros(CLASSES))
        self.share_of_F = share_of_F

    def forward(self, X: Tensor, Z: Tensor) -> Tensor:
        return self.form(X=X, Z=Z) + self.bias

    def extra_loss(self, X: Tensor, Z: Tensor) -> Tensor | float:
        """F of the features per image; the front end is not to please it."""
        if not self.share_of_F:
            return 0.0
        X, Z = X.detach(), Z.detach()
        codes = self.form.encode(X=X, Z=Z)
        return self.share_of_F * self.form.objective(codes, X=X, Z=Z) / len(X)

    def without_right(self, X: Tensor, train: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Scores from the left half alone."""
        self.form.set_moments(self.form.encode(X=train[0], Z=train[1]))
        return {"own": self.form(X=X) + self.bias}


class LinearHead(nn.Module):
    """Any layers on both halves side by side."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, X: Tensor, Z: Tensor) -> Tensor:
        return self.layers(torch.cat([X, Z], dim=1))

    def extra_loss(self, X: Tensor, Z: Tensor) -> float:
        return 0.0

    def without_right(self, X: Tensor, train: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Scores with the right half filled in by its mean, or by its regression on the left."""
        mean = train[1].mean(0).expand(len(X), -1)
        design = torch.cat([train[0], torch.ones(len(train[0]), 1)], dim=1)
        ridge = 1e-3 * len(design) * torch.eye(design.shape[1])
        slopes = torch.linalg.solve(design.mT @ design + ridge, design.mT @ train[1])
        fitted = torch.cat([X, torch.ones(len(X), 1)], dim=1) @ slopes
        return {"mean": self(X, mean), "regression": self(X, fitted)}


def hidden(activation: nn.Module, width: int = RANK, bias: bool = True) -> LinearHead:
    """Two layers; with the width k as many parameters as the form has, and k biases."""
    first = nn.Linear(2 * HALF, width, bias=bias)
    return LinearHead(first, activation, nn.Linear(width, CLASSES))


def twin() -> LinearHead:
    """A linear map of rank k that starts where the form starts, and has no solving in it."""
    head = hidden(nn.Identity(), bias=False)
    first, _, last = head.layers
    for loading in (*first.weight.data.split(HALF, dim=1), last.weight.data):
        nn.init.orthogonal_(loading)
    nn.init.zeros_(last.bias)
    return head


HEADS: dict[str, Callable[[], nn.Module]] = {
    "form layer": FormHead,
    "form layer, F in the loss": lambda: FormHead(SHARE_OF_F),
    "two linear layers, ReLU": lambda: hidden(nn.ReLU()),
    "two linear layers, ReLU, 64 wide": lambda: hidden(nn.ReLU(), width=64),
    "two linear layers, no activation": lambda: hidden(nn.Identity(), bias=False),
    "the same, started as the form": twin,
    "one linear layer": lambda: LinearHead(nn.Linear(2 * HALF, CLASSES)),
}
