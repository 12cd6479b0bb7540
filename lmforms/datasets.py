"""The bundled data sets, as pandas frames with the types R gives them.

Each set is a CSV file in the top-level ``datasets/`` folder with a JSON sidecar that says where
the data come from and carries sums computed by R from the original object. In an installed wheel
the folder is ``lmforms/_datasets``.

The names are `load` (a frame), `info` (its provenance) and `list` (an overview).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from textwrap import fill
from typing import Any

import pandas as pd

from .errors import ArgumentError, DataError
from .support.arguments import named_arguments, short_repr

__all__ = ["ColumnInfo", "DatasetInfo", "info", "list", "load"]

_PACKAGE_FOLDER = Path(__file__).parent / "_datasets"
_CHECKOUT_FOLDER = Path(__file__).parent.parent / "datasets"

_NUMBER_DTYPES = {"float": "float64", "int": "int64"}
_WRAP_WIDTH = 88


@dataclass(frozen=True)
class ColumnInfo:
    """What one column of a data set is.

    Attributes
    ----------
    name : str
        Column name.
    type : str
        ``"float"``, ``"int"``, ``"category"`` or ``"ordered"``.
    levels : tuple of str or None
        The levels of a factor, in R's order. ``None`` for a number, and for a factor with so many
        levels that they are not listed: there they are the whole numbers found in the column, in
        ascending order (which is R's order).
    unit : str or None
        Unit of measurement.
    description : str
        What the values mean.
    """

    name: str
    type: str
    levels: tuple[str, ...] | None
    unit: str | None
    description: str


@dataclass(frozen=True)
class DatasetInfo:
    """Provenance of a data set; `str` of it is a readable card.

    Attributes
    ----------
    name, title, description : str
        What the data are.
    package, package_version : str or None
        R package and version the data were exported from; ``None`` for data typed in from print
        and for simulated data.
    simulated : bool
        Whether the data were simulated, by a script in the data folder.
    citation : str
        The original publication.
    licence : str
        On what terms the data are here.
    file : str
        File name in the data folder.
    nrow : int
        Number of rows.
    columns : tuple of ColumnInfo
        The columns, in order.
    example : str
        A formula that suits the data.
    check : mapping of str to mapping
        Per column, as R computed from the original: ``{"sum": ...}`` for a number,
        ``{"code_sum": ..., "nlevels": ...}`` for a factor (the sum over rows of the codes 1..L).
    sha256 : str
        Digest of the file.

    Examples
    --------
    >>> import lmforms as lf
    >>> about = lf.datasets.info("dung")
    >>> about.nrow, about.example
    (18, 'pr_dung ~ flies + (1 | oven_block)')
    """

    name: str
    title: str
    description: str
    package: str | None
    package_version: str | None
    simulated: bool
    citation: str
    licence: str
    file: str
    nrow: int
    columns: tuple[ColumnInfo, ...]
    example: str
    check: Mapping[str, Mapping[str, float]]
    sha256: str

    def __str__(self) -> str:
        origin = "a simulation" if self.simulated else "a print"
        if self.package:
            origin = f"R package {self.package} {self.package_version}"
        width = max(len(column.name) for column in self.columns)
        lines = [
            f"{self.name}: {self.title}",
            f"{self.nrow} rows, {len(self.columns)} columns",
            "",
            fill(self.description, _WRAP_WIDTH),
            "",
        ]
        for column in self.columns:
            unit = f" ({column.unit})" if column.unit else ""
            lines.append(f"  {column.name:<{width}}  {column.type:<8}  {column.description}{unit}")
        lines += [
            "",
            f"Example: {self.example}",
            f"From:    {origin}",
            fill(f"Source:  {self.citation}", _WRAP_WIDTH, subsequent_indent=" " * 9),
            fill(f"Licence: {self.licence}", _WRAP_WIDTH, subsequent_indent=" " * 9),
        ]
        return "\n".join(lines)


@named_arguments
def load(name: str) -> pd.DataFrame:
    """Load a bundled data set.

    Numbers are ``float64`` or ``int64``; factors are categorical, with string categories in R's
    level order, and ordered where R's factor is. Rows are in the original order. `info` tells
    where the data come from.

    Parameters
    ----------
    name : str
        Name of the set (see `list`); upper and lower case are not distinguished.

    Returns
    -------
    pandas.DataFrame
        A new frame on each call, yours to change.

    Raises
    ------
    lmforms.errors.DataError
        If there is no set of that name; the message offers near matches.

    Examples
    --------
    >>> import lmforms as lf
    >>> lf.datasets.load("sleepstudy").head(3)
       Reaction  Days Subject
    0  249.5600   0.0     308
    1  258.7047   1.0     308
    2  250.8006   2.0     308
    """
    about = info(name)
    # As text first: a CSV reader's own parser of numbers may be off in the last bit.
    frame = pd.read_csv(_folder() / about.file, dtype=str, keep_default_na=False)
    for column in about.columns:
        if column.type in _NUMBER_DTYPES:
            frame[column.name] = frame[column.name].astype(_NUMBER_DTYPES[column.type])
            continue
        levels = column.levels or sorted(frame[column.name].unique(), key=int)
        frame[column.name] = pd.Categorical(
            frame[column.name], categories=levels, ordered=column.type == "ordered"
        )
    return frame


@named_arguments
def list() -> pd.DataFrame:
    """List the bundled data sets.

    Returns
    -------
    pandas.DataFrame
        One row per set, in alphabetical order: ``name``, ``rows``, ``columns`` (their number),
        ``title`` and ``example`` (a formula that suits the data).

    Examples
    --------
    >>> import lmforms as lf
    >>> overview = lf.datasets.list()
    >>> overview.loc[overview["name"] == "sleepstudy", ["rows", "columns"]].to_numpy().tolist()
    [[180, 3]]
    """
    known = [info(name) for name in _names().values()]
    return pd.DataFrame(
        {
            "name": [about.name for about in known],
            "rows": [about.nrow for about in known],
            "columns": [len(about.columns) for about in known],
            "title": [about.title for about in known],
            "example": [about.example for about in known],
        }
    )


@named_arguments
def info(name: str) -> DatasetInfo:
    """Tell what a bundled data set is and where it comes from.

    Parameters
    ----------
    name : str
        Name of the set (see `list`); upper and lower case are not distinguished.

    Returns
    -------
    DatasetInfo
        Title, description, source, licence, columns, example formula and checks.

    Raises
    ------
    lmforms.errors.DataError
        If there is no set of that name; the message offers near matches.

    Examples
    --------
    >>> import lmforms as lf
    >>> print(lf.datasets.info("Rail"))  # doctest: +ELLIPSIS
    Rail: Ultrasonic travel times in railway rails
    18 rows, 2 columns
    ...
    """
    return _read_sidecar(_canonical(name))


def _canonical(name: str) -> str:
    if not isinstance(name, str):
        raise ArgumentError(f"name must be that of a data set, not {short_repr(name)}.")
    names = _names()
    key = name.lower()
    if key in names:
        return names[key]
    near = [names[match] for match in get_close_matches(key, names, n=3, cutoff=0.5)]
    hint = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
    raise DataError(f"There is no data set {name!r}. {hint}lmforms.datasets.list() names them all.")


@cache
def _folder() -> Path:
    for folder in (_PACKAGE_FOLDER, _CHECKOUT_FOLDER):
        if folder.is_dir():
            return folder
    raise DataError(
        f"The data folder is missing: neither {_PACKAGE_FOLDER} nor {_CHECKOUT_FOLDER} exists. "
        "Install lmforms again, or work in a complete checkout."
    )


@cache
def _names() -> Mapping[str, str]:
    """Lower-case name to canonical name, in alphabetical order."""
    stems = sorted((path.stem for path in _folder().glob("*.json")), key=str.lower)
    return {stem.lower(): stem for stem in stems}


def _read_sidecar(name: str) -> DatasetInfo:
    raw: dict[str, Any] = json.loads((_folder() / f"{name}.json").read_text(encoding="utf-8"))
    source = raw["source"]
    return DatasetInfo(
        name=raw["name"],
        title=raw["title"],
        description=raw["description"],
        package=source["package"],
        package_version=source["version"],
        simulated=source.get("simulated", False),
        citation=source["citation"],
        licence=raw["licence"],
        file=raw["file"],
        nrow=raw["nrow"],
        columns=tuple(
            ColumnInfo(
                name=column,
                type=facts["type"],
                levels=tuple(facts["levels"]) if "levels" in facts else None,
                unit=facts["unit"],
                description=facts["description"],
            )
            for column, facts in raw["columns"].items()
        ),
        example=raw["example"],
        check=raw["check"],
        sha256=raw["sha256"],
    )
