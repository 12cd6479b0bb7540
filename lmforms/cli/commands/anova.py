"""``lmforms anova FILE.lmf …``: tests of the terms of one saved fit, or of several fits."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from ...errors import ArgumentError
from ..arguments import DATA_FORMATS, DDF, NO_DDF, SHOWN_FORMATS, add_command, add_output

if TYPE_CHECKING:
    from ...tables.result_table import ResultTable


def add(commands: Any) -> None:
    """The arguments of the command."""
    parser = add_command(
        commands,
        "anova",
        run,
        help="test the terms of a saved fit, or several fits against each other",
    )
    parser.add_argument(
        "files",
        metavar="FILE.lmf",
        nargs="+",
        help="one: F tests of its fixed terms; several: likelihood ratios, after REML by ML",
    )
    parser.add_argument(
        "--type", type=int, choices=(1, 2, 3), help="of the F tests of one fit (default: 3)"
    )
    parser.add_argument(
        "--ddf", metavar="METHOD", choices=DDF, help=f"of the F tests of one fit: {', '.join(DDF)}"
    )
    parser.add_argument("--no-refit", action="store_true", help="compare several REML fits by REML")
    add_output(parser, (*SHOWN_FORMATS, *DATA_FORMATS))


def run(args: Namespace) -> str:
    """The output of the command."""
    tests = {name: value for name in ("type", "ddf") if (value := getattr(args, name)) is not None}
    if tests and len(args.files) > 1:
        raise ArgumentError(f"--{next(iter(tests))} is for one fit, not {len(args.files)}.")
    if args.no_refit and len(args.files) == 1:
        raise ArgumentError("--no-refit is for several fits: give another one.")

    from ...inference.model_comparison.model_tests import anova
    from ..saved_fit import saved_fit

    fits: list[Any] = [saved_fit(path) for path in args.files]
    if args.ddf is not None and fits[0].state.family is not None:
        raise ArgumentError(NO_DDF)
    if len(fits) == 1:
        return _written(fits[0].anova(**tests), "term", args.format)
    return _written(anova(*fits, refit=not args.no_refit), "model", args.format)


def _written(table: ResultTable, rows: str, form: str) -> str:
    """A table whose rows are called `rows`."""
    from ..formats import csv_text, json_text, records, rendered

    if form in SHOWN_FORMATS:
        return rendered(table, form)
    labelled = table.rename_axis(rows).reset_index()
    if form == "csv":
        return csv_text(labelled)
    return json_text({"title": table.title, f"{rows}s": records(labelled), "notes": table.notes})
