"""PyTorch is imported when the layer is asked for, and its absence has an error of ours."""

from __future__ import annotations

import subprocess
import sys


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_forms_do_not_import_torch():
    code = "import sys, lmforms as lf; lf.latent.LinearMixedForm; print('torch' in sys.modules)"
    assert run(code).stdout.strip() == "False"


def test_without_torch_the_error_names_the_extra():
    code = """
import sys
sys.modules["torch"] = None
from lmforms.errors import MissingPackageError
try:
    import lmforms.latent.torch
except MissingPackageError as error:
    print(error)
"""
    assert "pip install 'lmforms[torch]'" in run(code).stdout
