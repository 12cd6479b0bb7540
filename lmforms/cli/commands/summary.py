"""``lmforms summary FILE.lmf``: what a saved fit found."""

from __future__ import annotations

import warnings
from argparse import Namespace
from typing import Any

from ..arguments import add_command, add_fit_output


def add(commands: Any) -> None:
    """The arguments of the command."""
    parser = add_command(commands, "summary", run, help="write the summary of a saved fit")
    parser.add_argument("file", metavar="FILE.lmf", help="written by lmforms fit --save")
    add_fit_output(parser)


def run(args: Namespace) -> str:
    """The output of the command."""
    from ..fit_output import check_fit_output, fit_output

    check_fit_output(args)

    from ...results.generalized.generalized_results import GeneralizedResults
    from ...results.status_warnings import warn_of_generalized, warn_of_status
    from ..saved_fit import saved_fit

    fit = saved_fit(args.file)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if isinstance(fit, GeneralizedResults):
            warn_of_generalized(fit)
        else:
            warn_of_status(fit, fit.optimizer.message)
    return fit_output(fit, args, [str(warning.message) for warning in caught])
