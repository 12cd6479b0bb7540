"""Gauss–Seidel with residual update: one coefficient at a time, no equations formed.

Cheat sheet, section 5, for each coefficient j in turn:

    g_j ← (w_j'e + w_j'w_j g_j) / (w_j'w_j + λ_j),    e ← e − w_j · (change of g_j),

with λ_j = 0 for fixed effects and λ_i for a term with K = I. A term with a root of K has the
columns ZU and penalties λ_i/d_j of section 6. One with a sparse precision Q keeps its columns:
λ_iQ_jj replaces λ_j, and λ_i Σ_{k≠j} Q_jk g_k is subtracted from w_j'e.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..support.arguments import flag
from ..support.arrays import FloatArray
from ..varcomp import ComponentModel
from .henderson_system import HendersonSystem
from .iterations import EPSILON, RESTART_REDUCTION, TOLERANCE, Iterations, check_options, finished
from .kernel_spectrum import KernelSpectrum, kernel_spectrum

MOST_SWEEPS = 20_000
"""Default limit of sweeps. Convergence is slow if fixed and random effects have the same levels."""

COMPILED_UPDATES = 100_000
"""Coefficients updated in Python (half a second) before numba is imported and compiles the loop."""


def gauss_seidel(
    system: HendersonSystem,
    model: ComponentModel,
    *,
    tolerance: float = TOLERANCE,
    max_iterations: int = MOST_SWEEPS,
    compiled: bool | None = None,
) -> Iterations:
    """Solve by sweeps over the coefficients.

    Parameters
    ----------
    system : HendersonSystem
    model : ComponentModel
        For the roots of K.
    tolerance : float
        See :mod:`.iterations` for the test of convergence.
    max_iterations : int
        Sweeps.
    compiled : bool, optional
        Whether the loop is compiled. By default, only after it has run for long.

    References
    ----------
    Legarra and Misztal (2008), Journal of Dairy Science 91, 360–366.
    """
    check_options(tolerance, max_iterations)
    rotated, spectra = _rotated(system, model)
    g, trace = _sweeps(
        rotated, tolerance, max_iterations, None if compiled is None else flag("compiled", compiled)
    )
    for span, own in spectra:
        g[span] = own.coefficients(g[span])
    remedy = "Raise `max_iterations`, or use method='pcg' or 'direct'."
    return finished(g, "gauss_seidel", trace, tolerance, max_iterations, remedy)


def _rotated(
    system: HendersonSystem, model: ComponentModel
) -> tuple[HendersonSystem, list[tuple[slice, KernelSpectrum]]]:
    """The system with columns ZU and penalties λ/d for terms that have a root."""
    import scipy.sparse as sp

    weights = model.row_weights
    shown = [model.components[i] for i in system.terms]
    blocks, precisions, spectra = [system.W[:, system.spans[0]]], [], []
    for component, span, q in zip(shown, system.spans[1:], system.precisions, strict=True):
        if component.root is None:
            blocks.append(system.W[:, span])
            precisions.append(q)
            continue
        own = kernel_spectrum(component)
        spectra.append((span, own))
        blocks.append(sp.diags(np.sqrt(weights)) @ sp.csc_matrix(component.Z @ own.U))
        precisions.append(sp.diags(1.0 / own.d, format="csc"))
    W = sp.hstack(blocks, format="csc")
    return replace(system, W=W, precisions=tuple(precisions)), spectra


def _sweeps(
    system: HendersonSystem, tolerance: float, most: int, compiled: bool | None
) -> tuple[FloatArray, list[float]]:
    """Sweep until the residuals of the equations are small: coefficients and trace."""
    W = system.W
    W.sum_duplicates()
    off = system.Sigma.tolil()
    off.setdiag(0.0)
    off = off.tocsc()
    off.eliminate_zeros()
    g, e = np.zeros(system.size), system.y.copy()
    parts = (*(*_columns(W), system.squares, system.diagonal), *(*_columns(off), g, e))
    start = system.size_of(system.r)
    trace = [1.0 if start else 0.0]
    sweep: Any = _kernel(compiled)
    fresh = np.inf
    while trace[-1] > tolerance and len(trace) <= most:
        if compiled is None and sweep is sweep_in_python and len(trace) * len(g) > COMPILED_UPDATES:
            sweep = _kernel(True)
            compiled = True  # or numba is not installed
        sweep(*parts)
        trace.append(system.size_of(W.T @ e - system.Sigma @ g) / start)
        if trace[-1] <= max(tolerance, EPSILON) or len(trace) > most:
            e[:] = system.y - W @ g  # rounding errors have accumulated in the updated residuals
            trace[-1] = system.size_of(W.T @ e - system.Sigma @ g) / start
            if trace[-1] > RESTART_REDUCTION * fresh:
                break
            fresh = trace[-1]
    return g, trace


def _columns(A: Any) -> tuple[Any, Any, FloatArray]:
    """A sparse matrix by columns, as the compiled sweep takes it."""
    return A.indptr.astype(np.int64), A.indices.astype(np.int64), A.data


def _kernel(compiled: bool | None) -> Any:
    if compiled:
        try:
            from .gauss_seidel_kernel import sweep
        except ImportError:
            return sweep_in_python
        return sweep
    return sweep_in_python


def sweep_in_python(
    indptr: Any,
    rows: Any,
    data: FloatArray,
    squares: FloatArray,
    diagonal: FloatArray,
    off_indptr: Any,
    off_rows: Any,
    off_data: FloatArray,
    g: FloatArray,
    e: FloatArray,
) -> None:
    """One sweep over all coefficients; g and e are changed in place.

    Parameters
    ----------
    indptr, rows, data : ndarray
        Columns of W.
    squares, diagonal : ndarray
        w_j'w_j and w_j'w_j + λ_j.
    off_indptr, off_rows, off_data : ndarray
        Columns of Σ without its diagonal.
    g, e : ndarray
        Coefficients (p + m,) and residuals (n,).
    """
    for j in range(len(g)):
        own = slice(indptr[j], indptr[j + 1])
        at, w = rows[own], data[own]
        off = slice(off_indptr[j], off_indptr[j + 1])
        right = w @ e[at] + squares[j] * g[j] - off_data[off] @ g[off_rows[off]]
        new = right / diagonal[j]
        e[at] -= w * (new - g[j])
        g[j] = new
