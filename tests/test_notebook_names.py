"""``notebooks/run.py NAME`` runs the notebooks that are named, and refuses other names."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

RUN = Path(__file__).resolve().parents[1] / "notebooks" / "run.py"


@pytest.fixture
def run():
    pytest.importorskip("nbclient")
    spec = importlib.util.spec_from_file_location("notebooks_run", RUN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("given", ["machines", "machines.ipynb", "notebooks/machines.ipynb"])
def test_named_notebooks(run, monkeypatch, given):
    names = []
    monkeypatch.setattr(run, "check", lambda path, write: names.append(path.stem) or True)
    assert run.main([given, "dung_flies"]) == 0
    assert names == ["dung_flies", "machines"]


def test_all_without_names(run, monkeypatch):
    names = []
    monkeypatch.setattr(run, "check", lambda path, write: names.append(path.name) or True)
    assert run.main([]) == 0
    assert names == sorted(path.name for path in RUN.parent.glob("*.ipynb"))


def test_unknown_name(run, capsys):
    with pytest.raises(SystemExit):
        run.main(["no_such"])
    assert "no notebook of this name: no_such" in capsys.readouterr().err
