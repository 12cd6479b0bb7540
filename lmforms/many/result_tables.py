"""Tidy frames of many fits, from their arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..data.design import Design
from ..support.arrays import FloatArray, IndexArray
from .response_estimates import ResponseEstimates


def fits_table(out: ResponseEstimates, labels: pd.Index, nobs: IndexArray) -> pd.DataFrame:
    """One row for each response: θ, σ, the criterion, and how the search ended."""
    count = out.theta.shape[1]
    theta = ["theta"] if count == 1 else [f"theta[{i}]" for i in range(count)]
    columns: dict[str, Any] = {"response": labels}
    columns |= {name: out.theta[:, i] for i, name in enumerate(theta)}
    columns |= {
        "sigma": out.sigma,
        "criterion": out.criterion,
        "loglik": -0.5 * out.criterion,
        "nobs": nobs,
        "converged": out.converged,
        "singular": out.singular,
    }
    return pd.DataFrame(columns)


def variances_table(design: Design, out: ResponseEstimates, labels: pd.Index) -> pd.DataFrame:
    """One row for each response and variance or covariance."""
    heads: list[tuple[str, str, str]] = []
    variance: list[FloatArray] = []
    sdcor: list[FloatArray] = []
    start = 0
    scale = out.sigma**2
    for term in design.terms:
        stop = start + term.covariance.n_theta
        theta = out.theta[:, start:stop]
        lam = _factors(term.covariance, np.nan_to_num(theta))
        start = stop
        cov = scale[:, None, None] * (lam @ lam.swapaxes(1, 2))
        absent = np.isnan(
            _factors(term.covariance, theta)[:, range(len(lam[0])), range(len(lam[0]))]
        )
        cov[absent[:, :, None] | absent[:, None, :]] = np.nan
        sd = np.sqrt(np.einsum("rkk->rk", cov))
        group = design.groups[term.group].name
        for i, name in enumerate(term.columns):
            heads.append((group, name, ""))
            variance.append(cov[:, i, i])
            sdcor.append(sd[:, i])
        for i, j in term.covariance.covariances():
            heads.append((group, term.columns[i], term.columns[j]))
            variance.append(cov[:, i, j])
            with np.errstate(invalid="ignore", divide="ignore"):
                sdcor.append(cov[:, i, j] / (sd[:, i] * sd[:, j]))
    heads.append(("Residual", "", ""))
    variance.append(scale)
    sdcor.append(out.sigma)
    groups, first, second = (np.array(x, dtype=object) for x in zip(*heads, strict=True))
    return pd.DataFrame(
        {
            "response": labels.repeat(len(heads)),
            "group": np.tile(groups, len(labels)),
            "name1": np.tile(first, len(labels)),
            "name2": np.tile(second, len(labels)),
            "variance": np.column_stack(variance).ravel(),
            "sdcor": np.column_stack(sdcor).ravel(),
        }
    )


def _factors(covariance: Any, theta: FloatArray) -> FloatArray:
    """λ of each response, (r, k, k)."""
    if covariance.k == 1:
        return np.abs(theta)[:, :, None]
    return np.stack([covariance.factor(t) for t in theta])
