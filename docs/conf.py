"""Sphinx configuration of the lmforms documentation.

sphinx-build -W --keep-going -j 2 -b html docs docs/_build/html
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

# The checkout is documented, whether or not it is installed; the kernels that run the
# pages inherit the path.
sys.path[:0] = [str(ROOT), str(HERE / "_ext")]
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
)
# Pages must not depend on what a reader's environment makes of warnings or colours.
os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
os.environ["MATPLOTLIBRC"] = str(HERE / "matplotlibrc")

import lmforms  # noqa: E402

project = "lmforms"
author = "The lmforms developers"
copyright = "The lmforms developers"
version = release = lmforms.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "docstring_fields",
    "offline_math",
]
exclude_patterns = ["_build", "_ext", "_included", "_static", "**.ipynb_checkpoints"]


# --- files from elsewhere in the repository -------------------------------------------------


def _write(path: Path, text: str) -> None:
    """Write only what changed, so that an unchanged page is not built again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


# PyTorch is large: where it is not installed its pages are built without being run.
HAS_TORCH = importlib.util.find_spec("torch") is not None
NEEDS_TORCH = "network_coupling.ipynb"
NOT_RUN = "> *This page was built without PyTorch: its cells were not run, and show no results.*"


def _stage_notebooks() -> None:
    """Copy ``notebooks/*.ipynb`` to ``docs/_notebooks`` (git-ignored)."""
    target = HERE / "_notebooks"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    for notebook in notebooks:
        shutil.copy2(notebook, target / notebook.name)
    if not HAS_TORCH and (target / NEEDS_TORCH).is_file():
        page = json.loads((target / NEEDS_TORCH).read_text(encoding="utf-8"))
        note = {"cell_type": "markdown", "id": "not-run", "metadata": {}, "source": NOT_RUN}
        page["cells"].insert(1, note)
        _write(target / NEEDS_TORCH, json.dumps(page))
    if not notebooks:  # a glob without a match would be a warning
        _write(target / "none.md", "# None yet\n\nThere are no notebooks in this checkout.\n")


def _stage_changelog() -> None:
    """Copy ``CHANGELOG.md`` to ``docs/_included`` (git-ignored), or say that there is none."""
    source = ROOT / "CHANGELOG.md"
    if source.is_file():
        text = source.read_text(encoding="utf-8")
        if not text.lstrip().startswith("# "):
            text = f"# Changelog\n\n{text}"
    else:
        text = "# Changelog\n\nNo changes have been written down yet.\n"
    _write(HERE / "_included" / "changelog.md", text)


_stage_notebooks()
_stage_changelog()

# --- MyST and executed pages ----------------------------------------------------------------

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
myst_dmath_double_inline = True

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_execution_in_temp = True
nb_merge_streams = True

nb_execution_excludepatterns = [] if HAS_TORCH else [f"_notebooks/{NEEDS_TORCH}"]
autodoc_mock_imports = [] if HAS_TORCH else ["torch"]

# --- mathematics ----------------------------------------------------------------------------

mathjax_path = "mathjax/tex-chtml.js"  # put there by offline_math
mathjax3_config = {"tex": {"inlineMath": [["\\(", "\\)"], ["$", "$"]]}}
# in HTML that cells show, too, as Jupyter does; elsewhere $ is a plain character
myst_mathjax_classes = "tex2jax_process|mathjax_process|math|text_html"

# --- API ------------------------------------------------------------------------------------

autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpy-style docstrings say what types mean
napoleon_google_docstring = False
napoleon_use_param = False  # types in words, not as cross-references
napoleon_use_rtype = False
# One list for all attributes, in which an entry may have several names. As fields of their own
# Sphinx takes the first of two names for a type.
napoleon_custom_sections = [("Attributes", "params_style")]
default_role = "literal"  # `name` in docstrings
smartquotes_action = "D"  # dashes only: Λ' is a transpose

# --- HTML -----------------------------------------------------------------------------------

html_theme = "furo"
html_title = f"lmforms {release}"
html_static_path = ["_static"]
html_css_files = ["lmforms.css"]
html_show_sourcelink = False
html_copy_source = False
