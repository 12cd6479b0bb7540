"""Ordinary models of data that are hard for the arithmetic: sizes, starts, boundaries."""

import warnings

import numpy as np
import pandas as pd
import pytest
from reference_fits import table

import lmforms as lf
from lmforms.errors import (
    ArgumentError,
    ConvergenceWarning,
    DataError,
    ModelError,
    NumericalError,
    RelationshipError,
    SingularWarning,
)

GROUPS, ROWS = 10, 6


def _design(seed, rows=ROWS, sd=0.5):
    random = np.random.default_rng(seed)
    groups = np.repeat([f"g{i}" for i in range(GROUPS)], rows)
    x = np.random.default_rng(5).normal(size=GROUPS * rows)
    eta = 0.3 + 0.5 * x + sd * np.repeat(random.normal(size=GROUPS), rows)
    return random, pd.DataFrame({"g": groups, "x": x}), eta


@pytest.mark.parametrize("mean", [1e3, 1e4, 1e6])
@pytest.mark.parametrize("seed", [104, 108, 111])
def test_large_counts(seed, mean):
    """A start at which exp η overflows is not tried: random effects are kept when θ changes."""
    random, data, eta = _design(seed)
    fit = lf.glmer(
        "y ~ x + (1 | g)", data.assign(y=random.poisson(mean * np.exp(eta))), family="poisson"
    )
    assert fit.converged
    assert abs(fit.params["x"] - 0.5) < 6 * fit.bse["x"]
    assert fit.bse["x"] < 0.01
    assert 0.2 < fit.theta[0] < 1.2


@pytest.mark.parametrize("trials", [10**5, 10**7, 10**8])
@pytest.mark.parametrize("seed", [100, 101, 102])
def test_many_trials(seed, trials):
    """Rounding of the objective is larger than what the last steps lower it by."""
    random, data, eta = _design(seed)
    y = random.binomial(trials, 1.0 / (1.0 + np.exp(-eta)))
    data = data.assign(y=y, n=trials)
    fit = lf.glmer("cbind(y, n - y) ~ x + (1 | g)", data, family="binomial")
    assert fit.converged
    error = 2.2 / np.sqrt(trials * len(data))  # about that of a logit, with 1/(p q) near 4 to 5
    assert 0.5 * error < fit.bse["x"] < 2.5 * error
    assert abs(fit.params["x"] - 0.5) < 6 * fit.bse["x"]


@pytest.mark.parametrize("power", [8, -8, 12, -12])
@pytest.mark.parametrize(
    ("family", "link"),
    [
        ("gamma", "identity"),
        ("gamma", "inverse"),
        ("gamma", "log"),
        ("inverse_gaussian", "inverse_squared"),
        ("student_t", "identity"),
        ("gaussian", "identity"),
        ("gaussian", "log"),
    ],
)
def test_units_of_the_response(family, link, power):
    """10^±12 times the response is the same fit, to rounding."""
    random, data, eta = _design(3)
    mean = 3.0 + 0.3 * (eta - 0.3)
    mean = {"inverse": 1.0 / mean, "log": np.exp(0.3 * mean), "inverse_squared": mean**-0.5}.get(
        link, mean
    )
    if family in ("gaussian", "student_t"):
        y = mean + 0.2 * random.standard_t(5, size=len(mean))
    else:
        y = mean * random.gamma(20.0, 1.0 / 20.0, size=len(mean))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a variance or a parameter at its bound
        one, other = (
            lf.glmer("y ~ x + (1 | g)", data.assign(y=y * s), family=family, link=link)
            for s in (1.0, 10.0**power)
        )
    assert one.converged
    assert other.converged
    shift = len(y) * power * np.log(10.0)
    assert other.llf + shift == pytest.approx(one.llf, abs=1e-6)
    t_one, t_other = (f.params["x"] / f.bse["x"] for f in (one, other))
    assert t_other == pytest.approx(t_one, rel=1e-4)


@pytest.mark.parametrize(
    ("formula", "start"), [("y ~ x + (1 | g)", [0.0]), ("y ~ x + (x | g)", [0.0, 0.0, 0.0])]
)
def test_a_start_at_zero_is_left(formula, start):
    """The criterion is even in θ: its slope at 0 is 0, whatever the data are."""
    random, data, eta = _design(3)
    data = data.assign(y=random.poisson(3.0 * np.exp(eta)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularWarning)
        usual = lf.glmer(formula, data, family="poisson")
        other = lf.glmer(formula, data, family="poisson", start=start)
    assert np.abs(usual.theta).max() > 0.2
    assert other.llf == pytest.approx(usual.llf, abs=1e-7)


def test_a_fit_to_start_from():
    random, data, eta = _design(3)
    data = data.assign(y=random.poisson(3.0 * np.exp(eta)))
    first = lf.glmer("y ~ x + (1 | g)", data, family="poisson")
    again = lf.glmer("y ~ x + (1 | g)", data, family="poisson", start=first)
    assert again.llf == pytest.approx(first.llf, abs=1e-8)
    with pytest.raises(ArgumentError, match=r"shape \(1,\).*3 parameters"):
        lf.glmer("y ~ x + (x | g)", data, family="poisson", start=first)


@pytest.mark.parametrize(("seed", "reference"), [(1, -140.52666), (2, -151.26030), (3, -167.54918)])
def test_truncated_counts_of_small_means(seed, reference):
    """Not the local maximum at which the mean goes to 0; references of glmmTMB 1.1.5."""
    random, data, eta = _design(seed, rows=15, sd=0.4)
    means, dispersion = 0.5 * np.exp(eta - 0.3), 0.5
    y = np.zeros(len(data))
    while (zero := y == 0).any():
        y[zero] = random.poisson(random.gamma(means[zero] / dispersion, dispersion))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularWarning)
        fit = lf.glmer("y ~ x + (1 | g)", data.assign(y=y), family="truncated_nbinom1")
    assert fit.converged
    assert fit.llf == pytest.approx(reference, abs=2e-5)
    assert np.isfinite(fit.bse).all()


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "cauchit"])
@pytest.mark.parametrize("precision", [0.5, 5.0])
def test_shares_near_0_and_1(link, precision):
    random, data, eta = _design(1, rows=10)
    mean = 1.0 / (1.0 + np.exp(-eta))
    y = random.beta(mean * precision, (1.0 - mean) * precision)
    fit = lf.glmer(
        "y ~ x + (1 | g)", data.assign(y=np.clip(y, 1e-6, 1 - 1e-6)), family="beta", link=link
    )
    assert fit.converged
    assert np.isfinite(fit.bse).all()
    assert fit.family_params["estimate"].iloc[0] == pytest.approx(precision, rel=1.0)


@pytest.mark.parametrize("spread", [0.3, 1.0])
def test_likelihoods_that_are_not_concave(spread):
    """Inverse Gaussian rows are flat at large predictors: a joint step must not lead there."""
    for seed in range(12):
        random, data, eta = _design(seed, rows=10, sd=0.7)
        data = data.assign(y=random.wald(np.exp(eta), np.exp(eta) / spread**2))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SingularWarning)
            fit = lf.glmer("y ~ x + (1 | g)", data, family="inverse_gaussian", link="log")
        assert fit.converged, seed
        assert np.abs(fit.params).max() < 3.0, seed


def test_a_structure_without_variance_has_errors_of_the_rest():
    random, data, eta = _design(3)
    data = data.assign(y=random.poisson(3.0 * np.exp(eta)), t=np.tile(list("abcdef"), GROUPS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = lf.glmer("y ~ x + (1 | g) + ar1(0 + t | g)", data, family="poisson")
    assert np.isfinite(fit.bse).all()


@pytest.fixture(scope="module")
def flat():
    """A fit that ends where the second derivatives are not those of a maximum."""
    random, data, eta = _design(3)
    fit = lf.glmer("y ~ x + (1 | g)", data.assign(y=random.poisson(np.exp(eta))), family="poisson")
    estimate = fit.state.estimate.with_values(
        _joint_covariance=(np.full((3, 3), np.nan), "no standard errors: for a test")
    )
    from dataclasses import replace

    return lf.GeneralizedResults(fit.model, replace(fit.state, estimate=estimate))


def test_what_needs_errors_says_that_there_are_none(flat):
    with pytest.warns(ConvergenceWarning, match="no standard errors"):
        assert flat.bse.isna().all()
    for interval in ("confidence", "prediction"):
        with pytest.raises(NumericalError, match="no standard errors"):
            flat.predict(interval=interval)
    with pytest.raises(NumericalError, match="no standard errors"):
        flat.vif()
    assert ".." not in flat.summary().to_text().replace("...", "")


def test_responses_that_a_fit_refuses_are_refused_by_its_refits():
    random, data, eta = _design(3)
    counts = lf.glmer(
        "y ~ x + (1 | g)", data.assign(y=random.poisson(np.exp(eta))), family="poisson"
    )
    with pytest.raises(ModelError, match="all values of the response `y` are zero"):
        counts.refit(np.zeros(len(data)))
    size = lf.glmer(
        "y ~ x + (1 | g)", data.assign(y=random.gamma(5.0, np.exp(eta))), family="gamma", link="log"
    )
    with pytest.raises(ModelError, match="is constant"):
        size.refit(np.ones(len(data)))


def test_a_constant_truncated_count_has_a_maximum():
    """Without zeros and without dispersion: the mean is that whose truncated mean is 3."""
    _, data, _ = _design(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there is no variance
        fit = lf.glmer("y ~ 1 + (1 | g)", data.assign(y=3), family="truncated_poisson")
    mu = np.exp(fit.params["Intercept"])
    assert mu / -np.expm1(-mu) == pytest.approx(3.0, rel=1e-6)


def test_numbers_of_trials_that_are_no_numbers():
    random, data, eta = _design(3)
    p = 1.0 / (1.0 + np.exp(-eta))
    many = data.assign(y=random.binomial(9, p), n=9)
    fit = lf.glmer("cbind(y, n - y) ~ x + (1 | g)", many, family="binomial")
    with pytest.raises(DataError, match="trials"):
        fit.predict(many, interval="prediction", trials="n")
    single = lf.glmer("y ~ x + (1 | g)", data.assign(y=random.binomial(1, p)), family="binomial")
    new = single.predict(data.head(), interval="prediction")
    assert new[["lower", "upper"]].isin([0.0, 1.0]).all(axis=None)


def test_a_covariance_without_an_inverse_is_mended_as_the_message_says():
    random, data, eta = _design(3)
    data = data.assign(y=random.poisson(3.0 * np.exp(eta)))
    names = [f"g{i}" for i in range(GROUPS)]
    K = np.eye(GROUPS)
    K[0, 1] = K[1, 0] = 1.0
    K = pd.DataFrame(K, names, names)
    with pytest.raises(RelationshipError, match=r"K \+ 0.01 \* np.eye") as raised:
        lf.glmer("y ~ x + (1 | g)", data, family="poisson", relationship={"g": K})
    assert "fit.matrices" not in str(raised.value)
    mended = K + 0.01 * np.eye(len(K))
    assert lf.glmer("y ~ x + (1 | g)", data, family="poisson", relationship={"g": mended}).converged


def test_a_search_that_is_stopped_goes_on_as_its_warning_says():
    random, data, eta = _design(3)
    data = data.assign(y=random.poisson(3.0 * np.exp(eta)))
    with pytest.warns(ConvergenceWarning, match=r"stopped after .* raise Control\(max_evaluations"):
        lf.glmer("y ~ x + (1 | g)", data, family="poisson", control=lf.Control(max_evaluations=2))
    more = lf.Control(max_evaluations=100)
    assert lf.glmer("y ~ x + (1 | g)", data, family="poisson", control=more).converged


@pytest.mark.parametrize(
    ("family", "link", "names"),
    [
        ("poisson", "identity", ["log", "sqrt"]),
        ("beta", "log", ["logit", "probit", "cloglog", "cauchit"]),
        ("binomial", "identity", ["logit", "probit", "cloglog", "cauchit"]),
    ],
)
def test_links_for_all_numbers_are_those_that_are_named(family, link, names):
    from lmforms.glmm.families.lookup import family_of
    from lmforms.glmm.population import advice_on_links

    known, own = family_of(family, link)
    assert not own.takes_all_numbers(known.inner)
    said = advice_on_links(known)
    assert said.endswith(" or ".join(f"link={name!r}" for name in names) + ".")
    for name in names:
        assert family_of(family, name)[1].takes_all_numbers(known.inner)


def test_a_link_without_means_is_named_with_one_that_has_them():
    """Data of a log link, with predictors that would have to be below 0."""
    failures = []
    for seed in range(4, 25):
        random, data, eta = _design(seed, sd=3.0)
        data = data.assign(y=random.gamma(1.0, np.exp(2.0 * eta)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lf.errors.LmformsWarning)
            try:
                lf.glmer("y ~ x + (1 | g)", data, family="gamma", link="identity")
            except NumericalError as error:
                failures.append((data, str(error)))
    data, message = failures[0]
    assert "The identity link has no mean for some predictors" in message
    assert message.endswith("link='log'.")
    assert lf.glmer("y ~ x + (1 | g)", data, family="gamma", link="log").converged


@pytest.mark.parametrize("start", [None, [0, 0.7, 0.8, 0, 0.2, -0.3, -0.5, 0, 0, 0]])
@pytest.mark.parametrize("order", [0, 1])
def test_local_optimum_on_the_boundary(start, order):
    """40 rows whose likelihood has maxima with and without a variance of zero."""
    data = table("glmm_two_optima.csv").sample(frac=1.0, random_state=order)
    formula = "cbind(y, n - y) ~ x + (1 | a) + (1 + b1 | b) + (1 + c1 + c2 | c)"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularWarning)
        fit = lf.glmer(formula, data, family="binomial", start=start)
    assert fit.llf == pytest.approx(-50.525534543, abs=1e-6)  # on the boundary -50.527325
    assert fit.theta[3] == pytest.approx(0.343, abs=1e-3)
