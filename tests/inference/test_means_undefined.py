"""Functions that are zero, slopes that do not exist, and values without a logarithm."""

import warnings

import numpy as np
import pandas as pd
import pytest

import lmforms as lf
from lmforms.errors import ArgumentError, DataError, ModelError
from lmforms.inference.means import adjustments, grid


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    n = 90
    frame = pd.DataFrame(
        {
            "f": rng.choice(["a", "b", "c"], n),
            "x": rng.normal(size=n),
            "w": rng.uniform(0.05, 0.5, n),
            "g": rng.integers(0, 9, n).astype(str),
        }
    )
    frame["y"] = frame["x"] + rng.normal(size=9)[frame["g"].astype(int)] + rng.normal(size=n)
    return frame


@pytest.fixture(scope="module")
def fit(data):
    return lf.lmer("y ~ f + x + (1|g)", data)


@pytest.fixture(scope="module")
def logs(data):
    return lf.lmer("y ~ log(w) + x + (1|g)", data)


@pytest.fixture(autouse=True)
def _no_runtime_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


def _no_test(row):
    assert row["estimate"] == 0.0
    assert row["std_error"] == 0.0
    assert np.isnan(row["statistic"])
    assert np.isnan(row["p_value"])


@pytest.mark.parametrize(("contrast", "zero"), [("poly", ["quadratic"]), ("eff", ["x0.2 effect"])])
def test_contrasts_that_are_rounding_errors(fit, contrast, zero):
    table = fit.emmeans("x", at={"x": [0.1, 0.2, 0.3]}, contrast=contrast).set_index("contrast")
    for label in zero:
        _no_test(table.loc[label])
    rest = table.drop(zero)
    assert np.isfinite(rest[["statistic", "p_value"]]).all(axis=None)
    plain = fit.emmeans("x", at={"x": [0.1, 0.2, 0.3]}, contrast=contrast, adjust="none")
    # two effects that are each other's negative: adjusted by fdr, both p-values are the same
    np.testing.assert_allclose(
        rest["p_value"], plain.set_index("contrast").loc[rest.index, "p_value"], rtol=1e-7
    )
    notes = fit.emmeans("x", at={"x": [0.1, 0.2, 0.3]}, contrast=contrast).notes
    assert any("1 of" in note and "no test" in note for note in notes)


def test_equal_slopes_and_slopes_that_cancel(data, fit):
    table = fit.emtrends("x", "x", at={"x": [0.1, 0.7, 0.3]}, contrast="pairwise")
    for _, row in table.iterrows():
        _no_test(row)
    centred = data.assign(x=np.tile([-2.0, -1.0, 0.0, 1.0, 2.0, 0.3, -0.3, 0.7, -0.7], 10))
    curve = lf.lmer("y ~ I(x**2) + (1|g)", centred)
    _no_test(curve.average(slope="x").iloc[0])


def test_small_differences_are_no_rounding_errors(data):
    """Contrasts do not depend on the units, nor on the sizes of other values of the column."""
    far = lf.lmer("y ~ x + (1|g)", data.assign(x=1e6 + data["x"]))
    row = far.emmeans("x", at={"x": [1e6, 1e6 + 0.01]}, contrast="revpairwise").iloc[0]
    near = lf.lmer("y ~ x + (1|g)", data).emmeans("x", at={"x": [0, 0.01]}, contrast="revpairwise")
    assert row["p_value"] == pytest.approx(near["p_value"].iloc[0], rel=1e-4)
    steep = lf.lmer("y ~ exp(10*x) + (1|g)", data)
    row = steep.emmeans("x", at={"x": [-0.2, -0.1]}, contrast="pairwise").iloc[0]
    assert np.isfinite(row["p_value"])


@pytest.mark.parametrize("formula", ["y ~ I(x > 0)", "y ~ x * I(x > 0)", "y ~ f * I(x > 0)"])
def test_no_slopes_of_steps(data, formula):
    fit = lf.lmer(f"{formula} + (1|g)", data)
    with pytest.raises(DataError, match=r"emtrends: .*jumps at `x` = .*comparison=\{'x': \(low"):
        fit.emtrends([], "x", at={"x": [0.0001]})
    near = data.assign(x=np.where(np.arange(len(data)) == 5, 1e-4, data["x"]))
    with pytest.raises(DataError, match=r"average: .*jumps at `x`"):
        fit.average(slope="x", data=near)
    compared = fit.average(comparison={"x": (-1, 1)})
    assert np.isfinite(compared["estimate"]).all()


def test_slopes_beside_steps_and_at_kinks(data):
    fit = lf.lmer("y ~ x * I(x > 0) + (1|g)", data)
    slope = fit.emtrends([], "x", at={"x": 1.0})["estimate"].iloc[0]
    assert slope == pytest.approx(fit.params.iloc[1] + fit.params.iloc[3], rel=1e-9)
    step = lf.lmer("y ~ I(x > 0) + (1|g)", data).emtrends([], "x", at={"x": 1.0})
    assert step["std_error"].iloc[0] == 0.0
    assert any("flat in `x`" in note and "comparison=" in note for note in step.notes)
    kink = lf.lmer("y ~ abs(x) + (1|g)", data).emtrends([], "x", at={"x": 1e-4})
    assert np.isfinite(kink["estimate"]).all()


@pytest.mark.parametrize("w", [-1, 0, [-1, 0.2]])
def test_values_without_a_logarithm(logs, w):
    for call in (
        lambda: logs.emmeans("w", at={"w": w}),
        lambda: logs.emtrends([], "w", at={"w": w}),
        lambda: logs.joint_tests(at={"w": w}),
        lambda: logs.average(at={"w": w}),
        lambda: logs.average(slope="x", at={"w": w}),
    ):
        with pytest.raises(DataError, match=r"no finite value where `w` = (-1|0|-0\.\d+): "):
            call()


def test_comparisons_without_a_logarithm(logs):
    with pytest.raises(DataError, match=r"average: .*`w` = -1.*comparison="):
        logs.average(comparison={"w": (-1, 0.3)})
    with pytest.raises(DataError, match="`w` = -"):
        logs.average(comparison={"w": -1})


def test_joint_tests_stay_within_the_data(data, logs):
    table = logs.joint_tests()
    assert table["term"].tolist() == ["w", "x"]
    expected = lf.lmer("y ~ v + x + (1|g)", data.assign(v=np.log(data["w"]))).joint_tests()
    np.testing.assert_allclose(table["statistic"], expected["statistic"], rtol=1e-6)
    np.testing.assert_allclose(table["den_df"], expected["den_df"], rtol=1e-4)
    notes = " ".join(table.notes)
    assert "`w` at 0." in notes
    assert "beyond the data" in notes
    assert "Numbers (`x`) at their means less and plus 1" in notes


def test_joint_tests_say_what_they_do_not_test(data):
    fit = lf.lmer("y ~ f + I(x > 1.5) + (1|g)", data)
    table = fit.joint_tests()
    assert table["term"].tolist() == ["f"]
    assert any(note.startswith("No test of x") and "at=" in note for note in table.notes)
    assert "x" in fit.joint_tests(at={"x": [0, 2]})["term"].tolist()


def test_joint_tests_by_a_number_hold_it(data):
    table = lf.lmer("y ~ f * x + (1|g)", data).joint_tests(by="x")
    notes = " ".join(table.notes)
    assert "less and plus" not in notes
    assert "`x` held at the mean" in notes


def test_large_families_of_the_multivariate_t(fit, monkeypatch):
    monkeypatch.setattr(adjustments, "LARGEST_MVT", 2)
    at = {"x": [0.0, 1.0, 2.0]}
    message = "adjust='mvt' is for families of at most 2 functions, not 3: use adjust='sidak'"
    with pytest.raises(ModelError, match=message):
        fit.emmeans("f", contrast="pairwise", adjust="mvt")
    with pytest.raises(ModelError, match=message):
        fit.emmeans("f", adjust="mvt")
    with pytest.raises(ModelError, match=message):
        fit.emmeans("f", letters=True, adjust="mvt")
    with pytest.raises(ModelError, match=message):
        fit.emmeans(
            "x", at=at, contrast={"a": [1, 0, 0], "b": [0, 1, 0], "c": [0, 0, 1]}, adjust="mvt"
        )
    assert np.isfinite(fit.emmeans("f", contrast="pairwise")["p_value"]).all()
    assert np.isfinite(fit.emmeans("f", contrast="pairwise", adjust="sidak")["p_value"]).all()
    assert len(fit.emmeans("f", contrast="consec")) == 2


def test_too_large_a_grid_of_joint_tests(fit, monkeypatch):
    monkeypatch.setattr(grid, "MAX_CELLS", 4)
    with pytest.raises(ModelError, match=r"choose some levels, as by at=\{'f': \[...\]\}\.$"):
        fit.joint_tests()
    assert len(fit.joint_tests(at={"f": ["a", "b"]}))


def test_one_value_of_a_number_and_none(fit):
    with pytest.raises(ArgumentError, match=r"`x` is a number: at=\{'x': \[...\]\} gives"):
        fit.emmeans("x", contrast="pairwise")
    assert len(fit.emmeans("x", contrast="pairwise", at={"x": [0, 1]})) == 1
    for name in ("f", "x"):
        with pytest.raises(ArgumentError, match=rf"emmeans: at\['{name}'\] is empty"):
            fit.emmeans("f", at={name: []})
