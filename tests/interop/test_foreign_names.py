"""Names of R, statsmodels and others are answered with code that runs."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import lmforms as lf
from lmforms.errors import ArgumentError, LmformsError, UnknownNameError
from lmforms.results.model_results import MixedModelResults
from lmforms.results.unknown_names import public_names
from lmforms.support.foreign_names import FUNCTIONS, RESULTS, plain

pytestmark = pytest.mark.one_in(4)

RNG = np.random.default_rng(5)
N = 120
DATA = pd.DataFrame(
    {
        "x": RNG.normal(size=N),
        "f": np.array(list("abc"))[np.arange(N) // 2 % 3],
        "g": np.arange(N) // 6,
        "time": np.arange(N) % 6,
    }
)
DATA["y"] = DATA["x"] + RNG.normal(size=20)[DATA["g"]] + RNG.normal(size=N)
FIT = lf.lmer("y ~ x * f + (1 | g)", DATA)
SMALLER = FIT.update("y ~ x + f + (1 | g)", reml=False)


@pytest.fixture
def variables(tmp_path, monkeypatch):
    """Those of the code in the tables; files that it reads are there."""
    monkeypatch.chdir(tmp_path)
    FIT.save("model.lmf")
    DATA.to_csv("data.csv")
    named = {
        "lf": lf,
        "pandas": pd,
        "fit": FIT,
        "fit1": FIT.refit(reml=False),
        "fit2": SMALLER,
        "data": DATA,
    }
    return named | {"new_data": DATA, "y": DATA["y"] + DATA["x"]}


@pytest.mark.filterwarnings("ignore:.*:lmforms.errors.LmformsWarning")
@pytest.mark.parametrize("code", [*RESULTS, *FUNCTIONS])
def test_the_code_runs(code, variables):
    if "sklearn" in code:
        pytest.importorskip("sklearn")
    if "residual_covariance" in code:
        variables["fit"] = lf.lmer("y ~ x", DATA, residual="ar1(time | g)")
    if "glmer" in code:
        ordered = pd.Categorical(DATA["f"], list("abc"), ordered=True)
        variables["data"] = DATA.assign(y=RNG.poisson(np.exp(DATA["x"])), f=ordered)
    eval(code, variables)
    plt.close("all")


@pytest.mark.parametrize(
    "table, used", [(RESULTS, public_names(MixedModelResults)), (FUNCTIONS, lf.__all__)]
)
def test_each_name_has_one_answer_and_is_not_in_use(table, used):
    names = [plain(name) for text in table.values() for name in text.split()]
    written = {name for text in table.values() for name in text.split()}
    assert not written & set(used)
    answers = {}
    for code, text in table.items():
        for name in text.split():
            assert answers.setdefault(plain(name), code) == code, name
    assert len(set(names)) > 40


@pytest.mark.parametrize("name", [name for names in RESULTS.values() for name in names.split()])
def test_a_fit_answers(name):
    assert not hasattr(FIT, name)
    with pytest.raises(UnknownNameError, match=rf"a fit has no attribute `{name}`(: write|\. Did)"):
        getattr(FIT, name)


@pytest.mark.parametrize(
    "name, answer",
    [
        ("fixef", ": write fit.params."),
        ("VarCorr", ": write fit.vcomp."),
        ("random_effects_", ". Did you mean `random_effects`?"),
        ("nobs_", ". Did you mean `nobs`?"),
        ("AIC", ". Did you mean `aic`?"),
        ("confint", ". Did you mean `conf_int`?"),
        ("parms", ". Did you mean `params`"),
        ("deviance", ": write fit.criterion (−2 × the (restricted) log-likelihood)."),
        ("nonsense", "."),
    ],
)
def test_messages(name, answer):
    with pytest.raises(UnknownNameError, match=re.escape(f"has no attribute `{name}`{answer}")):
        getattr(FIT, name)


def test_the_package_answers():
    for name in [name for names in FUNCTIONS.values() for name in names.split()]:
        assert not hasattr(lf, name)
        with pytest.raises(UnknownNameError, match=r": write|Did you mean"):
            getattr(lf, name)
    for name, answer in [
        ("fixef", "write fit.params"),
        ("emmeans", "write fit.emmeans"),
        ("lmr", "Did you mean `lmer`"),
        ("glmmTMB", r"write lf\.glmer"),
        ("gee", r"write lf\.glmer"),
    ]:
        with pytest.raises(UnknownNameError, match=answer):
            getattr(lf, name)
    with pytest.raises(ImportError, match="mixedlm"):
        exec("from lmforms import mixedlm")


def test_a_model_says_what_comes_after_the_fit():
    model = lf.MixedModel("y ~ x + (1 | g)", DATA)
    with pytest.raises(UnknownNameError, match=r"write model\.fit\(\)\.params"):
        _ = model.params
    with pytest.raises(UnknownNameError, match=r"write fit\.random_effects"):
        _ = model.ranef
    assert copy.deepcopy(model).fit().nobs == pickle.loads(pickle.dumps(model)).fit().nobs == N


def test_errors_of_properties_are_their_own():
    class Broken(MixedModelResults):
        @property
        def fixef(self):
            return self.state.nothing

    with pytest.raises(AttributeError, match=r"FitState.*nothing"):
        _ = Broken(FIT.model, FIT.state).fixef


def test_it_is_an_attribute_error_of_the_package():
    assert issubclass(UnknownNameError, AttributeError)
    assert issubclass(UnknownNameError, LmformsError)
    with pytest.raises(UnknownNameError) as caught:
        _ = FIT.fixef
    assert caught.value.name is None  # or Python adds guesses of its own
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    "call, answer",
    [
        (lambda: FIT.conf_int(alpha=0.1), "`level`"),
        (lambda: FIT.conf_int(conf_level=0.9), "`level`"),
        (lambda: FIT.bootstrap(nsim=9), "`n`"),
        (lambda: FIT.simulate(use_u=True), "random='fitted'"),
        (lambda: FIT.emmeans(specs="f"), "`spec`"),
        (lambda: FIT.emmeans("f", lmer_df="satterthwaite"), "`ddf`"),
        (lambda: FIT.predict(newdata=DATA), "`data`"),
        (lambda: lf.lmer("y ~ x", DATA, REML=True), "`reml`"),
        (lambda: lf.lmer("y ~ x", DATA, groups="g"), r"\(1 \| g\)"),
        (lambda: lf.lmer("y ~ x", DATA, re_formula="~x"), r"\(x \| g\)"),
        (lambda: lf.lmer("y ~ x", DATA, family="poisson"), r"lf\.glmer\("),
    ],
)
def test_arguments_of_other_packages(call, answer):
    with pytest.raises(ArgumentError, match=answer):
        call()


PROBED = (
    *("__deepcopy__", "__setstate__x", "__array__", "__array_interface__", "_ipython_display_"),
    *("_repr_png_", "_repr_mimebundle_", "_ipython_canary_method_should_not_exist_", "__len__"),
)


def test_what_python_and_notebooks_ask_for():
    for name in PROBED:
        with pytest.raises(AttributeError) as caught:
            getattr(FIT, name)
        assert not isinstance(caught.value, LmformsError)
    start = time.perf_counter()
    for _ in range(100):
        for name in PROBED:
            hasattr(FIT, name)
    assert time.perf_counter() - start < 1  # about 5 ms: nothing is looked up
    assert FIT._repr_html_().startswith("<")


def test_guesses_import_nothing():
    code = """
import sys, lmforms
for name in ("fixef", "emmeans", "lmr", "nonsense", "__path__x", "_x"):
    assert not hasattr(lmforms, name)
assert not {"pandas", "numpy"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
