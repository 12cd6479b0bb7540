"""Marginal means, contrasts, slopes and joint tests against emmeans."""

import numpy as np
import pytest
from mean_references import (
    SIMULATED,
    TOLERANCES,
    MeanCall,
    fit_of,
    mean_calls,
    mean_models,
)
from slow_cases import one_in

pytestmark = pytest.mark.one_in(4)

DIFFERENCES = (1e-3, 1e-5)
"""emmeans takes the slopes of curves by one-sided differences."""

CALLS = mean_calls()
JOINT = [c for c in CALLS if c.method == "joint_tests"]

OTHER = {
    # emmeans does not see that log(y/2) is halved
    *(("trial log(y/2)", c.place) for c in CALLS if c.arguments.get("kind") == "response"),
    # its rank of the 5 independent effects of 6 means is 6
    *(
        ("cake", c.place)
        for c in CALLS
        if c.arguments.get("adjust") == "scheffe" and c.arguments.get("contrast") == "eff"
    ),
    # it takes the 6 means of both groups as one family of Tukey's
    ("slash_crossed", 2),
    # it weighs sex by its frequencies within each route, we by those in all the data
    *(
        ("nested", c.place)
        for c in CALLS
        if c.arguments.get("spec") == "route"
        and c.arguments.get("weights") in ("proportional", "outer")
    ),
}
SAME = [c for c in CALLS if c.method != "joint_tests" and (c.model, c.place) not in OTHER]


def figures(call: MeanCall) -> dict[str, np.ndarray]:
    return {k: np.array(v, dtype=float) for k, v in call.figures.items() if k in TOLERANCES}


@pytest.mark.parametrize("name", mean_models())
def test_fits_agree(name):
    model, fit = mean_models()[name], fit_of(name)
    np.testing.assert_allclose(fit.params, model["beta"], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(fit.sigma, model["sigma"], rtol=1e-6)


@pytest.mark.parametrize("call", one_in(2, SAME), ids=str)
def test_table(call: MeanCall):
    ours = call.table()
    simulated = call.arguments.get("adjust") == "mvt" or (
        call.arguments.get("contrast") in ("consec", "mean_chg") and "adjust" not in call.arguments
    )
    curved = call.model == "trial_curves" and call.method == "emtrends"
    for column, values in figures(call).items():
        assert len(ours) == len(values)
        rtol, atol = DIFFERENCES if curved else TOLERANCES[column]
        if simulated and column in ("p_value", "lower", "upper"):
            rtol, atol = SIMULATED
        np.testing.assert_allclose(
            ours[column].to_numpy(dtype=float), values, rtol=rtol, atol=atol, err_msg=column
        )


@pytest.mark.parametrize("call", SAME, ids=str)
def test_labels(call: MeanCall):
    """The rows are in emmeans's order, with its labels."""
    ours = call.table()
    for column, values in call.figures.items():
        if column in TOLERANCES or column not in ours:
            continue
        theirs = [str(v).replace("TRUE", "True").replace("FALSE", "False") for v in values]
        shown = [f"{v:g}" if isinstance(v, float) else str(v) for v in ours[column]]
        assert [v.replace("(", "").replace(")", "") for v in shown] == [
            v.replace("(", "").replace(")", "") for v in theirs
        ]


@pytest.mark.parametrize("call", JOINT, ids=str)
def test_joint_tests(call: MeanCall):
    """emmeans gives F to three decimals; its denominator df is the least of single contrasts."""
    by = [call.arguments["by"]] if "by" in call.arguments else []
    ours = call.table().set_index([*by, "term"])
    theirs = call.figures
    keys = list(zip(*(theirs[name] for name in [*by, "term"]), strict=True))
    keys = [key if by else key[0] for key in keys]
    confounded = [key for key in keys if "confounded" in str(key)]
    assert len(ours) == len(keys) - len(confounded)
    for i, key in enumerate(keys):
        if key in confounded:
            continue
        row = ours.loc[key if key in ours.index else _sorted(key)]
        assert row["num_df"] == theirs["num_df"][i]
        np.testing.assert_allclose(row["statistic"], theirs["statistic"][i], atol=5.1e-4)
        np.testing.assert_allclose(row["den_df"], theirs["den_df"][i], rtol=0.02)
        np.testing.assert_allclose(row["p_value"], theirs["p_value"][i], atol=1e-3)


def _sorted(key):
    return ":".join(sorted(key.split(":")))


def test_halved_response():
    """emmeans gives half of what log(y/2) says of y."""
    for call in CALLS:
        if call.model == "trial log(y/2)" and "kind" in call.arguments:
            ours, theirs = call.table(), figures(call)
            factor = 1.0 if "contrast" in call.arguments else 2.0
            for column in ("estimate", "std_error", "lower", "upper"):
                np.testing.assert_allclose(ours[column], factor * theirs[column], rtol=1e-5)
