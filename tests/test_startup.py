"""What is imported when: `import lmforms` stays light, heavy packages wait for their use."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lmforms

HEAVY = ["formulaic", "matplotlib", "numba", "pandas", "scipy", "sksparse", "statsmodels"]


def imported(code: str) -> set[str]:
    """Heavy packages that are loaded after `code` in a fresh interpreter."""
    probe = f"{code}\nimport json, sys\nprint(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.strip().splitlines()[-1]))


def test_the_package_alone_imports_nothing_heavy():
    assert imported("import lmforms") == set()


def test_lmer_waits_with_formulaic_and_statsmodels():
    assert imported("from lmforms import lmer") <= {"pandas", "scipy"}


def test_relationships_wait_with_everything():
    assert imported("import lmforms as lf\nlf.relationship.Relationship") == set()


def test_one_grouping_factor_needs_no_sparse_solver():
    code = "import lmforms as lf\nlf.lmer('Yield ~ 1 + (1 | Batch)', lf.datasets.load('Dyestuff'))"
    assert imported(code) <= {"pandas", "scipy", "formulaic"}


@pytest.mark.parametrize(
    "name",
    ["lmer", "MixedModel", "Control", "load", "datasets", "errors", "relationship"],
)
def test_public_names_are_there(name):
    assert name in dir(lmforms)
    assert getattr(lmforms, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        _ = lmforms.nonsense


@pytest.mark.slow
def test_loops_compile_where_nothing_can_be_written(tmp_path):
    """A read-only install and home: files stand where folders of the cache would be."""
    copy = tmp_path / "lmforms"
    ignored = shutil.ignore_patterns("__pycache__", "_datasets")
    shutil.copytree(Path(lmforms.__file__).parent, copy, ignore=ignored)
    for folder in (copy, *(path for path in copy.rglob("*") if path.is_dir())):
        (folder / "__pycache__").touch()
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"), os.devnull)
    code = """
import numpy as np
from lmforms.engine.linalg import batched, batched_kernels, kernel_cache
from lmforms.relationship import Pedigree
assert not kernel_cache.is_cached("lmforms.engine.linalg.batched_kernels")
a = np.random.default_rng(0).normal(size=(50_000, 2, 2))
assert np.allclose(batched.multiply(a, a), a @ a)
n = 1_100
selfed = [0, *range(1, n)]
assert Pedigree.of(range(1, n + 1), selfed, selfed).inbreeding()[2] == 0.75
"""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA")} | nowhere
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_compiled_loop_is_compiled_in_one_way():
    package = Path(lmforms.__file__).parent
    found = [path.name for path in package.rglob("*.py") if "numba.njit" in path.read_text()]
    assert found == ["compiled.py"]
