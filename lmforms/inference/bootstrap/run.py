"""`bootstrap`: replicates of a fit, and intervals from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ...engine.replication.replicates import Replicates
from ...errors import ModelError
from ...results.result_table import ResultTable
from ...results.state import FitState
from ...support.arguments import generator
from ..model_parameters import model_parameters, parameter_values
from .checks import check_fit
from .collect import Source, collected
from .parameter_columns import parameter_columns
from .parametric import parametric_source
from .replicate_table import Bootstrap

KINDS = ("parametric", "residual", "case")


def bootstrap(state: FitState, n: int, seed: Any, progress: bool) -> Bootstrap:
    """Parametric bootstrap of a fit (see :meth:`MixedModelResults.bootstrap`)."""
    check_fit(state)
    source = parametric_source(state, generator("seed", seed), n)
    return of_source(state, source, n, progress, "parametric")


def of_source(
    state: FitState, source: Source[Replicates], n: int, progress: bool, kind: str, **more: Any
) -> Bootstrap:
    """The replicates of a source as a table of the parameters of a fit."""
    found = Replicates.joined(collected(source, n, progress))
    if found.failed.all():
        raise ModelError(
            f"bootstrap: none of {len(found)} replicates could be refitted. The model has too many "
            "parameters for data of this size: fit it with fewer random effects."
        )
    names = [parameter.name for parameter in model_parameters(state)]
    values = parameter_columns(state, found)
    index = pd.RangeIndex(len(found), name="replicate")
    return Bootstrap(
        kind=kind,
        estimate=pd.Series(parameter_values(state), index=names, name="estimate"),
        table=pd.DataFrame(values, index=index, columns=names),
        failed=found.failed,
        singular=found.singular,
        **more,
    )


def bootstrap_intervals(
    state: FitState, level: float, which: str, n: int, seed: Any
) -> ResultTable:
    """Percentile intervals of the parametric bootstrap, for `conf_int(method="bootstrap")`.

    Parameters
    ----------
    state : FitState
    level : float
    which : {"fixed", "all"}
        Rows of the table.
    n : int
        Number of replicates.
    seed : int or anything else :func:`numpy.random.default_rng` takes
    """
    table = bootstrap(state, n, seed, progress=False).conf_int(level)
    if which == "all":
        return table
    fixed = np.array([p.kind == "fixed" for p in model_parameters(state)])
    return ResultTable(table[fixed], title=table.title, notes=table.notes)
