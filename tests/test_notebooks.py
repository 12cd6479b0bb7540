"""The notebooks: their outputs are not committed, and ``notebooks/run.py`` runs those named."""

from __future__ import annotations

import importlib.util
import json
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


@pytest.mark.parametrize("path", sorted(RUN.parent.glob("*.ipynb")), ids=lambda path: path.stem)
def test_no_outputs_are_committed(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    for cell in code:
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
