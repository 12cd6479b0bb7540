"""Writes exact_densities.json: log-densities and derivatives in 80 digits, rounded to double.

Needs mpmath, which the tests do not: ``python tests/glmm/families/make_exact_densities.py``. The
formulas are textbook densities, differentiated by central differences of 120 digits.
"""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import mpmath as mp
from mpmath import exp, log, loggamma

STEP = mp.mpf(10) ** -14
POINTS = 24


def expit(x):
    return 1 / (1 + exp(-x))


def gaussian(y, m, t, w):
    return -log(2 * mp.pi * exp(w)) / 2 - (y - t) ** 2 / (2 * exp(w))


def binomial(y, m, t):
    combinations = loggamma(m + 1) - loggamma(y + 1) - loggamma(m - y + 1)
    return combinations - y * log(1 + exp(-t)) - (m - y) * log(1 + exp(t))


def poisson(y, m, t):
    return y * t - exp(t) - loggamma(y + 1)


def counts_of_size(y, mean, size):
    gammas = loggamma(y + size) - loggamma(size) - loggamma(y + 1)
    return gammas + size * log(size / (size + mean)) + y * log(mean / (size + mean))


def negative_binomial(y, m, t, w):
    return counts_of_size(y, exp(t), exp(w))


def negative_binomial1(y, m, t, w):
    return counts_of_size(y, exp(t), exp(t - w))


def gamma(y, m, t, w):
    a = exp(-w)
    return a * log(a) - a * t + (a - 1) * log(y) - a * y * exp(-t) - loggamma(a)


def inverse_gaussian(y, m, t, w):
    mean = exp(t)
    return -log(2 * mp.pi * exp(w) * y**3) / 2 - (y - mean) ** 2 / (2 * exp(w) * mean**2 * y)


def beta(y, m, t, w):
    a, b = exp(w) * expit(t), exp(w) * expit(-t)
    normal = loggamma(a + b) - loggamma(a) - loggamma(b)
    return normal + (a - 1) * log(y) + (b - 1) * log(1 - y)


def betabinomial(y, m, t, w):
    a, b = exp(w) * expit(t), exp(w) * expit(-t)
    combinations = loggamma(m + 1) - loggamma(y + 1) - loggamma(m - y + 1)
    upper = loggamma(y + a) + loggamma(m - y + b) - loggamma(m + a + b)
    return combinations + upper - loggamma(a) - loggamma(b) + loggamma(a + b)


def student_t(y, m, t, s, n):
    df, u = exp(n), (y - t) * exp(-s)
    normal = loggamma((df + 1) / 2) - loggamma(df / 2) - log(df * mp.pi) / 2 - s
    return normal - (df + 1) / 2 * log(1 + u**2 / df)


def tweedie(y, m, t, f, w):
    phi, p, mean = exp(f), 1 + expit(w), exp(t)
    rate = mean ** (2 - p) / (phi * (2 - p))
    if y == 0:
        return -rate
    shape, scale = (2 - p) / (p - 1), phi * (p - 1) * mean ** (p - 1)
    center = float(y ** (2 - p) / (phi * (2 - p)))
    reach = 16 * (center / (1 + float(shape))) ** 0.5 + 40
    terms = [
        exp(
            -rate + j * log(rate) - loggamma(j + 1)
            + (j * shape - 1) * log(y) - y / scale - j * shape * log(scale) - loggamma(j * shape)
        )
        for j in range(max(1, int(center - reach)), int(center + reach))
    ]  # fmt: skip
    return log(mp.fsum(terms))


def zero_inflated(density):
    def mixed(y, m, t, *w):
        share, of_family = expit(w[-1]), density(y, m, t, *w[:-1])
        return log(share + (1 - share) * exp(of_family)) if y == 0 else log(1 - share) + of_family

    return mixed


def truncated(density):
    def positive(y, m, t, *w):
        return density(y, m, t, *w) - log(1 - exp(density(mp.mpf(0), m, t, *w)))

    return positive


def hurdle(density):
    def either(y, m, t, *w):
        share = expit(w[-1])
        return log(share) if y == 0 else log(1 - share) + truncated(density)(y, m, t, *w[:-1])

    return either


COUNTS = [0, 1, 2, 7, 40, 41, 1000]
LOGS = [-30, -6, -1, 0, 0.75, 4, 9]
SIZES = [-20, -6, -2, 0, 1.5, 2.75, 3, 6, 18, 30]
SHARES = [-20, -1, 0, 4]
# family: density, y, trials, τ, and every ω
CASES = {
    "gaussian": (gaussian, [-1.5, 3], [None], [-2, 0.125], [-8, 0, 3]),
    "binomial": (binomial, [0, 1, 4, 1000], [1, 7, 1000], [-40, -5, -1, 0, 0.25, 30]),
    "poisson": (poisson, [*COUNTS, 10**6], [None], [*LOGS, 13.75]),
    "negative_binomial": (negative_binomial, COUNTS, [None], LOGS, SIZES),
    "negative_binomial1": (negative_binomial1, COUNTS, [None], LOGS, SIZES),
    "gamma": (gamma, [1e-5, 0.25, 1, 20], [None], [-9, -1, 0.0625, 3], [-20, -5, -2.75, 0, 8]),
    "inverse_gaussian": (
        inverse_gaussian, [1e-5, 0.25, 1, 20], [None], [-9, -1, 0.0625, 3], [-20, -5, 0, 8],
    ),
    "beta": (beta, [1e-8, 0.125, 0.5, 0.9375], [None], [-20, -2, 0, 0.5, 9], [-9, 0, 2, 6, 20]),
    "beta_binomial": (
        betabinomial, [0, 1, 4, 1000], [1, 7, 1000], [-20, -2, 0, 0.5, 9], [-9, 0, 2, 6, 35],
    ),
    "student_t": (student_t, [-2, 0.25, 50], [None], [-1, 0.3125, 4], [-5, 0, 3], [-4, 0, 5, 20]),
    "tweedie": (tweedie, [0, 0.01, 1, 30], [None], [-2, 0.125, 3], [-2, 0.5, 3], [-1.5, 0, 1.5]),
    "zero_inflated_poisson": (zero_inflated(poisson), COUNTS, [None], LOGS[1:6], SHARES),
    "zero_inflated_negative_binomial": (
        zero_inflated(negative_binomial), COUNTS, [None], LOGS[1:6], [-2, 0.5, 3, 12], SHARES,
    ),
    "zero_inflated_binomial": (zero_inflated(binomial), [0, 1, 4], [4, 7], LOGS[1:6], SHARES),
    "truncated_negative_binomial": (
        truncated(negative_binomial), COUNTS[1:], [None], LOGS[1:6], [-2, 0.5, 3, 12],
    ),
    "hurdle_poisson": (hurdle(poisson), COUNTS, [None], LOGS[1:6], SHARES),
}  # fmt: skip
# A case with more than 400 terms, which are added up in strides
STRIDED = {"tweedie": [[20, None, 2.5, -4.5, 0.5]]}


def derivatives(f, x):
    v = {k: f(x + k * STEP) for k in range(-3, 4)}
    return [
        v[0],
        (-v[-3] + 9 * v[-2] - 45 * v[-1] + 45 * v[1] - 9 * v[2] + v[3]) / (60 * STEP),
        (2 * v[-3] - 27 * v[-2] + 270 * v[-1] - 490 * v[0] + 270 * v[1] - 27 * v[2] + 2 * v[3])
        / (180 * STEP**2),
        (v[-3] - 8 * v[-2] + 13 * v[-1] - 13 * v[1] + 8 * v[2] - v[3]) / (8 * STEP**3),
    ]


def exact(density, y, trials, t, *omega):
    y, t, omega = mp.mpf(y), mp.mpf(t), [mp.mpf(w) for w in omega]

    def rows(omega):
        return derivatives(lambda t: density(y, trials, t, *omega), t)

    parameters = []
    for j in range(len(omega)):
        v = {
            k: mp.matrix(rows([w + (i == j) * k * STEP for i, w in enumerate(omega)])[:3])
            for k in (-2, -1, 1, 2)
        }
        parameters.append(list((v[-2] - 8 * v[-1] + 8 * v[1] - v[2]) / (12 * STEP)))
    return rows(omega), parameters


def doubles(rows):
    return [float(x) if abs(x) > 1e-30 else 0.0 for x in rows]


def main():
    found = {}
    chooser = random.Random(20261201)
    for name, (density, *grid) in CASES.items():
        points = [list(p) for p in itertools.product(*grid) if p[1] is None or p[0] <= p[1]]
        points = chooser.sample(points, min(POINTS, len(points))) + STRIDED.get(name, [])
        mp.mp.dps = 80 if name == "tweedie" else 120
        rows = [exact(density, *p) for p in points]
        found[name] = {
            "points": points,
            "values": [doubles(values) for values, _ in rows],
            "parameters": [[doubles(p) for p in parameters] for _, parameters in rows],
        }
    text = json.dumps(found).replace('"points"', '\n"points"').replace('"values"', '\n"values"')
    target = Path(__file__).with_name("exact_densities.json")
    target.write_text(text.replace('"parameters"', '\n"parameters"') + "\n")


if __name__ == "__main__":
    main()
