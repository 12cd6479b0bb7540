"""Sums as values: added, taken out, looked at, fitted."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_stream_fits import chunks, same

import lmforms as lf
from lmforms.errors import (
    ArgumentError,
    DataError,
    FormulaError,
    MissingDataWarning,
    ModelError,
    PrecisionWarning,
    SingularWarning,
)

pytest.importorskip("pyarrow")

FORMULA = "Reaction ~ Days + (Days | Subject)"


def hospitals(seed=1, n=900):
    """Patients of wards and drugs, at three sites with patients of their own."""
    random = np.random.default_rng(seed)
    site = random.integers(0, 3, n)
    data = pd.DataFrame(
        {
            "site": site,
            "patient": [
                f"{s}-{p:02}" for s, p in zip(site, random.integers(0, 25, n), strict=True)
            ],
            "drug": random.choice(["a", "b", "c"], n),
            "ward": random.integers(0, 12, n) + 4 * site,
            "dose": random.gamma(2.0, 3.0, n) + 10.0 * site,
        }
    )
    wards, slopes = random.normal(size=(2, 20))
    patients = dict(zip(data["patient"].unique(), random.normal(size=75)))
    data["y"] = 5.0 + (0.3 + 0.3 * slopes[data["ward"]]) * data["dose"] + wards[data["ward"]]
    data["y"] += data["patient"].map(patients) + random.normal(size=n)
    return data.assign(y=data["y"] + 0.5 * (data["drug"] == "b"))


WARDS = "y ~ dose + drug + (dose | ward) + (1 | patient)"
DRUGS = {"drug": ["a", "b", "c"]}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_sites_summed_apart(order):
    """Each with units and levels of its own."""
    data = hospitals()
    parts = [lf.summarise(WARDS, data[data["site"] == i], levels=DRUGS) for i in order]
    total = parts[0] + parts[1] + parts[2]
    assert total.nobs == 900
    whole = lf.lmer(WARDS, data)
    same(lf.lmer(total), whole)
    same(total.fit(), whole)
    same(lf.lmer(parts[2] + (parts[1] + parts[0])), whole)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.integers(1, 899))
def test_any_two_parts(seed, cut):
    data = hospitals().sample(frac=1.0, random_state=seed % 997)
    parts = [lf.summarise(WARDS, part, levels=DRUGS) for part in (data[:cut], data[cut:])]
    same(lf.lmer(parts[0] + parts[1]), lf.lmer(WARDS, hospitals()))


def test_without_some_rows():
    data = hospitals()
    total = lf.summarise(WARDS, data, levels=DRUGS)
    left = total.without(lf.summarise(WARDS, data[data["site"] == 1], levels=DRUGS))
    rest = data[data["site"] != 1]
    assert left.nobs == len(rest)
    same(lf.lmer(left), lf.lmer(WARDS, rest), 1e-8)
    wards = left.counts["ward"]
    expected = rest.groupby("ward").size()
    assert wards.index.tolist() == expected.index.tolist()
    assert wards.tolist() == expected.tolist()
    none = total.without(total)
    assert none.nobs == 0
    with pytest.raises(ModelError, match="hold no rows"):
        lf.lmer(none)


def test_what_cannot_be_taken_out():
    data = hospitals()
    part = lf.summarise(WARDS, data[data["site"] == 1], levels=DRUGS)
    other = lf.summarise(WARDS, data[data["site"] == 2], levels=DRUGS)
    with pytest.raises(ModelError, match="is not in these sums"):
        part.without(other)
    with pytest.raises(ModelError, match="more rows"):
        part.without(lf.summarise(WARDS, pd.concat([data[data["site"] == 1]] * 2), levels=DRUGS))
    with pytest.raises(ArgumentError, match="takes sums"):
        part.without(data)
    with pytest.raises(TypeError):
        part + 1


def test_sums_of_other_models_do_not_add_up():
    data = hospitals()
    first, second = data[:400], data[400:]
    one = lf.summarise("y ~ dose + (1 | ward)", first)
    with pytest.raises(ModelError, match="make both with one formula"):
        one + lf.summarise("y ~ 1 + (1 | ward)", second)
    some = second[second["drug"] != "b"]
    mixed = lf.summarise("y ~ drug + (1 | ward)", first)
    with pytest.raises(
        ModelError, match=r"other levels of `drug`.*levels={'drug': \['a', 'b', 'c'\]}"
    ):
        mixed + lf.summarise("y ~ drug + (1 | ward)", some)
    again = mixed + lf.summarise("y ~ drug + (1 | ward)", some, levels={"drug": ["a", "b", "c"]})
    same(lf.lmer(again), lf.lmer("y ~ drug + (1 | ward)", pd.concat([first, some])))
    scaled = "y ~ scale(dose) + (1 | ward)"
    with pytest.raises(ModelError, match="have learnt different numbers"):
        lf.summarise(scaled, first) + lf.summarise(scaled, second)
    weighted = data.assign(w=1.0)
    with pytest.raises(ModelError, match="other weights"):
        one + lf.summarise("y ~ dose + (1 | ward)", weighted, weights="w")


def test_counts():
    data = hospitals()
    sums = lf.summarise(WARDS, chunks(data, 100))
    expected = data.groupby("patient").size()
    assert sums.counts["patient"].to_dict() == expected.to_dict()
    pairs = data.groupby(["ward", "patient"]).size()
    least = sums.smallest()
    assert least.index.tolist() == ["ward", "patient", "ward × patient", "drug"]
    assert least["drug"] == data.groupby("drug").size().min()
    assert least["patient"] == expected.min()
    assert least["ward × patient"] == pairs.min()
    few = int(least.min())
    assert sums.checked(few) is sums
    with pytest.raises(DataError, match=r"a level of .* has .* rows?, and at least"):
        sums.checked(few + 1)
    for wrong in (0, 1.5, "two"):
        with pytest.raises(ArgumentError, match="checked: least"):
            sums.checked(wrong)
    assert "900 rows" in repr(sums)
    assert sums.formula == WARDS
    assert sums.columns == ["Intercept", "dose", "drug[T.b]", "drug[T.c]"]


def test_missing_rows_are_told_when_fitted():
    data = lf.datasets.load("sleepstudy")
    data.loc[[3, 80], "Reaction"] = np.nan
    sums = lf.summarise(FORMULA, data[:90]) + lf.summarise(FORMULA, data[90:])
    assert sums.missing == {"Reaction": 2}
    assert (sums.nobs, sums.n_read) == (178, 180)
    with pytest.warns(MissingDataWarning, match="2 of 180 rows"):
        sums.fit()


def test_arguments_that_sums_have_already():
    sums = lf.summarise(FORMULA, lf.datasets.load("sleepstudy"))
    for more in ({"weights": "w"}, {"data": lf.datasets.load("sleepstudy")}, {"levels": {}}):
        with pytest.raises(ArgumentError, match="leave out"):
            lf.lmer(sums, **more)
    with pytest.raises(FormulaError):
        lf.lmer(3, [lf.datasets.load("sleepstudy")])


def test_digits_that_are_lost_in_stored_sums():
    """The source is read again; sums alone can only tell."""
    random = np.random.default_rng(4)
    g = np.repeat(np.arange(30), 20)
    data = pd.DataFrame({"g": g, "x": random.normal(size=600)})
    data["y"] = data["x"] + 1e4 * random.normal(size=30)[g] + random.normal(size=600)
    formula, whole = "y ~ x + (1 | g)", lf.lmer("y ~ x + (1 | g)", data)
    same(lf.lmer(formula, chunks(data, 100)), whole, 1e-8)
    parts = [lf.summarise(formula, data[:333]), lf.summarise(formula, data[333:])]
    same((parts[0] + parts[1]).fit(), whole, 1e-8)  # they know where the rows are
    alone = pickle.loads(pickle.dumps(parts[1]))
    with pytest.warns(PrecisionWarning, match="about 8 of 16 digits"):
        fit = (parts[0] + alone).fit()
    assert fit.sigma == pytest.approx(whole.sigma, rel=1e-3)


def test_sums_pickle():
    data = lf.datasets.load("sleepstudy")
    first = pickle.loads(pickle.dumps(lf.summarise(FORMULA, data[:77])))
    same(lf.lmer(first + lf.summarise(FORMULA, data[77:])), lf.lmer(FORMULA, data))


def test_models_without_random_effects():
    data = lf.datasets.load("sleepstudy")
    with warnings.catch_warnings():
        warnings.simplefilter("error", SingularWarning)
        same(lf.lmer("Reaction ~ Days", chunks(data, 50)), lf.lmer("Reaction ~ Days", data))


def test_a_bar_counts_rows(capsys):
    pytest.importorskip("tqdm")
    data = lf.datasets.load("sleepstudy")
    same(lf.summarise(FORMULA, chunks(data, 50), progress=True).fit(), lf.lmer(FORMULA, data))
    shown = capsys.readouterr()
    assert " rows" in shown.err
    assert not shown.out
    with pytest.raises(ArgumentError, match="progress"):
        lf.summarise(FORMULA, data, progress="yes")


def test_labels_of_two_types_do_not_add_up():
    data = hospitals()
    one = lf.summarise("y ~ dose + (1 | ward)", data[:400])
    with pytest.raises(ModelError, match=r"labels of ward are text .* give both one type"):
        one + lf.summarise("y ~ dose + (1 | ward)", data[400:].astype({"ward": str}))
    both = one + lf.summarise("y ~ dose + (1 | ward)", data[400:].astype({"ward": float}))
    same(lf.lmer(both), lf.lmer("y ~ dose + (1 | ward)", data))


def test_a_fit_of_sums_is_not_saved():
    fit = lf.lmer(lf.summarise(FORMULA, lf.datasets.load("sleepstudy")))
    with pytest.raises(ModelError, match="save the sums"):
        fit.save("sleep.lmf")
