"""A notebook whose optional package is missing is skipped with a word, and the run passes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

RUN = Path(__file__).resolve().parents[2] / "notebooks" / "run.py"


def test_network_coupling_without_torch(monkeypatch, capsys):
    pytest.importorskip("nbclient")
    spec = importlib.util.spec_from_file_location("notebooks_run", RUN)
    run = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert run.check(RUN.with_name("network_coupling.ipynb"), None)
    assert "skipped: PyTorch is not installed" in capsys.readouterr().out
    assert run.missing_package("dung_flies.ipynb") is None
