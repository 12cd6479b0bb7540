"""Tracebacks of the package's errors end at the line of the user."""

from __future__ import annotations

import inspect
import subprocess
import sys
import timeit
import traceback
from types import ModuleType

import pytest

import lmforms as lf
from lmforms.errors import ArgumentError, ColumnError, DataError, LmformsError
from lmforms.support.arguments import named_arguments

SLEEP = lf.datasets.load("sleepstudy")
FIT = lf.lmer("Reaction ~ Days + (Days | Subject)", SLEEP)


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.delenv("LMFORMS_FULL_TRACEBACK", raising=False)


CALLS = {
    "lmer": lambda: lf.lmer("Reaction ~ Day + (1 | Subject)", SLEEP),
    "MixedModel": lambda: lf.MixedModel("Reaction ~ Days +", SLEEP),
    "no such argument": lambda: lf.lmer("Reaction ~ Days", SLEEP, REML=True),
    "method": lambda: FIT.emmeans("nothing"),
    "method of any keywords": lambda: FIT.forms(99),
    "function of any keywords": lambda: lf.compare(FIT, 3),
    "dataclass": lambda: lf.Control(tolerance=-1),
    "classmethod": lambda: lf.relationship.Pedigree.of(3),
    "load": lambda: lf.load("there is no such file"),
    "name": lambda: FIT.fixef,
    "name of the package": lambda: lf.mixedlm,
}


def frames_inside(error: BaseException) -> list[str]:
    """Functions of the package in the traceback."""
    frames = traceback.walk_tb(error.__traceback__)
    return [f.f_code.co_name for f, _ in frames if f.f_globals["__name__"].startswith("lmforms")]


@pytest.mark.parametrize("name", CALLS)
def test_one_frame_is_left(name):
    with pytest.raises((LmformsError, AttributeError)) as caught:
        CALLS[name]()
    assert len(frames_inside(caught.value)) == 1
    assert "__tracebackhide__" in caught.traceback[-1].frame.f_locals  # nor is it shown in IPython
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_frames_can_be_kept(monkeypatch):
    monkeypatch.setenv("LMFORMS_FULL_TRACEBACK", "1")
    with pytest.raises(ColumnError) as caught:
        CALLS["lmer"]()
    assert len(frames_inside(caught.value)) > 5


def test_errors_in_functions_of_the_user_keep_their_frames():
    def broken(x):
        return x / (1 / 0)

    with pytest.raises(DataError) as caught:
        lf.lmer("Reaction ~ broken(Days)", SLEEP)
    cause = caught.value.__cause__
    assert isinstance(cause, ZeroDivisionError)
    names = [frame.name for frame in traceback.extract_tb(cause.__traceback__)]
    assert names == ["broken"]


def test_other_errors_are_whole():
    @named_arguments
    def outer():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        outer()
    assert [frame.name for frame in caught.traceback][-2:] == ["checked", "outer"]


SCRIPT = """
import lmforms as lf
lf.lmer("Reaction ~ Day + (1 | Subject)", lf.datasets.load("sleepstudy"))
"""


@pytest.mark.slow
def test_what_a_script_prints(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    environment = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.stderr.count('  File "') == 2
    assert 'script.py", line 3' in done.stderr
    assert "direct cause" not in done.stderr
    assert "During handling" not in done.stderr
    assert "lmforms.errors.ColumnError: `Day` is not a column" in done.stderr


@pytest.mark.parametrize("full", ["0", "1"])
def test_ipython_shows_the_users_line_last(monkeypatch, capsys, tmp_path, full):
    shells = pytest.importorskip("IPython.core.interactiveshell")
    monkeypatch.setenv("LMFORMS_FULL_TRACEBACK", full)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    shell = shells.InteractiveShell.instance(colors="nocolor")
    try:
        shell.run_cell(SCRIPT)
        shell.run_cell("lf.mixedlm")
    finally:
        shells.InteractiveShell.clear_instance()
    said = capsys.readouterr().out
    assert "ColumnError: `Day` is not a column" in said
    assert "UnknownNameError: the package has no attribute `mixedlm`" in said
    assert "----> 2 lf.lmer(" in said
    assert ("lmforms/model.py" in said) == (full == "1")
    assert "Unexpected exception formatting" not in said


def public_functions():
    """Public functions and methods of the classes that users call, by name."""
    for name in lf.__all__:
        home = getattr(lf, name)
        inside = getattr(home, "__all__", []) if isinstance(home, ModuleType) else []
        for inner in inside:
            if inspect.isfunction(getattr(home, inner)):
                yield f"{name}.{inner}", getattr(home, inner)
        if inspect.isfunction(home):
            yield name, home
    for owner in (lf.MixedModelResults, lf.MixedModel):
        for name, value in inspect.getmembers(owner, inspect.isfunction):
            if not name.startswith("_"):
                yield f"{owner.__name__}.{name}", value


def test_all_public_functions_end_tracebacks():
    bare = [name for name, function in public_functions() if not hasattr(function, "__wrapped__")]
    assert bare == ["residual.parse_residual"]


def test_the_check_costs_little():
    """The slowest of it, keywords, is as it was: about 0.3 µs a call."""

    def plain(a, *, b=1):
        return a

    checked = named_arguments(plain)
    bare = min(timeit.repeat(lambda: plain(1, b=2), number=20_000, repeat=5))
    wrapped = min(timeit.repeat(lambda: checked(1, b=2), number=20_000, repeat=5))
    assert (wrapped - bare) / 20_000 < 20e-6


def test_arguments_are_still_checked():
    with pytest.raises(ArgumentError, match="no argument `Days`"):
        FIT.predict(Days=3)
