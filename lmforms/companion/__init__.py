"""A linear mixed form of the y, X and Z of a fitted mixed model, and their comparison.

Used by :meth:`lmforms.MixedModelResults.forms` and :meth:`lmforms.ManyFits.forms`. `form_inputs`
prepares the matrices and fits the form, `comparison` compares Kα' with Xβ̂ and Hα' with Zb̂, and
`forms` has the object that users get.
"""

from __future__ import annotations

from .forms import Forms, companion

__all__ = ["Forms", "companion"]
