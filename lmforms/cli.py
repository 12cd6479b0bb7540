"""``lmforms fit FORMULA FILE``, ``lmforms datasets``, ``lmforms versions``."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from .data.delimited import DelimitedFile, read_table
from .data.file_dialect import Dialect
from .errors import ArgumentError, DataError, LmformsError, LmformsWarning
from .tables.number_format import MINUS

if TYPE_CHECKING:
    from .formula.terms import BoundFormula

__all__ = ["main", "read_table"]

OK = 0
FAILED = 1
"""Formula, data and model do not go together, or a file cannot be read or written."""
USAGE = 2
"""The command line itself is wrong."""
INTERNAL = 70
"""An error inside lmforms (EX_SOFTWARE of sysexits.h)."""
INTERRUPTED = 130
"""Ctrl-C, as a shell reports it: 128 + SIGINT."""
CLOSED_PIPE = 141
"""The reader of the output has closed it, as `| head` does: 128 + SIGPIPE."""

LABELS_NOTE = """\
Grouping factors keep their labels as they are written: 01 and 1 are two levels.
Columns without a name are left out.

"""

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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status is returned.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; ``sys.argv`` by default.

    Raises
    ------
    SystemExit
        The arguments cannot be parsed (status 2), or ``--help`` was asked for.
    """
    try:
        args = _parser().parse_args(argv)
        with warnings.catch_warnings():
            warnings.simplefilter("always", LmformsWarning)
            warnings.showwarning = _show_warning
            return _write(args.run(args) + "\n")
    except KeyboardInterrupt:
        return INTERRUPTED
    except ArgumentError as exc:
        return _failed(exc, USAGE)
    except LmformsError as exc:
        return _failed(exc, FAILED)
    except OSError as exc:
        where = f"{exc.filename}: " if exc.filename is not None else ""
        return _failed(f"{where}{exc.strerror or exc}", FAILED)
    except MemoryError:
        return _failed("there is not enough memory.", FAILED)
    except Exception as exc:
        at = traceback.extract_tb(exc.__traceback__)[-1]
        place = f"{Path(at.filename).name}, line {at.lineno}"
        said = " ".join(str(exc).split())
        return _failed(
            f"internal error, please report it: {type(exc).__name__} in {place}: {said}", INTERNAL
        )


class _Parser(argparse.ArgumentParser):
    """Writes help and errors to streams that may be closed or full."""

    def print_help(self, file: Any = None) -> NoReturn:
        sys.exit(_write(self.format_help()))

    def _get_values(self, action: Any, arg_strings: list[str]) -> Any:
        """``--na=--`` as it stands: before Python 3.13 argparse takes the value away."""
        if action.option_strings and arg_strings == ["--"]:
            return "--"
        return super()._get_values(action, arg_strings)  # type: ignore[misc]

    def error(self, message: str) -> NoReturn:
        sys.exit(_failed(f"{message}\n{self.format_usage().rstrip()}", USAGE))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="lmforms",
        description="Linear mixed models with R-like formulas.",
        epilog=EXIT_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    fit = commands.add_parser(
        "fit",
        help="fit a model to a file and print its summary",
        epilog=LABELS_NOTE + EXIT_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    fit.add_argument("formula", metavar="FORMULA", help='such as "y ~ x + (1 | g)"')
    fit.add_argument(
        "file", metavar="FILE", help="CSV or TSV (also compressed), with a header; - is stdin"
    )
    fit.add_argument("--ml", action="store_true", help="maximum likelihood instead of REML")
    fit.add_argument("--weights", metavar="COLUMN", help="column of weights")
    fit.add_argument(
        "--residual", metavar="TEXT", help='structure of the residuals: "ar1(time | subject)"'
    )
    fit.add_argument("--offset", metavar="COLUMN", help="column of a known offset")
    fit.add_argument(
        "--missing", choices=("drop", "raise"), default="drop", help="rows with missing values"
    )
    fit.add_argument(
        "--sep", metavar="CHAR", help=r"delimiter (default: tab for .tsv, else comma); '\s+': space"
    )
    fit.add_argument("--decimal", metavar="CHAR", default=".", help="decimal point (default: .)")
    fit.add_argument("--encoding", metavar="NAME", default="utf-8", help="(default: utf-8)")
    fit.add_argument(
        "--na",
        metavar="TEXT",
        action="append",
        default=[],
        help="missing value, besides NA, NaN, NULL and nothing (may be repeated)",
    )
    fit.add_argument(
        "--text",
        metavar="COLUMN",
        action="append",
        default=[],
        help="column of labels: a factor, even of numbers or NA (may be repeated)",
    )
    fit.add_argument(
        "--format", choices=("text", "html", "latex", "markdown"), default="text", help="of output"
    )
    fit.add_argument("--save", metavar="PATH", help="also save the fit for lmforms.load")
    fit.set_defaults(run=_fit)

    datasets = commands.add_parser("datasets", help="list the data sets that come along")
    datasets.add_argument("name", nargs="?", help="describe this one")
    datasets.set_defaults(run=_datasets)

    versions = commands.add_parser("versions", help="versions of lmforms and what it uses")
    versions.set_defaults(run=_versions)
    return parser


def _fit(args: argparse.Namespace) -> str:
    dialect = Dialect(args.sep, args.decimal, args.encoding, tuple(args.na), tuple(args.text))
    if args.save is not None:
        _check_target(args.save)
    from .data.read import check_residual_columns
    from .formula.bind import bind
    from .formula.parse import parse_formula
    from .residual.grammar import residual_spec

    formula = parse_formula(args.formula)
    structure = residual_spec(args.residual)
    file = DelimitedFile(args.file, dialect)
    reserved = tuple(name for name in (args.weights, args.offset) if name is not None)
    check_residual_columns(structure, file.columns)
    series = () if structure is None else structure.group
    bound = bind(formula, tuple(file.columns), reserved=(*reserved, *series))
    labels, numbers = _roles(bound)
    if structure is not None:
        labels |= set(structure.group)
        numbers |= structure.numeric_columns
    data = file.table(labels, numbers | (set(reserved) & set(file.columns)))

    from .model import lmer

    fit = lmer(
        args.formula,
        data,
        reml=not args.ml,
        weights=args.weights,
        offset=args.offset,
        missing=args.missing,
        residual=structure,
        context={},
    )
    if args.save is not None:
        fit.save(args.save)
    summary = fit.summary()
    render = {
        "text": summary.__str__,
        "html": summary._repr_html_,
        "latex": summary.to_latex,
        "markdown": summary.to_markdown,
    }
    return render[args.format]()


def _roles(bound: BoundFormula) -> tuple[set[str], set[str]]:
    """Columns that are labels in a formula, and columns that may be numbers (or both)."""
    from .formula.formulaic_factors import factor_columns, factors_of, label_columns

    sides = [bound.response, bound.fixed, *bound.offsets, *(t.expression for t in bound.random)]
    grouping = {f for term in bound.random for f in term.group}
    labels, numbers = set[str](), set[str]()
    for factor in grouping.union(*map(factors_of, sides)):
        coded = label_columns(factor, grouping=factor in grouping)
        labels |= coded
        numbers |= factor_columns(factor) - coded
    known = set(bound.columns)
    return labels & known, (numbers | bound.direct_columns) & known


def _check_target(path: str) -> None:
    """Refuse before the fit what could not be written after it."""
    if not path or path == "-":
        raise ArgumentError(f"--save {path!r}: give the name of a file, such as --save fit.lmf.")
    if Path(path).is_dir():
        raise DataError(f"--save {path!r} is a folder: give the name of a file in it.")
    if not Path(path).parent.is_dir():
        raise DataError(f"--save {path!r}: there is no folder {str(Path(path).parent)!r}.")


def _datasets(args: argparse.Namespace) -> str:
    from . import datasets

    if args.name:
        return str(datasets.info(args.name))
    return str(datasets.list().to_string(index=False))


def _versions(args: argparse.Namespace) -> str:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from . import __version__

    lines = [f"lmforms {__version__}", f"python {platform.python_version()}"]
    for name in ("numpy", "scipy", "pandas", "formulaic", "statsmodels", "scikit-sparse"):
        try:
            lines.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            lines.append(f"{name} not installed")
    return "\n".join(lines)


# --- streams, each of which may be closed or full -------------------------------------------


def _write(text: str) -> int:
    """Write text to standard output; the exit status is returned."""
    if sys.stdout is None:
        return _failed("standard output is closed.", FAILED)
    try:
        try:
            sys.stdout.write(text)
        except UnicodeEncodeError as exc:  # a terminal that cannot show Greek letters
            plain = text.replace(MINUS, "-")  # a number without its sign would be another one
            sys.stdout.write(plain.encode(exc.encoding, "replace").decode(exc.encoding))
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_buffer(sys.stdout)
        return CLOSED_PIPE
    except (OSError, ValueError) as exc:
        _discard_buffer(sys.stdout)
        return _failed(f"standard output: {getattr(exc, 'strerror', None) or exc}", FAILED)
    return OK


def _failed(message: object, status: int) -> int:
    _write_error(f"lmforms: {message}\n")
    return status


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    if issubclass(category, LmformsWarning):
        _write_error(f"lmforms: warning: {' '.join(str(message).split())}\n")


def _write_error(text: str) -> None:
    """Write text to standard error, if it can be written to."""
    try:
        if sys.stderr is not None:
            sys.stderr.write(text)
            sys.stderr.flush()
    except (OSError, ValueError):
        _discard_buffer(sys.stderr)


def _discard_buffer(stream: IO[str]) -> None:
    """Discard what is left in the buffer of a stream, which Python would write at exit."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):  # a stream without a file descriptor
        pass


if __name__ == "__main__":
    sys.exit(main())
