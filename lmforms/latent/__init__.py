"""Linear mixed forms: a response, fixed and random designs that share latent codes.

Y ≈ (K+H)α', X ≈ Kβ', Z ≈ Hu' after Banh's "Linear Mixed Forms". :class:`LinearMixedForm` finds
them by alternating least squares, by maximum likelihood or by the paper's iteration as corrected;
:func:`choose_rank` compares numbers of components. The documentation has the derivations.

>>> import numpy as np, lmforms as lf
>>> rng = np.random.default_rng(0)
>>> K, H = rng.normal(size=(2, 40, 2))
>>> X, Z = K @ rng.normal(size=(2, 6)), H @ rng.normal(size=(2, 7))
>>> form = lf.latent.LinearMixedForm(rank=2).fit((K + H) @ rng.normal(size=(2, 5)), X, Z)
>>> form.explained_.round(6).to_dict()
{'Y': 1.0, 'X': 1.0, 'Z': 1.0}
"""

from __future__ import annotations

from .form import LinearMixedForm
from .form_identity import FormIdentity
from .form_status import FormStatus
from .objective import Codes
from .rank_choice import choose_rank

__all__ = ["Codes", "FormIdentity", "FormStatus", "LinearMixedForm", "choose_rank"]
