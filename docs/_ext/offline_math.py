"""MathJax with the pages, so that they show mathematics without a network.

The files are those of the package ``sphinx-mathjax-offline`` (MathJax 3.2.2). Its own extension
copies 24 MB, and does not say that it may run in parallel; a tenth of them is enough.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.fileutil import copy_asset

PACKAGE = "sphinx-mathjax-offline"
PARTS = (
    Path("tex-chtml.js"),
    Path("input", "tex", "extensions"),  # such as \boldsymbol, loaded when a page needs them
    Path("output", "chtml", "fonts", "woff-v2"),
)


def _files() -> Path:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise ExtensionError(f"MathJax is missing: pip install {PACKAGE}")
    return Path(found.origin).parent / "static" / "mathjax"


def copy_files(app: Sphinx) -> None:
    """Copy the files into the static files of the pages, before pages note their checksums."""
    if app.builder.format == "html":
        source, target = _files(), Path(app.outdir, "_static", "mathjax")
        for part in PARTS:
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            copy_asset(source / part, (target / part).parent if part.suffix else target / part)


def keep_tagged_equations(app: Sphinx, doctree: nodes.document) -> None:
    """Leave equations with a tag as they are: Sphinx puts lines into ``split``, which has none."""
    for equation in doctree.findall(nodes.math_block):
        text = equation.astext()
        if r"\tag" in text and r"\\" in text:
            equation["no-wrap"] = equation["nowrap"] = True
            equation.clear()
            equation += nodes.Text(rf"\[{text}\]")


def setup(app: Sphinx) -> dict[str, bool]:
    _files()
    app.connect("builder-inited", copy_files)
    app.connect("doctree-read", keep_tagged_equations)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
