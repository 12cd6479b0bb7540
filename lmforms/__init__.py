"""lmforms: linear mixed models for Python, with R-like formulas and lme4's engine ideas.

>>> import lmforms as lf
>>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
>>> round(fit.criterion, 4)
1743.6283
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import datasets as datasets
    from . import errors as errors
    from . import families as families
    from . import interop as interop
    from . import latent as latent
    from . import mme as mme
    from . import plot as plot
    from . import relationship as relationship
    from . import residual as residual
    from . import varcomp as varcomp
    from .control import Control as Control
    from .generalized_model import GeneralizedMixedModel as GeneralizedMixedModel
    from .generalized_model import glmer as glmer
    from .inference.model_comparison.model_table import model_table as model_table
    from .inference.model_comparison.model_tests import anova as anova
    from .inference.model_comparison.model_weights import compare as compare
    from .inference.pooling.pool import pool as pool
    from .many import ManyFits as ManyFits
    from .many import gwas as gwas
    from .many import lmer_many as lmer_many
    from .model import MixedModel as MixedModel
    from .model import lmer as lmer
    from .results.generalized.generalized_results import GeneralizedResults as GeneralizedResults
    from .results.model_results import MixedModelResults as MixedModelResults
    from .storage.load import load as load
    from .stream.model_sums import ModelSums as ModelSums
    from .stream.model_sums import summarise as summarise

from ._version import __version__

# Names are imported when first used, so that `import lmforms` costs next to nothing.
_HOME = {
    "Control": "control",
    "GeneralizedMixedModel": "generalized_model",
    "GeneralizedResults": "results.generalized.generalized_results",
    "ManyFits": "many",
    "MixedModel": "model",
    "MixedModelResults": "results.model_results",
    "ModelSums": "stream.model_sums",
    "anova": "inference.model_comparison.model_tests",
    "compare": "inference.model_comparison.model_weights",
    "glmer": "generalized_model",
    "gwas": "many",
    "lmer": "model",
    "lmer_many": "many",
    "load": "storage.load",
    "model_table": "inference.model_comparison.model_table",
    "pool": "inference.pooling.pool",
    "summarise": "stream.model_sums",
}
_MODULES = (
    *("datasets", "errors", "families", "latent", "mme", "plot"),
    *("relationship", "residual", "varcomp"),
)
# Not in __all__: they need packages that may be absent.
_INTEROP = ("interop", "sklearn")

__all__ = [
    "Control",
    "GeneralizedMixedModel",
    "GeneralizedResults",
    "ManyFits",
    "MixedModel",
    "MixedModelResults",
    "ModelSums",
    "__version__",
    "anova",
    "compare",
    "datasets",
    "errors",
    "families",
    "glmer",
    "gwas",
    "latent",
    "lmer",
    "lmer_many",
    "load",
    "mme",
    "model_table",
    "plot",
    "pool",
    "relationship",
    "residual",
    "summarise",
    "varcomp",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES or name in _INTEROP:
        return import_module(f".{name}", __name__)
    if name in _HOME:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
        globals()[name] = value
        return value
    __tracebackhide__ = True  # pytest leaves this frame out
    if name.startswith("_"):
        raise AttributeError(f"module 'lmforms' has no attribute {name!r}")
    from .support.foreign_names import unknown_name

    raise unknown_name(sys.modules[__name__], "the package", name, __all__, of_package=True)


def __dir__() -> list[str]:
    return sorted(__all__)
