"""MathJax with the pages, so that they show mathematics without a network.

The files are those of the package ``sphinx-mathjax-offline`` (MathJax 3.2.2). Its own extension
copies 24 MB, and does not say that it may run in parallel; one script and its fonts are enough.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.fileutil import copy_asset

PACKAGE = "sphinx-mathjax-offline"
SCRIPT = Path("tex-chtml.js")
FONTS = Path("output", "chtml", "fonts", "woff-v2")


def _files() -> Path:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise ExtensionError(f"MathJax is missing: pip install {PACKAGE}")
    return Path(found.origin).parent / "static" / "mathjax"


def copy_files(app: Sphinx, exception: Exception | None) -> None:
    """Copy the script and its fonts into the static files of the pages."""
    if exception is None and app.builder.format == "html":
        source, target = _files(), Path(app.outdir, "_static", "mathjax")
        target.mkdir(parents=True, exist_ok=True)
        copy_asset(source / SCRIPT, target)
        copy_asset(source / FONTS, target / FONTS)


def setup(app: Sphinx) -> dict[str, bool]:
    _files()
    app.connect("build-finished", copy_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
