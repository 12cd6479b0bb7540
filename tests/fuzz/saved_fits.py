"""Attack saved fits: damage their files, put code into their formulas, save everything.

Every try ends well if the fit comes back equal in all that a user sees, or one of the package's
own exceptions says why not. Run it as

    python tests/fuzz/saved_fits.py --topic damage --tries 500 --seed 1
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path

import numpy as np
import pandas as pd

import lmforms as lf
from lmforms.errors import LmformsError

SLOWEST = 20.0
"""Seconds that a try may take."""

N = 48
FORMULAS = (
    ("y ~ x + (x | g)", {}),
    ("y ~ f * x + (1 | g) + (1 | h)", {"reml": False}),
    ("log(w) ~ scale(x) + t + (x || g)", {"weights": "w"}),
    ("y ~ poly(x, 2) + C(f, contr.sum) + (1 | g/f)", {"offset": "x"}),
    ("y ~ I(x**2) + (0 + f | h)", {"contrasts": {"f": "contr.helmert"}}),
    ("y ~ x + f", {}),
    ("y ~ x + (1 | g)", {"method": "em"}),
    ("y ~ g + (1 | g)", {}),
)


def table(rng: np.random.Generator) -> pd.DataFrame:
    """Rows with a column of every common kind."""
    g = rng.integers(0, 6, N)
    x = rng.normal(size=N)
    return pd.DataFrame(
        {
            "y": x + rng.normal(size=6)[g] + rng.normal(size=N),
            "x": x,
            "w": rng.uniform(0.5, 2.0, N),
            "g": [f"level {i}" for i in g],
            "h": rng.integers(0, 4, N),
            "f": rng.choice(list("pqr"), N),
            "t": rng.random(N) > 0.5,
        }
    )


def fitted(formula: str, data: pd.DataFrame, options: dict) -> lf.MixedModelResults:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lf.lmer(formula, data, **options)


# --- equal fits -----------------------------------------------------------------------------

FIGURES = (
    *("params", "bse", "tvalues", "theta", "sigma", "scale", "vcomp", "random_effects"),
    *("random_effects_cov", "fittedvalues", "resid", "criterion", "criterion_se", "llf", "aic"),
    *("bic", "cov_params", "conf_int", "predict"),
)
FACTS = (
    *("formula", "reml", "nobs", "ngroups", "dropped", "npar", "df_resid", "converged"),
    *("is_singular", "singular_terms", "unidentified_terms", "singular_message", "optimizer"),
    *("unidentified_message", "state.method", "state.control", "summary"),
)


def differences(found: lf.MixedModelResults, fit: lf.MixedModelResults) -> list[str]:
    """What a user would see that is not the same in two fits."""
    out = []
    for name in FIGURES:
        a, b = (_value(one, name) for one in (found, fit))
        if not _near(a, b):
            out.append(name)
    out += [n for n in FACTS if str(_value(found, n)) != str(_value(fit, n))]
    if found.optimizer.trace != fit.optimizer.trace:
        out.append("trace")
    return out


def _value(fit: lf.MixedModelResults, name: str) -> object:
    value = attrgetter(name)(fit)
    return value() if callable(value) else value


def _near(a: object, b: object) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_near(a[k], b[k]) for k in a)
    try:
        if isinstance(a, pd.DataFrame):
            pd.testing.assert_frame_equal(a, b, rtol=1e-6, atol=1e-9, check_freq=False)
        elif isinstance(a, pd.Series):
            pd.testing.assert_series_equal(a, b, rtol=1e-6, atol=1e-9, check_freq=False)
        else:
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)
    except AssertionError:
        return False
    return True


# --- damage ---------------------------------------------------------------------------------

ODD = (None, True, 0, -1, 3, 2**70, 0.5, float("nan"), float("inf"), "", "y", "\ud800", "a" * 300)
CONTAINERS = ([], {}, [[]], [1, 2], ["a"], {"kind": "plain"}, [[[[[[]]]]]], {"": None})


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts: dict[str, bytes] | list, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", method) as archive:
        warnings.simplefilter("ignore")
        for name, part in parts.items() if isinstance(parts, dict) else parts:
            archive.writestr(name, part)
    return out.getvalue()


def edit_bytes(rng: np.random.Generator, content: bytes) -> bytes:
    data = bytearray(content)
    place, kind = int(rng.integers(len(data))), rng.integers(4)
    if kind == 0:
        data[place] ^= int(rng.integers(1, 256))
    elif kind == 1:
        del data[place:]
    elif kind == 2:
        data[place:place] = rng.bytes(int(rng.integers(1, 40)))
    else:
        del data[place : place + int(rng.integers(1, 40))]
    return bytes(data)


def edit_header(rng: np.random.Generator, content: bytes) -> bytes:
    """Another value at a random place of the JSON, a key that is gone or new."""
    parts = members(content)
    meta = json.loads(parts["meta.json"])
    for _ in range(int(rng.integers(1, 3))):
        node, key = _random_place(rng, meta)
        kind = rng.integers(4)
        if kind == 0:
            del node[key]
        elif kind == 1 and isinstance(node, dict):
            node["new"] = 1
        elif kind == 2 and isinstance(node[key], str):
            node[key] = node[key][:-1] + "z"
        else:
            node[key] = json.loads(json.dumps(_one(rng, ODD + CONTAINERS)))
    parts["meta.json"] = json.dumps(meta).encode()
    return packed(parts)


def _random_place(rng: np.random.Generator, node: dict | list) -> tuple:
    while True:
        key = _one(rng, list(node) if isinstance(node, dict) else range(len(node)))
        if not isinstance(node[key], (dict, list)) or not node[key] or rng.random() < 0.3:
            return node, key
        node = node[key]


def _one(rng: np.random.Generator, options: object) -> object:
    return list(options)[int(rng.integers(len(options)))]


def edit_array(rng: np.random.Generator, content: bytes) -> bytes:
    """Other values, another type or another shape of one array."""
    parts = members(content)
    name = _one(rng, [n for n in parts if n.endswith(".npy")])
    values = np.load(io.BytesIO(parts[name]))
    kind = rng.integers(9)
    if kind < 3 and len(values):
        place = rng.integers(len(values))
        values = values.astype(float) if values.dtype.kind == "f" else values
        odd = (np.nan, np.inf, 1e300, 0.0) if values.dtype.kind == "f" else (0, 1, 100)
        values[place] = _one(rng, odd)
    else:
        others = {
            3: lambda: values[:-1],
            4: lambda: np.concatenate([values, values[:1]]),
            5: lambda: values[:, None],
            6: lambda: values.astype(_one(rng, ["S8", "c16", "i8", "f4", "M8[ns]", "?"])),
            7: lambda: rng.permutation(values),
            8: lambda: np.array([(1, 2.0)], dtype="i4,f8"),
        }
        values = others.get(int(kind), lambda: -values.astype(float))()
    buffer = io.BytesIO()
    np.save(buffer, values)
    head = bytearray(buffer.getvalue())
    if rng.random() < 0.2:  # a header that promises something else
        head = head.replace(b"(%d," % N, b"(%d," % _one(rng, [10**12, N - 1, 0, 10**6]))
    parts[name] = bytes(head)
    return packed(parts)


def edit_members(rng: np.random.Generator, content: bytes) -> bytes:
    """Members that are gone, twice there, named oddly, enormous or packed in another way."""
    parts = members(content)
    name = _one(rng, list(parts))
    kind = rng.integers(8)
    if kind == 0:
        del parts[name]
    elif kind == 1:
        return packed([*parts.items(), (name, parts[name])])
    elif kind == 2:
        parts[_one(rng, ["/etc/x", "../x", "C:\\x", "x\0y", "a" * 5000])] = parts.pop(name)
    elif kind == 3:
        link = zipfile.ZipInfo(name)
        link.external_attr = 0o120777 << 16
        return packed([(n, p) for n, p in parts.items() if n != name] + [(link, b"/etc/passwd")])
    elif kind == 4:
        return packed(parts, _one(rng, [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]))
    elif kind == 5:
        parts["unused.npy"] = b"\0" * 2**20
    elif kind == 6:
        parts[name] = b""
    else:
        parts[name] = rng.bytes(200)
    return packed(parts)


EDITS = (edit_bytes, edit_header, edit_header, edit_array, edit_members)


def damage(tries: int, seed: int, folder: Path) -> list[str]:
    """Damaged files: each is refused, or gives the fit that was saved."""
    rng = np.random.default_rng(seed)
    path = folder / "fit.lmf"
    saved = []
    for formula, options in FORMULAS:
        fit = fitted(formula, table(rng), options)
        fit.save(path)
        saved.append((fit, path.read_bytes()))
    faults = []
    for i in range(tries):
        fit, content = saved[i % len(saved)]
        edit = _one(rng, EDITS)
        path.write_bytes(edit(rng, content))
        fault = outcome(lambda: lf.load(path), fit)
        if fault:
            faults.append(f"{i} {edit.__name__} {fit.formula}: {fault}")
    return faults


def outcome(load: Callable[[], lf.MixedModelResults], fit: lf.MixedModelResults | None) -> str:
    """What is wrong with a try; nothing for an equal fit or an error of the package."""
    start = time.perf_counter()
    fault = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = load()
            changed = differences(found, fit) if fit is not None else []
        if changed:
            fault = f"another fit: {', '.join(changed)}"
    except LmformsError as exc:
        if len(str(exc)) < 20:
            fault = f"no clear message: {exc!r}"
    except Exception as exc:
        fault = f"{type(exc).__name__}: {exc}"
    seconds = time.perf_counter() - start
    return fault or (f"took {seconds:.0f} s" if seconds > SLOWEST else "")


# --- code in formulas -----------------------------------------------------------------------

CANARY = "LMFORMS_CANARY"
STEP = f"environ.__setitem__('{CANARY}', 'x')"
PAYLOADS = (
    f"__import__('os').{STEP}",
    f"`__import__`('os').{STEP}",
    f"`__import-_`('os').{STEP}",
    f"__ｉmport__('os').{STEP}",
    f"eval(\"__import__('os').{STEP}\")",
    f"evalˍ(\"__import__('os').{STEP}\")",
    f'exec("import os; os.{STEP}")',
    f"np.os.{STEP}",
    f"np.lib.npyio.os.{STEP}",
    f"np.vectorize(eval)([\"__import__('os').{STEP}\"])",
    f"x.map(lambda v: __import__('os').{STEP})",
    f"x.pipe(lambda v: __import__('os').{STEP})",
    f"x.__class__.__init__.__globals__['sys'].modules['os'].{STEP}",
    f"().__class__.__base__.__subclasses__() and __import__('os').{STEP}",
    f"[__import__('os').{STEP} for i in [1]]",
    f"(lambda: __import__('os').{STEP})()",
    f"f\"{{__import__('os').{STEP}}}\"",
    f"getattr(__import__('os'), 'environ').__setitem__('{CANARY}', 'x')",
    f"contr.sum.__init__.__globals__['__builtins__']['__import__']('os').{STEP}",
    f"log.__class__.__subclasses__(log.__class__) or __import__('os').{STEP}",
    f"helper.__globals__['os'].{STEP}",
    f"os.{STEP}",
    f"_context['os'].{STEP}",
    f"hashed(f, 3, hash_func=lambda v: __import__('os').{STEP})",
    f"(z := __import__('os').{STEP})",
    f"poly(x, __import__('os').{STEP})",
    f"f == str(__import__('os').{STEP})",
    f"`-import__`('os').{STEP}",
    f"__builtins__['__import__']('os').{STEP}",
    f"__context['__builtins__']['__import__']('os').{STEP}",
    f"__spec.__class__.__init__.__globals__['sys'].modules['os'].{STEP}",
    f"__state.update(a=__import__('os').{STEP})",
    f"__labels.__self__.__class__.__init__.__globals__['os'].{STEP}",
    f"__number.__globals__['pd'].io.common.os.{STEP}",
    f"__power.__globals__['operator'].attrgetter('x')(__import__('os').{STEP})",
    f"__member(x, [__import__('os').{STEP}])",
    f"`__number`(__import__('os').{STEP})",
    f"_5f_5f_import_5f_5f_('os').{STEP}",
    f"__ｂuiltins__['__import__']('os').{STEP}",
    f"ｅval(\"__import__('os').{STEP}\")",
    f"ns(x, knots=__import__('os').{STEP})",
    f"ifelse(x > 0, __import__('os').{STEP}, x)",
    f"x %in% __import__('os').{STEP}",
    f"x @ __member @ __import__('os').{STEP}",
    f"c(1, __import__('os').{STEP})",
    f"as.numeric.__globals__['pd'].io.common.os.{STEP}",
    f"is.na.__globals__['pd'].io.common.os.{STEP}",
    f"`a b`.map(lambda v: __import__('os').{STEP})",
    f"`__power`.__class__ or __import__('os').{STEP}",
    f"x ** __import__('os').{STEP}",
    f"(x > 0 | __import__('os').{STEP})",
    f"r'\\' or __import__('os').{STEP} or r'\\'",
    f"round(__import__('os').{STEP})",
    f"breakpoint() or __import__('os').{STEP}",
    f"Q.__wrapped__.__globals__['__builtins__']['__import__']('os').{STEP}",
)
WRAPPERS = (
    *("{}", "I({})", "I(x + 0*{})", "scale({})", "C({})", "np.log({})", "poly(x, {})"),
    *("I(x if {} else x)", "bs(x, df={})", "C(f, {})", "I(x[{}])", "I(not {})", "lag(x, {})"),
    *("I(f == {})", "np.add(x, {})", "C(f, levels=[{}])", "helper({})", "Q({})"),
    *("ifelse({}, x, 0)", "ifelse(x > 0, {}, 0)", "as.numeric({})", "pmin(x, {})", "I(!{})"),
    *("I(x %in% c({}))", "I({} %% 2)", "I({} ** 2)", "I(x > 0 & {})", "ns(x, df={})", "factor({})"),
    *("I(`a b` + {})", "I(`__number` + {})", "I(`__import__` * {})", "log(`if` + {})"),
)
PLACES = (
    *("y ~ {} + (1 | g)", "y ~ x + (1 | {})", "y ~ x + ({} | g)", "{} ~ x + (1 | g)"),
    *("y ~ x + offset({}) + (1 | g)", "y ~ x:{} + (1 | g)", "y ~ {{{}}} + (1 | g)"),
)


NAMES = ("a b", "__number", "__import__", "if", "log")
"""Columns of odd names, of names of helpers and of functions."""

CODED = "y ~ x + f + I(`a b` + `__number` * `__import__` + `if` - log) + (1 | g)"


def helper(values: object) -> object:
    """A harmless function of the caller."""
    return values


def formulas(tries: int, seed: int, folder: Path) -> list[str]:
    """Files whose formula runs code if it is evaluated: the code does not run."""
    rng = np.random.default_rng(seed)
    path = folder / "fit.lmf"
    fitted(CODED, table(rng).assign(**dict.fromkeys(NAMES, 1.5)), {}).save(path)
    parts = members(path.read_bytes())
    meta = json.loads(parts["meta.json"])
    faults = []
    for i in range(tries):
        code = _one(rng, PAYLOADS)
        for _ in range(int(rng.integers(0, 3))):
            code = _one(rng, WRAPPERS).format(code)
        formula = _one(rng, PLACES).format(code)
        parts["meta.json"] = json.dumps(meta | {"formula": formula}).encode()
        path.write_bytes(packed(parts))
        os.environ.pop(CANARY, None)
        context = {"helper": helper} if rng.random() < 0.5 else None
        fault = outcome(lambda c=context: lf.load(path, context=c), None)
        if CANARY in os.environ:
            fault = "code ran"
        if fault:
            faults.append(f"{i} {formula}: {fault}")
    return faults


# --- round trips ----------------------------------------------------------------------------


def label_kinds(rng: np.random.Generator, n: int) -> dict[str, Callable[[], object]]:
    """Grouping labels of many types, for each of `n` rows."""
    import datetime
    from decimal import Decimal

    c = rng.integers(0, 5, n)
    days = pd.date_range("2020-02-27", periods=5)
    return {
        "text": lambda: [f"s{v}" for v in c],
        "None-like": lambda: [["None", "nan", "NA", "", "<b>&"][v] for v in c],
        "integers": lambda: c,
        "floats": lambda: c / 7,
        "infinite": lambda: np.array([-np.inf, np.inf, 0.0, 1.5, 2.5])[c],
        "booleans": lambda: c > 2,
        "big": lambda: [2**70 + int(v) for v in c],
        "uint64": lambda: c.astype(np.uint64) + np.uint64(2**63),
        "Int64": lambda: pd.array(c, dtype="Int64"),
        "boolean": lambda: pd.array(c > 2, dtype="boolean"),
        "string": lambda: pd.array([f"s{v}" for v in c], dtype="string"),
        "category": lambda: pd.Categorical(c, categories=[4, 3, 2, 1, 0, 9], ordered=True),
        "text category": lambda: pd.Categorical([f"s{v}" for v in c]),
        "string category": lambda: pd.Categorical(pd.array([f"s{v}" for v in c], dtype="string")),
        "Int64 category": lambda: pd.Categorical(pd.array(c, dtype="Int64")),
        "dates": lambda: days[c],
        "dates in s": lambda: days[c].astype("datetime64[s]"),
        "zoned dates": lambda: days.tz_localize("Europe/Berlin")[c],
        "spans": lambda: (days - days[0])[c],
        "periods": lambda: days.to_period("D")[c],
        "intervals": lambda: pd.cut(c, 3),
        "date objects": lambda: [days[v].date() for v in c],
        "NumPy dates": lambda: pd.Series([days[v].to_datetime64() for v in c], dtype=object).array,
        "times": lambda: [datetime.time(int(v)) for v in c],
        "decimals": lambda: [Decimal(int(v)) / 7 for v in c],
        "bytes": lambda: [b"s%d" % v for v in c],
        "tuples": lambda: [(int(v), "a") for v in c],
        "mixed": lambda: [[1, "a", 2.5, True, (1,)][v] for v in c],
        "objects": lambda: [frozenset([int(v)]) for v in c],
    }


def arrow_kinds(rng: np.random.Generator, n: int) -> dict[str, Callable[[], object]]:
    import pyarrow as pa

    c = rng.integers(0, 5, n)
    days = pd.date_range("2020-02-27", periods=5)

    def arrow(array: object) -> object:
        return pd.Series(pd.arrays.ArrowExtensionArray(array)).array

    return {
        "arrow text": lambda: arrow(pa.array([f"s{v}" for v in c])),
        "arrow integers": lambda: arrow(pa.array(c)),
        "arrow dates": lambda: arrow(pa.array(days[c])),
        "arrow days": lambda: arrow(pa.array(days[c].date, type=pa.date32())),
        "arrow dictionary": lambda: arrow(pa.array([f"s{v}" for v in c]).dictionary_encode()),
        "arrow dictionary of integers": lambda: arrow(pa.array(c).dictionary_encode()),
        "category of arrow text": lambda: pd.Categorical(arrow(pa.array([f"s{v}" for v in c]))),
        "category of arrow dates": lambda: pd.Categorical(arrow(pa.array(days[c]))),
    }


def other_tables(data: pd.DataFrame, rng: np.random.Generator) -> object:
    """The rows as a table of another library, or a mapping."""
    kind = rng.integers(8)
    if kind == 0:
        import polars

        return polars.from_pandas(data.reset_index(drop=True))
    if kind == 1:
        import pyarrow

        return pyarrow.Table.from_pandas(data, preserve_index=False)
    return {name: data[name].to_numpy() for name in data} if kind == 2 else data


def round_trips(tries: int, seed: int, folder: Path) -> list[str]:
    """Fits of tables of every kind: what can be saved comes back equal."""
    rng = np.random.default_rng(seed)
    path = folder / "fit.lmf"
    faults = []
    for i in range(tries):
        data = table(rng)
        kinds = {**label_kinds(rng, N), **arrow_kinds(rng, N)}
        column, name = _one(rng, ["g", "g", "h", "f"]), _one(rng, list(kinds))
        data[column] = kinds[name]()
        if rng.random() < 0.4:
            index = _one(rng, list(kinds))
            data.index = pd.Index(kinds[index](), tupleize_cols=bool(rng.integers(2)))
        formula, options = _one(rng, FORMULAS)
        try:
            fit = fitted(formula, other_tables(data, rng), options)
        except Exception:  # what cannot be fitted is another topic
            continue

        def returned(fit: lf.MixedModelResults = fit) -> lf.MixedModelResults:
            try:
                fit.save(path)
            except LmformsError as exc:
                if "save" not in str(exc):
                    raise RuntimeError(f"unclear: {exc}") from exc
                raise
            try:
                return lf.load(path)
            except LmformsError as exc:
                raise RuntimeError(f"saved, but not loaded: {exc}") from exc

        fault = outcome(returned, fit)
        if fault:
            faults.append(f"{i} {formula} {column} {name} {type(data.index).__name__}: {fault}")
    return faults


TOPICS = {"damage": damage, "formulas": formulas, "round-trips": round_trips}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--topic", choices=[*TOPICS, "all"], default="all")
    parser.add_argument("--tries", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for name, topic in TOPICS.items():
        if args.topic in (name, "all"):
            with tempfile.TemporaryDirectory() as folder:
                faults = topic(args.tries, args.seed, Path(folder))
            report = [*faults, f"{name}: {args.tries} tries, {len(faults)} faults", ""]
            sys.stdout.write("\n".join(report))


if __name__ == "__main__":
    main()
