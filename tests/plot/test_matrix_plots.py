"""Pictures of matrices and of the criterion: what is drawn is what a slow computation says."""

from __future__ import annotations

import warnings
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

import lmforms as lf
from lmforms.errors import ArgumentError, ModelError
from lmforms.plot.criterion_arrays import criterion_surface
from lmforms.plot.matrix_arrays import factor_pattern, kind_shares, pattern_of, template_pattern

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def crossed():
    return lf.lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", lf.datasets.load("Penicillin"))


@pytest.fixture(scope="module")
def nested():
    return lf.lmer("strength ~ 1 + (1 | batch/cask)", lf.datasets.load("Pastes"))


@pytest.fixture(scope="module")
def slopes():
    formula = "Reaction ~ Days + (Days | Subject)"
    return lf.lmer(formula, lf.datasets.load("sleepstudy"), start=[2.0, 0.3, 1.0])


def drawn(ax):
    """Where the image has an entry, and its colours."""
    image = np.asarray(ax.images[0].get_array())
    return image[..., 3] > 0, image[..., :3]


def legend(ax):
    return [t.get_text() for t in ax.get_legend().get_texts()]


def eliminated(A):
    """Pattern of L by symbolic elimination of a dense pattern."""
    pattern = A != 0
    for j in range(len(A)):
        below = np.flatnonzero(pattern[j + 1 :, j]) + j + 1
        pattern[np.ix_(below, below)] = True
    return np.tril(pattern)


@pytest.mark.parametrize("which", ["Z", "Lambda", "A", "L", "X", "P", "Q", "R", "R_ZX", "R_X"])
def test_patterns_are_those_of_the_matrices(slopes, which):
    ax = lf.plot.matrix(slopes, which)
    matrix = getattr(slopes.matrices, which)
    dense = matrix.toarray() if hasattr(matrix, "toarray") else np.asarray(matrix)
    np.testing.assert_array_equal(drawn(ax)[0], dense != 0)
    assert f"{dense.shape[0]}×{dense.shape[1]}, {(dense != 0).sum()} nonzeros" in ax.get_title(
        loc="left"
    )
    assert ax.get_xlabel()
    assert ax.get_ylabel()


@pytest.mark.parametrize("name, fill", [("crossed", 15), ("nested", 0)])
def test_fill_in_is_marked_and_counted(name, fill, request):
    fit = request.getfixturevalue(name)
    m = fit.matrices
    permuted = (m.P @ m.A @ m.P.T).toarray()
    there = eliminated(permuted)
    is_fill = there & (permuted == 0)
    assert is_fill.sum() == fill
    ax = lf.plot.matrix(fit)
    filled, colours = drawn(ax)
    np.testing.assert_array_equal(filled, there)
    assert ax.get_title(loc="left").endswith(f"{fill} of them fill-in")
    assert legend(ax) == [f"in PAP' ({there.sum() - fill})", f"fill-in ({fill})"]
    if fill:
        assert len(np.unique(colours[is_fill], axis=0)) == 1
        assert not (colours[there & ~is_fill] == colours[is_fill][0]).all(axis=1).any()


def test_lambda_has_a_colour_for_each_theta(slopes):
    ax = lf.plot.matrix(slopes, "Λ")
    assert legend(ax) == ["θ₁ (18)", "θ₂ (18)", "θ₃ (18)"]
    colours = drawn(ax)[1]
    template = slopes.matrices.template.toarray()
    for place in (1, 2, 3):
        assert len(np.unique(colours[template == place], axis=0)) == 1
    assert len(np.unique(colours[template > 0], axis=0)) == 3
    assert [t.get_text() for t in ax.get_xticklabels()] == ["(Days | Subject)"]


def test_entries_that_are_no_single_theta():
    fit = lf.lmer("score ~ Machine + ar1(0 + Machine | Worker)", lf.datasets.load("Machines"))
    found = template_pattern(fit.matrices)
    assert found.names == ("function of θ",)
    assert found.counts[0] == (fit.matrices.Lambda.toarray() != 0).sum()
    lf.plot.matrix(fit, "Lambda")


def test_large_matrices_share_pixels():
    import scipy.sparse as sp

    rng = np.random.default_rng(0)
    rows, columns = rng.integers(0, [[5000], [3000]], (2, 15_000))
    large = sp.coo_array((np.ones(15_000), (rows, columns)), shape=(5000, 3000)).tocsr()
    kinds, shares = kind_shares(pattern_of(large))
    assert shares.shape == (400, 400)
    edges = [np.searchsorted(np.arange(n) * 400 // n, np.arange(401)) for n in large.shape]
    blocks = [
        [(large[a:b][:, c:d].toarray() != 0).mean() for c, d in zip(edges[1][:3], edges[1][1:4])]
        for a, b in zip(edges[0][:3], edges[0][1:4])
    ]
    np.testing.assert_allclose(shares[:3, :3], blocks)
    assert (np.isfinite(kinds) == (shares > 0)).all()


def test_a_fit_without_random_terms():
    fit = lf.lmer("Reaction ~ Days", lf.datasets.load("sleepstudy"))
    assert "180×2, 342 nonzeros" in lf.plot.matrix(fit, "X").get_title(loc="left")
    with pytest.raises(ModelError, match="no random terms, and so nothing in L"):
        lf.plot.matrix(fit)
    with pytest.raises(ModelError, match="no random terms"):
        lf.plot.criterion(fit)


# --- the criterion ----------------------------------------------------------------------------


def no_bar(items):
    return items


K = pd.DataFrame(np.eye(18) * 2.0 + 0.5)


def sleepstudy():
    data = lf.datasets.load("sleepstudy")
    return data.assign(Subject=data["Subject"].astype(str), w=1.0 + data["Days"])


KINDS = {
    "slopes": {"formula": "Reaction ~ Days + (Days | Subject)"},
    "ml": {"formula": "Reaction ~ Days + (Days || Subject)", "reml": False, "weights": "w"},
    "two terms": {"formula": "Reaction ~ Days + (0 + Days | Subject) + (1 | Subject)"},
    "ar1": {"formula": "Reaction ~ Days + (1 | Subject)", "residual": "ar1(Days | Subject)"},
    "related": {"formula": "Reaction ~ Days + (1 | Subject)", "relationship": True},
    "unrelated factors": {"formula": "Reaction ~ 1 + (1 | Subject) + (1 | Days)"},
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_surface_is_the_criterion_at_theta(kind):
    options, data = dict(KINDS[kind]), sleepstudy()
    if options.pop("relationship", False):
        labels = sorted(data["Subject"].unique())
        options["relationship"] = {"Subject": K.set_axis(labels).set_axis(labels, axis=1)}
    fit = lf.lmer(options.pop("formula"), data, **options)
    found = criterion_surface(fit, None, None, 3, 8.0, no_bar)
    assert found.least == pytest.approx(fit.criterion, abs=1e-7)
    places = {"slopes": [0, 2]}.get(kind, list(range(len(fit.theta))))
    grid = np.stack(np.meshgrid(*found.axes), axis=-1).reshape(-1, len(places))
    values = found.values.ravel()
    for point, value in list(zip(grid, values))[::2]:
        theta = fit.theta.copy()
        theta[places] = point
        assert value == pytest.approx(fit.at(theta).criterion, abs=1e-7)
    assert (values >= found.least - 1e-7).all()
    if kind != "ar1":  # with φ, which were searched for at the same time, other values
        for theta, height in zip(found.steps, found.heights):
            if not found.held:
                assert height == pytest.approx(fit.at(theta).criterion, abs=1e-7)
    np.testing.assert_allclose(found.steps[np.argmin(found.heights)], fit.theta[places], atol=1e-4)


def test_a_curve_with_its_steps():
    fit = lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"), start=[3.0])
    ax = lf.plot.criterion(fit, points=21)
    named = {line.get_label(): line for line in ax.lines}
    x, y = named["REML criterion"].get_data()
    assert x[0] == 0
    np.testing.assert_allclose(y[5], fit.at([x[5]]).criterion, atol=1e-8)
    assert y[-1] == pytest.approx(fit.criterion + 8, abs=0.5)
    steps = named["optimiser's steps"].get_xydata()
    np.testing.assert_allclose(steps[0], [3.0, fit.optimizer.trace[0]])
    assert (np.diff(steps[:, 1]) < 0).all()
    np.testing.assert_allclose(named["estimate"].get_xydata(), [[fit.theta[0], fit.criterion]])
    assert "θ = 0: no variance of its own" in legend(ax)
    assert ax.texts[0].get_text() == "1"
    assert ax.get_title(loc="left") == ""
    plain = lf.plot.criterion(fit.at([0.5]), points=5)
    assert "θ of this fit" in legend(plain)
    assert not any("steps" in text for text in legend(plain))


def test_contours_with_held_theta(slopes):
    ax = lf.plot.criterion(slopes, points=9)
    assert ax.get_xlabel() == "θ₁ = sd(Intercept | Subject)/σ"
    assert ax.get_ylabel() == "θ₃ = λ(Days, Days | Subject)"
    assert ax.get_title(loc="left").startswith("REML criterion less its minimum\nheld: θ₂ = ")
    steps = next(line for line in ax.lines if line.get_label() == "optimiser's steps")
    np.testing.assert_allclose(steps.get_xydata()[0], [2.0, 1.0])
    levels = ax.collections[0].levels
    assert list(levels) == [
        level for level in (0.1, 0.5, 1, 2, 4, 8, 16, 32, 64) if level in levels
    ]
    one = lf.plot.criterion(slopes, "θ₂", points=5, limits=(-0.2, 0.2), steps=False)
    assert one.lines[0].get_xdata()[[0, -1]].tolist() == [-0.2, 0.2]
    assert "held: θ₁ = " in one.get_title(loc="left")
    by_meaning = lf.plot.criterion(slopes, ["λ(Days, Intercept | Subject)", 0], points=3)
    assert by_meaning.get_xlabel().startswith("θ₂")


def test_axes_reach_as_far_as_the_steps_within_reason():
    data = lf.datasets.load("Dyestuff")
    near = lf.lmer("Yield ~ 1 + (1 | Batch)", data, start=[4.0])
    far = lf.lmer("Yield ~ 1 + (1 | Batch)", data, start=[60.0])
    ends = [lf.plot.criterion(near, points=5, steps=steps).get_xlim()[1] for steps in (True, False)]
    assert ends[0] > 4.0 > ends[1]
    ax = lf.plot.criterion(near, points=5)
    assert "beyond" not in "".join(text.get_text() for text in ax.texts)
    ax = lf.plot.criterion(far, points=5)
    assert ax.get_xlim()[1] < 8
    assert ax.texts[-1].get_text() == "1 step beyond the axes"
    ax = lf.plot.criterion(near, points=5, limits=(0.5, 1.0))
    assert ax.get_xlim()[1] < 1.1
    assert "steps beyond the axes" in ax.texts[-1].get_text()


def test_contours_reach_as_far_as_the_steps():
    formula, start = "Reaction ~ Days + (Days | Subject)", [2.2, 0.2, 0.6]
    fit = lf.lmer(formula, lf.datasets.load("sleepstudy"), start=start)
    ax = lf.plot.criterion(fit, ("θ₁", "θ₃"), points=5)
    assert ax.get_xlim()[1] > 2.2
    assert ax.get_ylim()[1] > 0.6


def test_a_fit_at_the_boundary():
    with pytest.warns(lf.errors.SingularWarning):
        fit = lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff2"))
    ax = lf.plot.criterion(fit, points=11)
    curve = ax.lines[0].get_xydata()
    assert curve[0, 0] == 0
    assert np.argmin(curve[:, 1]) == 0
    assert "θ = 0: no variance of its own" in legend(ax)


def test_a_loaded_fit_has_no_steps(slopes, tmp_path):
    slopes.save(tmp_path / "fit.lmf")
    loaded = lf.load(tmp_path / "fit.lmf")
    found = criterion_surface(loaded, 0, None, 3, 8.0, no_bar)
    assert len(found.steps) == 0
    assert found.least == pytest.approx(slopes.criterion, abs=1e-7)
    assert "optimiser's steps" not in legend(lf.plot.criterion(loaded, 0, points=3))


def test_pictures_can_be_written_on_light_and_dark(crossed, tmp_path):
    for style in ("default", "dark_background"):
        with plt.style.context(style):
            _, axes = plt.subplots(1, 2, layout="constrained")
            assert lf.plot.matrix(crossed, "L", ax=axes[0]) is axes[0]
            lf.plot.criterion(crossed, points=5, ax=axes[1])
            axes[0].figure.savefig(tmp_path / "both.png")
            ground = matplotlib.colors.to_rgb(axes[0].get_facecolor())
            for colour in np.unique(drawn(axes[0])[1][drawn(axes[0])[0]], axis=0):
                assert np.abs(colour - ground).max() > 0.3


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda f: lf.plot.matrix(f, "W"), ArgumentError, "which='W': use one of 'Z', 'Lambda'"),
        (lambda f: lf.plot.matrix([1]), ArgumentError, "fit: a fit of lmer is needed"),
        (lambda f: lf.plot.matrix(f, ax=3), ArgumentError, "not of matplotlib's Axes"),
        (lambda f: lf.plot.criterion(f, 3), ArgumentError, "3 θ, counted from 0 to 2"),
        (lambda f: lf.plot.criterion(f, "θ9"), ArgumentError, "'θ₁ = sd"),
        (lambda f: lf.plot.criterion(f, [0, 0]), ArgumentError, "one or two different"),
        (lambda f: lf.plot.criterion(f, [0, 1, 2]), ArgumentError, "one or two different"),
        (
            lambda f: lf.plot.criterion(f, True),
            ArgumentError,
            "theta must be a sequence|theta=True",
        ),
        (lambda f: lf.plot.criterion(f, points=2), ArgumentError, "points=2"),
        (lambda f: lf.plot.criterion(f, 0, limits=(2, 1)), ArgumentError, "pair \\(low, high\\)"),
        (lambda f: lf.plot.criterion(f, limits=(0, 1)), ArgumentError, "limits"),
        (lambda f: lf.plot.criterion(f, steps="no"), ArgumentError, "steps='no'"),
    ],
)
def test_bad_arguments(slopes, call, error, message):
    with pytest.raises(error, match=message):
        call(slopes)


def test_conjugate_gradients_are_refused():
    control = lf.Control(factor="cg")
    formula = "strength ~ 1 + (1 | batch) + (1 | cask)"
    fit = lf.lmer(formula, lf.datasets.load("Pastes"), control=control)
    for draw in (lf.plot.matrix, lf.plot.criterion):
        with pytest.raises(ModelError, match="conjugate gradients"):
            draw(fit)


def test_the_pattern_of_a_factor_counts_structural_entries(crossed):
    found = factor_pattern(crossed.matrices)
    assert found.counts.sum() == crossed.matrices.L.nnz


def test_names_of_terms_do_not_overlap_in_narrow_panels(nested):
    formula = "score ~ Machine + (1 | Worker) + (1 | Machine) + (1 | Worker:Machine)"
    data = lf.datasets.load("Machines")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = lf.lmer(formula, data)
    figure, axes = plt.subplots(1, 4, figsize=(10, 4), layout="constrained")
    for ax, which in zip(axes, ("Z", "Lambda", "A", "L"), strict=True):
        lf.plot.matrix(fit, which, ax=ax)
    figure.draw_without_rendering()
    for ax in axes[:3]:
        for axis in (ax.xaxis, ax.yaxis) if ax is not axes[0] else (ax.xaxis,):
            labels = [t for t in axis.get_ticklabels() if t.get_text().strip()]
            assert len(labels) == 3
            x = axis is ax.xaxis
            lines = [label.get_text().count("\n") for label in labels]
            boxes = [label.get_window_extent() for label in labels]
            ends = [(b.x0, b.x1) if x else (-b.y1, -b.y0) for b in boxes]
            for i in range(3):
                for j in range(i):
                    assert lines[i] != lines[j] or ends[i][0] > ends[j][1]
    tight = [ax._left_title.get_window_extent() for ax in axes]
    assert all(a.x1 < b.x0 for a, b in pairwise(tight))
    wide = lf.plot.matrix(nested, "A")
    texts = [t.get_text() for t in wide.get_xticklabels()]
    assert sorted(texts) == sorted(nested.matrices.terms)  # in full, on one line
