"""Whoever does what a message says gets further: each case fails, says so, and is followed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp

import lmforms as lf
from lmforms.errors import LmformsError, LmformsWarning
from lmforms.latent import LinearMixedForm, choose_rank
from lmforms.relationship import Pedigree, Relationship, vanraden
from lmforms.varcomp import ComponentModel, InverseChiSquared, estimate, gibbs

pytestmark = pytest.mark.one_in(4)

N = 48
RNG = np.random.default_rng(7)
G = np.arange(N) % 8
DATA = pd.DataFrame(
    {
        "y": np.sin(np.arange(N) ** 2) + G,
        "x": np.cos(np.arange(N) * 3.7),
        "z": np.sin(np.arange(N) * 1.3),
        "f": pd.Categorical(np.array(list("abc"))[(np.arange(N) // 3) % 3]),
        "g": G,
        "h": (np.arange(N) * 5) % 7,
        "w": 1.0 + np.arange(N) % 3,
    }
)
MODEL = "y ~ x + (1 | g)"
SERIES = DATA.assign(time=np.arange(N) // 8)
DATA["k"] = np.arange(N) % 16 // 8


def without_groups(e: pd.Series) -> pd.Series:
    """What x, z and k leave of it in each of the groups: nothing for their variances."""
    left = e.copy()
    for rows in DATA.groupby("g").groups.values():
        Z = np.column_stack([np.ones(len(rows)), DATA.loc[rows, ["x", "z", "k"]]])
        left[rows] = e[rows] - Z @ np.linalg.lstsq(Z, e[rows], rcond=None)[0]
    return left


FLAT = DATA.assign(y=without_groups(DATA["y"]) * 5)
"""Without any variance between the levels of g."""
SLOPES = FLAT.assign(y=FLAT["y"] + 9 * np.sin(G) * FLAT["x"])
K = pd.DataFrame(np.eye(8) + 0.25, index=range(8), columns=range(8))
SINGULAR_K = pd.DataFrame(np.ones((8, 8)), index=range(8), columns=range(8))
PEDIGREE = {"animal": [0, 1, 2, 3, 4, 5, 6, 7], "sire": [None] * 4 + [0, 0, 2, 4]}
PEDIGREE |= {"dam": [None] * 4 + [1, 3, 1, 5]}
ANIMALS = Pedigree.of(PEDIGREE, unknown=())
IDS = [f"i{i}" for i in range(N)]
COUNTS = pd.DataFrame(RNG.integers(0, 3, (N, 12)), index=IDS)
PEOPLE = DATA.assign(id=IDS)
RELATED = vanraden(COUNTS)


@dataclass(frozen=True)
class Case:
    """A call that fails (or warns), what it says, and calls that do what it advises."""

    name: str
    fails: Callable[[], Any]
    says: str
    follow: tuple[Callable[[], Any], ...]


CASES: list[Case] = []


def case(name: str, fails: Callable[[], Any], says: str, *follow: Callable[[], Any]) -> None:
    CASES.append(Case(name, fails, says, follow))


def lmer(formula: str = MODEL, data: Any = DATA, /, **options: Any) -> Any:
    return lf.lmer(formula, data, **options)


def regular(formula: str, data: Any = DATA, **options: Any) -> None:
    """A fit without any warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lf.lmer(formula, data, **options)


def said_by(fails: Callable[[], Any]) -> str:
    """The message of an error of the package, or of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fails()
        except LmformsError as exc:
            return str(exc)
    return " ".join(str(w.message) for w in caught if issubclass(w.category, LmformsWarning))


# --- words of R and statsmodels ------------------------------------------------------------------

FIT = lf.lmer(MODEL, DATA)

for _word, _says, _options in [
    ("REML", "Did you mean `reml`", {"reml": False}),
    ("groups", "(1 | g)", {}),
    ("re_formula", "'(x | g)'", {}),
    ("vc_formula", "(1 | g) + (1 | h)", {}),
    ("nAGQ", "leave it out", {}),
    ("subset", "data[data['x'] > 0]", {}),
    ("na.action", "missing='drop'", {"missing": "drop"}),
    ("na_action", "missing='raise'", {"missing": "raise"}),
    ("random", "'y ~ x + (x | g)'", {}),
    ("dispformula", "residual='power(x)'", {"residual": "power(w)"}),
    ("optimizer", "leave it out", {}),
    ("verbose", "fit.optimizer", {}),
    ("maxiter", "Control(max_evaluations=500)", {"control": lf.Control(max_evaluations=500)}),
    ("tol", "Control(tolerance=1e-8)", {"control": lf.Control(tolerance=1e-8)}),
    ("seed", "Control(seed=1)", {"control": lf.Control(seed=1)}),
    ("allow.new.levels", "new_levels='zero'", {}),
    ("wieghts", "Did you mean `weights`", {"weights": "w"}),
]:
    case(
        f"lmer({_word}=)",
        lambda word=_word: lmer(**{word: 1}),
        _says,
        lambda options=_options: lmer(**options),
    )
case(
    "lmer(correlation=)",
    lambda: lmer(correlation="AR1"),
    "residual='ar1(time | group)'",
    lambda: lmer(MODEL, SERIES, residual="ar1(time | g)"),
)
case(
    "lmer(family=)",
    lambda: lmer(family="poisson"),
    "lf.glmer(formula, data, family='poisson')",
    lambda: lf.glmer(
        "n ~ x + (1 | g)", DATA.assign(n=RNG.poisson(3.0, len(DATA))), family="poisson"
    ),
)
case("rows for subset", lambda: lmer(subset=1), "subset", lambda: lmer(MODEL, DATA[DATA["x"] > 0]))
for _word, _says, _options in [
    ("re.form", "random='none'", {"random": "none"}),
    ("re_formula", "random='all'", {"random": "all"}),
    ("newdata", "Did you mean `data`", {"data": DATA}),
    ("exog", "Did you mean `data`", {"data": DATA}),
    ("allow.new.levels", "new_levels='zero'", {"new_levels": "zero"}),
    ("type", "leave it out", {}),
    ("se.fit", "interval='confidence'", {"interval": "confidence"}),
]:
    case(
        f"predict({_word}=)",
        lambda word=_word: FIT.predict(**{word: None}),
        _says,
        lambda options=_options: FIT.predict(**options),
    )
case(
    "conf_int(alpha=)",
    lambda: FIT.conf_int(alpha=0.1),
    "level=0.95 for alpha=0.05",
    lambda: FIT.conf_int(level=0.9),
)
case(
    "residuals(type=)",
    lambda: FIT.residuals(type="pearson"),
    "kind='response', 'pearson' or 'scaled'",
    *(lambda kind=kind: FIT.residuals(kind=kind) for kind in ("response", "pearson", "scaled")),
)
case(
    "MixedModel(reml=)",
    lambda: lf.MixedModel(MODEL, DATA, reml=False),
    "fit(reml=…)",
    lambda: lf.MixedModel(MODEL, DATA).fit(reml=False),
)
case("method='ML'", lambda: lmer(method="ML"), "reml=False", lambda: lmer(reml=False))
case("method='REML'", lambda: lmer(method="REML"), "reml=True", lambda: lmer(reml=True))
case("method='lbfgs'", lambda: lmer(method="lbfgs"), "leave `method` out", lmer)
case(
    "method='nonsense'",
    lambda: lmer(method="nonsense"),
    "ai",
    lambda: lmer(method="ai"),
    lambda: lmer(method="newton"),
    lambda: lmer(method="em"),
    lambda: lmer(method="emma"),
)
case(
    "control={}",
    lambda: lmer(control={"optimizer": "bobyqa"}),
    "Control(max_evaluations=500)",
    lambda: lmer(control=lf.Control(max_evaluations=500)),
)

# --- reading the formula -------------------------------------------------------------------------

case("no tilde", lambda: lmer("y"), "'y ~ x + (1 | g)'", lambda: lmer("y ~ x + (1 | g)"))
case("no text", lambda: lmer(1), "'y ~ x + (1 | g)'", lambda: lmer("y ~ x + (1 | g)"))
case("open", lambda: lmer("y ~ x + (1 | g"), "add `)`", lmer)
case("nothing right", lambda: lmer("y ~"), "write `1`", lambda: lmer("y ~ 1"))
case("bare bar", lambda: lmer("y ~ x + 1 | g"), "(expression | group)", lmer)
case(
    "two bars",
    lambda: lmer("y ~ (1 | g | h)"),
    "(x | g) + (x | h)",
    lambda: lmer("y ~ (1 | g) + (1 | h)"),
    lambda: lmer("y ~ (x | g) + (x | h)", SLOPES),
)
case(
    "power",
    lambda: lmer("y ~ (x + z)^11 + (1 | g)"),
    "I(x^2)",
    lambda: lmer("y ~ I(x^2) + (1 | g)"),
    lambda: lmer("y ~ poly(x, 2) + (1 | g)"),
)
MACHINES = lf.datasets.load("Machines")
GROWTH = lf.datasets.load("Orthodont")


def long_series() -> Any:
    """More dependent rows than dense blocks are made for."""
    t = np.arange(3_001)
    frame = pd.DataFrame({"y": np.random.default_rng(1).normal(size=len(t)), "t": t})
    return lf.lmer("y ~ 1", frame, residual="ar1(t)")


def machines(term: str) -> Any:
    return lf.lmer(f"score ~ Machine + {term}", MACHINES)


def growth(term: str, **options: Any) -> Any:
    return lf.lmer(f"distance ~ age + {term}", GROWTH, **options)


case(
    "structure of a number",
    lambda: growth("ar1(age | Subject)"),
    "write `ar1(0 + factor(time) | Subject)`",
    lambda: growth("ar1(0 + factor(age) | Subject)"),
)
case(
    "structure of glmmTMB",
    lambda: growth("ou(0 + factor(age) | Subject)"),
    "write `exp(0 + time | g)`",
    lambda: growth("exp(0 + age | Subject)"),
)
case(
    "structure like residuals",
    lambda: growth("toep(0 + factor(age) | Subject)"),
    "Structures such as `ar1` and `exp`",
    lambda: growth("ar1(0 + factor(age) | Subject)"),
)
case(
    "a structure of one effect",
    lambda: machines("cs(1 | Worker)"),
    "write `(1 | Worker)`",
    lambda: machines("(1 | Worker)"),
)
case(
    "reduced rank without a rank",
    lambda: machines("rr(0 + Machine | Worker)"),
    "write `rr(0 + f | g, d=2)`",
    lambda: machines("rr(0 + Machine | Worker, d=2)"),
)
case(
    "a full rank",
    lambda: machines("rr(0 + Machine | Worker, 3)"),
    "`(0 + Machine | Worker)` is the same",
    lambda: machines("(0 + Machine | Worker)"),
)
case(
    "Kenward–Roger of a long series",
    lambda: long_series().summary(ddf="kenward-roger"),
    "use ddf='satterthwaite'",
    lambda: long_series().summary(ddf="satterthwaite"),
)
case(
    "unequal steps",
    lambda: lf.lmer(
        "distance ~ age * Sex + ar1(0 + factor(age) | Subject)", GROWTH[GROWTH["age"] != 10.0]
    ),
    "write `exp` for distances that differ",
    lambda: lf.lmer(
        "distance ~ age * Sex + exp(0 + factor(age) | Subject)", GROWTH[GROWTH["age"] != 10.0]
    ),
)
case(
    "column",
    lambda: lmer("y ~ xx + (1 | g)", DATA.rename(columns={"x": "xxx"})),
    "Did you mean `xxx`",
    lambda: lmer("y ~ xxx + (1 | g)", DATA.rename(columns={"x": "xxx"})),
)
case(
    "response on the right",
    lambda: lmer("y ~ y + (1 | g)"),
    "leave it out",
    lambda: lmer("y ~ (1 | g)"),
)
case(
    "no expression",
    lambda: lmer("y ~ (0 | g)"),
    "write `1` or `0 + x`",
    lambda: lmer("y ~ (1 | g)"),
    lambda: lmer("y ~ (0 + x | g)", SLOPES),
)
case("minus", lambda: lmer("y ~ x - (1 | g)"), "leave it out", lambda: lmer("y ~ x"))

# --- columns -------------------------------------------------------------------------------------

_MARKED = [f"{v:.2f}" for v in DATA["x"][:-2]] + [".", "n/a"]
_COMMAS = [f"{v:.2f}".replace(".", ",") for v in DATA["x"]]


def numbers(column: list[str]) -> pd.DataFrame:
    """Coerced as the message has it."""
    data = DATA.assign(x=column)
    return data.assign(x=pd.to_numeric(data["x"], errors="coerce"))


def category(column: list[Any], name: str = "x") -> pd.DataFrame:
    """Labels, as the message has it."""
    data = DATA.assign(**{name: column})
    return data.assign(**{name: data[name].astype("category")})


case(
    "marks among numbers",
    lambda: lmer(MODEL, DATA.assign(x=_MARKED)),
    "numbers but for '.', 'n/a'",
    lambda: lmer(MODEL, numbers(_MARKED)),
    lambda: lmer("y ~ 1 + (1 | x)", category([*"1213." * 9, *"123"])),
)
_POLARS = pl.DataFrame({**DATA[["y", "g"]].to_dict("list"), "x": _MARKED})
_POLARS_COMMAS = _POLARS.with_columns(x=pl.Series(_COMMAS))
case(
    "marks in polars",
    lambda: lmer(MODEL, _POLARS),
    "in polars .cast(float, strict=False)",
    lambda: lmer(MODEL, _POLARS.with_columns(x=_POLARS["x"].cast(float, strict=False))),
)
case(
    "decimal commas in polars",
    lambda: lmer(MODEL, _POLARS_COMMAS),
    "in polars .cast(float) after .str.replace_all",
    lambda: lmer(
        MODEL,
        _POLARS_COMMAS.with_columns(x=pl.Series(_COMMAS).str.replace_all(",", ".").cast(float)),
    ),
    lambda: lmer(
        MODEL, _POLARS.with_columns(x=pl.Series(["1,5", "2,5"] * 24).cast(pl.Categorical))
    ),
)
case(
    "marks among the labels of polars",
    lambda: lmer(MODEL, _POLARS.with_columns(x=pl.col("y"), g=pl.Series(["1", "2", "."] * 16))),
    "data['g'].replace('.', None)",
    lambda: lmer(
        MODEL,
        _POLARS.with_columns(x=pl.col("g"), g=pl.Series(["1", "2", "."] * 16).replace(".", None)),
    ),
)
case(
    "marks among objects",
    lambda: lmer(MODEL, DATA.assign(x=[*DATA["x"][:-1], "?"])),
    "numbers but for '?'",
    lambda: lmer(MODEL, numbers([*DATA["x"][:-1], "?"])),
)
case(
    "a word among numbers",
    lambda: lmer(MODEL, DATA.assign(x=[*_MARKED[:-2], "1.5", "bad"])),
    "numbers but for 'bad'",
    lambda: lmer(MODEL, numbers([*_MARKED[:-2], "1.5", "bad"])),
)
case(
    "a word among responses",
    lambda: lmer("x ~ z + (1 | g)", DATA.assign(x=_MARKED)),
    "numbers but for '.', 'n/a'",
    lambda: lmer("x ~ z + (1 | g)", numbers(_MARKED)),
)
case(
    "decimal commas",
    lambda: lmer(MODEL, DATA.assign(x=_COMMAS)),
    ".str.replace(',', '.')",
    lambda: lmer(MODEL, DATA.assign(x=pd.Series(_COMMAS).str.replace(",", ".").astype(float))),
    lambda: lmer(MODEL, category(["1,5", "2,5", "3,5"] * 16)),
)
case(
    "numbers as text",
    lambda: lmer(MODEL, DATA.assign(x=DATA["x"].round(2).astype(str))),
    "data['x'].astype(float)",
    lambda: lmer(MODEL, DATA.assign(x=DATA["x"].round(2))),
    lambda: lmer(MODEL, category(["1.5", "2.5", "3.5"] * 16)),
)
case(
    "a mark among labels",
    lambda: lmer(MODEL, DATA.assign(g=["1", "2", "3", "."] * 12)),
    "data['g'].replace('.', None)",
    lambda: lmer(MODEL, DATA.assign(g=pd.Series(["1", "2", "3", "."] * 12).replace(".", None))),
    lambda: lmer(MODEL, category(["1", "2", "3", "."] * 12, "g")),
)
case(
    "dates",
    lambda: lmer(MODEL, DATA.assign(x=pd.date_range("2020", periods=N))),
    "category",
    lambda: lmer(MODEL, category(pd.to_datetime(["2020-01-01", "2021-01-01"] * 24))),
)
case(
    "objects",
    lambda: lmer(MODEL, DATA.assign(x=[Decimal("1.5"), Decimal(2)] * 24)),
    "convert it to numbers or to a category",
    lambda: lmer(MODEL, DATA.assign(x=[1.5, 2.0] * 24)),
    lambda: lmer(MODEL, category([Decimal("1.5"), Decimal(2)] * 24)),
)
case(
    "long integers",
    lambda: lmer(MODEL, DATA.assign(x=[10**30 + i % 4 for i in range(N)])),
    "floats, or text",
    lambda: lmer(MODEL, DATA.assign(x=[float(10**30 * i) for i in range(N)])),
    lambda: lmer(MODEL, DATA.assign(x=[str(10**30 + i % 4) for i in range(N)])),
)
case(
    "missing rows",
    lambda: lmer(MODEL, DATA.assign(x=[None, *DATA["x"][1:]]), missing="raise"),
    "missing='drop'",
    lambda: lmer(MODEL, DATA.assign(x=[None, *DATA["x"][1:]]), missing="drop"),
)
case(
    "infinite",
    lambda: lmer("y ~ log(x) + (1 | g)", DATA.assign(x=[0, *range(1, N)])),
    "correct or drop",
    lambda: lmer("y ~ log(x) + (1 | g)", DATA.assign(x=[0, *range(1, N)])[1:]),
)
case(
    "infinite offset",
    lambda: lmer(offset=[np.inf] * N),
    "correct or drop",
    lambda: lmer(offset=[0.5] * N),
)
case(
    "twins",
    lambda: lmer(MODEL, pd.concat([DATA, DATA[["x"]]], axis=1)),
    "rename one",
    lambda: lmer(MODEL, pd.concat([DATA, DATA[["x"]].set_axis(["xx"], axis=1)], axis=1)),
)
case(
    "weights of zero",
    lambda: lmer(weights=DATA["w"] - 1),
    "drop it",
    lambda: lmer(MODEL, DATA[DATA["w"] > 1], weights="w"),
)
case(
    "contrasts of numbers",
    lambda: lmer("y ~ h + (1 | g)", contrasts={"h": "sum"}),
    "data['h'].astype('category')",
    lambda: lmer("y ~ h + (1 | g)", category(DATA["h"], "h"), contrasts={"h": "sum"}),
)
case(
    "unknown contrasts",
    lambda: lmer("y ~ f + (1 | g)", contrasts={"f": "summ"}),
    "Did you mean `sum`? Use one of SAS, diff, helmert, poly, sum, treatment, or a contrast matrix",
    *(
        lambda c=c: lmer("y ~ f + (1 | g)", contrasts={"f": c})
        for c in ("SAS", "diff", "helmert", "poly", "sum", "treatment", np.eye(3)[:, 1:])
    ),
)

# --- models --------------------------------------------------------------------------------------

_DOUBLE = DATA.assign(x2=2 * DATA["x"], nought=0.0, one="a", row=range(N))
case(
    "dependent",
    lambda: lmer("y ~ 1 + (0 + x + x2 | g)", _DOUBLE),
    "Leave it out",
    lambda: lmer("y ~ 1 + (0 + x | g)", SLOPES),
)
case(
    "all zero",
    lambda: lmer("y ~ 1 + (0 + nought | g)", _DOUBLE),
    "Leave it out",
    lambda: lmer("y ~ 1", _DOUBLE),
)
case(
    "twice",
    lambda: lmer("y ~ (1 | g) + (x | g)"),
    "(0 + x | g)",
    lambda: lmer("y ~ (1 | g) + (0 + x | g)", SLOPES),
)
case(
    "one level",
    lambda: lmer("y ~ x + (1 | one)", _DOUBLE),
    "Leave the term out",
    lambda: lmer("y ~ x", _DOUBLE),
)
case("a level a row", lambda: lmer("y ~ x + (1 | row)", _DOUBLE), "coarser", lmer)
case(
    "a factor of rows", lambda: lmer("y ~ 1 + (0 + f + x + z + w + h | g:f)"), "fewer columns", lmer
)
case(
    "unidentified",
    lambda: lmer("y ~ factor(g) + (1 | g)"),
    "Leave one out",
    lambda: regular("y ~ factor(g)"),
    lambda: regular("y ~ 1 + (1 | g)"),
)
case(
    "conjugate gradients",
    lambda: lmer(control=lf.Control(factor="cg")),
    "factor='auto'",
    lambda: lmer(control=lf.Control(factor="auto")),
)
case(
    "too few evaluations",
    lambda: lmer("y ~ x + (x | g)", SLOPES, control=lf.Control(max_evaluations=1)),
    "Control(max_evaluations=…)",
    lambda: lmer("y ~ x + (x | g)", SLOPES, control=lf.Control(max_evaluations=300)),
)
case("start", lambda: lmer(start=[1.0, 2.0]), "1 parameter", lambda: lmer(start=[1.0]))

# --- singular fits -------------------------------------------------------------------------------

_TWO = FLAT.assign(y=FLAT["y"] + 9 * np.sin(G) * (1 + FLAT["x"]))
_SHIFTS = FLAT.assign(y=FLAT["y"] + 9 * np.sin(G))
case(
    "(1 | g)",
    lambda: lmer("y ~ x + (1 | g)", FLAT),
    "variance of `Intercept` is 0 in (1 | g). The fit is the optimum; to remove the redundancy, "
    "drop (1 | g)",
    lambda: regular("y ~ x", FLAT),
)
case(
    "(x || g), slope",
    lambda: lmer("y ~ x + (x || g)", SLOPES),
    "`Intercept` is 0 in (x || g). The fit is the optimum; to remove the redundancy, "
    "write (0 + x | g) in place of (x || g)",
    lambda: regular("y ~ x + (0 + x | g)", SLOPES),
)
case(
    "(x || g), intercept",
    lambda: lmer("y ~ x + (x || g)", _SHIFTS),
    "write (1 | g) in place of (x || g)",
    lambda: regular("y ~ x + (1 | g)", _SHIFTS),
)
case(
    "diag(x | g)",
    lambda: lmer("y ~ x + diag(x | g)", SLOPES),
    "write (0 + x | g) in place of diag(x | g)",
    lambda: regular("y ~ x + (0 + x | g)", SLOPES),
)
case(
    "(x || g), nothing",
    lambda: lmer("y ~ x + (x || g)", FLAT),
    "drop (x || g)",
    lambda: regular("y ~ x", FLAT),
)
case(
    "(x + z || g)",
    lambda: lmer("y ~ x + (x + z || g)", _TWO),
    "write (1 + x || g) in place of (x + z || g)",
    lambda: regular("y ~ x + (1 + x || g)", _TWO),
)
case(
    "(x | g)",
    lambda: lmer("y ~ x + (x | g)", _TWO),
    "correlation of `Intercept` and `x` is 1 in (x | g). The fit is the optimum; to remove the "
    "redundancy, drop a random slope, or write (x || g)",
    lambda: regular("y ~ x + (x || g)", _TWO),
)
case(
    "(1 | g/k)",
    lambda: lmer("y ~ x + (1 | g/k)", _SHIFTS),
    "write (1 | g) in place of (1 | g/k)",
    lambda: regular("y ~ x + (1 | g)", _SHIFTS),
)
case(
    "(x || g/k)",
    lambda: lmer("y ~ x + (x || g/k)", _SHIFTS),
    "write (1 | g) + (0 + x | g:k) in place of (x || g/k)",
    lambda: regular("y ~ x + (1 | g) + (0 + x | g:k)", _SHIFTS),
)
case(
    "singular, related",
    lambda: lmer(MODEL, FLAT, relationship={"g": K}),
    "drop (1 | g) and its relationship",
    lambda: regular("y ~ x", FLAT),
)

# --- predictions ---------------------------------------------------------------------------------

_GAPS = DATA.assign(x=DATA["x"].where(DATA["g"] != 3))
_NEW = DATA.assign(g=DATA["g"].astype(str))
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    GAPS = lf.lmer("y ~ x + f + (1 | g)", _GAPS)
TEXT = lf.lmer(MODEL, _NEW)
OFFSET = lf.lmer(MODEL, DATA, offset=np.ones(N))
case(
    "a level whose rows were dropped",
    lambda: GAPS.predict(DATA),
    "no row of the fit has: 3. All rows of 3 were dropped for missing values. "
    "Use new_levels='zero'",
    lambda: GAPS.predict(DATA, new_levels="zero"),
)
case(
    "a new level",
    lambda: FIT.predict(DATA.assign(g=99)),
    "Use new_levels='zero'",
    lambda: FIT.predict(DATA.assign(g=99), new_levels="zero"),
)
case(
    "text for integers",
    lambda: FIT.predict(_NEW),
    ".astype(int)",
    lambda: FIT.predict(_NEW.assign(g=_NEW["g"].astype(int))),
)
case(
    "integers for text",
    lambda: TEXT.predict(DATA),
    ".astype(str)",
    lambda: TEXT.predict(DATA.assign(g=DATA["g"].astype(str))),
)
case(
    "floats for text",
    lambda: TEXT.predict(DATA.assign(g=DATA["g"].astype(float))),
    ".astype(int).astype(str)",
    lambda: TEXT.predict(DATA.assign(g=DATA["g"].astype(float).astype(int).astype(str))),
)
case(
    "a number that is a factor now",
    lambda: FIT.predict(DATA.assign(x="1.5a")),
    "to_numeric",
    lambda: FIT.predict(DATA.assign(x=pd.to_numeric(pd.Series(["1.5"] * N)))),
)
case(
    "new columns",
    lambda: FIT.predict(DATA.drop(columns="x")),
    "Columns needed: x, g",
    lambda: FIT.predict(DATA[["x", "g"]]),
)
case(
    "an offset of the fit",
    lambda: OFFSET.predict(DATA),
    "predict(offset=...)",
    lambda: OFFSET.predict(DATA, offset=np.ones(N)),
)
case(
    "random='gg'",
    lambda: FIT.predict(random=["gg"]),
    "'all', 'none' or some of: g, 1 | g",
    *(lambda r=r: FIT.predict(random=r) for r in ("all", "none", ["g"], ["1 | g"])),
)
case("random=None", lambda: FIT.predict(random=None), "'all'", lambda: FIT.predict(random="all"))
case(
    "new_levels=True",
    lambda: FIT.predict(new_levels=True),
    "'zero'",
    lambda: FIT.predict(new_levels="zero"),
)

# --- relationships -------------------------------------------------------------------------------

_SHUFFLED = K.iloc[::-1]
_MARKS = pd.DataFrame(
    {"animal": list("abcd"), "sire": ["NA", "NA", "a", "a"], "dam": ["NA", "NA", "b", "c"]}
)


def recorded(**options: Any) -> None:
    lmer("y ~ x + (1 | g)", relationship={"g": ANIMALS}, **options)


def founders_are_not_inbred(pedigree: Pedigree) -> None:
    assert pedigree.relationship()[0, 0] == 1


case(
    "relationship=K",
    lambda: lmer(relationship=K),
    "{'animal': K}",
    lambda: lmer(relationship={"g": K}),
)
case("relationship=pedigree", lambda: lmer(relationship=ANIMALS), "{'animal': K}", recorded)
case(
    "another factor",
    lambda: lmer(relationship={"gg": K}),
    "`gg` is no grouping factor",
    lambda: lmer(relationship={"g": K}),
)
case(
    "combinations",
    lambda: lmer("y ~ (1 | g:w)", relationship={"g:w": K}),
    "by `Relationship.kron(A, B)`",
    lambda: lmer(
        "y ~ (1 | g:w)",
        relationship={
            "g:w": Relationship.kron(K, Relationship.of(np.eye(3), labels=[1.0, 2.0, 3.0]))
        },
    ),
)
case(
    "K of text",
    lambda: lmer(relationship={"g": K.set_axis([*"01234567"]).set_axis([*"01234567"], axis=1)}),
    ".astype(str)",
    lambda: lmer(
        MODEL, _NEW, relationship={"g": K.set_axis([*"01234567"]).set_axis([*"01234567"], axis=1)}
    ),
)
case(
    "K of integers",
    lambda: lmer(MODEL, _NEW, relationship={"g": K}),
    ".astype(int)",
    lambda: lmer(MODEL, _NEW.assign(g=_NEW["g"].astype(int)), relationship={"g": K}),
)
case(
    "K without labels",
    lambda: Relationship.of(np.eye(2)),
    "argument `labels`",
    lambda: Relationship.of(np.eye(2), labels=["a", "b"]),
    lambda: Relationship.of(pd.DataFrame(np.eye(2))),
)
case(
    "polars has no index",
    lambda: Relationship.of(pl.DataFrame(np.eye(2))),
    "`labels`",
    lambda: Relationship.of(pl.DataFrame(np.eye(2)), labels=["a", "b"]),
)
case(
    "labels twice",
    lambda: Relationship.of(K, labels=range(8)),
    "Leave out the argument",
    lambda: Relationship.of(K),
)
case(
    "labels beside a pedigree",
    lambda: Relationship.of(ANIMALS, labels=range(8)),
    "leave out `labels`",
    lambda: Relationship.of(ANIMALS),
)
case(
    "another order",
    lambda: Relationship.of(_SHUFFLED),
    "K = K[K.index]",
    lambda: Relationship.of(_SHUFFLED[_SHUFFLED.index]),
)
case(
    "other columns",
    lambda: Relationship.of(K.set_axis([*"abcdefgh"], axis=1)),
    "`K.columns = K.index`",
    lambda: Relationship.of(K.set_axis(K.index, axis=1)),
)
case(
    "improper precision",
    lambda: Relationship.from_precision(np.array([[1.0, -1.0], [-1.0, 1.0]]), labels="ab"),
    "add what it leaves open",
    lambda: Relationship.from_precision(np.array([[1.0, -1.0], [-1.0, 1.0]]) + 0.1, labels="ab"),
)
case(
    "NA",
    lambda: Pedigree.of(_MARKS),
    "unknown=[0, '', '0', 'NA']",
    lambda: founders_are_not_inbred(Pedigree.of(_MARKS, unknown=[0, "", "0", "NA"])),
)
case(
    "NA as a founder",
    lambda: Pedigree.of(_MARKS, add_parents=True),
    "unknown=[0, '', '0', 'NA']",
    lambda: founders_are_not_inbred(Pedigree.of(_MARKS, unknown=[0, "", "0", "NA"])),
    lambda: Pedigree.of(
        [*"abcd", "NA"], [*_MARKS["sire"], None], [*_MARKS["dam"], None], sort=True
    ),
)
case(
    "minus one",
    lambda: Pedigree.of([1, 2], [-1, 1], [-1, -1]),
    "unknown=[0, '', '0', -1]",
    lambda: Pedigree.of([1, 2], [-1, 1], [-1, -1], unknown=[0, "", "0", -1]),
)
case(
    "an animal called 0",
    lambda: Pedigree.of(PEDIGREE),
    "`unknown=()`",
    lambda: Pedigree.of(PEDIGREE, unknown=()),
)


# --- markers -------------------------------------------------------------------------------------

_THERE = np.arange(N * 12).reshape(N, 12) % 100 != 7
_HOLES = COUNTS.astype(float).where(_THERE)
_CODED = COUNTS.where(_THERE, 9)
_LINES = Pedigree.of(range(1, 61), range(60), range(60))
_STILL = COUNTS.set_axis([f"m{i}" for i in range(12)], axis=1).assign(same=1)
case(
    "holes",
    lambda: vanraden(_HOLES, missing="raise"),
    "`missing='mean'`",
    lambda: vanraden(_HOLES, missing="mean"),
)
case(
    "a code for missing",
    lambda: vanraden(_CODED),
    "must be NaN",
    lambda: vanraden(_CODED.astype(float).replace(9, np.nan), missing="mean"),
)
case(
    "markers that do not vary",
    lambda: vanraden(_STILL),
    "`monomorphic='drop'`",
    lambda: vanraden(_STILL, monomorphic="drop"),
)
case(
    "parents that are fully inbred",
    lambda: _LINES.as_relationship(),
    "Relationship.of(pedigree.relationship(), pedigree.labels)",
    lambda: Relationship.of(_LINES.relationship(), _LINES.labels),
)


# --- many responses and markers ------------------------------------------------------------------

_LOST = PEOPLE.assign(y=PEOPLE["y"].where(PEOPLE["id"] != "i5"))
_KEEP = _LOST[["y"]].notna().all(axis=1)
_ROWS = COUNTS.reset_index(drop=True)
_Y = DATA[["y", "z"]].to_numpy()
_YGAP = DATA[["y"]].assign(z=DATA["z"].where(DATA.index != 4))


def gwas(data: Any = PEOPLE, markers: Any = COUNTS, **options: Any) -> Any:
    return lf.gwas("y ~ 1 + (1 | id)", data, markers, RELATED, **options)


case(
    "gwas: missing phenotype",
    lambda: gwas(_LOST),
    "keep = data[['y']].notna().all(axis=1), data[keep], markers[keep]",
    lambda: gwas(_LOST[_KEEP]),
    lambda: gwas(_LOST[_KEEP], _ROWS[_KEEP]),
    lambda: gwas(_LOST[_KEEP], COUNTS.to_numpy()[_KEEP]),
)
case(
    "gwas: missing counts",
    lambda: gwas(markers=_HOLES),
    "missing='mean'",
    lambda: gwas(markers=_HOLES, missing="mean"),
)
case(
    "gwas: markers that do not vary",
    lambda: gwas(markers=_STILL),
    "monomorphic='nan'",
    lambda: gwas(markers=_STILL, monomorphic="nan"),
)
case(
    "gwas: REML ratio",
    lambda: gwas(test="lrt", reml=True),
    "reml=False, or test='wald'",
    lambda: gwas(test="lrt", reml=False),
    lambda: gwas(test="wald", reml=True),
)
case(
    "gwas: score",
    lambda: gwas(test="score", refit="each"),
    "refit='null', or test='wald'",
    lambda: gwas(test="score", refit="null"),
    lambda: gwas(test="wald", refit="each"),
)
case(
    "gwas: transposed",
    lambda: gwas(markers=COUNTS.to_numpy().T),
    "use `.T`",
    lambda: gwas(markers=COUNTS.to_numpy()),
)
case(
    "gwas: two terms",
    lambda: lf.gwas("y ~ (1 | id) + (1 | h)", PEOPLE, COUNTS, RELATED),
    "(1 | g)",
    gwas,
)
case(
    "gwas: labels of others",
    lambda: gwas(markers=COUNTS.set_axis(range(100, 100 + N))),
    "an array is taken row by row",
    lambda: gwas(markers=COUNTS.to_numpy()),
    gwas,
)
case(
    "many: missing responses",
    lambda: lf.lmer_many("~ x + (1 | g)", DATA, _YGAP, missing="raise"),
    "missing='drop'",
    lambda: lf.lmer_many("~ x + (1 | g)", DATA, _YGAP, missing="drop"),
)
case(
    "many: missing predictors",
    lambda: lf.lmer_many("~ x + (1 | g)", _GAPS, _Y, missing="raise"),
    "missing='drop'",
    lambda: lf.lmer_many("~ x + (1 | g)", _GAPS, _Y, missing="drop"),
)
case(
    "many: sparse",
    lambda: lf.lmer_many("~ x + (1 | g)", DATA, sp.csc_matrix(_Y)),
    "`.toarray()`",
    lambda: lf.lmer_many("~ x + (1 | g)", DATA, iter([sp.csc_matrix(_Y).toarray()])),
)
case(
    "many: forms of a stream",
    lambda: next(lf.lmer_many("~ x + (1 | g)", DATA, _Y, stream=True)).forms(),
    "the responses as an array or table",
    lambda: lf.lmer_many("~ x + (1 | g)", DATA, _Y).forms(),
)
case(
    "many: forms of relatives",
    lambda: lf.lmer_many("~ x + (1 | g)", DATA, _Y, relationship=K).forms(),
    "lmforms.lmer(…, relationship=…)",
    lambda: lmer(relationship={"g": K}).forms(),
)
case(
    "many: a formula on the left",
    lambda: lf.lmer_many("log(y) ~ x + (1 | g)", DATA, _Y),
    "empty, a dot or a name",
    *(
        lambda left=left: lf.lmer_many(f"{left}~ x + (1 | g)", DATA, _Y)
        for left in ("", ". ", "y ", "trait ")
    ),
)

# --- variance components and equations -----------------------------------------------------------

_MODEL = ComponentModel.of_formula(MODEL, DATA)
_FEW = ComponentModel.of_formula("y ~ factor(g) + (1 | g)", DATA)
_CROSSED = ComponentModel.of_formula("y ~ x + (1 | g) + (1 | h)", DATA)
case(
    "EMMA with two terms",
    lambda: estimate(_CROSSED, "emma"),
    "ai",
    lambda: estimate(_CROSSED, "ai"),
)
case(
    "EMMA with a start",
    lambda: estimate(_MODEL, "emma", start=[1.0, 1.0]),
    "has no use for start",
    lambda: estimate(_MODEL, "emma"),
)
case(
    "a start without names",
    lambda: estimate(_CROSSED, "ai", start=[1.0]),
    "g, h, Residual",
    lambda: estimate(_CROSSED, "ai", start=[1.0, 1.0, 1.0]),
    lambda: estimate(_CROSSED, "ai", start={"g": 1.0, "h": 1.0, "Residual": 1.0}),
)
case(
    "gibbs by ML",
    lambda: lmer(method="gibbs", reml=False),
    "leave reml=True",
    lambda: lmer(method="gibbs"),
)
case(
    "an improper posterior",
    lambda: gibbs(_FEW, draws=20, warmup=5, seed=1),
    "InverseChiSquared(4, s)",
    lambda: gibbs(_FEW, draws=20, warmup=5, seed=1, prior={"g": InverseChiSquared(4, 1.0)}),
)
case(
    "factor of a named estimator",
    lambda: lmer(relationship={"g": K}, method="ai", control=lf.Control(factor="superlu")),
    "is for method='auto': leave it out",
    lambda: lmer(relationship={"g": K}, method="ai"),
    lambda: lmer(relationship={"g": K}, control=lf.Control(factor="superlu")),
)
case(
    "variances without names",
    lambda: lf.mme.equations(MODEL, DATA, variances=[1.0, 1.0]),
    "{'g': …, 'Residual': …}",
    lambda: lf.mme.equations(MODEL, DATA, variances={"g": 1.0, "Residual": 1.0}),
)
case(
    "no residual variance",
    lambda: lf.mme.equations(MODEL, DATA, variances={"g": 1.0, "Residual": 0.0}),
    "must be positive",
    lambda: lf.mme.equations(MODEL, DATA, variances={"g": 0.0, "Residual": 1.0}),
)
case(
    "matrices of relatives",
    lambda: lmer(relationship={"g": SINGULAR_K}).matrices,
    "lmforms.mme",
    lambda: lf.mme.equations(
        MODEL, DATA, relationship={"g": SINGULAR_K}, variances={"g": 1.0, "Residual": 1.0}
    ).C(),
)

# --- files ---------------------------------------------------------------------------------------


def bend(x: Any) -> Any:
    return x**3


def loaded(tmp: Any, **options: Any) -> Any:
    path = tmp / "fit.lmf"
    lmer("y ~ bend(x) + (1 | g)").save(path)
    return lf.load(path, **options)


@pytest.mark.filterwarnings("ignore::lmforms.errors.ContextWarning")
def test_functions_of_a_loaded_fit(tmp_path):
    assert "load(path, context={'bend': ...})" in said_by(lambda: loaded(tmp_path))
    assert loaded(tmp_path, context={"bend": bend}).nobs == N


# --- forms ---------------------------------------------------------------------------------------

_X, _Z = DATA[["x", "w"]], pd.DataFrame(RNG.normal(size=(N, 4)))
_R = pd.DataFrame(RNG.normal(size=(N, 3)))


def form(rank: int = 1, Y: Any = _R, X: Any = _X, Z: Any = _Z, **options: Any) -> LinearMixedForm:
    return LinearMixedForm(rank, **options).fit(Y, X, Z)


FORM = form()
case("a rank above the columns", lambda: form(3), "Take rank=2 or less", lambda: form(2))
case(
    "gaps by likelihood",
    lambda: form(Y=_R.where(_R > -2), method="ml"),
    'method="als"',
    lambda: form(Y=_R.where(_R > -2), method="als"),
)
case(
    "categories",
    lambda: form(X=DATA[["x", "f"]]),
    "pandas.get_dummies",
    lambda: form(X=pd.get_dummies(DATA[["x", "f"]])),
)
case(
    "other columns",
    lambda: FORM.encode(X=_X[["w", "x"]]),
    "select them with X[",
    lambda: FORM.encode(X=_X[["w", "x"]][["x", "w"]]),
)
case(
    "another order of rows",
    lambda: form(X=_X[::-1]),
    ".loc[Y.index]",
    lambda: form(X=_X[::-1].loc[_R.index]),
)
case("no rows", lambda: FORM.encode(), "at least one of Y, X and Z", lambda: FORM.encode(X=_X))
case(
    "before the fit",
    lambda: LinearMixedForm(1).encode(X=_X),
    "call fit(Y, X, Z) first",
    lambda: form().encode(X=_X),
)
case("another start", lambda: form(start=form(2)), "start from 'svd'", lambda: form(start="svd"))
case(
    "a vector in a list",
    lambda: form(X=[_X, _X["x"]]),
    "numpy.column_stack",
    lambda: form(X=np.column_stack([_X, _X["x"]])),
    lambda: form(X=[_X, _X[["x"]]]),
)
case(
    "only an intercept",
    lambda: form(X=pd.DataFrame({"one": np.ones(N)})),
    "Leave the intercept out",
    lambda: form(X=_X.assign(x=_X["x"] - _X["x"].mean())),
)
case(
    "rank= of choose_rank",
    lambda: choose_rank(_R, _X, _Z, rank=1),
    "ranks=",
    lambda: choose_rank(_R, _X, _Z, ranks=[1], folds=2),
)
case(
    "folds",
    lambda: choose_rank(_R, _X, _Z, ranks=[1], folds=1),
    "from 2 to",
    lambda: choose_rank(_R, _X, _Z, ranks=[1], folds=2),
)

case(
    "names of both sides",
    lambda: form(X={"a": _X}, Z={"a": _Z}),
    "give each its own name",
    lambda: form(X={"a": _X}, Z={"b": _Z}),
)
case(
    "another number of weights",
    lambda: form(weights=[1, 2]),
    "one number for each of Y, X, Z",
    lambda: form(weights=[1, 2, 3]),
)
case(
    "no data set",
    lambda: lf.datasets.load("sleepstudi"),
    "lmforms.datasets.list()",
    lambda: lf.datasets.list(),
    lambda: lf.datasets.load("sleepstudy"),
)
case("forms without Z", lambda: lmer("y ~ x").forms(), "such as (1 | g)", lambda: lmer().forms())
case(
    "forms without X",
    lambda: lmer("y ~ 0 + (1 | g)").forms(),
    "with an intercept",
    lambda: lmer("y ~ 1 + (1 | g)").forms(),
)

# --- engines, memory, units ----------------------------------------------------------------------

_BOTH = "y ~ x + (1 | g) + (1 | h)", DATA.assign(y=DATA["y"] + 2 * DATA["h"])
CG = lmer(*_BOTH, control=lf.Control(factor="cg"))
case(
    "nested conjugate gradients",
    lambda: lmer("y ~ x + (1 | g/k)", control=lf.Control(factor="cg")),
    "use factor='auto'",
    lambda: lmer("y ~ x + (1 | g/k)", control=lf.Control(factor="auto")),
)
case(
    "an engine of no name",
    lambda: lf.Control(factor="qr"),
    "auto",
    lambda: lf.Control(factor="auto"),
)
case(
    "little memory for many",
    lambda: lf.lmer_many("~ x + (1 | g)", DATA, _Y, control=lf.Control(memory=8)),
    "Raise Control(memory=…)",
    lambda: lf.lmer_many("~ x + (1 | g)", DATA, _Y, control=lf.Control(memory=2**24)),
)
case(
    "variances by conjugate gradients",
    lambda: CG.random_effects_cov,
    "Control(factor='dense')",
    lambda: lmer(*_BOTH, control=lf.Control(factor="dense")).random_effects_cov,
)
case(
    "matrices by conjugate gradients",
    lambda: CG.matrices,
    "'dense'",
    lambda: lmer(*_BOTH, control=lf.Control(factor="dense")).matrices.L,
)
case(
    "a dense covariance in little memory",
    lambda: estimate(ComponentModel.of_formula(MODEL, DATA, relationship={"g": K}), memory=1000),
    "`memory`: raise it, or use a sparse precision",
    lambda: estimate(ComponentModel.of_formula(MODEL, DATA, relationship={"g": K}), memory=2**20),
)
case("tiny numbers", lambda: form(Y=_R * 1e-200), "another unit", lambda: form(Y=_R))
case(
    "missing='keep'",
    lambda: lmer(missing="keep"),
    "'drop'",
    lambda: lmer(missing="drop"),
    lambda: lmer(missing="raise"),
)
case("an empty formula", lambda: lmer(" "), "'y ~ x + (1 | g)'", lmer)
case(
    "a term twice",
    lambda: lmer("y ~ (1 | g) + (1 | g)"),
    "leave one out",
    lambda: lmer("y ~ (1 | g)"),
)
case(
    "intervals",
    lambda: FIT.conf_int(method="boot"),
    "'wald'",
    lambda: FIT.conf_int(method="wald"),
)
case(
    "deviance residuals",
    lambda: FIT.residuals(kind="deviance"),
    "pearson",
    lambda: FIT.residuals(kind="pearson"),
)
case(
    "a frame in a pair",
    lambda: Relationship.of((K, range(8))),
    "give it alone",
    lambda: Relationship.of(K),
)
case(
    "a model with data",
    lambda: lf.mme.equations(_MODEL, DATA, variances={"g": 1.0, "Residual": 1.0}),
    "alone",
    lambda: lf.mme.equations(_MODEL, variances={"g": 1.0, "Residual": 1.0}),
)
case("infinite markers", lambda: gwas(markers=_HOLES.fillna(np.inf)), "correct or drop", gwas)
case("forms too early", lambda: form(max_iter=1), "max_iter", lambda: form(max_iter=500))
case("no matrix", lambda: form(X=[]), "give one, or several", lambda: form(X=[_X]))
case("None", lambda: form(Y=None), "pass an array", lambda: form(Y=_R.to_numpy()))
case(
    "other rows",
    lambda: form(X=_X[:-1]),
    "Select the rows",
    lambda: form(Y=_R[:-1], X=_X[:-1], Z=_Z[:-1]),
)
case("never measured", lambda: form(Y=_R.assign(gone=np.nan)), "drop what was never measured", form)

_GROUPED = [f"1,{100 + i},{200 + i}" for i in range(N)]
case(
    "thousands",
    lambda: lmer(MODEL, DATA.assign(x=_GROUPED)),
    ".str.replace(',', '')",
    lambda: lmer(MODEL, DATA.assign(x=pd.Series(_GROUPED).str.replace(",", "").astype(float))),
)


# --- comparisons of models -----------------------------------------------------------------------

_FEWER = lf.lmer("y ~ x + z + (1 | g)", DATA.assign(z=DATA["z"].where(DATA.index > 3)).dropna())
_ML = FIT.refit(reml=False)
_ARRAY = lf.lmer(MODEL, DATA, weights=DATA["w"].to_numpy())
case(
    "a column that was not kept",
    lambda: FIT.update("~ . + z"),
    "fit.update(formula, data)",
    lambda: FIT.update("~ . + z", DATA),
)
case(
    "an expression of one",
    lambda: FIT.update("~ . + log(z + 2)"),
    "fit.update(formula, data)",
    lambda: FIT.update("~ . + log(z + 2)", DATA),
)
case(
    "weights that were not kept",
    lambda: FIT.update(weights="w"),
    "Give an array, or the table",
    lambda: FIT.update(weights=DATA["w"]),
    lambda: FIT.update(data=DATA, weights="w"),
)
case(
    "weights of other rows",
    lambda: _ARRAY.update(data=DATA),
    "give weights= for the rows of the new table, or None",
    lambda: _ARRAY.update(data=DATA, weights="w"),
    lambda: _ARRAY.update(data=DATA, weights=None),
)
case(
    "an offset less",
    lambda: lmer("y ~ x + offset(z)").update("~ . - offset(z)"),
    "write the whole formula",
    lambda: lmer("y ~ x + offset(z)").update("y ~ x"),
)
case(
    "random terms of nothing",
    lambda: FIT.update("~ x - (1 | g)"),
    "without a `.` on the right",
    lambda: FIT.update("~ . - (1 | g)"),
)
case(
    "several random terms less",
    lambda: FIT.update("~ . - ((1 | g) + x)"),
    "one by one",
    lambda: FIT.update("~ . - (1 | g) - x"),
)
case(
    "a term's own covariance",
    lambda: lmer(MODEL, relationship={"1 | g": K}).update("~ . - (1 | g) + (0 + z | g)", DATA),
    "give relationship= for its terms on `g`",
    lambda: lmer(MODEL, relationship={"1 | g": K}).update(
        "~ . - (1 | g) + (0 + z | g)", DATA, relationship={"g": K}
    ),
)
case(
    "another response, other rows",
    lambda: FIT.refit(DATA["z"]).update("~ 1", DATA),
    "lmforms.lmer",
    lambda: lmer("z ~ 1"),
)
case("one fit", lambda: lf.anova(FIT), "two fits or more", lambda: lf.anova(FIT, _ML))
case("F tests of one fit", lambda: lf.anova(FIT), "are fit.anova()", lambda: FIT.anova())
case(
    "a list of fits",
    lambda: lf.anova([FIT, _ML]),
    "anova(fit1, fit2)",
    lambda: lf.anova(FIT, _ML),
)
case(
    "too few names",
    lambda: lf.compare(FIT, FIT, names=["a"]),
    "give one for each",
    lambda: lf.compare(FIT, FIT, names=["a", "b"]),
)
case(
    "a name twice",
    lambda: lf.compare(FIT, FIT, names=["a", "a"]),
    "give them other names",
    lambda: lf.compare(FIT, FIT, names=["a", "b"]),
)
case(
    "a fit at a given θ",
    lambda: lf.anova(FIT, FIT.at(FIT.theta)),
    "take the fit itself",
    lambda: lf.anova(FIT, FIT),
)
case(
    "fewer rows",
    lambda: lf.anova(FIT, _FEWER),
    "fit.update(formula) of the one with fewer",
    lambda: lf.anova(_FEWER, _FEWER.update("~ . - z")),
)
case(
    "other weights",
    lambda: lf.anova(FIT, _ARRAY),
    "lf.compare",
    lambda: lf.compare(FIT, _ARRAY),
)
case(
    "REML and ML",
    lambda: lf.anova(FIT, _ML, refit=False),
    "Leave refit=False out",
    lambda: lf.anova(FIT, _ML),
)
case(
    "REML of other fixed effects",
    lambda: lf.compare(FIT, FIT.update("~ . - x")),
    "fit.refit(reml=False) of each",
    lambda: lf.compare(_ML, FIT.update("~ . - x").refit(reml=False)),
)
case(
    "df of a likelihood ratio",
    lambda: FIT.drop1(ddf="residual"),
    "ddf= is for test='F'",
    lambda: FIT.drop1("F", ddf="residual"),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_advice(case: Case) -> None:
    said = " ".join(said_by(case.fails).split())
    assert case.says in said
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmformsWarning)  # of rows dropped, say
        for step in case.follow:
            step()
