"""Simulates the data set ``visit_trial``: the CSV file and its sidecar.

    python datasets/visit_trial.py        (from the repository root)

A parallel-group trial with a baseline and five visits after it. The residual covariance is
unstructured, with variances that grow. Patients leave, more often after poor values, and single
visits are missed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd

SEED = 20260115
PATIENTS = 120
WEEKS = np.array([2.0, 4.0, 8.0, 12.0, 16.0])
SD = np.array([4.2, 4.6, 5.5, 6.1, 6.4])
CORRELATION = np.array(
    [
        [1.00, 0.72, 0.55, 0.46, 0.38],
        [0.72, 1.00, 0.70, 0.60, 0.47],
        [0.55, 0.70, 1.00, 0.74, 0.62],
        [0.46, 0.60, 0.74, 1.00, 0.79],
        [0.38, 0.47, 0.62, 0.79, 1.00],
    ]
)
BENEFIT = np.array([0.5, 1.4, 2.6, 3.4, 3.9])

HERE = Path(__file__).resolve().parent


def simulate() -> pd.DataFrame:
    """One row per visit that took place."""
    rng = np.random.default_rng(SEED)
    root = np.linalg.cholesky(SD[:, None] * CORRELATION * SD)
    lines = []
    for i in range(PATIENTS):
        arm = int(rng.integers(0, 2))
        female = int(rng.integers(0, 2))
        baseline = rng.normal(42.0, 6.0)
        mean = 6.0 + 0.85 * baseline - 1.8 * female + 0.10 * WEEKS + BENEFIT * arm
        y = mean + root @ rng.normal(size=5)
        score = (baseline - y) / 6.0
        for j in range(5):
            if j and rng.uniform() < 1.0 / (1.0 + np.exp(3.6 - 0.9 * score[j - 1])):
                break  # the patient leaves
            if rng.uniform() < 0.04:
                continue  # the visit is missed
            patient, name = f"P{i + 1:03d}", f"V{j + 1}"
            group, sex = ("placebo", "active")[arm], ("male", "female")[female]
            line = (patient, group, sex, round(baseline, 1), name, WEEKS[j], round(y[j], 1))
            lines.append(line)
    names = ["patient", "arm", "sex", "baseline", "visit", "week", "fev"]
    return pd.DataFrame(lines, columns=names)


def factor(kind: str, levels: list[str], description: str) -> dict[str, object]:
    """What the sidecar says of a factor."""
    return {"type": kind, "levels": levels, "unit": None, "description": description}


def number(unit: str | None, description: str) -> dict[str, object]:
    """What the sidecar says of a number."""
    return {"type": "float", "unit": unit, "description": description}


def sidecar(frame: pd.DataFrame, content: bytes) -> dict[str, object]:
    """The JSON beside the CSV file."""
    columns = {
        "patient": factor("category", sorted(frame["patient"].unique()), "patient"),
        "arm": factor("category", ["placebo", "active"], "treatment"),
        "sex": factor("category", ["male", "female"], "sex"),
        "baseline": number("% of predicted", "forced expiratory volume before treatment"),
        "visit": factor("category", [f"V{j + 1}" for j in range(5)], "visit after the baseline"),
        "week": number("week", "time of the visit since the start of treatment"),
        "fev": number("% of predicted", "forced expiratory volume in one second"),
    }
    check: dict[str, object] = {}
    for name, facts in columns.items():
        if facts["type"] == "float":
            check[name] = {"sum": round(float(frame[name].sum()), 1)}
        else:
            levels = facts["levels"]
            codes = pd.Categorical(frame[name], categories=levels).codes + 1
            check[name] = {"code_sum": int(codes.astype(int).sum()), "nlevels": len(levels)}
    return {
        "name": "visit_trial",
        "title": "Simulated trial with repeated visits",
        "description": (
            "Lung function of 120 simulated patients of two arms, measured at a baseline and at "
            "up to five visits in 16 weeks. The covariance of the visits is unstructured, with "
            "variances that grow. Patients leave, more often after poor values, and single visits "
            "are missed; such rows are absent."
        ),
        "source": {
            "package": None,
            "version": None,
            "simulated": True,
            "citation": f"Simulated for lmforms by datasets/visit_trial.py with seed {SEED}.",
        },
        "licence": "That of lmforms: no real patient is described.",
        "file": "visit_trial.csv",
        "nrow": len(frame),
        "columns": columns,
        "example": "fev ~ baseline + sex + arm * visit + (1 | patient)",
        "check": check,
        "sha256": hashlib.sha256(content).hexdigest(),
    }


if __name__ == "__main__":
    table = simulate()
    text = table.to_csv(index=False, lineterminator="\n").encode()
    (HERE / "visit_trial.csv").write_bytes(text)
    about = json.dumps(sidecar(table, text), indent=2)
    (HERE / "visit_trial.json").write_text(about + "\n", encoding="utf-8")
