"""The matrices of a fit as they are shown: the dung flies step by step, and every kind of model."""

from __future__ import annotations

import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

import lmforms as lf
from lmforms.errors import ArgumentError, ModelError, SingularWarning
from lmforms.tables.matrix_numbers import number_texts

# As printed in Duthie (2024), with 168 in row 15 of X, which is misprinted once. Effects and
# residuals computed from the printed data differ from the printed ones by up to 5e-8.
BETA = [1.662317e-01, -3.466743e-05]
U = [-0.016207919, 0.007158668, 0.009049251]
E = [
    *(0.0010817597, 0.0051679006, -0.0052216740, -0.0085623576, 0.0032845742, 0.0001577298),
    *(-0.0007925669, -0.0002044497, -0.0140025103, -0.0064868708, 0.0030161277, 0.0198351347),
    *(0.0069518305, -0.0018725961, -0.0040461441, 0.0058748860, -0.0024033180, -0.0017774556),
]
X_BETA = [
    *(0.1585009, 0.1662317, 0.1627649, 0.162869, 0.1617249, 0.1603729, 0.1598876, 0.1635623),
    *(0.1662317, 0.1644637, 0.164533, 0.1634236, 0.1646717, 0.1628343, 0.1604076, 0.165469),
    *(0.166093, 0.1628343),
]
FLIES = [223, 0, 100, 97, 130, 169, 183, 77, 0, 51, 49, 81, 45, 98, 168, 22, 4, 98]
BLOCKS = [0] * 7 + [1] * 5 + [2] * 6
SLACK = 6e-8


@pytest.fixture(scope="module")
def dung():
    fit = lf.lmer("pr_dung ~ flies + (1 | oven_block)", lf.datasets.load("dung"))
    return fit, fit.matrices


@pytest.fixture(scope="module")
def sleep():
    return lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy")).matrices


def cells(display):
    """Rows of numbers between the brackets of a single matrix."""
    rows = [re.search(r"[\[⎡⎢⎣](.*)[\]⎤⎥⎦]", line) for line in str(display).splitlines()]
    return [row[1].split() for row in rows if row]


def numbers(display):
    return np.array(
        [[float(c.replace("−", "-").replace("·", "0")) for c in r] for r in cells(display)]
    )


def test_dung_flies_matrix_by_matrix(dung):
    m = dung[1]
    y = lf.datasets.load("dung")["pr_dung"].to_numpy()
    np.testing.assert_array_equal(numbers(m.show("y", decimals=7))[:, 0], y)
    np.testing.assert_array_equal(numbers(m.show("X"))[:, 0], 1)
    np.testing.assert_array_equal(numbers(m.show("X"))[:, 1], FLIES)
    np.testing.assert_array_equal(numbers(m.show("Z")), np.eye(3)[BLOCKS])
    np.testing.assert_allclose(m.beta, BETA, rtol=3e-7)
    np.testing.assert_allclose(numbers(m.show("b", decimals=9))[:, 0], U, rtol=0, atol=SLACK)
    np.testing.assert_allclose(numbers(m.show("e", decimals=10))[:, 0], E, rtol=0, atol=SLACK)
    rows = m.rows
    assert list(rows) == ["y", "Xβ", "Zb (1 | oven_block)", "e"]
    np.testing.assert_allclose(rows["Xβ"], X_BETA, rtol=0, atol=6e-8 + SLACK)
    np.testing.assert_allclose(rows.iloc[:, 2], np.array(U)[BLOCKS], rtol=0, atol=SLACK)
    np.testing.assert_allclose(rows.iloc[:, 1:].sum(axis=1), rows["y"], rtol=0, atol=1e-15)
    assert abs(m.b.sum()) < 1e-15  # "the u values sum to zero"


def test_generalised_least_squares_with_the_shown_V(dung):
    fit, m = dung
    V = numbers(m.show("V", rows=18, columns=18, decimals=15))
    np.testing.assert_allclose(V, m.V, atol=1e-15)
    X, y = m.X.to_numpy(), m.y.to_numpy()
    XVX = X.T @ np.linalg.solve(V, X)
    np.testing.assert_allclose(XVX, m.R_X.T @ m.R_X / m.sigma**2, rtol=1e-8)
    np.testing.assert_allclose(np.linalg.inv(XVX), fit.cov_params(), rtol=1e-8)
    beta = np.linalg.solve(XVX, X.T @ np.linalg.solve(V, y))
    np.testing.assert_allclose(beta, BETA, rtol=3e-7)


def test_the_printed_equation(dung):
    m = dung[1]
    lines = str(m).splitlines()
    assert lines[0] == "y = Xβ + Zb + e"
    assert lines[2].startswith("⎡0.1434⎤   ⎡1  223⎤")
    assert lines[-2].split() == ["y", "X", "β", "Z", "b", "e"]
    assert lines[-1].split() == ["18×1", "18×2", "2×1", "18×3", "3×1", "18×1"]
    assert repr(m) == str(m)
    assert max(map(len, lines)) <= 80
    assert "-" not in str(m)  # one minus sign
    symbols = str(m.show("symbols"))
    assert all(s in symbols for s in ("β₀", "β₁", "b₃", "ε₁₈"))
    assert cells(m.show("X", decimals=7))[0] == ["1", "223"]  # whole numbers stay whole
    sums = str(m.show("sums", decimals=7)).splitlines()
    assert sums[2] == "⎡0.1433747⎤   ⎡0.1585009⎤   ⎡−0.0162079⎤   ⎡ 0.0010817⎤"


def test_large_matrices_leave_out_the_middle(sleep):
    lines = str(sleep).splitlines()
    assert max(map(len, lines)) <= 80
    assert sum("  :  …  :" in line for line in lines) == 1
    assert lines[-1].split() == ["180×1", "180×2", "2×1", "180×36", "36×1", "180×1"]
    shown = cells(sleep.show("Z", rows=5, columns=6))
    assert shown == [
        ["1", "0", "0", "…", "0", "0"],
        ["1", "1", "0", "…", "0", "0"],
        [":", ":", ":", "…", ":", ":"],
        ["0", "0", "0", "…", "1", "8"],
        ["0", "0", "0", "…", "1", "9"],
    ]
    names = str(sleep.show("Z", rows=5, columns=5)).splitlines()[2]
    assert names.split("  ")[-1] == "372 Days"


@pytest.mark.parametrize("which", ["K", "V", "R", "A", "L", "P", "Lambda", "Q", "R_X", "R_ZX"])
def test_every_matrix_is_shown_as_it_is(which):
    data = lf.datasets.load("sleepstudy").head(30).assign(w=lambda d: 1.0 + d["Days"])
    K = pd.DataFrame([[1, 0.5, 0.2], [0.5, 1, 0.1], [0.2, 0.1, 1]], *[["308", "309", "310"]] * 2)
    data["Subject"] = data["Subject"].astype(str)
    fit = lf.lmer("Reaction ~ Days + (1 | Subject)", data, weights="w", relationship={"Subject": K})
    m = fit.matrices
    whole = getattr(m, which)
    whole = whole.toarray() if hasattr(whole, "toarray") else np.asarray(whole)
    shown = numbers(m.show(which, rows=40, columns=40, decimals=9, names=False))
    np.testing.assert_allclose(shown, whole, atol=6e-10 * max(np.abs(whole).max(), 1))
    small = numbers(m.show(which, rows=3, columns=3, decimals=9)) if len(whole) <= 3 else None
    assert small is None or small.shape == whole.shape


def test_structures_in_the_template_are_functions_of_theta():
    data = lf.datasets.load("Machines")
    with pytest.warns(SingularWarning, match="rho"):
        fit = lf.lmer("score ~ Machine + ar1(0 + Machine | Worker) + (1 | Worker:Machine)", data)
    shown = cells(fit.matrices.show("template", rows=40, columns=40))
    assert {c for row in shown for c in row} == {"f(θ)", "·", "θ₃"}
    rows = fit.matrices.rows
    assert list(rows)[2:4] == ["Zb ar1(0 + Machine | Worker)", "Zb (1 | Worker:Machine)"]
    np.testing.assert_allclose(rows.iloc[:, 1:].sum(axis=1), rows["y"], atol=1e-9)


def test_rows_with_an_offset_and_by_coefficient():
    data = lf.datasets.load("sleepstudy")
    fit = lf.lmer("Reaction ~ Days + (Days || Subject)", data, offset=10.0 + data["Days"])
    m = fit.matrices
    assert str(m).startswith("y − offset = Xβ + Zb + e")
    rows = m.row_table(by_coefficient=True)
    assert list(rows)[:4] == ["y", "offset", "Xβ Intercept", "Xβ Days"]
    np.testing.assert_array_equal(rows["y"], data["Reaction"])
    np.testing.assert_allclose(rows.iloc[:, 1:].sum(axis=1), rows["y"], rtol=1e-13)
    assert rows.index.equals(fit.fittedvalues.index)


@pytest.mark.parametrize(
    "formula, residual, title",
    [
        ("Reaction ~ Days", None, "y = Xβ + e"),
        ("Reaction ~ 0 + (1 | Subject)", None, "y = Zb + e"),
        ("Reaction ~ Days + (1 | Subject)", "ar1(Days | Subject)", "y = Xβ + Zb + e"),
    ],
)
def test_other_kinds_of_models(formula, residual, title):
    fit = lf.lmer(formula, lf.datasets.load("sleepstudy"), residual=residual)
    m = fit.matrices
    assert str(m).splitlines()[0] == title
    np.testing.assert_allclose(m.rows.iloc[:, 1:].sum(axis=1), m.rows["y"], rtol=1e-12)
    i, j = np.arange(3), np.arange(10, 14)
    np.testing.assert_allclose(m.covariance_of_y(i, j), m.V[np.ix_(i, j)], atol=1e-9)
    at = fit.at(fit.theta).matrices
    np.testing.assert_allclose(at.rows.to_numpy(), m.rows.to_numpy(), rtol=1e-7, atol=1e-7)


def test_html_needs_no_style_sheet(dung, sleep):
    html = dung[1]._repr_html_()
    assert not any(word in html for word in ("<style", "http"))
    assert all(word in html for word in ("overflow-x:auto", "currentColor"))
    assert "#" not in re.sub("&#", "", html)  # no colour of its own
    assert html.count("grid-area") == 18 * (1 + 2 + 3 + 1) + 2 + 3
    named = sleep.show("template").to_html()
    assert all(word in named for word in ("308 Intercept", "θ₁"))


def test_latex_compiles_alone(dung, sleep, tmp_path):
    shown = [dung[1], dung[1].show("symbols"), sleep, sleep.show("template"), sleep.show("R_ZX")]
    shown += [dung[1].show("V", rows=18, columns=18), dung[1].show("sums")]
    texts = [s.to_latex() for s in shown]
    assert "\\theta_{3}" in texts[3]
    assert "R_{ZX}" in texts[4]
    assert ["MaxMatrixCols" in text for text in texts] == [False] * 5 + [True, False]
    assert not re.search("[^\\x00-\\x7f]", "".join(texts))
    assert shown[0].to_markdown().startswith("$$\n\\underset{y}{\\begin{bmatrix}\n0.1434")
    if shutil.which("pdflatex") is None:
        pytest.skip("LaTeX is not installed")
    head = "\\documentclass{article}\n\\usepackage{amsmath}\n\\begin{document}\n"
    (tmp_path / "m.tex").write_text(head + "\n".join(texts) + "\n\\end{document}\n")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "m.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize(
    "values, texts",
    [
        ([0.0, -0.0], ["0", "0"]),
        ([1e-300, 1.0], ["0", "1"]),
        ([0.0, -0.5], ["0.0000", "−0.5000"]),
        ([1.0, 2.5], ["1.000", "2.500"]),
        ([-0.0004, 1000.5], ["0.00", "1000.50"]),
        ([1.5e20, -1.0], ["1.5e+20", "0"]),
        ([-1.5e-14, 3e-14], ["−1.5e−14", "3e−14"]),
        ([np.nan, 2.0], ["nan", "2"]),
    ],
)
def test_numbers_of_one_matrix(values, texts):
    assert number_texts(values) == texts


@pytest.mark.parametrize(
    "values, units, texts",
    [
        ([251.405, 10.4673], [0, 1], ["251.41", "10.47"]),
        ([0.1662317, -3.466743e-05], [0, 1], ["0.1662", "−3.467e−05"]),
        ([2e5, 0.0, 0.5, 1e-20], [0, 1, 2, 3], ["200000", "0", "0.5000", "1.000e−20"]),
        ([1.5, 2e-9, 0.0, 1e-20], [0] * 4, ["1.50000", "2.000e−09", "0.00000", "0.00000"]),
        ([40.39, 2.1, 0.01234], [0, 0, 1], ["40.39000", "2.10000", "0.01234"]),
    ],
)
def test_coefficients_have_four_digits(values, units, texts):
    assert number_texts(values, units=units, exponents=True) == texts


def test_whole_columns_have_no_decimals():
    data = lf.datasets.load("six_points").assign(s=list("abcabc"))
    data["x"] -= 4.76  # holds zeros, which are numbers as others
    m = lf.lmer("y ~ x + s", data).matrices
    shown = cells(m.show("X", names=False))
    assert shown[1] == ["1", "0.000", "1", "0"]
    assert shown[2] == ["1", "1.090", "0", "1"]
    assert cells(m.show("X", decimals=2, names=False))[1] == ["1", "0.00", "1", "0"]
    assert r"\phantom{-}0.00 & \phantom{-}1 & \phantom{-}0 " in m.show("X", decimals=2).to_latex()
    halves = lf.datasets.load("sleepstudy").assign(Days=lambda d: d["Days"] + 0.5)
    shown = lf.lmer("Reaction ~ Days + (Days || Subject)", halves).matrices.show("Z", rows=3)
    assert cells(shown)[0][:2] + cells(shown)[0][-2:] == ["1", "0.500", "0", "0"]
    assert cells(shown)[-1][:2] + cells(shown)[-1][-2:] == ["0", "0", "1", "9.500"]


def test_no_negative_zeros(dung):
    rows = dung[1].row_table(by_coefficient=True).to_numpy()
    assert (rows == 0).any()
    assert not np.signbit(rows[rows == 0]).any()
    fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
    at = fit.at([1, 0, 0.2])
    np.testing.assert_allclose(at.theta, [1, 0, 0.2], atol=1e-14)
    for given in (at.theta, at.matrices.Lambda.toarray(), at.random_effects["Subject"].to_numpy()):
        assert not np.signbit(given[given == 0]).any()


def test_small_coefficients_are_as_precise_as_large_ones(dung):
    m = dung[1]
    assert cells(m.show("beta")) == [["0.1662"], ["−3.467e−05"]]
    assert cells(m.show("beta", decimals=6)) == [["0.166232"], ["−0.000035"]]
    assert r"-3.467 \times 10^{-5}" in m.to_latex()
    assert "−3.467e−05" in m.to_html()
    units = lf.datasets.load("sleepstudy").assign(Days=lambda d: 1e6 * d["Days"])
    shown = lf.lmer("Reaction ~ Days + (Days | Subject)", units).matrices.show("b")
    assert [row[0] for row in cells(shown)][:2] == ["2.26", "9.199e−06"]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda m: m.show("W"), "which='W': use one of 'model', 'symbols'"),
        (lambda m: m.show("lambda"), "Did you mean `Lambda`"),
        (lambda m: m.show(3), "which=3"),
        (lambda m: m.show("Z", rows=2), "rows=2: a whole number of at least 3"),
        (lambda m: m.show("Z", decimals=-1), "decimals=-1"),
        (lambda m: m.show("Z", digits=3), "no argument `digits`"),
        (lambda m: m.row_table(by_coefficient="yes"), "True or False"),
    ],
)
def test_bad_arguments(dung, call, message):
    with pytest.raises(ArgumentError, match=message):
        call(dung[1])


def test_conjugate_gradients_have_no_matrices():
    control = lf.Control(factor="cg")
    fit = lf.lmer(
        "strength ~ 1 + (1 | batch) + (1 | cask)", lf.datasets.load("Pastes"), control=control
    )
    with pytest.raises(ModelError, match="conjugate gradients"):
        _ = fit.matrices
