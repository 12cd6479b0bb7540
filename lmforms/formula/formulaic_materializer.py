"""formulaic's materializer, with the rules of R that it lacks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from threading import RLock
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


def scoped_terms(
    products: Sequence[Sequence[str]], factors: Collection[str]
) -> tuple[tuple[tuple[tuple[str, bool], ...], ...], ...]:
    """For each term the products that its columns come from, before there are any data.

    Parameters
    ----------
    products : sequence of sequence of str
        The columns of each term; none for the intercept.
    factors : collection of str
        Which of the columns are factors; the others are numbers.

    Returns
    -------
    tuple
        For each product its columns, and whether a factor has one level less there.

    Raises
    ------
    FormulaError
        Interactions that would take too long to code.
    """
    from formulaic.materializers.types import EvaluatedFactor, FactorValues
    from formulaic.parser.types import Factor, Term

    def evaluated(factor: Factor) -> EvaluatedFactor:
        if factor.eval_method.value == "literal":
            return EvaluatedFactor(factor, FactorValues(1, kind="constant"))
        coded = factor.expr in factors
        kind = "categorical" if coded else "numerical"
        return EvaluatedFactor(factor, FactorValues(np.empty(0), kind=kind, spans_intercept=coded))

    one = Factor("", eval_method="literal")  # no column is called so
    terms = [Term([Factor(name, eval_method="lookup") for name in p] or [one]) for p in products]
    made = materializer_class()(pd.DataFrame())
    made.factor_cache = {f.expr: evaluated(f) for term in terms for f in term.factors}
    return tuple(
        tuple(tuple((f.factor.expr, f.reduced) for f in own.factors) for own in scoped)
        for _, scoped in made._get_scoped_terms(terms)
    )


_FILTERS = RLock()


@contextmanager
def without_warnings() -> Iterator[None]:
    """Without the warnings of whatever a formula calls: results are checked instead.

    One thread at a time: Python has one list of filters for all of them.
    """
    with _FILTERS, warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
