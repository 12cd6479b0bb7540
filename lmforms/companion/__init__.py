"""A linear mixed form beside a fitted mixed model, on the same y, X and Z.

:meth:`lmforms.MixedModelResults.forms` and :meth:`lmforms.ManyFits.forms` come here: `sides` is
what the form is made from, `comparison` sets Kα' beside Xβ̂ and Hα' beside Zb̂ in numbers, `forms`
is what a user holds.
"""

from __future__ import annotations

from .forms import Forms, companion

__all__ = ["Forms", "companion"]
