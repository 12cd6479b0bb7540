"""How arguments are parsed, and the options that several commands have."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from ..errors import near_matches
from . import streams

EXIT_STATUS = """\
exit status:
  0    done; warnings, if any, are on standard error
  1    the formula, the data and the model do not go together, or a file cannot be
       read or written
  2    the command line is wrong
  70   a fault of lmforms: please report it
  130  interrupted (Ctrl-C)
  141  the reader of the output has gone, as after `| head`
"""

DDF = (
    "satterthwaite",
    "kenward-roger",
    "kenward-roger-linear",
    "between-within",
    "residual",
    "none",
)
"""Methods of degrees of freedom; written here, as the module that has them takes long to import."""

NO_DDF = (
    "--ddf is for linear models; tests of generalised ones are by the normal distribution: leave "
    "it out."
)
"""Of a generalised model."""

SHOWN_FORMATS = ("text", "html", "latex", "markdown", "typst")
DATA_FORMATS = ("csv", "json")

FILE_HELP = "CSV or TSV (also compressed) with a header, Parquet or Feather; - is stdin"

TABLES = ("fixed", "random", "all", "glance")
"""Tidy tables of a fit."""


class Parser(argparse.ArgumentParser):
    """Writes help and errors to streams that may be closed or full, and offers near matches."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs["formatter_class"] = argparse.RawDescriptionHelpFormatter
        super().__init__(allow_abbrev=False, **kwargs)

    def print_help(self, file: Any = None) -> NoReturn:
        """Write the help to standard output, and end."""
        sys.exit(streams.write(self.format_help()))

    def error(self, message: str) -> NoReturn:
        """Write a message and the usage to standard error, and end."""
        sys.exit(streams.failed(f"{message}\n{self.format_usage().rstrip()}", streams.USAGE))

    def refuse(self, unknown: Sequence[str]) -> NoReturn:
        """End with an error about arguments that the command does not have."""
        first = unknown[0]
        if not first.startswith("-"):
            self.error(f"there is one argument too many: {first!r}")
        name = first.partition("=")[0]
        self.error(f"there is no option {name}.{near_matches(name, self._option_string_actions)}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = [str(choice) for choice in action.choices]
            hint = near_matches(str(value), choices)
            raise argparse.ArgumentError(
                action, f"{value!r} is none of {', '.join(choices)}.{hint}"
            )

    def _get_values(self, action: Any, arg_strings: list[str]) -> Any:
        """``--na=--`` as it stands: before Python 3.13 argparse takes the value away."""
        if action.option_strings and arg_strings == ["--"]:
            return "--"
        return super()._get_values(action, arg_strings)  # type: ignore[misc]


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], str], *, help: str, more: str = ""
) -> Parser:
    """A command with its own parser; `run` makes of the arguments the text that is written."""
    parser: Parser = commands.add_parser(
        name, help=help, description=f"{help[0].upper()}{help[1:]}.", epilog=more + EXIT_STATUS
    )
    parser.set_defaults(run=run, parser=parser)
    return parser


def add_output(parser: Parser, formats: Sequence[str]) -> None:
    """Options of what is written, and where to; the first of the formats is the default."""
    parser.add_argument(
        "--format", choices=formats, help=f"of the output (default: {formats[0]}, or by --output)"
    )
    parser.add_argument(
        "--output",
        metavar="PATH",
        help="write to this file; .txt, .html, .tex, .md, .typ, .csv and .json tell the format",
    )
    parser.set_defaults(formats=tuple(formats))


def add_fit_output(parser: Parser) -> None:
    """Options of what is written of a fit."""
    add_output(parser, (*SHOWN_FORMATS, *DATA_FORMATS))
    parser.add_argument(
        "--table", choices=TABLES, help="which table --format csv writes (default: fixed)"
    )
    parser.add_argument(
        "--level",
        metavar="NUMBER",
        type=float,
        help="add confidence limits of this level (csv and json have them: 0.95)",
    )
    parser.add_argument(
        "--ddf", metavar="METHOD", choices=DDF, help=f"degrees of freedom: {', '.join(DDF)}"
    )


def add_dialect(parser: Parser) -> None:
    """Options of how a file of delimited text is written."""
    parser.add_argument(
        "--sep", metavar="CHAR", help=r"delimiter (default: tab for .tsv, else comma); '\s+': space"
    )
    parser.add_argument("--decimal", metavar="CHAR", default=".", help="decimal point (default: .)")
    parser.add_argument("--encoding", metavar="NAME", default="utf-8", help="(default: utf-8)")
    parser.add_argument(
        "--na",
        metavar="TEXT",
        action="append",
        default=[],
        help="missing value, besides NA, NaN, NULL and nothing (may be repeated)",
    )
    parser.add_argument(
        "--text",
        metavar="COLUMN",
        action="append",
        default=[],
        help="column of labels: a factor, even of numbers or NA (may be repeated)",
    )
