"""Predictions for the rows of a source."""

import numpy as np
import pandas as pd
import pytest

import lmforms as lf
from lmforms.errors import ArgumentError, ColumnError, DataError, FileError, ModelError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

FORMULA = "Reaction ~ Days + (Days | Subject)"


@pytest.fixture(scope="module")
def data():
    return lf.datasets.load("sleepstudy").assign(row=np.arange(180))


@pytest.fixture(scope="module")
def parts(data):
    return [data.iloc[i : i + 50] for i in range(0, 180, 50)]


@pytest.fixture(scope="module")
def fits(data, parts):
    return lf.lmer(FORMULA, parts), lf.lmer(FORMULA, data)


@pytest.mark.parametrize(
    "options", [{}, {"random": "none"}, {"interval": "prediction", "level": 0.9}]
)
def test_chunks_of_predictions(data, parts, fits, options):
    expected = fits[1].predict(data, **options)
    for fit in fits:  # of sums, and of rows
        found = pa.concat_tables(fit.predict(parts, keep=["row"], **options)).to_pandas()
        assert found.pop("row").tolist() == data["row"].tolist()
        values = expected.to_frame() if isinstance(expected, pd.Series) else expected
        assert found.columns.tolist() == values.columns.tolist()
        np.testing.assert_allclose(found, values, rtol=1e-7)


def test_predictions_to_a_file(tmp_path, data, parts, fits):
    data.to_parquet(tmp_path / "rows.parquet", row_group_size=70)
    path = tmp_path / "predicted.parquet"
    fit = fits[0]
    assert fit.predict(tmp_path / "rows.parquet", keep=["row", "Subject"], to=path) == 180
    found = pq.read_table(path).to_pandas()
    assert found.columns.tolist() == ["row", "Subject", "predicted"]
    assert found["Subject"].tolist() == data["Subject"].astype(str).tolist()
    np.testing.assert_allclose(found["predicted"], fits[1].predict(data), rtol=1e-9)
    with pytest.raises(FileError, match=r"predict: .* cannot be written"):
        fit.predict(parts, to=tmp_path / "no" / "folder.parquet")


def test_new_levels_and_missing_values(data, parts, fits):
    fit = fits[0]
    new = [p.assign(Subject=p["Subject"].astype(str).replace("310", "999")) for p in parts]
    with pytest.raises(DataError, match=r"chunks: `Subject` has levels .*'999'"):
        list(fit.predict(new))
    found = pa.concat_tables(fit.predict(new, new_levels="zero"))["predicted"].to_numpy()
    own = data.assign(Subject=data["Subject"].astype(str).replace("310", "999"))
    np.testing.assert_allclose(found, fits[1].predict(own, new_levels="zero"), rtol=1e-9)
    gaps = [p.assign(Days=p["Days"].where(p["row"] % 7 > 0)) for p in parts]
    found = pa.concat_tables(fit.predict(gaps))["predicted"]
    assert found.null_count == 26


def test_arguments_of_sources(data, parts, fits):
    fit = fits[0]
    for argument in ({"keep": ["row"]}, {"to": "out.parquet"}):
        with pytest.raises(ArgumentError, match="for sources of rows"):
            fit.predict(data, **argument)
    with pytest.raises(ColumnError, match=r"keep has `rwo`.*row"):
        fit.predict(parts, keep=["rwo"])
    with pytest.raises(ArgumentError, match="`predicted`, which the predictions have too"):
        list(fit.predict([p.assign(predicted=1) for p in parts], keep=["predicted"]))


def test_what_needs_rows_says_so(fits):
    fit = fits[0]
    for ask in (
        lambda: fit.fittedvalues,
        lambda: fit.resid,
        lambda: fit.predict(),
        lambda: fit.simulate(),
        lambda: fit.matrices,
        lambda: fit.refit(np.ones(180)),
        lambda: fit.augment(),
        lambda: fit.influence(),
        lambda: fit.emmeans("Days"),
        lambda: fit.state.design.frame,
        lambda: fit.state.design.y + 1.0,
        lambda: np.asarray(fit.state.design.offset),
        lambda: len(fit.state.response),
        lambda: fit.state.response.mean(),
    ):
        with pytest.raises(ModelError, match=r"needs the rows of the fit.*fit.predict\(table\)"):
            ask()
    with pytest.raises(ModelError, match="fit the changed formula to the source"):
        fit.update("Reaction ~ 1 + (1 | Subject)")


def test_inference_from_sums(fits):
    """What a fit of sums has is what a fit of rows has."""
    fit, whole = fits
    assert fit.bic == pytest.approx(whole.bic)
    np.testing.assert_allclose(fit.conf_int(), whole.conf_int(), rtol=1e-6)
    pd.testing.assert_frame_equal(
        pd.DataFrame(fit.contrast("Days = 0")), pd.DataFrame(whole.contrast("Days = 0")), rtol=1e-5
    )
    np.testing.assert_allclose(fit.r2(), whole.r2(), rtol=1e-7)
    np.testing.assert_allclose(
        fit.icc().to_numpy(dtype=float), whole.icc().to_numpy(dtype=float), rtol=1e-6
    )
    own, other = fit.random_effects_cov["Subject"], whole.random_effects_cov["Subject"]
    np.testing.assert_allclose(own, other, rtol=1e-5, atol=1e-6 * np.abs(other.to_numpy()).max())
    a, b = fit.profile("Days").conf_int(), whole.profile("Days").conf_int()
    np.testing.assert_allclose(a, b, rtol=1e-4)
    assert fit.at(fit.theta + 0.1).criterion == pytest.approx(whole.at(whole.theta + 0.1).criterion)
    boot = fit.bootstrap(50, seed=1)
    assert boot.conf_int().loc["Days"].between(5.0, 16.0).all()
    assert str(fit.summary()).count("summed up") == 1
    table = fit.summary().to_html()
    assert "summed up" in table
    assert fit.tidy().shape == whole.tidy().shape
    assert fit.glance().shape == whole.glance().shape
