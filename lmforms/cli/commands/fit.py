"""``lmforms fit FORMULA FILE``: fit a model and write what it found."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import ArgumentError, DataError
from ..arguments import FILE_HELP, add_command, add_dialect, add_fit_output

LABELS_NOTE = """\
Grouping factors keep their labels as they are written: 01 and 1 are two levels.
Columns without a name are left out. Parquet and Feather files have types of their own.

"""


def add(commands: Any) -> None:
    """The arguments of the command."""
    parser = add_command(
        commands, "fit", run, help="fit a model to a file and write its summary", more=LABELS_NOTE
    )
    parser.add_argument("formula", metavar="FORMULA", help='such as "y ~ x + (1 | g)"')
    parser.add_argument("file", metavar="FILE", help=FILE_HELP)
    parser.add_argument("--ml", action="store_true", help="maximum likelihood instead of REML")
    parser.add_argument("--weights", metavar="COLUMN", help="column of weights")
    parser.add_argument("--offset", metavar="COLUMN", help="column of a known offset")
    parser.add_argument(
        "--contrast",
        metavar="COLUMN=CODING",
        action="append",
        default=[],
        help="coding of a factor: sum, helmert, poly, diff, treatment, SAS, or with a base level "
        "treatment(LEVEL), SAS(LEVEL) (may be repeated)",
    )
    parser.add_argument(
        "--residual", metavar="TEXT", help='structure of the residuals: "ar1(time | subject)"'
    )
    parser.add_argument(
        "--missing", choices=("drop", "raise"), default="drop", help="rows with missing values"
    )
    add_dialect(parser)
    add_fit_output(parser)
    parser.add_argument("--save", metavar="PATH", help="also save the fit, for other commands")


def run(args: Namespace) -> str:
    """The output of the command."""
    from ..fit_output import check_fit_output, fit_output
    from ..reading import data_for, dialect_of

    check_fit_output(args)
    dialect = dialect_of(args)
    contrasts = contrasts_of(args.contrast)

    from ...data.read import check_residual_columns
    from ...data.table_files import table_file
    from ...formula.bind import bind
    from ...formula.parse import parse_formula
    from ...residual.grammar import residual_spec

    formula = parse_formula(args.formula)
    structure = residual_spec(args.residual)
    file = table_file(args.file, dialect)
    reserved = [name for name in (args.weights, args.offset) if name is not None]
    check_residual_columns(structure, file.columns)
    series = () if structure is None else structure.group
    bound = bind(formula, tuple(file.columns), reserved=(*reserved, *series))
    data = data_for(file, bound, structure, reserved)
    check_factors(contrasts, data)

    from ...model import lmer

    fit = lmer(
        args.formula,
        data,
        reml=not args.ml,
        weights=args.weights,
        offset=args.offset,
        contrasts=contrasts or None,
        missing=args.missing,
        residual=structure,
        context={},
    )
    if args.save is not None:
        fit.save(args.save)
    return fit_output(fit, args, args.warned.messages)


def contrasts_of(given: Sequence[str]) -> dict[str, str]:
    """Codings by column, from ``column=coding``.

    Raises
    ------
    ArgumentError
        It is not of this form, or one column has two.

    Examples
    --------
    >>> contrasts_of(["recipe=sum", "dose=treatment(0)"])
    {'recipe': 'sum', 'dose': 'treatment(0)'}
    """
    found: dict[str, str] = {}
    for text in given:
        column, equals, coding = (part.strip() for part in text.partition("="))
        if not (column and equals and coding):
            raise ArgumentError(
                f"--contrast {text!r}: give a column and its coding, as in --contrast recipe=sum."
            )
        if column in found:
            raise ArgumentError(f"--contrast: `{column}` has two codings: give one.")
        found[column] = coding
    return found


def check_factors(contrasts: Mapping[str, str], data: Any) -> None:
    """Refuse codings of numbers.

    Raises
    ------
    DataError
    """
    if not contrasts:
        return
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    from ...data.file_dialect import option_text
    from ...data.input_table import column_names, raw_table

    known = column_names(data)
    for name, column in raw_table(data, [c for c in contrasts if c in known]).items():
        if is_numeric_dtype(column.dtype) and not is_bool_dtype(column.dtype):
            raise DataError(
                f"--contrast: `{name}` holds numbers. Say {option_text('--text', name)} if they "
                f"are labels; for Parquet and Feather write C({name}, contr.sum) or the like in "
                "the formula instead."
            )
