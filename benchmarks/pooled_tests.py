"""How often D₁ rejects a true hypothesis at 5 % with few imputations, k(m − 1) ≤ 4.

    python benchmarks/pooled_tests.py [--replicates 40000]

Estimates of k effects are normal with covariance I, of which a share is due to missing data; that
within is known up to a χ² with ν degrees of freedom. Beside the rule of `lf.pool` stands the F
distribution with 4 denominator degrees of freedom, which mitml has where k(m − 1) = 4.
"""

from __future__ import annotations

import argparse
from itertools import product

import numpy as np
from scipy.stats import f

from lmforms.inference.pooling.rubin import joint_df

LEVEL = 0.05


def shares(k: int, m: int, nu: int, missing: float, replicates: int) -> tuple[float, float]:
    """Of samples rejected by the rule of `lf.pool` and with 4 degrees of freedom."""
    rng = np.random.default_rng([k, m, nu, int(100 * missing)])
    scale = rng.chisquare(nu, replicates) / nu
    center = rng.normal(size=(replicates, 1, k))
    drawn = np.sqrt(missing * scale)[:, None, None] * rng.normal(size=(replicates, m, k))
    pooled = (center + drawn).mean(axis=1)
    within = (1.0 - missing) * scale
    between = drawn.var(axis=1, ddof=1).mean(axis=1)
    increase = (1.0 + 1.0 / m) * between / within
    statistic = np.square(pooled).sum(axis=1) / (k * (1.0 + increase) * within)
    ours = np.array([joint_df(r, k, m, float(nu)) for r in increase])
    return tuple(float((f.sf(statistic, k, df) < LEVEL).mean()) for df in (ours, 4.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--replicates", type=int, default=40_000)
    replicates = parser.parse_args().replicates
    print("| k | m | ν | missing | lf.pool, % | 4 df, % |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for (k, m), nu, missing in product(
        ((2, 3), (4, 2), (3, 2), (2, 2)), (10, 30, 100), (0.1, 0.3, 0.5)
    ):
        ours, four = shares(k, m, nu, missing, replicates)
        print(f"| {k} | {m} | {nu} | {missing} | {100 * ours:.1f} | {100 * four:.1f} |")


if __name__ == "__main__":
    main()
