"""The quadratic model of :mod:`.newton` in compiled code, for searches of small models.

Eigenvalues are those of Jacobi's method, which is as exact as LAPACK's and needs no call of it.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

from ..linalg.compiled import compiled

_VECTOR, _MATRIX = "float64[::1]", "float64[:, ::1]"

MOST_SWEEPS = 40
"""Jacobi's method ends long before."""

EPS = 2.220446049250313e-16


@compiled(
    f"float64({_VECTOR}, {_MATRIX}, {_VECTOR}, {_MATRIX}, {_VECTOR}, {_VECTOR}, {_MATRIX}, "
    f"{_VECTOR}, float64, float64, float64)"
)
def quadratic_model(
    gradient: Any,
    information: Any,
    curvature_scale: Any,
    matrix: Any,
    unit: Any,
    values: Any,
    vectors: Any,
    slope: Any,
    least_eigenvalue: Any,
    least_scale: Any,
    least_relative_scale: Any,
) -> Any:
    """Fill the attributes of :class:`.newton.QuadraticModel`; returns the decrement.

    Parameters
    ----------
    gradient, information, curvature_scale : ndarray (m,), (m, m), (m,)
    matrix : ndarray (m, m)
        Room.
    unit, values, vectors, slope : ndarray (m,), (m,), (m, m), (m,)
        Are filled.
    least_eigenvalue, least_scale, least_relative_scale : float
        See :mod:`.newton`.
    """
    n, largest = len(gradient), 0.0
    for i in range(n):
        d = sqrt(abs(information[i, i]))
        if d < least_scale * curvature_scale[i]:
            d = least_scale * curvature_scale[i]
        unit[i] = d
        if d > largest:
            largest = d
    for i in range(n):
        if not largest > 0.0:
            unit[i] = 1.0
        elif unit[i] < least_relative_scale * largest:
            unit[i] = least_relative_scale * largest
    for i in range(n):
        for j in range(n):
            matrix[i, j] = information[i, j] / (unit[i] * unit[j])
            vectors[i, j] = 1.0 if i == j else 0.0
    for _ in range(MOST_SWEEPS):
        off, size = 0.0, 0.0
        for i in range(n):
            size += matrix[i, i] * matrix[i, i]
            for j in range(i):
                off += matrix[i, j] * matrix[i, j]
        if not off > EPS * EPS * size:
            break
        for p in range(n - 1):
            for q in range(p + 1, n):
                if matrix[p, q] == 0.0:
                    continue
                tau = (matrix[q, q] - matrix[p, p]) / (2.0 * matrix[p, q])
                tan = 1.0 / (abs(tau) + sqrt(1.0 + tau * tau))
                if tau < 0.0:
                    tan = -tan
                cos = 1.0 / sqrt(1.0 + tan * tan)
                sin = tan * cos
                for i in range(n):
                    x, y = matrix[i, p], matrix[i, q]
                    matrix[i, p] = cos * x - sin * y
                    matrix[i, q] = sin * x + cos * y
                    x, y = vectors[i, p], vectors[i, q]
                    vectors[i, p] = cos * x - sin * y
                    vectors[i, q] = sin * x + cos * y
                for i in range(n):
                    x, y = matrix[p, i], matrix[q, i]
                    matrix[p, i] = cos * x - sin * y
                    matrix[q, i] = sin * x + cos * y
                matrix[p, q] = 0.0
                matrix[q, p] = 0.0
    decrement = 0.0
    for j in range(n):
        values[j] = matrix[j, j]
        s = 0.0
        for i in range(n):
            s += vectors[i, j] * gradient[i] / unit[i]
        slope[j] = s
        curvature = abs(values[j])
        decrement += 0.5 * s * s / (curvature if curvature > least_eigenvalue else least_eigenvalue)
    return decrement
