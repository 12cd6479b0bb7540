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
    at = optimum(JOBS[job].formula, JOBS[job].data(), JOBS[job].reml)
    rounds = [
        {"evaluation": evaluation_seconds(at, 5), **parts(at.problem.system)} for _ in range(ROUNDS)
    ]
    median = {name: float(np.median([r[name] for r in rounds])) for name in rounds[0]}
    floor = median["dpotrf"] + median["dpotri"] + median["rank update"]
    ratio = median["evaluation"] / floor
    return {
        "job": job,
        "date": date.today().isoformat(),
        "size": at.problem.system.m,
        "seconds": median,
        "ratio": ratio,
    }


def parts(system: Any, repeats: int = 5) -> dict[str, float]:
    """dpotrf, dpotri and the compiled rank update at the size of this system."""
    from scipy.linalg import lapack

    from lmforms.engine.factor import coupling_kernels as kernels
    from lmforms.engine.linalg.threads import limited_blas_threads

    places, values = system.coupling.places, system.coupling.values
    m = system.m
    out = np.zeros((m, m))
    kernels.rank_update(places, values, out)
    gram = -np.asfortranarray(np.tril(out) + np.tril(out, -1).T)
    gram[np.diag_indices(m)] += 1.0 + np.abs(gram).sum(axis=1)
    root, _ = lapack.dpotrf(gram, lower=1)
    with limited_blas_threads(m):
        times = {"rank update": timed(lambda: kernels.rank_update(places, values, out), repeats)}
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


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(), indent=1) + "\n")
