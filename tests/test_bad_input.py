"""Bad input: one clear error of the package's own that names the culprit, and silence."""

from __future__ import annotations

import inspect
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from fuzz import calls

import lmforms as lf
from lmforms import model
from lmforms.errors import (
    ArgumentError,
    ColumnError,
    DataError,
    FileError,
    FormulaError,
    LmformsError,
    ModelError,
)

N = 60
RNG = np.random.default_rng(8)
DATA = pd.DataFrame(
    {
        "y": RNG.normal(size=N) + np.arange(N) % 6,
        "x": RNG.normal(size=N),
        "f": pd.Categorical(RNG.choice(list("abc"), N)),
        "g": np.arange(N) % 6,
    }
)
MODEL = "y ~ x + f + (1 | g)"
BEYOND = [10**30 + i for i in range(N)]


@pytest.fixture(autouse=True)
def silence(capfd):
    """Nothing is printed, and no warning of any other package comes through."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    assert capfd.readouterr() == ("", "")


def refused(error: type[LmformsError], message: str, *args, **options) -> None:
    with pytest.raises(error, match=message):
        lf.lmer(*args, **options)


@pytest.fixture
def no_computing(monkeypatch):
    def computed(*args, **options):
        raise AssertionError("the engine was called")

    monkeypatch.setattr(model, "estimate", computed)


# --- the list of the issue ----------------------------------------------------------------


@pytest.mark.usefixtures("no_computing")
@pytest.mark.parametrize(
    "error, message, formula, change, options",
    [
        (ColumnError, "`flies_` is not a column", "y ~ flies_ + (1|g)", {}, {}),
        (FormulaError, "never closed", "y ~ x + (1|g", {}, {}),
        (ModelError, "`g` has one level", MODEL, {"g": "a"}, {}),
        (ModelError, "60 random effects for 60 rows", MODEL, {"g": range(N)}, {}),
        (ModelError, "`y` is constant", MODEL, {"y": 2.5}, {}),
        (FormulaError, "`y` is not numeric", MODEL, {"y": "text"}, {}),
        (FormulaError, "`y` is not numeric", MODEL, {"y": [True, False] * 30}, {}),
        (FormulaError, "`f` is not numeric", "f ~ x + (1|g)", {}, {}),
        (DataError, "`y` .*infinite", MODEL, {"y": [np.inf, *range(N - 1)]}, {}),
        (DataError, "`x` .*infinite", MODEL, {"x": [-np.inf, *range(N - 1)]}, {}),
        (DataError, "`x` holds a date", MODEL, {"x": pd.date_range("2020", periods=N)}, {}),
        (DataError, "`x` holds objects", MODEL, {"x": [Decimal(1)] * N}, {}),
        (DataError, "all 60 rows .*`x`", MODEL, {"x": np.nan}, {}),
        (DataError, "all 60 rows .*`g`", MODEL, {"g": None}, {}),
        (DataError, "weights must be positive", MODEL, {}, {"weights": np.zeros(N)}),
        (DataError, "weights must be positive", MODEL, {"w": -1.0}, {"weights": "w"}),
        (DataError, "weights must be positive", MODEL, {"w": np.nan}, {"weights": "w"}),
        (DataError, "log\\(x\\).*infinite", "y ~ log(x) + (1|g)", {"x": 0.0}, {}),
        (FormulaError, "`y` is the response.*\n.*\n {8}\\^$", "y ~ y + (1|g)", {}, {}),
        (FormulaError, "`y` is the response", "y ~ x + x:y + (1|g)", {}, {}),
        (FormulaError, "`y` is the response", "y ~ x + (y|g)", {}, {}),
        (FormulaError, "`y` is the response", "y ~ x + (1|g:y)", {}, {}),
        (FormulaError, "`y` is the response", "y ~ x + offset(y) + (1|g)", {}, {}),
        (FormulaError, "power of at most 10", "y ~ (x + f)^1000000000 + (1|g)", {}, {}),
        (FormulaError, "power of at most 10", "y ~ x + (x**" + "9" * 5000 + "|g)", {}, {}),
        (DataError, "`y` holds whole numbers of more than 63 bits", MODEL, {"y": BEYOND}, {}),
        (DataError, "`x` holds whole numbers of more than 63 bits", MODEL, {"x": BEYOND}, {}),
    ],
)
def test_is_refused_before_any_computing(error, message, formula, change, options):
    refused(error, message, formula, DATA.assign(**change), **options)


def test_half_missing_in_turn_leaves_no_row():
    odd = np.arange(N) % 2 == 1
    data = DATA.assign(x=DATA["x"].where(odd), y=DATA["y"].where(~odd))
    refused(DataError, r"all 60 rows.*`y` \(30\), `x` \(30\)", MODEL, data)


@pytest.mark.parametrize("data", [DATA.iloc[:0], {c: [] for c in "yxfg"}])
def test_empty_frame(data):
    refused(DataError, "no rows", MODEL, data)


@pytest.mark.parametrize("data", [pd.DataFrame(), {}])
def test_no_columns(data):
    refused(ColumnError, "`y` is not a column", MODEL, data)


def test_one_row():
    refused(ModelError, "one level", MODEL, DATA.iloc[:1])


def test_more_columns_than_rows():
    data = DATA.iloc[:4].assign(g=[0, 0, 1, 1], h=list("abcd"))
    refused(ModelError, "nothing for the residuals", "y ~ h + (1|g)", data)


# --- tables -------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [3, [1, 2], np.ones((3, 3)), DATA["x"], object()])
def test_data_that_are_no_table(data):
    refused(DataError, "data must be a pandas, polars or pyarrow table", MODEL, data)


def test_data_that_are_no_source():
    refused(ArgumentError, "needs the argument `data`", MODEL, None)
    refused(FileError, "there is no file data.csv", MODEL, "data.csv")
    refused(DataError, "`y` of chunk 1 is int, not a column", "y ~ 1 + (1 | g)", [{"y": 1, "g": 2}])


def test_two_columns_of_one_name():
    refused(DataError, "two columns named `x`", MODEL, pd.concat([DATA, DATA[["x"]]], axis=1))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"x": 1.0}, "`x` is a float, not a column"),
        ({"unused": "text"}, "`unused` is a str, not a column"),
        ({"unused": [1.0]}, "differ in length: `unused` has 1, others have 60"),
        ({"x": np.array(1.0)}, "`x` is a ndarray, not a column"),
        ({"x": np.ones((N, 2))}, "`x` has 2 dimensions"),
        ({"x": [[1]] * (N - 1) + [[1, 2]]}, "`x` holds objects"),
        ({"x": np.ones(7)}, "differ in length: `x` has 7"),
    ],
)
def test_mapping_of_unequal_arrays(change, message):
    refused(DataError, message, MODEL, {**DATA, **change})


@pytest.mark.parametrize("values", [[1, "a"] * 30, [[1.0]] * N, [{}] * N, [b"x"] * N])
def test_object_columns_in_the_fixed_part(values):
    refused(DataError, "`x` holds objects", MODEL, DATA.assign(x=values))


@pytest.mark.parametrize("values", [[[1], [2]] * 30, [{}, {1: 2}] * 30])
def test_grouping_by_lists(values):
    refused(DataError, "`g`", MODEL, DATA.assign(g=values))


def test_grouping_by_mixed_labels_is_fine():
    data = DATA.assign(g=[[1, "a", 2.5, None][i % 4] for i in range(N)])
    with pytest.warns(lf.errors.MissingDataWarning, match=r"15 of 60 rows.*`g` \(15\)"):
        assert lf.lmer("y ~ x + (1|g)", data, start=[1.0]).ngroups == {"g": 3}


# --- weights and offset --------------------------------------------------------------------

ARRAYS = [
    (ColumnError, "nope", "nope"),
    (DataError, "numbers", "f"),
    (DataError, "shape \\(5,\\)", np.ones(5)),
    (DataError, "shape \\(60, 1\\)", np.ones((N, 1))),
    (DataError, "shape \\(\\)", 2.0),
    (DataError, "numbers", ["a"] * N),
    (DataError, "numbers", object()),
    (DataError, "numbers.*not lists", [[1]] * (N - 1) + [[1, 2]]),
]


@pytest.mark.parametrize("error, message, values", ARRAYS)
@pytest.mark.parametrize("name", ["weights", "offset"])
def test_weights_and_offsets_that_are_none(name, error, message, values):
    refused(error, f"{name}.*{message}", MODEL, DATA, **{name: values})


@pytest.mark.parametrize("name", ["weights", "offset"])
def test_complex_weights_and_offsets(name):
    refused(DataError, f"{name}.*numbers", MODEL, DATA, **{name: np.ones(N) + 1j})


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_infinite_offset(bad):
    refused(DataError, "offset", MODEL, DATA, offset=np.r_[bad, np.zeros(N - 1)])


def test_what_is_masked_is_missing():
    values = DATA["x"].abs() + 1.0
    masked = np.ma.array(values, mask=np.arange(N) % 4 == 0)
    refused(
        DataError, "weights must be positive and finite; 15 are not", MODEL, DATA, weights=masked
    )
    with pytest.warns(lf.errors.MissingDataWarning, match="15 of 60 rows"):
        found = lf.lmer(MODEL, DATA, offset=masked)
    with pytest.warns(lf.errors.MissingDataWarning, match="15 of 60 rows"):
        expected = lf.lmer(MODEL, DATA, offset=values.where(~masked.mask))
    assert found.criterion == expected.criterion


def test_a_call_that_gives_nothing_is_no_empty_term():
    context = {"forgot": lambda x: None}
    for formula in (
        "y ~ f + forgot(x) + (1|g)",
        "y ~ f + (forgot(x)|g)",
        "y ~ x*forgot(x) + (1|g)",
    ):
        refused(DataError, r"`forgot\(x\)` cannot be evaluated", formula, DATA, context=context)


@pytest.mark.parametrize("dtype", ["uint64", "UInt64"])
def test_whole_numbers_of_64_bits_do_not_turn_negative(dtype, tmp_path):
    ids = np.uint64(2**63) + DATA["g"].to_numpy(dtype=np.uint64)
    plain = lf.lmer("y ~ x + (1|g)", DATA)
    data = DATA.assign(g=pd.array(ids, dtype=dtype))
    fit = lf.lmer("y ~ x + (1|g)", data)
    assert fit.criterion == plain.criterion
    assert list(fit.random_effects["g"].index) == [2**63 + i for i in range(6)]
    fit.save(tmp_path / "fit.lmf")
    for known in (fit, lf.load(tmp_path / "fit.lmf")):
        np.testing.assert_allclose(known.predict(data), fit.fittedvalues, atol=1e-10)
    x = np.random.default_rng(0).integers(0, 2**63, N).astype(np.uint64) * np.uint64(2)
    whole = lf.lmer("y ~ x + (1|g)", DATA.assign(x=pd.array(x, dtype=dtype)))
    real = lf.lmer("y ~ x + (1|g)", DATA.assign(x=x.astype(float)))
    np.testing.assert_allclose(whole.params, real.params, rtol=1e-9)


def test_labels_may_be_of_any_length():
    data = DATA.assign(g=[10**30 + i % 6 for i in range(N)])
    fit = lf.lmer("y ~ x + (1|g)", data)
    assert fit.criterion == lf.lmer("y ~ x + (1|g)", DATA).criterion


# --- options -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error, message, options",
    [
        (ArgumentError, "missing='ignore'", {"missing": "ignore"}),
        (ArgumentError, "reml", {"reml": "yes"}),
        (ArgumentError, "reml", {"reml": None}),
        (ArgumentError, r"start has shape \(3,\); this model has 1", {"start": [1, 2, 3]}),
        (ArgumentError, "start", {"start": [np.nan]}),
        (ArgumentError, "start", {"start": [[1.0]]}),
        (ArgumentError, "start", {"start": 1.0}),
        (ArgumentError, "start", {"start": "auto"}),
        (ArgumentError, "start", {"start": {"theta": 1.0}}),
        (ArgumentError, "start: real numbers", {"start": [[1], [1, 2]]}),
        (ArgumentError, "start: numbers too large", {"start": [10**400]}),
        (ArgumentError, "start: real numbers", {"start": [1j]}),
        (ArgumentError, "control must be a lmforms.Control", {"control": {"tolerance": 1.0}}),
        (ArgumentError, "control must be a lmforms.Control", {"control": "bobyqa"}),
        (ArgumentError, "context", {"context": 5}),
        (ArgumentError, "contrasts", {"contrasts": "contr.sum"}),
        (ArgumentError, "`nope` for `f` is unknown", {"contrasts": {"f": "nope"}}),
        (ArgumentError, "Did you mean `helmert`", {"contrasts": {"f": "contr.helmet"}}),
        (ColumnError, "`ff`.*Did you mean `f`", {"contrasts": {"ff": "sum"}}),
        (DataError, "cannot be evaluated", {"contrasts": {"f": np.eye(7)}}),
    ],
)
def test_options_of_the_wrong_kind(error, message, options):
    refused(error, message, MODEL, DATA, **options)


def test_contrasts_for_a_column_that_is_not_used():
    refused(DataError, "`f` is not in the formula", "y ~ x + (1|g)", DATA, contrasts={"f": "sum"})


@pytest.mark.parametrize("contrast", [5, lambda levels: levels])
def test_contrasts_that_are_none(contrast):
    refused(ArgumentError, "`f`", MODEL, DATA, contrasts={"f": contrast})


def test_contrasts_for_a_number():
    refused(LmformsError, "contrasts", MODEL, DATA, contrasts={"x": "contr.sum"})


@pytest.mark.parametrize("name", ["rmel", "weight", "REML", "na_action"])
def test_misspelt_arguments_are_named(name):
    with pytest.raises(ArgumentError, match=name):
        lf.lmer(MODEL, DATA, **{name: True})


@pytest.mark.parametrize("options", [{"max_evaluations": 0}, {"tolerance": 0.0}, {"singular": -1}])
def test_control_out_of_range(options):
    with pytest.raises(ArgumentError, match=next(iter(options))):
        lf.Control(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"max_evaluations": "many"},
        {"tolerance": None},
        {"singular": "no"},
        {"factor": "nonsense"},
        {"max_evaluations": 2.5},
        {"tolerance": float("nan")},
        {"tolerance": 10**400},
        {"memory": float("inf")},
        {"memory": "8GB"},
        {"singular": float("inf")},
    ],
    ids=str,
)
def test_control_of_the_wrong_type(options):
    with pytest.raises(ArgumentError, match=next(iter(options))):
        lf.Control(**options)


# --- a fit that is asked for nonsense ---------------------------------------------------------


@pytest.fixture(scope="module")
def fit():
    return lf.lmer(MODEL, DATA)


def test_level_out_of_range(fit):
    for level in (2, 0, 1, -0.5, 95, float("nan")):
        with pytest.raises(ArgumentError, match="level"):
            fit.conf_int(level=level)


@pytest.mark.parametrize("level", ["0.95", None])
def test_level_that_is_no_number(fit, level):
    with pytest.raises(ArgumentError, match="level"):
        fit.conf_int(level=level)


@pytest.mark.parametrize("random", ["nonsense", ["g", "nonsense"], [5], "x | g"])
def test_random_that_is_no_term(fit, random):
    with pytest.raises(ArgumentError, match="neither a grouping factor nor a random term"):
        fit.predict(DATA, random=random)


@pytest.mark.parametrize("random", [5, None, True])
def test_random_of_the_wrong_type(fit, random):
    with pytest.raises(ArgumentError, match="random"):
        fit.predict(DATA, random=random)


@pytest.mark.parametrize("data", [[1, 2], 5, np.ones((3, 3))])
def test_predict_for_no_table(fit, data):
    with pytest.raises(DataError, match="data must be"):
        fit.predict(data)


def test_predict_lacks_a_column(fit):
    with pytest.raises(ColumnError, match=r"lack `f`.*x, f, g"):
        fit.predict(DATA[["x", "g"]])


def test_predict_meets_an_unseen_level_in_the_fixed_part(fit):
    with pytest.raises(DataError, match="zebra"):
        fit.predict(DATA.assign(f="zebra"))


@pytest.mark.parametrize("value", [1, 2.5])
def test_predict_meets_a_number_where_a_factor_was(fit, value):
    with pytest.raises(DataError, match="f"):
        fit.predict(DATA.assign(f=value))


def test_predict_meets_text_where_a_number_was(fit):
    with pytest.raises(DataError, match="x"):
        fit.predict(DATA.assign(x="1.5"))


def test_predict_meets_a_date_where_a_number_was(fit):
    with pytest.raises(DataError, match="`x` holds a date"):
        fit.predict(DATA.assign(x=pd.Timestamp("2020-01-01")))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"new_levels": "ignore"}, "new_levels='ignore'"),
        ({"offset": np.ones(N)}, "without an offset"),
    ],
)
def test_predict_options(fit, options, message):
    with pytest.raises(ArgumentError, match=message):
        fit.predict(DATA, **options)


@pytest.mark.parametrize("kind", ["deviance", None, ["response"]])
def test_residuals_of_an_unknown_kind(fit, kind):
    with pytest.raises(ArgumentError, match="kind"):
        fit.residuals(kind)


@pytest.mark.parametrize(
    "y, message",
    [
        (np.ones(3), "shape"),
        (np.ones((N, 1)), "shape"),
        (np.full(N, np.nan), "missing or infinite"),
        (np.full(N, np.inf), "missing or infinite"),
        (np.ones(N), "constant"),
        (["a"] * N, "numeric"),
        ("y", "numeric"),
        (pd.Series(1.0, index=range(5, 5 + N)), "other row labels"),
    ],
)
def test_refit_to_no_response(fit, y, message):
    with pytest.raises(DataError, match=f"refit.*{message}"):
        fit.refit(y)


def test_attributes_that_are_not_there():
    with pytest.raises(AttributeError, match="nonsense"):
        lf.nonsense  # noqa: B018


@pytest.mark.parametrize("values", [["1"] * 80, pd.Categorical(["2"] * 80)])
def test_weights_that_only_look_like_numbers(values):
    with pytest.raises(DataError, match="weights: real numbers"):
        lf.lmer(MODEL, DATA.assign(w=values[: len(DATA)]), weights="w")


def test_response_of_a_refit_that_only_looks_like_numbers():
    fit = lf.lmer(MODEL, DATA)
    with pytest.raises(DataError, match="refit"):
        fit.refit([str(v) for v in DATA["y"]])


# --- every public call ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda fit: fit.emtrends(var="x"), r"MixedModelResults.emtrends\(\) needs .* `spec`"),
        (lambda fit: lf.lmer("y ~ x"), r"lmer\(\) needs the argument `data`"),
        (lambda fit: fit.summary("none", 0.9), r"summary\(\) takes only ddf without a name"),
        (lambda fit: lf.Control("sparse"), r"Control\(\) takes named arguments only"),
    ],
)
def test_missing_and_unnamed_arguments_are_told(call, message):
    sleep = lf.datasets.load("sleepstudy").rename(columns={"Reaction": "y", "Days": "x"})
    with pytest.raises(lf.errors.ArgumentError, match=message):
        call(lf.lmer("y ~ x + (1 | Subject)", sleep))


def test_wrong_arguments_of_the_whole_api_are_named():
    """A few of the cases of the fuzzer, which knows them all."""
    tries, faults = calls.run(tries=250, seed=20)
    assert (tries, faults) == (250, [])


def public_callables():
    """What the namespaces of the package offer, and the methods of what they return."""
    spaces = (lf, lf.varcomp, lf.mme, lf.latent, lf.relationship, lf.plot, lf.datasets)
    for space in spaces:
        for name in space.__all__:
            found = getattr(space, name)
            if not isinstance(found, type):
                if callable(found):
                    yield f"{space.__name__}.{name}", found
                continue
            for method, value in vars(found).items():
                inner = getattr(value, "__func__", value)
                if not method.startswith("_") and inspect.isfunction(inner):
                    yield f"{name}.{method}", inner


@pytest.mark.parametrize(("name", "function"), list(public_callables()))
def test_unknown_keywords_are_refused_by_name(name, function):
    parameters = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        pytest.skip("hands them on to what it calls")
    with pytest.raises(ArgumentError, match="has no argument `no_such_argument`"):
        function(no_such_argument=1)
