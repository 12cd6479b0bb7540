"""What is imported when: `import lmforms` stays light, heavy packages wait for their use."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

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
    import lmforms

    assert name in dir(lmforms)
    assert getattr(lmforms, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    import lmforms

    with pytest.raises(AttributeError, match="nonsense"):
        _ = lmforms.nonsense
