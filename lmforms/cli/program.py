"""`main`: one command, its text or one message, and an exit status."""

from __future__ import annotations

import argparse
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import ArgumentError, LmformsError, LmformsWarning
from . import streams
from .arguments import DATA_FORMATS, EXIT_STATUS, Parser
from .commands import anova, datasets, fit, predict, summary, versions
from .messages import as_options
from .output_files import check_output_files, written_to


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status is returned.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; ``sys.argv`` by default.

    Raises
    ------
    SystemExit
        The arguments cannot be parsed (status 2), or ``--help`` or ``--version`` was asked for.
    """
    try:
        args = _parsed(argv)
        check_output_files(args)
        with warnings.catch_warnings():
            warnings.simplefilter("always", LmformsWarning)
            warnings.showwarning = args.warned = streams.ShownWarnings()
            text = args.run(args) + "\n"
        if args.output is not None:
            return written_to(args.output, text)
        return streams.write(text, exact=args.format in DATA_FORMATS)
    except KeyboardInterrupt:
        return streams.INTERRUPTED
    except ArgumentError as exc:
        return streams.failed(as_options(str(exc)), streams.USAGE)
    except LmformsError as exc:
        return streams.failed(as_options(str(exc)), streams.FAILED)
    except OSError as exc:
        where = f"{exc.filename}: " if exc.filename is not None else ""
        return streams.failed(f"{where}{exc.strerror or exc}", streams.FAILED)
    except MemoryError:
        return streams.failed("there is not enough memory.", streams.FAILED)
    except Exception as exc:
        at = traceback.extract_tb(exc.__traceback__)[-1]
        place = f"{Path(at.filename).name}, line {at.lineno}"
        said = " ".join(str(exc).split())
        return streams.failed(
            f"internal error, please report it: {type(exc).__name__} in {place}: {said}",
            streams.INTERNAL,
        )


def _parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    args, unknown = _parser().parse_known_args(argv)
    # argparse takes files of a list up to the next option; those behind it are left over
    more = [word for word in unknown if word == "-" or not word.startswith("-")]
    if unknown and not (hasattr(args, "files") and more == unknown):
        args.parser.refuse([word for word in unknown if word not in more] or unknown)
    if more:
        args.files = [*args.files, *more]
    return args


def _parser() -> Parser:
    parser = Parser(
        prog="lmforms", description="Linear mixed models with R-like formulas.", epilog=EXIT_STATUS
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="write the version, and end")
    parser.set_defaults(output=None, format=None, formats=(), save=None)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (fit, summary, predict, anova, datasets, versions):
        command.add(commands)
    return parser


class _Version(argparse.Action):
    def __call__(self, *_: Any, **__: Any) -> None:
        from .. import __version__

        sys.exit(streams.write(f"lmforms {__version__}\n"))
