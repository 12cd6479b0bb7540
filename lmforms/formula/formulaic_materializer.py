"""formulaic's materializer, with the rules of R that it lacks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .interaction_sizes import check_size

if TYPE_CHECKING:
    from formulaic import ModelSpec
    from formulaic.parser.types import Term


@lru_cache(maxsize=1)
def materializer_class() -> Any:
    """formulaic's materializer, but booleans (columns or conditions) are factors, as in R."""
    from formulaic.materializers import PandasMaterializer
    from interface_meta import override

    class Materializer(PandasMaterializer):  # type: ignore[misc]
        run: Callable[[str, ModelSpec], Any]

        @override  # type: ignore[untyped-decorator]
        def _evaluate(self, expr: str, metadata: Any, spec: ModelSpec) -> Any:
            return self.run(expr, spec), set()

        @override  # type: ignore[untyped-decorator]
        def _is_categorical(self, values: Any) -> bool:
            bare = getattr(values, "__wrapped__", values)
            if pd.api.types.is_bool_dtype(getattr(bare, "dtype", None)):
                return True
            return bool(super()._is_categorical(values))

        @override  # type: ignore[untyped-decorator]
        def _get_scoped_terms(self, terms: Iterable[Term], ensure_full_rank: bool = True) -> Any:
            terms = list(terms)
            check_size(terms, self.factor_cache, self.nrows)
            return super()._get_scoped_terms(terms, ensure_full_rank)

    return Materializer


@contextmanager
def without_warnings() -> Iterator[None]:
    """Without the warnings of whatever a formula calls: results are checked instead."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
