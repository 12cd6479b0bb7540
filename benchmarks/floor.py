"""How far one evaluation is from the linear algebra that it cannot do without.

On the InstEval model a Schur complement S of 1,142 columns remains once the students are
eliminated. The value needs its Cholesky factor (LAPACK's dpotrf), gradient and information
need its inverse (dpotri), and S itself is a rank update by the students' rows. Their sum is
the floor for an evaluation with gradient and information on dense blocks.

    python benchmarks/floor.py
"""

from __future__ import annotations

import json
import sys
from datetime import date
from typing import Any

import numpy as np
from fits import evaluation_seconds, optimum, timed
from jobs import JOBS

ROUNDS = 7


def measure(job: str = "insteval") -> dict[str, Any]:
    """Seconds of an evaluation and of its parts, medians of alternating rounds."""
    problem, theta = optimum(JOBS[job].formula, JOBS[job].data(), JOBS[job].reml)
    rounds = [
        {"evaluation": evaluation_seconds(problem, theta, 5), **parts(problem.system)}
        for _ in range(ROUNDS)
    ]
    median = {name: float(np.median([r[name] for r in rounds])) for name in rounds[0]}
    floor = median["dpotrf"] + median["dpotri"] + median["rank update"]
    ratio = median["evaluation"] / floor
    return {
        "job": job,
        "date": date.today().isoformat(),
        "size": problem.system.m,
        "seconds": median,
        "ratio": ratio,
    }


def parts(system: Any, repeats: int = 5) -> dict[str, float]:
    """dpotrf, dpotri and the compiled rank update at the size of this system."""
    from scipy.linalg import lapack

    from lmforms.factor import calm_threads, kernels

    indptr, rows, values = sparse_coupling(system)
    m = system.m
    gram = kernels.rank_update(indptr, rows, values, m)
    gram = np.asfortranarray(np.tril(gram) + np.tril(gram, -1).T)
    gram[np.diag_indices(m)] += 1.0 + np.abs(gram).sum(axis=1)
    root, _ = lapack.dpotrf(gram, lower=1)
    with calm_threads(m):
        times = {
            "rank update": timed(lambda: kernels.rank_update(indptr, rows, values, m), repeats)
        }
        # LAPACK works in place, on a copy whose time is taken off
        copy = timed(lambda: gram.copy("F"), repeats)
        for name, call, matrix in (
            ("dpotrf", lapack.dpotrf, gram),
            ("dpotri", lapack.dpotri, root),
        ):

            def once(call: Any = call, matrix: Any = matrix) -> None:
                keyword = {"overwrite_a" if call is lapack.dpotrf else "overwrite_c": 1}
                call(matrix.copy("F"), lower=1, **keyword)

            times[name] = max(timed(once, repeats) - copy, 0.0)
    return times


def sparse_coupling(system: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The students' rows of Z₂'Z₁ as the kernel takes them, from the cross-products."""
    levels, rows, values = [], [], []
    for i in system.rest:
        for (a, b), pair in system.cp.pairs.items():
            if {a, b} != {i, system.lead}:
                continue
            level, row = (pair.cols, pair.rows) if b == system.lead else (pair.rows, pair.cols)
            levels.append(level)
            rows.append(system.spans[i].start + row)
            values.append(pair.blocks.reshape(-1, 1))
    level, row = np.concatenate(levels), np.concatenate(rows)
    order = np.lexsort((row, level))
    counts = np.bincount(level, minlength=system.shapes[system.lead][0])
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return indptr, row[order].astype(np.int32), np.ascontiguousarray(np.concatenate(values)[order])


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(), indent=1) + "\n")
