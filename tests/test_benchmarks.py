"""The benchmarks' data and tables: no peer is run, nothing is timed."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lmforms as lf

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

if not BENCHMARKS.exists():
    pytest.skip("the source distribution has no benchmarks", allow_module_level=True)


@pytest.fixture(autouse=True)
def _modules(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def called(seconds, **more):
    cell = {
        "seconds": seconds,
        "first": seconds,
        "counted": 3,
        "memory": 300 * 2**20,
        "baseline": 200 * 2**20,
        "evaluations": 7,
        "criterion": 1743.6282719585,
        "remarks": [],
        "date": "2026-01-02",
    }
    return {**cell, **more}


def results():
    job = {"reml": True, "rows": 180, "machine": "a machine"}
    return {
        "about": {"machine": "a machine", "threads": 2, "versions": {"lme4": "1.1"}},
        "floor": {
            "job": "insteval",
            "date": "2026-01-02",
            "size": 1142,
            "seconds": {"evaluation": 0.03, "dpotrf": 0.01},
            "ratio": 1.25,
        },
        "stress": {
            "date": "2026-01-02",
            "models": 5,
            "restarts": 2,
            "kinds": {
                "regular": {
                    "count": 5,
                    "converged": 4,
                    "evaluations": [7.0, 9.0, 12.0],
                    "gaps": 0,
                    "largest": 1e-9,
                }
            },
            "remarkable": [{"seed": 3, "parameters": 2, "converged": False, "gap": 0.0}],
        },
        "jobs": {
            "sleepstudy": {
                **job,
                "formula": "Reaction ~ Days + (Days | Subject)",
                "about": "a job",
                "cells": {
                    "lmforms": called(0.004),
                    "lme4": called(0.012, counted=0),
                    "mixedlm": called(0.002, criterion=1743.0),
                    "gpboost": called(0.001, remarks=["ML", "no correlations"]),
                    "glmmTMB": {"over": 300.0, "remarks": [], "date": "2026-01-03"},
                    "statsmodels": {"error": "a | b", "remarks": [], "date": "2026-01-02"},
                },
            },
            "crossed-50k": {
                **job,
                "machine": "another machine",
                "formula": "y ~ x + (1 | a) + (1 | b)",
                "about": "a large job",
                "cells": {
                    "lmforms": {"error": "too large", "remarks": [], "date": "2026-01-02"},
                    "lmforms (cg)": called(2.0),
                    "lme4": called(6.0),
                    "statsmodels": {"without": "minutes"},
                },
            },
        },
    }


def growth():
    points = [{"x": 10**k, **called(10.0 ** (k - 5), evaluation=1e-3)} for k in (3, 4, 5)]
    slow = [{"x": 10**3, **called(9.0)}, {"x": 10**4, "over": 30.0, "remarks": []}]
    curve = {"title": "number of rows", "about": "a curve"}
    return {"curves": {"n": {**curve, "points": {"lmforms": points, "lme4": slow}}}}


def test_the_page_tells_every_cell(tmp_path):
    import tables

    tables.write(tmp_path, results(), growth())
    page = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    line = "| [sleepstudy](#sleepstudy) | 4.00 ms | – | – | 3.00 | > 300 s | 0.50 | – | – | 0.25² |"
    assert line in page
    assert "| lme4 | 12 ms¹ | 3.00 | 300 MiB | 100 MiB | 7 | 1743.6282720 |" in page
    assert "failed: a \\| b" in page
    assert "Run on 2026-01-02 and 2026-01-03." in page
    assert "Run on 2026-01-02, another machine." in page
    assert "| lme4 | 6.00 s | 3.00 |" in page  # the variant is the unit where lmforms fails
    assert "| 10,000 | 100 ms | > 30 s |" in page
    assert "| regular | 5 | 4 | 7, 9, 12 | 0 | 1.0e-09 |" in page
    assert "- seed 3, 2 parameters: not converged" in page
    assert "| glmmTMB | – | – | – | – | – | not run |" in page  # nobody is left out
    assert "| insteval | not run |" in page
    assert "between seeds, standard errors | – | ≤ 0.01 | not measured |" in page
    for line in (line for line in page.splitlines() if line.startswith("|")):
        assert line.replace("\\|", "").count("|") >= 3


def test_the_pages_are_those_of_the_stored_figures():
    import before_after
    import generalized
    import many_loops
    import residual_structures
    import small_models
    import store
    import stream_tables
    import tables

    stored = {p.stem: store.load(p) for p in BENCHMARKS.glob("*.json")}
    page = (BENCHMARKS / "RESULTS.md").read_text(encoding="utf-8")
    assert page == tables.document(stored["results"], stored["growth"])
    for script in (residual_structures, small_models, before_after, many_loops):
        name = script.__name__
        page = (BENCHMARKS / f"{name}.md").read_text(encoding="utf-8")
        assert page == script.as_markdown(stored[name])
    figures = stored.get("generalized", {}), stored.get("glmm_stress")
    page = (BENCHMARKS / "generalized.md").read_text(encoding="utf-8")
    assert page == generalized.as_markdown(*figures)
    page = (BENCHMARKS / "streams.md").read_text(encoding="utf-8")
    assert page == stream_tables.page(stored["streams"])


def test_no_page_is_left_out():
    import tables

    pages = {path.name for path in BENCHMARKS.glob("*.md")} - {"README.md", "RESULTS.md"}
    assert pages == set(tables.OTHER_PAGES)


def test_asks_compare_only_the_same_model():
    import asks

    found = {ask.text: ask for ask in asks.asks(results())}
    assert found["sleepstudy: lmforms faster than mixedlm, times"].measured == pytest.approx(0.5)
    assert not found["sleepstudy: lmforms faster than mixedlm, times"].met
    assert not found["sleepstudy: lmforms faster than lme4, times"].met
    [excess] = [ask for text, ask in found.items() if "above the lowest" in text]
    assert excess.measured == pytest.approx(0.6282719585)
    assert not excess.met


def test_plots_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    import plots

    [path] = plots.draw(growth(), tmp_path)
    assert path.name == "growth-n.svg"
    assert "<svg" in path.read_text(encoding="utf-8")
    [own, _, lme4] = plots.lines_of(growth()["curves"]["n"])
    assert (own.end, lme4.end) == ("", ", then > 30 s")
    assert (own.last, lme4.last) == ((1e5, 1.0), (1e4, 30.0))
    places = plots.apart(np.array([0.0, 0.01, 1.0]), 0.1, -1.0, 2.0)
    assert np.diff(places).min() >= 0.1 - 1e-12


def test_frames_survive_the_exchange(tmp_path):
    import exchange
    import frames

    frame = frames.many_factors(200, (20, 5))
    exchange.write(frame, tmp_path)
    back = exchange.read(tmp_path)
    pd.testing.assert_frame_equal(frame, back, check_categorical=False)
    assert list(back["a"].astype(str)) == list(frame["a"].astype(str))


@pytest.mark.filterwarnings("ignore::lmforms.errors.SingularWarning")  # years have no effect
@pytest.mark.parametrize(
    "name, options",
    [
        ("small-groups", {"groups": 30}),
        ("slopes", {"groups": 30}),
        ("slopes-20k", {"groups": 30}),
        ("nested", {"outer": 20, "inner": 3}),
        ("nested-slopes", {"outer": 20, "inner": 3}),
        ("three-levels", {"a": 10, "b": 3, "c": 3}),
        ("teachers", {"students": 100, "schools": 4, "staff": 3}),
        ("pupils", {"count": 100, "schools": 8}),
        ("ratings", {"rows": 500, "users": 40, "films": 20}),
        ("crossed-50k", {"rows": 500, "levels": 40}),
        ("five-factors", {"rows": 500, "levels": (40, 20, 10, 5, 4)}),
    ],
)
def test_jobs_can_be_fitted_when_small(name, options):
    from jobs import JOBS

    job = JOBS[name]
    data = job.data
    frame = getattr(data, "func", data)(**options)
    assert lf.lmer(job.formula, frame, reml=job.reml).converged


def test_seeds_differ_by_fractions_of_a_standard_error():
    from functools import partial

    import frames
    import seeds
    import tables
    from jobs import Job

    data = partial(frames.crossed, 5_000, 200)
    found = seeds.measure(Job("small", "y ~ x + (1 | a) + (1 | b)", data), 2)
    assert np.shape(found["theta"]) == (2, 2)
    assert 0.0 < found["difference"] < 0.2
    assert tables.seeds(found).count("| seed ") == 2


def test_models_are_drawn_and_counted():
    import stress

    found = stress.measure(2, 1)
    assert sum(kind["count"] for kind in found["kinds"].values()) == 2


def test_growth_curves_have_the_parameters_they_say():
    import growth as curves

    curve = curves.CURVES["theta"]
    formula, data = curve.model(2)
    frame = data.func(*data.args, groups=20, rows=8)
    assert len(lf.lmer(formula, frame).theta) == curve.x(2) == 6


def test_a_cell_is_the_median_after_the_first_call():
    from processes import summary

    events = [{"ready": 1}]
    events += [
        {"seconds": s, "memory": 2, "evaluations": 3, "criterion": 4.0} for s in (9.0, 1.0, 2.0)
    ]
    cell = summary([*events, {"evaluation": 0.1}])
    assert (cell["seconds"], cell["first"], cell["counted"]) == (1.5, 9.0, 2)
    assert cell["evaluation"] == 0.1
    assert summary(events[:2])["seconds"] == 9.0
    assert summary(events[:1]) == {}


def test_variants_run_where_they_are_named_and_say_what_differs():
    from jobs import JOBS
    from peers import PEERS

    cg, gpboost = PEERS["lmforms (cg)"], PEERS["gpboost"]
    assert cg.runs(JOBS["ratings"])
    assert not cg.runs(JOBS["dung"])
    assert gpboost.remarks(JOBS["sleepstudy"]) == ["ML", "no correlations"]
    assert gpboost.remarks(JOBS["factorial"]) == ["no correlations"]
    assert gpboost.remarks(JOBS["ratings"]) == ["ML"]


def test_results_are_kept_when_writing_is_interrupted(tmp_path):
    import store

    path = tmp_path / "results.json"
    store.save(path, {"a": 1})
    with pytest.raises(TypeError):
        store.save(path, {"a": object()})
    assert store.load(path) == {"a": 1}
    assert json.loads(path.read_text()) == {"a": 1}
    assert store.load(tmp_path / "none.json") == {}


def test_modules_do_not_shadow_installed_ones():
    import importlib.metadata

    ours = {path.stem for path in BENCHMARKS.glob("*.py")}
    assert not ours & set(sys.stdlib_module_names)
    assert not ours & set(importlib.metadata.packages_distributions())


class Told:
    """A worker whose calls take what is written here."""

    baseline = 1

    def __init__(self, *seconds):
        self.seconds = list(seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def calls(self, count):
        import workers

        taken = self.seconds.pop(0)
        if taken is None:
            raise workers.WorkerError({"over": 5.0})
        return {
            "wall": [taken] * count,
            "cpu": 2 * taken,
            "memory": 3,
            "criterion": 4.0,
            "evaluations": 5,
        }


def in_told_rounds(monkeypatch, told, rounds_asked=3, budget=None):
    import rounds
    from workers import Runner

    monkeypatch.setattr(rounds, "Worker", lambda runner, task: told[runner.name])
    runners = [Runner("lmforms", "lmforms"), Runner("glmm", "glmm")]
    return rounds.in_rounds(runners, None, rounds_asked, 0.5, budget)


def test_a_ratio_is_that_within_rounds(monkeypatch):
    # the machine is four times slower in the second round, for both; two calls warm up
    told = {"lmforms": Told(9.0, 1.0, 1.0, 4.0, 2.0), "glmm": Told(9.0, 3.0, 3.0, 12.0, 6.0)}
    found = in_told_rounds(monkeypatch, told)
    assert found["cells"]["glmm"]["wall"] == 6.0
    assert found["cells"]["glmm"]["cpu"] == 12.0
    assert found["cells"]["glmm"]["calls"] == 3
    ratio = found["ratios"]["lmforms"]["glmm"]
    assert ratio == {"wall": 3.0, "cpu": 3.0, "limits": {"wall": [3.0, 3.0], "cpu": [3.0, 3.0]}}
    assert set(found["ratios"]) == {"lmforms"}  # only ours are units


def test_a_worker_that_is_stopped_leaves_the_others(monkeypatch):
    told = {"lmforms": Told(9.0, 1.0, 1.0, 4.0, 2.0), "glmm": Told(9.0, 3.0, 3.0, None)}
    found = in_told_rounds(monkeypatch, told)
    assert found["cells"]["glmm"] == {"over": 5.0}
    assert found["cells"]["lmforms"]["wall"] == 2.0
    assert set(found["ratios"]["lmforms"]) == {"lmforms"}


def test_slow_programs_call_in_the_first_rounds_only(monkeypatch):
    # of six seconds: the first call leaves time for another that does not count, then for two
    told = {"lmforms": Told(1.5, 1.0, 1.0, 4.0, 2.0), "glmm": Told(2.9, 3.0, 3.0, 16.0)}
    found = in_told_rounds(monkeypatch, told, budget=6.0)
    assert found["cells"]["lmforms"]["calls"] == 3
    assert found["cells"]["glmm"]["calls"] == 2
    assert found["ratios"]["lmforms"]["glmm"]["wall"] == 3.5  # of 3 / 1 and 16 / 4
    told = {"lmforms": Told(1.5, 1.0, 1.0, 4.0, 2.0), "glmm": Told(30.0)}
    found = in_told_rounds(monkeypatch, told, budget=6.0)
    assert found["cells"]["glmm"]["calls"] == 1  # too long to be repeated
    assert found["ratios"]["lmforms"]["glmm"]["wall"] == 30.0
    told = {"lmforms": Told(1.5, 1.0, 1.0, 4.0, 2.0), "glmm": Told(7.0, 8.0)}
    found = in_told_rounds(monkeypatch, told, budget=6.0)
    assert found["cells"]["glmm"]["wall"] == 8.0  # at least once


def test_workers_answer_and_say_why_they_end(tmp_path):
    import exchange
    from workers import Runner, Task, Worker, WorkerError

    data = lf.datasets.load("dung")
    exchange.write(data, tmp_path)
    formula = "pr_dung ~ flies + (1 | oven_block)"
    task = Task(tmp_path, formula, True, 1, sys.executable, 60.0)
    with Worker(Runner("lmforms", "lmforms"), task) as worker:
        answer = worker.calls(2)
    assert len(answer["wall"]) == 2
    assert answer["criterion"] == pytest.approx(lf.lmer(formula, data).criterion)
    wrong = Task(tmp_path, "pr_dung ~ nothing + (1 | oven_block)", True, 1, sys.executable, 60.0)
    with (
        Worker(Runner("lmforms", "lmforms"), wrong) as worker,
        pytest.raises(WorkerError, match="nothing"),
    ):
        worker.calls(1)


def test_limits_of_a_median_are_those_of_a_sign_test():
    import rounds

    assert rounds.limits([1.0, 2.0, 3.0]) == [1.0, 3.0]
    # tables of the binomial distribution: the fourth and the twelfth of fifteen
    assert rounds.limits([float(i) for i in range(1, 16)]) == [4.0, 12.0]


def test_a_run_that_is_too_noisy_does_not_tell_revisions_apart():
    import asks

    def measured(again):
        ratios = {"lmforms (again)": {"wall": again}, "lmforms (before)": {"wall": 1.4}}
        one = {"cells": {}, "ratios": {"lmforms": ratios}}
        return next(asks.before_asks({"jobs": {"nested": {"threads": {"2": one}}}})).measured

    assert measured(1.03) == 1.4
    assert measured(0.94) is None
    assert measured(1.06) is None


def small_found(**ratios):
    one = {"cells": {}, "ratios": ratios}
    return {"jobs": {"dung": {"threads": {"1": one}}}}


def test_small_models_are_asked_for_with_loaded_loops():
    import asks

    default = {"glmm": {"wall": 0.5, "cpu": 0.8}, "mixedlm": {"wall": 2.0, "cpu": 2.0}}
    [wall, cpu, mixedlm, *others] = asks.small_asks(small_found(lmforms=default))
    assert (wall.measured, cpu.measured, mixedlm.measured) == (2.0, 1.25, 2.0)
    assert not wall.met
    assert all(ask.measured is None for ask in others)
    compiled = {"glmm": {"wall": 1.25, "cpu": 1.0}, "mixedlm": {"wall": 4.0, "cpu": 4.0}}
    found = small_found(**{"lmforms": default, "lmforms (compiled)": compiled})
    [wall, _, mixedlm, *_] = asks.small_asks(found)
    assert (wall.measured, wall.met, mixedlm.met) == (0.8, True, True)
    slower = {"cells": {}, "ratios": {"lmforms (compiled)": {"glmm": {"wall": 0.9, "cpu": 1.0}}}}
    found["jobs"]["dung"]["threads"]["2"] = slower
    assert not next(asks.small_asks(found)).met  # the number of threads that suits us least


def test_a_trial_with_fewer_responses_answers_nothing():
    import asks

    one = {"cells": {"lmer_many": {"wall": 0.1}}, "ratios": {}}
    jobs = {"sleepstudy": {"responses": 50, "threads": {"1": one}}}
    assert next(asks.many_asks({"jobs": jobs})).measured is None
    jobs["sleepstudy"]["responses"] = 1_000
    assert next(asks.many_asks({"jobs": jobs})).met


@pytest.mark.filterwarnings("ignore::lmforms.errors.SingularWarning")  # some slopes are small
def test_genes_can_be_fitted_and_responses_survive_the_exchange(tmp_path):
    import exchange
    import fits
    import many_loops

    job = many_loops.JOBS["genes"]
    frame, responses = job.data(30)
    assert responses.shape == (60, 30)
    exchange.write(frame, tmp_path)
    exchange.write_responses(responses, 3, tmp_path)
    read = fits.read_many(tmp_path)
    np.testing.assert_array_equal(read[1], responses)
    total, _ = fits.lmforms_many(job.formula, read, True)
    each = [lf.lmer("y" + job.formula, frame.assign(y=responses[:, j])) for j in range(3)]
    assert total == pytest.approx(sum(fit.criterion for fit in each), abs=1e-6)


def test_nested_factors_have_a_code_for_each_pair():
    import fits

    data = lf.datasets.load("Pastes")
    outer, inner = fits.nested_codes(data, "batch/cask")
    assert (outer.nunique(), inner.nunique()) == (10, 30)
    assert data.groupby(inner)["sample"].nunique().eq(1).all()


def test_a_busy_machine_is_told_of():
    import round_tables

    def job(*cells):
        return {"threads": {"2": {"cells": {}}, "1": {"cells": dict(enumerate(cells))}}}

    quiet = job({"wall": 1.0, "cpu": 1.0}, {"over": 5.0}, {"wall": 1.1, "cpu": 1.0})
    waited = job({"wall": 3.0, "cpu": 1.0}, {"wall": 1.0, "cpu": 1.0}, {"wall": 3.0, "cpu": 1.0})
    assert round_tables.busy({"dung": quiet}) == ""
    assert "was dung (3.0)." in round_tables.busy({"dung": waited, "oats": quiet})


def generalized_found():
    def cell(seconds, loglik):
        cell = {"wall": seconds, "cpu": seconds, "calls": 4, "memory": 3 * 2**20, "baseline": 2**20}
        return {**cell, "evaluations": 7, "criterion": -2.0 * loglik}

    def ratios(**others):
        limits = {"limits": {"wall": [0.9, 1.1], "cpu": [0.9, 1.1]}}
        return {who: {"wall": times, "cpu": times, **limits} for who, times in others.items()}

    cells = {
        "lmforms (bse)": cell(0.1, -50.0),
        "lmforms (nagq=0)": cell(0.05, -50.2),
        "glmm": cell(0.1, -50.0 + 2e-6),
        "glmmTMB": {"error": "a | b"},
        "glmer": cell(2.5, -50.5),
        "glmer (nAGQ=0)": cell(0.5, -40.0),
    }
    units = {
        "lmforms (bse)": ratios(glmm=1.0, glmer=25.0),
        "lmforms (nagq=0)": ratios(**{"glmer (nAGQ=0)": 10.0}),
    }
    job = {"formula": "y ~ x + (1 | g)", "family": "binomial", "rows": 9, "about": "a job"}
    job.update(others=["lmforms (nagq=0)", "glmer (nAGQ=0)"], date="2026-01-02", rounds=5)
    job["threads"] = {"1": {"cells": cells, "ratios": units}}
    about = {"machine": "a machine", "versions": {"lme4": "1.1"}, "date": "2026-01-02"}
    return {"about": {**about, "seconds": 0.2, "budget": 8, "long": 20}, "jobs": {"verbagg": job}}


def test_generalised_models_are_compared_at_the_same_maximum():
    import asks
    import generalized

    found = generalized_found()
    [glmer, tmb, glmm, *_, excess] = asks.generalized_asks(found)
    assert (glmer.measured, glmer.met) == (25.0, True)
    assert tmb.measured is None
    assert (glmm.measured, glmm.met) == (1.0, True)
    assert excess.measured == pytest.approx(2e-6, abs=1e-9)  # nAGQ=0 has another criterion
    stress = {
        **{"date": "2026-01-02", "models": 9, "restarts": 6, "converged": 7},
        "evaluations": [7.0, 9.0, 12.0],
        "beaten": [
            {"seed": 3, "family": "poisson", "parameters": 4, "converged": True, "gap": 2e-3}
            | {"error": ""}
        ],
        "not_converged": [
            {"seed": 4, "family": "gamma", "parameters": 5, "converged": False, "gap": None}
            | {"error": "overflow"}
        ],
    }
    page = generalized.as_markdown(found, stress)
    assert "| [verbagg](#verbagg) | 50 ms | 10 (0.90–1.10) |" in page
    assert "| 7 | (-40.000000) | – |" in page
    assert "| 7 | -50.500000 | 5.0e-01 |" in page
    assert "| a \\| b | – |" in page
    assert "| 9 | 6 | 7 | 1 | 7, 9, 12 |" in page
    assert "- seed 3, poisson, 4 parameters: a restart ends 2.0e-03 lower\n" in page
    assert "- seed 4, gamma, 5 parameters: not fitted: overflow\n" in page
    assert generalized.as_markdown({}).startswith("# Generalised models\n\nNot measured yet")


@pytest.mark.parametrize("name", ["contraception", "salamanders", "quadrature-cbpp"])
def test_generalised_jobs_can_be_fitted(name, tmp_path):
    import exchange
    import fits
    import generalized
    import generalized_fits

    job = generalized.JOBS[name]
    exchange.write(job.data(), tmp_path)
    model = {"family": job.family, "link": job.link, "nagq": job.nagq, "zeros": job.zeros}
    generalized_fits.write_model(tmp_path, **model)
    data = generalized_fits.read_model(tmp_path)
    found = generalized_fits.fitted(job.formula, data)
    assert found.converged
    same = generalized_fits.lmforms(job.formula, data, False, bse=True)
    assert same[0] == pytest.approx(-2.0 * found.llf)
    runners = [generalized.RUNNERS[who] for who in job.runners]
    assert {r.program for r in runners if r.language == "Python"} <= set(fits.PROGRAMS)
