"""Many fits that share their random effects: thousands of responses, thousands of markers.

With one variance component everything is rotated once by the eigenvectors of its covariance
(:mod:`.spectral`); a response or a marker is then a row of numbers, and all of them are fitted
side by side (:mod:`.profiled_criteria`, :mod:`.tau_search`). Other structures share
cross-products and trial values of θ; Newton's method runs for all responses together
(:mod:`.shared_system`, :mod:`lmforms.engine.batch`).
"""

from __future__ import annotations

from .gwas import gwas
from .many_fits import ManyFits
from .responses import lmer_many

__all__ = ["ManyFits", "gwas", "lmer_many"]
