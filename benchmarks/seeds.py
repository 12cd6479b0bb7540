"""How far θ moves between seeds when the score is estimated by conjugate gradients.

The same job is fitted with several seeds of the random signs. The largest difference between
any two of them counts, in standard errors of θ: those of the average information at the optimum.

    python benchmarks/seeds.py
"""

from __future__ import annotations

import json
import sys
from datetime import date
from typing import Any

import numpy as np
from fits import optimum
from jobs import JOBS, Job

SEEDS = 5


def measure(job: Job, seeds: int = SEEDS) -> dict[str, Any]:
    """θ for each seed, its standard errors, and the largest difference in units of these."""
    data = job.data()
    found = [optimum(job.formula, data, job.reml, factor="cg", seed=seed) for seed in range(seeds)]
    theta = np.array([at.theta for at in found])
    # the information is the Hessian of −2 log-likelihood, whose inverse is half a covariance
    errors = np.sqrt(2.0 * np.diag(np.linalg.inv(found[0].information)))
    return {
        "job": job.name,
        "date": date.today().isoformat(),
        "theta": theta.tolist(),
        "standard errors": errors.tolist(),
        "difference": float((np.ptp(theta, axis=0) / errors).max()),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(JOBS["crossed-50k"]), indent=1) + "\n")
