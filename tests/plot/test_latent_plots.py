"""Pictures of forms: what the artists hold is what the form says; bad arguments are refused."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from simulated import form_data

import lmforms as lf
from lmforms.errors import (
    ArgumentError,
    ConvergenceWarning,
    DataError,
    MissingPackageError,
)
from lmforms.latent import LinearMixedForm

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

ROWS = pd.Index([f"r{i}" for i in range(50)])
ARRAYS = form_data(np.random.default_rng(0), 50, (6, 7, 60), 3, noise=0.3)
FRAMES = [
    pd.DataFrame(A, index=ROWS, columns=[f"{name}{j}" for j in range(A.shape[1])])
    for name, A in zip("yxz", ARRAYS)
]


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def form():
    return LinearMixedForm(3, tol=1e-6).fit(*FRAMES)


@pytest.fixture(scope="module")
def bare():
    return LinearMixedForm(3, tol=1e-6).fit(*ARRAYS)


def texts(ticks):
    return [t.get_text() for t in ticks]


def offsets(ax):
    """Places of all points of an Axes."""
    return np.concatenate([np.asarray(c.get_offsets()) for c in ax.collections])


def rms(A):
    return np.sqrt(np.mean(np.asarray(A) ** 2, axis=0))


def table(shares, **columns):
    """Like that of choose_rank, from shares by rank."""
    rows = [(k, fold, s) for k, own in shares.items() for fold, s in enumerate(own)]
    found = pd.DataFrame(rows, columns=["rank", "fold", "share"])
    return found.assign(**{"converged": True, **columns})


def test_without_matplotlib_the_extra_is_named(form, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'lmforms\[plot\]'"):
        lf.plot.objective(form)


@pytest.mark.parametrize("modality, loading", [("Y", "alpha_"), ("X", "beta_")])
def test_loadings_are_the_forms_times_the_sizes_of_codes(form, modality, loading):
    code = {"Y": form.K_ + form.H_, "X": form.K_}[modality]
    L = getattr(form, loading)
    for raw, expected in ((True, L.to_numpy()), (False, L.to_numpy() * rms(code))):
        ax = lf.plot.loadings(form, modality, raw=raw)
        points = [line for line in ax.lines if line.get_label().startswith("c")]
        assert [p.get_label() for p in points] == ["c1", "c2", "c3"]
        drawn = np.column_stack([p.get_xdata() for p in points])
        np.testing.assert_allclose(drawn, expected)
        assert texts(ax.get_yticklabels()) == list(L.index)
        # every point lies in the row of its own column
        assert all((np.round(p.get_ydata()) == np.arange(len(L))).all() for p in points)
        assert ax.yaxis_inverted()
        assert ("rms" in ax.get_xlabel()) is not raw


def test_chosen_components_and_longest_columns(bare):
    ax = lf.plot.loadings(bare, "Z", components=[3, 1], top=5, raw=True)
    wanted = bare.u_[:, [2, 0]]
    order = np.argsort(-np.linalg.norm(wanted, axis=1))[:5]
    points = [line for line in ax.lines if line.get_label().startswith("c")]
    assert [p.get_label() for p in points] == ["c3", "c1"]
    np.testing.assert_allclose(np.column_stack([p.get_xdata() for p in points]), wanted[order])
    assert texts(ax.get_yticklabels()) == [str(j) for j in order]


def test_many_columns_are_a_heat_map_with_few_labels(form):
    ax = lf.plot.loadings(form, "Z")
    expected = form.u_.to_numpy() * rms(form.H_)
    np.testing.assert_allclose(ax.images[0].get_array(), expected.T)
    low, high = ax.images[0].get_clim()
    assert low == -high == -np.abs(expected).max()  # zero has the middle colour
    places, labels = ax.get_xticks(), texts(ax.get_xticklabels())
    assert len(places) <= 40
    assert labels == [form.u_.index[int(i)] for i in places]
    assert texts(ax.get_yticklabels()) == ["c1", "c2", "c3"]
    assert len(ax.figure.axes) == 2  # its colour bar


def test_loadings_by_name_of_a_form_that_has_them(bare):
    """More modalities than three: whatever `loadings_` holds, with the code it decodes from."""

    class Several:
        def __init__(self):
            self.K_, self.H_ = bare.K_, bare.H_
            X2 = pd.DataFrame(bare.beta_, index=list("abcdefg"))
            self.loadings_ = {"Y": bare.alpha_, "X2": X2}

        def decode(self, codes, to):
            return codes[0] @ self.loadings_[to].to_numpy().T

    ax = lf.plot.loadings(Several(), "X2", components=2)
    np.testing.assert_allclose(ax.lines[-1].get_xdata(), bare.beta_[:, 1] * rms(bare.K_)[1])
    assert texts(ax.get_yticklabels()) == list("abcdefg")
    with pytest.raises(ArgumentError, match="modality='Z': use one of 'Y', 'X2'"):
        lf.plot.loadings(Several(), "Z")


@pytest.mark.parametrize("common", [True, False])
def test_codes_are_the_forms(form, common):
    panels = lf.plot.codes(form, components=(1, 3), common=common)
    codes = {"K": form.K_, "H": form.H_, "K+H": form.K_ + form.H_}
    assert [ax.get_title() for ax in panels] == [f"codes {name}" for name in codes]
    for ax, code in zip(panels, codes.values()):
        wanted = code.to_numpy()[:, [0, 2]]
        np.testing.assert_allclose(offsets(ax), wanted)
        low, high = np.transpose([ax.get_xlim(), ax.get_ylim()])
        assert (wanted > low).all()
        assert (wanted < high).all()
    assert (panels[0].get_xlabel(), panels[0].get_ylabel()) == ("component 1", "component 3")
    assert (len({ax.get_xlim() for ax in panels}) == 1) is common


def test_one_code_on_an_axes_of_ones_own(form):
    _, ax = plt.subplots()
    assert lf.plot.codes(form, of="H", color="tab:red", ax=ax) is ax
    np.testing.assert_allclose(offsets(ax), form.H_.to_numpy()[:, :2])
    assert ax.get_legend() is None
    assert matplotlib.colors.to_hex(ax.collections[0].get_facecolor()[0]) == "#d62728"


def test_numbers_colour_by_label_with_a_bar(form):
    values = pd.Series(np.arange(50.0), index=ROWS, name="age").sample(frac=1, random_state=0)
    values["r7"] = np.nan
    panels = lf.plot.codes(form, color=values)
    unknown, known = panels[0].collections
    there = np.arange(50) != 7
    np.testing.assert_array_equal(known.get_array(), np.arange(50.0)[there])
    np.testing.assert_allclose(known.get_offsets(), form.K_.to_numpy()[there, :2])
    np.testing.assert_allclose(unknown.get_offsets(), form.K_.to_numpy()[[7], :2])
    assert texts(panels[-1].get_legend().get_texts()) == ["not known"]
    assert panels[0].figure.axes[-1].get_ylabel() == "age"


@pytest.mark.parametrize("kind", ["text", "category", "boolean"])
def test_categories_have_a_legend(bare, kind):
    values = {
        "text": ["b", "a"] * 24 + [None, "c"],
        "category": pd.Categorical(["b", "a"] * 25, categories=["c", "b", "a"]),
        "boolean": np.arange(50) > 20,
    }[kind]
    panels = lf.plot.codes(bare, of=["K", "H"], color=values)
    legend = texts(panels[-1].get_legend().get_texts())
    expected = {"text": ["not known", "a", "b", "c"], "category": ["b", "a"]}
    assert legend == expected.get(kind, ["False", "True"])
    first = panels[0].collections[legend.index("b" if kind != "boolean" else "True")]
    chosen = np.array([v == "b" or v is np.True_ for v in values])
    np.testing.assert_allclose(first.get_offsets(), bare.K_[chosen][:, :2])


def test_labels_of_points(form, bare):
    ax = lf.plot.codes(form, of="K", labels=True)
    assert texts(ax.texts) == list(ROWS)
    np.testing.assert_allclose([t.xy for t in ax.texts], form.K_.to_numpy()[:, :2])
    some = [i if i % 25 == 0 else None for i in range(50)]
    for fit in (form, bare):
        drawn = lf.plot.codes(fit, of="K", labels=some).texts
        assert texts(drawn) == ["0", "25"]
        np.testing.assert_allclose(drawn[1].xy, np.asarray(fit.K_)[25, :2])


def test_many_points_are_stored_as_pixels():
    form = LinearMixedForm(2, tol=1e-4).fit(*form_data(np.random.default_rng(1), 3000, k=2))
    ax = lf.plot.codes(form, of="K", color=np.arange(3000) % 2 == 0)
    assert all(c.get_rasterized() for c in ax.collections)


def test_ranks_are_compared():
    shares = {1: [0.3, 0.5], 2: [0.7, 0.8], 4: [0.76, 0.8], 3: [0.2, 0.6]}
    t = table(shares)
    t.loc[t["rank"].eq(3) & t["fold"].eq(1), "converged"] = False
    ax = lf.plot.rank(t)
    line = ax.containers[0].lines[0]
    np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3, 4])
    np.testing.assert_allclose(line.get_ydata(), [0.4, 0.75, 0.4, 0.78])
    bars = ax.containers[0].lines[2][0].get_segments()
    np.testing.assert_allclose([(b[1, 1] - b[0, 1]) / 2 for b in bars], [0.1, 0.05, 0.2, 0.02])
    named = {a.get_label(): a for a in ax.lines}
    assert list(named["best mean"].get_xdata()) == [4]
    assert list(named["one-standard-error choice"].get_xdata()) == [4]  # 0.75 < 0.78 − 0.02
    met, not_met = ax.collections[:2]
    assert len(met.get_offsets()) == 7
    np.testing.assert_allclose(np.asarray(not_met.get_offsets())[:, 1], [0.6])
    assert abs(not_met.get_offsets()[0, 0] - 3) < 0.5
    assert "one fold, tolerance not met" in texts(ax.get_legend().get_texts())
    assert list(ax.get_xticks()) == [1, 2, 3, 4]


def test_error_bars_are_wider_than_the_points():
    container = lf.plot.rank(table({1: [0.3, 0.3001], 2: [0.7, 0.7001]})).containers[0]
    assert container.lines[1][0].get_markersize() > 2 * container.lines[0].get_markersize()


@pytest.mark.parametrize("style, ground", [("default", 1.0), ("dark_background", 0.0)])
def test_texts_have_a_halo_of_the_page(form, style, ground):
    with plt.style.context(style):
        text = lf.plot.codes(form, of="K", labels=True).texts[0]
        assert text.get_path_effects()[0]._gc["foreground"] == (ground,) * 3


def test_the_simplest_rank_within_one_standard_error():
    ax = lf.plot.rank(table({1: [0.3, 0.5], 2: [0.7, 0.8], 4: [0.72, 0.84]}))
    named = {a.get_label(): list(a.get_xdata()) for a in ax.lines}
    assert (named["best mean"], named["one-standard-error choice"]) == ([4], [2])
    alone = lf.plot.rank(table({1: [0.3], 2: [0.7]}))  # one fold: no errors, and no such choice
    assert "one-standard-error choice" not in [a.get_label() for a in alone.lines]
    many = lf.plot.rank(table({k: [0.1 * k, 0.2 * k] for k in range(1, 41)}))
    assert len(many.get_xticks()) < 20


def test_the_table_of_choose_rank_is_drawn():
    found = lf.latent.choose_rank(*ARRAYS, ranks=[1, 3], folds=3, tol=1e-4)
    line = lf.plot.rank(found).containers[0].lines[0]
    np.testing.assert_allclose(line.get_ydata(), found.groupby("rank")["share"].mean())


def test_the_descent(form):
    trace = form.objective_trace_
    ax = lf.plot.objective(form)
    np.testing.assert_array_equal(ax.lines[0].get_xydata().T, [np.arange(len(trace)), trace])
    assert len(ax.lines) == 1  # no rise
    assert ax.get_legend() is None
    left = lf.plot.objective(form, excess=True)
    drawn = left.lines[0].get_ydata()
    np.testing.assert_array_equal(drawn, (trace - trace.min())[trace > trace.min()])
    assert left.get_yscale() == "log"


def test_rises_and_a_fit_that_was_stopped():
    Y, X, Z = ARRAYS
    with pytest.warns(ConvergenceWarning):
        form = LinearMixedForm(3, method="algorithm1", max_iter=40, tol=0.0).fit(Y, X, Z)
    trace = form.objective_trace_
    rises = np.flatnonzero(np.diff(trace) > 0) + 1
    assert len(rises)
    ax = lf.plot.objective(form, label="paper")
    np.testing.assert_array_equal(ax.lines[1].get_xydata().T, [rises, trace[rises]])
    assert texts(ax.get_legend().get_texts()) == ["paper", "paper: F rose"]
    assert "tolerance" in ax.get_title(loc="left")
    both = lf.plot.objective(LinearMixedForm(3, tol=1e-6).fit(Y, X, Z), label="exact", ax=ax)
    assert both is ax
    assert "exact" in texts(ax.get_legend().get_texts())


@pytest.mark.parametrize("of", ["Y", "Z"])
def test_covariances_in_two_triangles(form, bare, of):
    i = "YXZ".index(of)
    S = ARRAYS[i].T @ ARRAYS[i] / 50
    scale = np.sqrt(np.outer(np.diag(S), np.diag(S)))
    for fit, data in ((form, FRAMES[i]), (bare, sp.csr_array(ARRAYS[i]))):
        ax = lf.plot.covariance(fit, data, of)
        drawn = np.asarray(ax.images[0].get_array())
        above, below = np.triu_indices(len(S), 1), np.tril_indices(len(S))
        np.testing.assert_allclose(drawn[above], (S / scale)[above])
        implied = np.asarray(fit.implied_covariance(of)) / scale
        np.testing.assert_allclose(drawn[below], implied[below])
    assert f"{bare.covariance_share(ARRAYS[i], of):.3f}" in ax.get_title(loc="left")


def test_a_regressor_that_holds_a_form_is_taken(form):
    class Holder:
        form_ = form

    assert texts(lf.plot.loadings(Holder()).get_yticklabels()) == list(form.alpha_.index)


@pytest.mark.slow
def test_pictures_can_be_written(form, tmp_path):
    """Layout, legends and colour bars survive a real drawing."""
    _, axes = plt.subplots(2, 3, layout="constrained")
    lf.plot.codes(form, color=["a", "b"] * 25, labels=True, ax=axes[0])
    lf.plot.loadings(form, "X", ax=axes[1, 0])
    lf.plot.loadings(form, "Z", ax=axes[1, 1])
    lf.plot.rank(table({1: [0.3, 0.5], 2: [0.7, 0.8]}), ax=axes[1, 2])
    axes[0, 0].figure.savefig(tmp_path / "all.png")
    assert (tmp_path / "all.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    "draw, error, message",
    [
        (lambda f: lf.plot.loadings(LinearMixedForm(2)), ArgumentError, "not fitted"),
        (
            lambda f: lf.plot.loadings([1, 2]),
            ArgumentError,
            "form must be a fitted LinearMixedForm",
        ),
        (
            lambda f: lf.plot.loadings(f, "W"),
            ArgumentError,
            "modality='W': use one of 'Y', 'X', 'Z'",
        ),
        (
            lambda f: lf.plot.loadings(f, components=4),
            ArgumentError,
            "components=4: a whole number from 1 to 3",
        ),
        (lambda f: lf.plot.loadings(f, components=0), ArgumentError, "from 1"),
        (lambda f: lf.plot.loadings(f, components=[1, 1]), ArgumentError, "each once"),
        (lambda f: lf.plot.loadings(f, components=[]), ArgumentError, "at least one"),
        (lambda f: lf.plot.loadings(f, top=0), ArgumentError, "top=0"),
        (lambda f: lf.plot.loadings(f, ax="here"), ArgumentError, "'here'.*subplots"),
        (lambda f: lf.plot.codes(f, components=(1, 2, 3)), ArgumentError, "two of them"),
        (lambda f: lf.plot.codes(f, of="G"), ArgumentError, "of='G': use one of 'K', 'H'"),
        (lambda f: lf.plot.codes(f, of=[]), ArgumentError, "empty"),
        (lambda f: lf.plot.codes(f, color="tumour"), ArgumentError, "not a colour"),
        (lambda f: lf.plot.codes(f, color=[1, 2]), DataError, "2 values and the form has 50 rows"),
        (lambda f: lf.plot.codes(f, color=np.eye(50)), DataError, "one value for each"),
        (
            lambda f: lf.plot.codes(f, color=pd.Series(range(50))),
            DataError,
            "by label.*none for r0, r1",
        ),
        (
            lambda f: lf.plot.codes(f, color=[f"g{i}" for i in range(50)]),
            ArgumentError,
            "50 categories and 20",
        ),
        (
            lambda f: lf.plot.codes(
                LinearMixedForm(2, tol=1e-2).fit(*form_data(np.random.default_rng(1), 401, k=2)),
                labels=True,
            ),
            ArgumentError,
            "labels= has a text for 401 rows, and 400 can be read",
        ),
        (lambda f: lf.plot.codes(f, labels=["a"]), DataError, "labels= has 1 values"),
        (
            lambda f: lf.plot.codes(f, ax=plt.subplots()[1]),
            ArgumentError,
            "holds 1 Axes and 3",
        ),
        (lambda f: lf.plot.rank([1]), ArgumentError, "table must be that of choose_rank"),
        (lambda f: lf.plot.rank(pd.DataFrame({"rank": [1]})), DataError, "fold, share, converged"),
        (lambda f: lf.plot.rank(table({1: [np.nan]})), DataError, "no share"),
        (lambda f: lf.plot.objective(None), ArgumentError, "form must be .* not None"),
        (lambda f: lf.plot.covariance(f, FRAMES[0], "W"), ArgumentError, "'W'"),
        (lambda f: lf.plot.covariance(f, FRAMES[1], "Y"), DataError, "7 columns"),
    ],
)
def test_bad_arguments(form, draw, error, message):
    with pytest.raises(error, match=message):
        draw(form)


def test_a_form_of_one_component_has_no_score_plot():
    form = LinearMixedForm(1, tol=1e-4).fit(*ARRAYS)
    with pytest.raises(ArgumentError, match="one component"):
        lf.plot.codes(form)
    assert lf.plot.loadings(form).get_legend() is not None
