"""The caller of the package: where warnings point, and whose variables a formula may use."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any

PACKAGE = __name__.partition(".")[0]


def caller_depth() -> int:
    """Stack level of the first frame outside the package, for warnings."""
    depth, frame = 1, sys._getframe(1)
    while frame.f_back is not None and _inside(frame):
        frame = frame.f_back
        depth += 1
    return depth


def caller_variables() -> Mapping[str, Any]:
    """Variables of the first frame outside the package."""
    frame = sys._getframe(caller_depth() - 1)
    return {**frame.f_globals, **frame.f_locals}


def _inside(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__", "").partition(".")[0] == PACKAGE
