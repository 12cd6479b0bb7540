"""The held-out comparison in benchmarks: its methods and its protocol, on small data."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")

# to stop early is one of the choices
pytestmark = [  # ranks are tried up to the highest
    pytest.mark.filterwarnings("ignore::lmforms.errors.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::lmforms.errors.SingularWarning"),
]

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

if not BENCHMARKS.exists():
    pytest.skip("the source distribution has no benchmarks", allow_module_level=True)


@pytest.fixture(autouse=True)
def _modules(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.fixture
def samples():
    from modality_data import Samples

    rng = np.random.default_rng(0)
    K, H = rng.normal(size=(2, 80, 2))
    codes = {"Y": (K + H, 3), "X": (K, 4), "Z": (H, 5)}
    blocks = {
        name: 3.0 + C @ rng.normal(size=(2, c)) + 0.3 * rng.normal(size=(80, c))
        for name, (C, c) in codes.items()
    }
    return Samples(blocks)


def test_reduced_rank_is_the_best_of_its_rank():
    from modality_methods import reduced_rank

    rng = np.random.default_rng(1)
    X, Y = rng.normal(size=(40, 5)), rng.normal(size=(40, 4))
    B, V = reduced_rank(X, Y, 0.7)

    def penalised(C):
        return np.sum((Y - X @ C) ** 2) + 0.7 * np.sum(C**2)

    best = B @ V[:, :2] @ V[:, :2].T
    assert np.linalg.matrix_rank(best) == 2
    rivals = [np.linalg.svd(best + 0.02 * rng.normal(size=best.shape)) for _ in range(50)]
    assert all(penalised((u[:, :2] * s[:2]) @ vt[:2]) > penalised(best) for u, s, vt in rivals)


@pytest.mark.slow
def test_targets_share_forms_and_nothing_else(samples):
    """Both questions at once give what each gives alone, and fit no form twice."""
    from modalities import study
    from modality_forms import Form
    from modality_methods import Ridge

    methods = (Ridge(), Form("a form", "als"))
    both = study(samples, methods, 1, ("Y", "X"))
    for target, found in both.items():
        alone = study(samples.toward(target), methods, 1, (target,))[target]
        for name, outcomes in found.items():
            assert [(o.share, o.choice) for o in outcomes] == [
                (o.share, o.choice) for o in alone[name]
            ]
    seen, other = samples.split(np.arange(80) % 4 == 0)
    for target in ("Y", "X"):
        methods[1].predictions([(2, 1.0)], seen.toward(target), other.toward(target))
    assert len(seen.forms) == 1


def test_paths_are_separate_fits(samples):
    """Several choices at once give what each gives alone."""
    from modality_forms import FORMS
    from modality_methods import PEERS

    seen, other = samples.split(np.arange(80) % 4 == 0)
    for method in (*PEERS, *FORMS):
        choices = method.choices(seen)[::5]
        together = method.predictions(choices, seen, other)
        for choice, guess in zip(choices, together):
            alone = method.predictions([choice], samples.split(np.arange(80) % 4 == 0)[0], other)
            np.testing.assert_allclose(guess, alone[0], rtol=1e-6, atol=1e-8)


@pytest.mark.slow
def test_held_out_rows_are_not_looked_at(samples):
    """Neither the choice nor the units depend on the rows held out."""
    from modalities import chosen, folds
    from modality_forms import Form

    new = np.arange(80) % 4 == 0
    other = samples.rows(np.ones(80, dtype=bool))
    for A in other.blocks.values():
        A[new] = np.random.default_rng(2).normal(size=A[new].shape) * 100
    method, found = Form("", "als"), []
    for data in (samples, other):
        seen, _ = data.split(new)
        found.append((seen.blocks["Y"], chosen(method, seen, folds(data.rows(~new), 0))))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]


@pytest.mark.slow
def test_tables_name_the_best_peer_and_what_was_won(samples):
    from modalities import study
    from modality_forms import FORMS
    from modality_methods import LINES, PEERS
    from modality_tables import best_peer, each, shares

    found = study(samples, (*LINES, *PEERS, *FORMS), 1)["Y"]
    out = {
        name: [{"share": o.share, "choice": o.choice, "seconds": o.seconds} for o in outcomes]
        for name, outcomes in found.items()
    }
    peer = best_peer(out)
    assert shares(out[peer]).mean() == max(shares(out[m.name]).mean() for m in PEERS)
    lines = each("a study", {"outcomes": out, "sizes": {"Y": (80, 3)}}).splitlines()
    assert any(line.startswith(f"| {peer} |") and "| – |" in line for line in lines)
    assert all(0.5 < shares(out[m.name]).mean() < 1 for m in (*LINES, *FORMS))
