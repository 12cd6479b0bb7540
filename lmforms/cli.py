"""``lmforms fit FORMULA FILE``, ``lmforms datasets``, ``lmforms versions``."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import DataError, LmformsError, LmformsWarning

if TYPE_CHECKING:
    import pandas as pd

USAGE_ERROR = 2
"""Exit status of anything the user can mend."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status is returned.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; ``sys.argv`` by default.
    """
    args = _parser().parse_args(argv)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", LmformsWarning)
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            text = args.run(args)
    except (LmformsError, OSError) as exc:
        message = str(exc) if isinstance(exc, LmformsError) else f"{exc.filename}: {exc.strerror}"
        sys.stderr.write(f"lmforms: {message}\n")
        return USAGE_ERROR
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough
        sys.stderr.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lmforms", description="Linear mixed models with R-like formulas."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    fit = commands.add_parser("fit", help="fit a model to a file and print its summary")
    fit.add_argument("formula", metavar="FORMULA", help='such as "y ~ x + (1 | g)"')
    fit.add_argument("file", metavar="FILE", help="CSV or TSV (also compressed), with a header")
    fit.add_argument("--ml", action="store_true", help="maximum likelihood instead of REML")
    fit.add_argument("--weights", metavar="COLUMN", help="column of weights")
    fit.add_argument("--offset", metavar="COLUMN", help="column of a known offset")
    fit.add_argument(
        "--missing", choices=("drop", "raise"), default="drop", help="rows with missing values"
    )
    fit.add_argument("--sep", metavar="CHAR", help="delimiter (default: tab for .tsv, else comma)")
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
    from .model import lmer

    fit = lmer(
        args.formula,
        read_table(args.file, args.sep),
        reml=not args.ml,
        weights=args.weights,
        offset=args.offset,
        missing=args.missing,
        context={},
    )
    if args.save:
        fit.save(args.save)
    summary = fit.summary()
    render = {
        "text": summary.__str__,
        "html": summary._repr_html_,
        "latex": summary.to_latex,
        "markdown": summary.to_markdown,
    }
    return render[args.format]()


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


def read_table(path: str, sep: str | None = None) -> pd.DataFrame:
    """Read a delimited text file with a header.

    Parameters
    ----------
    path : str
    sep : str, optional
        Delimiter; a tab for ``.tsv`` and a comma for anything else by default.

    Raises
    ------
    DataError
        The file is not there, is empty, is no text, or has another delimiter.
    """
    import pandas as pd

    if sep is not None and not sep:
        raise DataError("--sep is empty: give a character, such as --sep ';'.")
    file = Path(path)
    if not file.is_file():
        raise DataError(f"there is no file {path!r}.")
    tab = file.name.removesuffix(".gz").endswith((".tsv", ".tab"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            delimiter = sep or ("\t" if tab else ",")
            engine = "c" if len(delimiter) == 1 else "python"
            table = pd.read_csv(file, sep=delimiter, index_col=False, engine=engine)
    except pd.errors.EmptyDataError:
        raise DataError(f"{path!r} is empty.") from None
    except pd.errors.ParserWarning:
        raise DataError(
            f"{path!r} has rows that are longer than its header. A file with row names needs a "
            "name for their column."
        ) from None
    except Exception as exc:  # pandas and each decompressor have errors of their own
        first = (str(exc).strip().splitlines() or [type(exc).__name__])[0]
        raise DataError(f"{path!r} cannot be read as delimited text: {first}") from None
    if len(table.columns) == 1:
        header = str(table.columns[0]).removeprefix("Unnamed: ")
        other = next((c for c in (",", ";", "\t", "|", " ") if c in header.strip()), None)
        if other is not None:
            shown = {"\t": "'\\t'", " ": "' '"}.get(other, repr(other))
            raise DataError(
                f"{path!r} has one column, named {header!r}: is its delimiter {shown}? "
                "Say so with --sep."
            )
    return table


def _show_warning(message: Warning | str, category: type[Warning], *_: object) -> None:
    if issubclass(category, LmformsWarning):
        sys.stderr.write(f"lmforms: warning: {message}\n")


if __name__ == "__main__":
    sys.exit(main())
