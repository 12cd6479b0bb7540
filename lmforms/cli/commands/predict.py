"""``lmforms predict FILE.lmf NEWDATA``: predictions of a saved fit for new rows."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from ...errors import ArgumentError
from ..arguments import FILE_HELP, NO_DDF, add_command, add_dialect, add_output

PREDICTION_DDF = ("satterthwaite", "kenward-roger", "residual", "none")
"""Methods of degrees of freedom that predictions have."""

LABELS_NOTE = """\
Labels are read as those of the fit were. The output has all columns of the new data as they
are written, and the predictions behind them; rows with missing predictors have none.

"""


def add(commands: Any) -> None:
    """The arguments of the command."""
    parser = add_command(
        commands, "predict", run, help="write predictions of a saved fit", more=LABELS_NOTE
    )
    parser.add_argument("fit", metavar="FILE.lmf", help="written by lmforms fit --save")
    parser.add_argument("file", metavar="NEWDATA", help=FILE_HELP)
    parser.add_argument(
        "--random",
        metavar="TERM",
        action="append",
        help="random effects to add: all (default), none, or a grouping factor or term such as "
        '"x | g" (may be repeated)',
    )
    parser.add_argument(
        "--new-levels",
        choices=("raise", "zero"),
        default="raise",
        help="levels that the fit does not have: refused (default), or with random effects 0",
    )
    parser.add_argument(
        "--residual",
        choices=("series", "none"),
        help="whether residuals of the same series are predicted (default: unless --random none)",
    )
    parser.add_argument(
        "--kind",
        choices=("response", "link"),
        help="of a generalised model: means (default), or linear predictors",
    )
    parser.add_argument(
        "--interval", choices=("confidence", "prediction"), help="add standard errors and limits"
    )
    parser.add_argument(
        "--level", metavar="NUMBER", type=float, help="of the limits (default: 0.95)"
    )
    parser.add_argument(
        "--ddf",
        metavar="METHOD",
        choices=PREDICTION_DDF,
        help=f"degrees of freedom of the limits: {', '.join(PREDICTION_DDF)}",
    )
    parser.add_argument(
        "--only-predictions", action="store_true", help="leave out the columns of the new data"
    )
    add_dialect(parser)
    add_output(parser, ("csv", "json"))


def run(args: Namespace) -> str:
    """The output of the command."""
    from ...support.arguments import proportion
    from ..reading import dialect_of

    options: dict[str, Any] = {"new_levels": args.new_levels}
    if args.random is not None:
        single = len(args.random) == 1 and args.random[0] in ("all", "none")
        options["random"] = args.random[0] if single else args.random
    if args.residual is not None:
        options["residual"] = args.residual
    if args.interval is not None:
        options["interval"] = args.interval
    for name in ("level", "ddf"):
        value = getattr(args, name)
        if value is not None:
            if args.interval is None:
                raise ArgumentError(
                    f"--{name} is for --interval confidence or prediction: add one."
                )
            options[name] = proportion("--level", value) if name == "level" else value
    dialect = dialect_of(args)

    from ..formats import csv_text, json_text, records
    from ..reading import data_as_fitted
    from ..saved_fit import saved_fit

    fit: Any = saved_fit(args.fit)
    check_model(args, is_generalized=fit.state.family is not None)
    if args.kind is not None:
        options["kind"] = args.kind
    file, data = data_as_fitted(args.file, dialect, fit)
    found = fit.predict(data, **options)
    predicted = found.to_frame() if found.ndim == 1 else found
    table = predicted.reset_index(drop=True)
    if not args.only_predictions:
        table = _beside(file.as_written(), table)
    if args.format == "json":
        return json_text({"formula": fit.formula, "predictions": records(table)})
    sep = file.sep if len(file.sep) == 1 else ","
    return csv_text(table, sep=sep, decimal=file.decimal)


def check_model(args: Namespace, *, is_generalized: bool) -> None:
    """Refuse options that the fit has no use for.

    Raises
    ------
    ArgumentError
    """
    if not is_generalized:
        if args.kind is not None:
            raise ArgumentError("--kind is for generalised models: leave it out.")
        return
    if args.residual is not None:
        raise ArgumentError("--residual is for linear models: leave it out.")
    if args.ddf is not None:
        raise ArgumentError(NO_DDF)


def _beside(given: Any, predicted: Any) -> Any:
    """The new data with predictions behind them."""
    import pandas as pd

    twice = given.columns.intersection(predicted.columns)
    if len(twice):
        raise ArgumentError(
            f"the new data have a column `{twice[0]}`, as the predictions: rename it, or use "
            "--only-predictions."
        )
    return pd.concat([given.reset_index(drop=True), predicted], axis=1)
