"""``lmforms fit FORMULA FILE``: fit a model and write what it found."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import ArgumentError, DataError
from ..arguments import (
    FILE_HELP,
    NO_DDF,
    Parser,
    add_command,
    add_dialect,
    add_fit_output,
)

AUXILIARY = ("dispersion", "zero_inflation")
"""Options that are formulas of parameters beside the mean."""

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
    add_family(parser)
    parser.add_argument(
        "--missing", choices=("drop", "raise"), default="drop", help="rows with missing values"
    )
    add_dialect(parser)
    add_fit_output(parser)
    parser.add_argument("--save", metavar="PATH", help="also save the fit, for other commands")


def add_family(parser: Parser) -> None:
    """Options of generalised models."""
    parser.add_argument(
        "--family",
        metavar="NAME",
        help="fit a generalised model: binomial, poisson, gamma, negative_binomial, …",
    )
    parser.add_argument("--link", metavar="NAME", help="link (default: the family's own)")
    parser.add_argument(
        "--nagq",
        metavar="NUMBER",
        type=int,
        help="nodes of adaptive quadrature (default: 1, the Laplace approximation)",
    )
    parser.add_argument(
        "--dispersion", metavar="FORMULA", help='predictors of the dispersion, such as "~ x"'
    )
    parser.add_argument(
        "--zero-inflation", metavar="FORMULA", help='predictors of added zeros, such as "~ 1"'
    )


def run(args: Namespace) -> str:
    """The output of the command."""
    from ..fit_output import check_fit_output, fit_output
    from ..reading import data_for, dialect_of

    check_fit_output(args)
    check_family(args)
    dialect = dialect_of(args)
    contrasts = contrasts_of(args.contrast)

    from ...data.read import bound_auxiliary, check_residual_columns
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
    auxiliary = {name: getattr(args, name) for name in AUXILIARY}
    beside = bound_auxiliary(auxiliary, bound, file.columns, reserved)
    data = data_for(file, bound, structure, reserved, tuple(beside.values()))
    check_factors(contrasts, data)
    options = {
        "weights": args.weights,
        "offset": args.offset,
        "contrasts": contrasts or None,
        "missing": args.missing,
        "context": {},
    }
    fit: Any
    if args.family is None:
        from ...model import lmer

        fit = lmer(args.formula, data, reml=not args.ml, residual=structure, **options)
    else:
        from ...generalized_model import glmer

        nagq = 1 if args.nagq is None else args.nagq
        own = {"family": args.family, "link": args.link, "nagq": nagq, **auxiliary}
        fit = glmer(args.formula, data, **own, **options)
    if args.save is not None:
        fit.save(args.save)
    return fit_output(fit, args, args.warned.messages)


def check_family(args: Namespace) -> None:
    """Refuse options of generalised models without a family, and those of linear ones with one.

    Raises
    ------
    ArgumentError
    """
    if args.family is None:
        for name in ("link", "nagq", *AUXILIARY):
            if getattr(args, name) is not None:
                option = f"--{name.replace('_', '-')}"
                raise ArgumentError(f"{option} is for generalised models: add --family.")
        return
    if args.ml:
        raise ArgumentError("--ml: models with a family are fitted by it always; leave it out.")
    if args.residual is not None:
        raise ArgumentError("--residual is for linear models: leave out it or --family.")
    if args.ddf is not None:
        raise ArgumentError(NO_DDF)


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
