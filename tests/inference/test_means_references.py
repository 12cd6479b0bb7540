"""Means, slopes and joint tests of the models in ``inference.json``."""

import numpy as np
import pytest
from mean_references import SIMULATED, TOLERANCES
from references import content, reference
from slow_cases import one_in

pytestmark = pytest.mark.one_in(4)

CURVES = {"sleep_poly", "sleep_quadratic"}
"""emmeans takes the slopes of curves by one-sided differences, to a thousandth."""

FEW_DIGITS = {"machines_singular"}
"""pbkrtest loses digits with three groups: 2.0017 degrees of freedom for 2."""


def cases(section):
    return [pytest.param(e, id=f"{e['model']}-{i}") for i, e in enumerate(content()[section])]


def arguments(entry):
    chosen = ("spec", "by", "at", "contrast", "adjust", "ddf", "weights", "kind", "level", "var")
    out = {k: entry[k] for k in chosen if entry.get(k) is not None}
    if entry.get("bias_sigma") is not None:
        out["bias_adjust"] = entry["bias_sigma"]
    if entry.get("ref") is not None:
        levels = entry["labels"].get(entry["spec"][0])
        fit = reference(entry["model"]).fit()
        table = fit.emmeans(entry["spec"])
        out["reference"] = str((levels or table[entry["spec"][0]])[entry["ref"] - 1])
    return out


def compare(entry, table):
    """Where some contrasts are not estimable emmeans counts them in the family, and we do not."""
    simulated = entry["adjust"] == "mvt" or (
        entry["contrast"] in ("consec", "mean_chg") and entry["adjust"] is None
    )
    for column, (rtol, atol) in TOLERANCES.items():
        if column not in table or column not in entry:
            continue
        theirs = np.array(entry[column], dtype=float)
        assert len(table) == len(theirs)
        if column in ("p_value", "lower", "upper"):
            if np.isnan(theirs).any() and entry["adjust"] != "none":
                continue
            if simulated:
                rtol, atol = SIMULATED
        if (entry["model"] in CURVES and "var" in entry) or entry["model"] in FEW_DIGITS:
            rtol, atol = 2e-3, 1e-2
        ours = table[column].to_numpy(dtype=float)
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol, err_msg=column)


@pytest.mark.parametrize("entry", one_in(2, cases("means")))
def test_means(entry):
    compare(entry, reference(entry["model"]).fit().emmeans(**arguments(entry)))


@pytest.mark.parametrize("entry", cases("trends"))
def test_trends(entry):
    compare(entry, reference(entry["model"]).fit().emtrends(**arguments(entry)))


@pytest.mark.parametrize("entry", cases("joint_tests"))
@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
def test_joint_tests(entry, ddf):
    theirs = entry.get(ddf.replace("-", "_"))
    if theirs is None:
        pytest.skip("not defined")
    fit = reference(entry["model"]).fit()
    by = entry["by"] or []
    ours = fit.joint_tests(by=by or None, at=entry["at"], ddf=ddf)
    rows = {}
    for _, row in ours.iterrows():
        rows[(*(str(row[name]) for name in by), frozenset(row["term"].split(":")))] = row
    for i, term in enumerate(entry["terms_r"]):
        group = tuple(str(entry["labels"][name][i]) for name in by)
        row = rows.pop((*group, frozenset(term.split(":"))))
        assert row["num_df"] == theirs["num_df"][i]
        # lmerTest's principal axes are those of rows that are not scaled
        for column, rtol in (("statistic", 2e-5), ("den_df", 1e-3)):
            np.testing.assert_allclose(row[column], theirs[column][i], rtol=rtol, err_msg=column)
        np.testing.assert_allclose(row["p_value"], theirs["p_value"][i], atol=2e-5)
    numbers = {"x", "temp"}  # emmeans was asked for factors only
    assert all(term & numbers for *_, term in rows)
