"""Pictures: each takes the object and ``ax=``, and returns the matplotlib Axes it drew on.

matplotlib is imported when something is drawn: ``pip install 'lmforms[plot]'``.
"""

from __future__ import annotations

from .companion import companion

__all__ = ["companion"]
