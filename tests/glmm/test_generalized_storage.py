"""A saved fit of a generalised model comes back whole, or not at all."""

from __future__ import annotations

import copy
import io
import json
import pickle
import warnings
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from reference_fits import table

import lmforms as lf
from lmforms.errors import (
    ArgumentError,
    ContextWarning,
    DataError,
    FormulaError,
    LmformsError,
    NumericalError,
)
from lmforms.glmm.families.binomial import Binomial
from lmforms.glmm.families.counts import NegativeBinomial, Poisson
from lmforms.glmm.families.lookup import FAMILIES
from lmforms.glmm.families.truncation import Truncated
from lmforms.glmm.families.tweedie import Tweedie
from lmforms.glmm.families.zeros import Hurdle, ZeroInflated
from lmforms.relationship import Relationship
from lmforms.storage.families import are_family, decode_family, encode_family
from lmforms.storage.generalized import encode_generalized

N = 96
RNG = np.random.default_rng(11)
GROUPS = np.repeat(np.arange(12), 8)
MEAN = np.exp(0.8 + 0.4 * RNG.normal(size=12)[GROUPS])
DATA = pd.DataFrame(
    {
        "x": RNG.normal(size=N),
        "g": pd.Categorical([f"g{i:02}" for i in GROUPS]),
        "h": np.tile(["a", "b", "c", "d"], 24),
        "size": RNG.integers(2, 9, N),
        "w": RNG.uniform(0.5, 2.0, N),
    }
)
DATA["count"] = RNG.poisson(MEAN * RNG.gamma(2.0, 0.5, N)) * (RNG.random(N) > 0.25)
DATA["positive"] = DATA["count"] + 1
DATA["success"] = RNG.binomial(DATA["size"], 0.2 + 0.1 * (GROUPS % 5))
DATA["share"] = DATA["success"] / DATA["size"]
DATA["answer"] = pd.Categorical(np.where(RNG.random(N) < 0.3 + 0.04 * GROUPS, "yes", "no"))
DATA["grade"] = pd.Categorical(
    np.array(["low", "middle", "high"])[np.digitize(MEAN + RNG.normal(size=N), [1.5, 3.0])],
    ["low", "middle", "high"],
    ordered=True,
)
DATA["amount"] = RNG.gamma(3.0, MEAN)

MODELS = {
    "counts": ("count ~ x + h + (1 | g)", {"family": "poisson"}),
    "crossed": ("count ~ x + (1 | g) + (1 | h)", {"family": "poisson", "offset": "w"}),
    "slope": ("count ~ x + (x | g)", {"family": "negative_binomial"}),
    "trials": ("cbind(success, size - success) ~ x + (1 | g)", {"family": "binomial"}),
    "case weights": (
        "cbind(success, size - success) ~ log(w) + (1 | g)",
        {"family": "binomial", "weights": "w", "link": "probit"},
    ),
    "shares": (
        "share ~ x + (1 | g)",
        {"family": "beta_binomial", "weights": DATA["size"].to_numpy(), "link": "cloglog"},
    ),
    "answers": ("answer ~ poly(x, 2) + (1 | g)", {"family": "binomial"}),
    "amounts": (
        "amount ~ C(h, contr.sum) + (1 | g)",
        {"family": "gamma", "link": "log", "dispersion": "~ x + h"},
    ),
    "zeros": (
        "count ~ x + (1 | g)",
        {"family": Poisson(), "zero_inflation": "~ center(x)", "contrasts": None},
    ),
    "hurdle": ("count ~ x + (1 | g)", {"family": Hurdle(NegativeBinomial(size=2.0))}),
    "truncated": ("positive ~ x + (1 | g)", {"family": "truncated_poisson"}),
    "given zeros": ("count ~ x + (1 | g)", {"family": ZeroInflated(Poisson(), 0.125)}),
    "classes": ("grade ~ x + h + (1 | g)", {"family": "ordinal", "link": "probit"}),
    "given power": ("amount ~ x + (1 | g)", {"family": Tweedie(power=1.5)}),
}


@cache
def fitted(name: str, nagq: int = 1):
    formula, options = MODELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lf.glmer(formula, DATA, nagq=nagq, **options)


def returned(fit, folder: Path, **options):
    path = folder / "fit.lmf"
    fit.save(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return lf.load(path, **options)


def assert_same(back, fit, data=DATA):
    """All that a fit says, to the last bit."""
    assert type(back) is type(fit)
    assert (back.family, back.link, back.nagq) == (fit.family, fit.link, fit.nagq)
    assert back.state.family == fit.state.family
    assert (back.criterion, back.npar, back.formula) == (fit.criterion, fit.npar, fit.formula)
    assert (back.converged, back.singular_terms) == (fit.converged, fit.singular_terms)
    for name in ("params", "bse", "theta", "linear_predictor", "fittedvalues"):
        assert_array_equal(getattr(back, name), getattr(fit, name), err_msg=name)
    pd.testing.assert_frame_equal(back.cov_params(), fit.cov_params(), rtol=0, atol=0)
    pd.testing.assert_frame_equal(back.vcomp, fit.vcomp, rtol=0, atol=0)
    pd.testing.assert_frame_equal(back.family_params, fit.family_params, rtol=0, atol=0)
    pd.testing.assert_frame_equal(back.glance(), fit.glance(), rtol=0, atol=0)
    for name, effects in fit.random_effects.items():
        pd.testing.assert_frame_equal(back.random_effects[name], effects, rtol=0, atol=0)
        own, before = back.random_effects_cov[name], fit.random_effects_cov[name]
        pd.testing.assert_frame_equal(own, before, rtol=0, atol=0)
    if fit.family != "ordinal":
        for kind in ("response", "pearson", "deviance", "working", "quantile"):
            assert_array_equal(back.residuals(kind, seed=1), fit.residuals(kind, seed=1))
    assert_array_equal(back.predict(data), fit.predict(data))
    assert_array_equal(back.simulate(2, seed=3), fit.simulate(2, seed=3))
    assert str(back.summary()) == str(fit.summary())
    assert back.optimizer == fit.optimizer


# --- what comes back ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_all_that_a_fit_says_comes_back(tmp_path, name):
    fit = fitted(name)
    assert_same(returned(fit, tmp_path), fit)


@pytest.mark.parametrize("nagq", [0, 7])
def test_other_approximations(tmp_path, nagq):
    fit = fitted("counts", nagq)
    assert_same(returned(fit, tmp_path), fit)


def test_singular_fit(tmp_path):
    data = DATA.assign(y=np.tile([1, 2, 1, 2, 3, 2, 1, 2], 12))
    with pytest.warns(lf.errors.SingularWarning):
        fit = lf.glmer("y ~ x + (1 | g)", data, family="poisson")
    assert fit.is_singular
    assert_same(returned(fit, tmp_path), fit)


def test_another_response(tmp_path):
    again = fitted("trials").refit(DATA["success"].clip(upper=2))
    back = returned(again, tmp_path)
    assert_same(back, again)
    assert_array_equal(back.augment()[".response"], again.augment()[".response"])


def test_related_levels(tmp_path):
    labels = list(DATA["g"].cat.categories)
    distance = np.abs(np.subtract.outer(np.arange(12), np.arange(12)))
    related = {"g": Relationship.of(3.0 * 0.5**distance, labels)}
    fit = lf.glmer("count ~ x + (1 | g)", DATA, family="poisson", relationship=related)
    assert_same(returned(fit, tmp_path), fit)


def test_dropped_rows_and_unused_levels(tmp_path):
    data = DATA.assign(x=DATA["x"].where(DATA["g"] != "g03"))
    with pytest.warns(lf.errors.MissingDataWarning):
        fit = lf.glmer("count ~ x + (1 | g)", data, family="poisson", dispersion=None)
    back = returned(fit, tmp_path)
    assert (back.nobs, back.ngroups) == (fit.nobs, fit.ngroups) == (N - 8, {"g": 11})
    assert_array_equal(back.bse, fit.bse)


def test_a_loaded_fit_goes_on(tmp_path):
    """It is fitted again, also by another number of nodes and to another response."""
    fit = fitted("zeros")
    back = returned(fit, tmp_path)
    assert back.refit().criterion == pytest.approx(fit.criterion, rel=1e-9)
    y = np.roll(DATA["count"], 1)
    assert_array_equal(back.refit(y).params, fit.refit(y).params)
    assert repr(back.model) == repr(fit.model)


def test_functions_of_the_caller(tmp_path):
    def halved(values):
        return 0.5 * values

    fit = lf.glmer(
        "amount ~ x + (1 | g)",
        DATA,
        family="gamma",
        link="log",
        dispersion="~ halved(x)",
        context={"halved": halved},
    )
    with pytest.warns(ContextWarning, match="'halved'"):
        fit.save(tmp_path / "fit.lmf")
    with pytest.raises(DataError, match="uses 'halved' from your code"):
        lf.load(tmp_path / "fit.lmf")
    assert_array_equal(lf.load(tmp_path / "fit.lmf", context={"halved": halved}).bse, fit.bse)
    with pytest.raises(NumericalError, match="a function in `context` differs"):
        lf.load(tmp_path / "fit.lmf", context={"halved": lambda values: 2.0 * values})


@pytest.mark.parametrize("name", ["trials", "crossed", "zeros", "amounts"])
def test_pickle_and_deepcopy(name):
    fit = fitted(name)
    assert_same(pickle.loads(pickle.dumps(fit)), fit)
    assert_same(copy.deepcopy(fit), fit)
    estimate = fit.state.estimate
    for other in (pickle.loads(pickle.dumps(estimate)), copy.deepcopy(estimate)):
        assert other.criterion == fit.criterion
        assert_array_equal(other.cov_beta, fit.state.estimate.cov_beta)


# --- what is refused ---------------------------------------------------------------------------


@pytest.fixture
def archive(tmp_path) -> Path:
    fitted("zeros").save(tmp_path / "fit.lmf")
    return tmp_path / "fit.lmf"


def edited(archive: Path, *, meta=None, arrays=None, digest: bool = True) -> Path:
    """A file of which something was changed, and its digest with it."""
    from lmforms.storage.archive import write_archive

    with zipfile.ZipFile(archive) as old:
        facts = json.loads(old.read("meta.json"))
        values = {
            name.removesuffix(".npy"): np.load(io.BytesIO(old.read(name)))
            for name in old.namelist()
            if name.endswith(".npy")
        }
    facts.pop("digest")
    facts = facts if meta is None else meta(facts)
    values = values if arrays is None else values | arrays(values)
    write_archive(archive, facts, values)
    return archive


def of_generalized(**changes):
    return lambda facts: facts | {"generalized": facts["generalized"] | changes}


@pytest.mark.parametrize(
    "changes",
    [
        {"family": {"name": "poisson"}},
        {"family": {"name": "os", "given": {}}},
        {"family": {"name": "poisson", "given": {"size": 2.0}}},
        {"family": {"name": "negative_binomial", "given": {"size": "2"}}},
        {"family": {"name": "zero_inflated", "given": {}}},
        {"family": {"name": "hurdle", "given": {}, "of": {"name": "hurdle", "given": {}}}},
        {"link": "system"},
        {"link": None},
        {"nagq": -1},
        {"nagq": 1.0},
        {"nagq": True},
        {"auxiliary": {"zero_inflation": 1}},
        {"auxiliary": {"mean": "~ x"}},
        {"auxiliary": []},
        {"more": 1},
    ],
)
def test_a_header_that_is_none(archive, changes):
    with pytest.raises(DataError, match="not a fit saved by lmforms, or damaged"):
        lf.load(edited(archive, meta=of_generalized(**changes)))


@pytest.mark.parametrize(
    "text",
    [
        "~ __import__('os').system('true')",
        "~ x.__class__",
        "~ exec('1')",
        "~ [x for x in (1,)][0]",
    ],
)
def test_code_in_a_formula_of_a_parameter(archive, text):
    with pytest.raises(LmformsError):
        lf.load(edited(archive, meta=of_generalized(auxiliary={"zero_inflation": text})))


def test_code_is_not_saved(tmp_path):
    frame = DATA.assign(x=DATA["x"])
    fit = lf.glmer("count ~ x + (1 | g)", frame, family="poisson", zero_inflation="~ x.clip(-1, 1)")
    with pytest.raises(FormulaError, match=r"save: .*x\.clip"):
        fit.save(tmp_path / "fit.lmf")


def test_a_column_for_each_row_is_not_evaluated(archive, monkeypatch):
    monkeypatch.setattr("lmforms.storage.safe_formula.MAX_COLUMNS", 20)
    many = of_generalized(auxiliary={"zero_inflation": "~ factor(x)"})
    with pytest.raises(lf.errors.MemoryLimitError):
        lf.load(edited(archive, meta=many))


@pytest.mark.parametrize(
    "name, change, error",
    [
        ("psi", lambda v: v + 1e-3, "criterion|linear predictor"),
        ("psi", lambda v: v[:-1], "psi has shape"),
        ("u", lambda v: 1.1 * v, "linear predictor"),
        ("u", lambda v: np.append(v, 0.0), "u has shape"),
        ("eta", lambda v: v + 0.01, "linear predictor"),
        ("gradient", lambda v: np.nan * v, "gradient is not finite"),
        ("information", lambda v: v[1:], "information has shape"),
        ("beta", lambda v: 1.01 * v, "the β of the file"),
        ("theta", lambda v: 1.01 * v, "the θ of the file"),
        ("theta", lambda v: v[:0], "shape"),
        ("response", lambda v: -1.0 - v, "the zero_inflated_poisson family has counts"),
        ("response", lambda v: v + 1.0, "criterion recomputed"),
    ],
)
def test_arrays_of_another_fit(archive, name, change, error):
    with pytest.raises(LmformsError, match=error):
        lf.load(edited(archive, arrays=lambda values: {name: change(values[name])}))


def test_another_criterion_family_or_link(archive):
    other = {"criterion": fitted("zeros").criterion + 0.01}
    with pytest.raises(NumericalError, match="criterion recomputed"):
        lf.load(edited(archive, meta=lambda facts: facts | other))
    family = encode_family(ZeroInflated(NegativeBinomial(size=3.0)))
    with pytest.raises(NumericalError, match="criterion recomputed"):
        lf.load(edited(archive, meta=of_generalized(family=family)))
    outside = encode_family(ZeroInflated(Poisson())) | {"given": {"zero_inflation": 1.5}}
    with pytest.raises(ArgumentError, match="between 0 and 1"):
        lf.load(edited(archive, meta=of_generalized(family=outside)))


def test_an_edited_file_is_noticed(archive):
    with zipfile.ZipFile(archive) as old:
        members = {name: old.read(name) for name in old.namelist()}
    facts = json.loads(members["meta.json"])
    facts["optimum"]["message"] = "all is well"
    members["meta.json"] = json.dumps(facts).encode()
    with zipfile.ZipFile(archive, "w") as new:
        for name, content in members.items():
            new.writestr(name, content)
    with pytest.raises(DataError, match="changed after it was saved"):
        lf.load(archive)


def test_versions(archive, tmp_path, monkeypatch):
    """Files of linear fits stay readable by older versions, and older versions say what to do."""
    linear = lf.lmer("amount ~ x + (1 | g)", DATA)
    linear.save(tmp_path / "linear.lmf")
    with zipfile.ZipFile(tmp_path / "linear.lmf") as file:
        facts = json.loads(file.read("meta.json"))
    assert facts["format_version"] == 5
    assert "generalized" not in facts
    monkeypatch.setattr("lmforms.storage.header.FORMAT_VERSION", 5)
    with pytest.raises(DataError, match=r"format version 6.*reads up to 5\. Upgrade lmforms"):
        lf.load(archive)
    assert lf.load(tmp_path / "linear.lmf").criterion == linear.criterion


class Own(Poisson):
    """A family of somebody else."""


class OwnName(Poisson):
    name = "own"


@pytest.mark.parametrize("family", [Own(), OwnName(), ZeroInflated(Own())])
def test_families_that_cannot_be_named(tmp_path, family):
    fit = lf.glmer("count ~ x + (1 | g)", DATA, family=family)
    with pytest.raises(DataError, match="cannot be written: only those that lmforms has"):
        fit.save(tmp_path / "fit.lmf")
    assert not (tmp_path / "fit.lmf").exists()


@pytest.mark.parametrize("name", FAMILIES)
def test_facts_of_families(name):
    plain = FAMILIES[name]()
    families = [plain, Hurdle(plain)]
    if plain.has_zero:
        families += [Truncated(plain), ZeroInflated(plain, zero_inflation=0.1)]
    if plain.own_parameters:
        families.append(FAMILIES[name](**{plain.own_parameters[0]: 1.0 / 3.0}))
    for family in families:
        facts = json.loads(json.dumps(encode_family(family)))
        assert are_family(facts)
        assert decode_family(facts) == family
        assert decode_family(facts).given == family.given


def test_reference_fit_from_a_file(tmp_path):
    """The figures of lme4 and glmmTMB, from a file."""
    fit = lf.glmer(
        "cbind(incidence, size - incidence) ~ period + (1 | herd)", table("cbpp"), family=Binomial()
    )
    back = returned(fit, tmp_path)
    assert back.llf == pytest.approx(-92.0262818647571, abs=1e-9)
    assert back.bse.iloc[0] == pytest.approx(0.23247199226170154, rel=1e-5)
    facts, _ = encode_generalized(back.state)
    assert facts["family"] == {"name": "binomial", "given": {}}
