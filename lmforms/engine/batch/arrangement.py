"""Cross-products of a design arranged for many responses, and whether that is of use."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np

from ...covariance import Covariance
from ...support.arrays import FloatArray, IndexArray
from ..factor.assembly import dense_coupling, dense_gram
from ..factor.layout import Layout
from ..linalg.batched import mirrored
from ..sums.cross_products import CrossProducts
from .shared_sums import RandomPart, SharedSums

SAME_MOMENTS = 1e-12
"""Relative difference up to which Z_l'Z_l of two levels is the same."""

MOST_WORK = 2e7
"""Multiplications of one Newton step of one response up to which they are done side by side: beyond
the engine's sparse or nested factors pay."""

MOST_PRODUCTS = 1 << 25
"""Numbers in the shared sums of products."""

LEAST_EIGENVALUE = 1e-13
"""Eigenvalues of Z_l'Z_l below this share of the largest are zero."""


def shared_sums_of(
    cp: CrossProducts, covariances: Sequence[Covariance], reml: bool, layout: Layout
) -> SharedSums:
    """Arrange the cross-products of a design, without pilot effects.

    Parameters
    ----------
    cp : CrossProducts
        The response in them is not used.
    covariances : sequence of Covariance
        With λ linear in θ (see :func:`is_linear`).
    reml : bool
    layout : Layout
        Of `cp`, with a leading factor.
    """
    ends = [0, *accumulate(c.n_theta for c in covariances)]
    slices = [slice(a, b) for a, b in pairwise(ends)]
    parts = [
        RandomPart(s, layout.spans.get(i, slice(0, 0)), q, k, c.derivative(np.zeros(c.n_theta)))
        for i, (s, (q, k), c) in enumerate(zip(slices, layout.shapes, covariances, strict=True))
    ]
    lead, p, m = layout.lead, cp.p, layout.m
    q, k = layout.shapes[lead]
    zz = cp.factors[lead].zz
    first, classes = _classes(zz)
    d, axes = np.linalg.eigh(zz[first])
    kept = d > LEAST_EIGENVALUE * d.max(axis=1, keepdims=True)
    size = np.sqrt(np.where(kept, d, 0.0))
    inverse_size = np.where(kept, 1.0 / np.where(kept, size, 1.0), 0.0)
    turned = axes.swapaxes(1, 2)
    inverse_roots = inverse_size[:, :, None] * turned

    right = cp.factors[lead].zr[..., :p]
    gram = np.zeros((m + p, m + p))
    gram[m:, m:] = cp.rr[:p, :p]
    if m:
        coupling = dense_coupling(layout).c.swapaxes(1, 2)  # (q, k, m)
        right = np.concatenate([coupling, right], axis=-1)
        gram[:m, :m] = mirrored(dense_gram(layout))
        for i, part in enumerate(parts):
            if i != lead:
                gram[part.columns, m:] = cp.factors[i].zr[..., :p].reshape(part.q * part.k, p)
        gram[m:, :m] = gram[:m, m:].T
    rotated = inverse_roots[classes] @ right
    flat = rotated.reshape(q * k, m + p)
    return SharedSums(
        lead=parts[lead],
        lead_index=lead,
        rest=tuple((i, parts[i]) for i in layout.rest),
        classes=classes,
        counts=np.bincount(classes, minlength=len(first)).astype(np.float64),
        roots=size[:, :, None] * turned,
        inverse_roots=inverse_roots,
        rotated=rotated,
        products=_products(rotated, classes, len(first)),
        within=gram - flat.T @ flat,
        m=m,
        p=p,
        nu=cp.n - p if reml else cp.n,
        reml=reml,
    )


def is_suited_to_batches(
    cp: CrossProducts, covariances: Sequence[Covariance], layout: Layout
) -> bool:
    """Whether responses of this design are fitted faster side by side than one by one."""
    if layout.lead < 0 or cp.own or not all(is_linear(c) for c in covariances):
        return False
    k, n = layout.shapes[layout.lead][1], covariances[layout.lead].n_theta
    r = layout.m + cp.p
    products = len(_classes(cp.factors[layout.lead].zz)[0]) * k * (k + 1) / 2 * r**2
    work = (n + 2) * products + (8 + 4 * n) * float(r) ** 3
    return work <= MOST_WORK and products <= MOST_PRODUCTS


def is_linear(covariance: Covariance) -> bool:
    """Whether λ is linear in θ, at a θ without symmetries."""
    theta = np.sqrt(2.0 + np.arange(covariance.n_theta))
    slopes = covariance.derivative(np.zeros(covariance.n_theta))
    return bool(np.allclose(covariance.factor(theta), np.tensordot(theta, slopes, axes=1)))


def _classes(zz: FloatArray) -> tuple[IndexArray, IndexArray]:
    """The first level of each class of equal matrices, and the class of each level."""
    size = np.einsum("qkk->q", zz)
    some = size > 0
    safe = np.where(some, size, 1.0)
    keys = np.column_stack([np.log(safe), some, (zz / safe[:, None, None]).reshape(len(zz), -1)])
    _, first, classes = np.unique(
        np.round(keys / SAME_MOMENTS), axis=0, return_index=True, return_inverse=True
    )
    classes = classes.reshape(-1)
    if len(first) == len(zz):  # in the order of the levels
        return np.arange(len(zz)), np.arange(len(zz))
    return first, classes.astype(np.intp)


def _products(rotated: FloatArray, classes: IndexArray, count: int) -> FloatArray:
    """Sums of ρ_a'ρ_b over each class."""
    k, r = rotated.shape[1:]
    a, b = np.triu_indices(k)
    out = np.empty((count, len(a), r, r))
    order = np.argsort(classes, kind="stable")
    ends = np.cumsum(np.bincount(classes, minlength=count))
    for d, members in enumerate(np.split(order, ends[:-1])):
        own = rotated[members].swapaxes(0, 1)  # (k, levels, r)
        both = own[a].swapaxes(1, 2) @ own[b]
        out[d] = np.where((a == b)[:, None, None], both, both + both.swapaxes(1, 2))
    return out.reshape(-1, r * r)
