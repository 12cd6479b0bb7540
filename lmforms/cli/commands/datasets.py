"""``lmforms datasets``: the data sets that come along."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from ...errors import ArgumentError
from ..arguments import add_command

DELIMITERS = {".csv": ",", ".tsv": "\t"}
"""By the ending of the file that is written."""


def add(commands: Any) -> None:
    """The arguments of the command."""
    parser = add_command(
        commands, "datasets", run, help="list, describe or write the data sets that come along"
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="describe this one")
    parser.add_argument(
        "--export", metavar="FILE", help="write it to a .csv or .tsv file; - is standard output"
    )


def run(args: Namespace) -> str:
    """The output of the command."""
    from ... import datasets

    if args.export is not None:
        return _exported(args)
    if args.name is not None:
        return str(datasets.info(args.name))
    return str(datasets.list().to_string(index=False))


def _exported(args: Namespace) -> str:
    from ... import datasets
    from ..formats import csv_text
    from ..output_files import check_path

    if args.name is None:
        raise ArgumentError("--export needs the name of a data set: lmforms datasets NAME --export")
    if args.export == "-":
        args.format = "csv"
        return csv_text(datasets.load(args.name))
    check_path("--export", args.export, "data.csv")
    sep = DELIMITERS.get(Path(args.export).suffix.lower())
    if sep is None:
        raise ArgumentError(f"--export {args.export!r}: end it in {' or '.join(DELIMITERS)}.")
    args.output = args.export
    return csv_text(datasets.load(args.name), sep=sep)
