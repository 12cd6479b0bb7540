"""What `fit` and `summary` write of a fit."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError
from ..support.arguments import proportion
from .arguments import NO_DDF, SHOWN_FORMATS
from .formats import csv_text, json_text, records, rendered

if TYPE_CHECKING:
    from ..results.generalized.generalized_results import GeneralizedResults
    from ..results.model_results import MixedModelResults

DEFAULT_LEVEL = 0.95


def check_fit_output(args: Namespace) -> None:
    """Refuse options that the format has no use for, before a fit.

    Raises
    ------
    ArgumentError
    """
    if args.table is not None and args.format != "csv":
        raise ArgumentError(f"--table is for --format csv, not {args.format}: leave it out.")
    if args.level is not None:
        proportion("--level", args.level)
    for option in ("level", "ddf"):
        if args.table == "glance" and getattr(args, option) is not None:
            raise ArgumentError(f"--{option} does not concern --table glance: leave it out.")
    if args.table == "random" and args.ddf is not None:
        raise ArgumentError("--ddf concerns fixed effects: leave it out, or use --table all.")


def fit_output(
    fit: MixedModelResults | GeneralizedResults, args: Namespace, warned: Sequence[str]
) -> str:
    """A fit in the format that was asked for.

    Parameters
    ----------
    fit : MixedModelResults or GeneralizedResults
    args : Namespace
    warned : sequence of str
        Warnings about the data and the fit.

    Raises
    ------
    ArgumentError
        Degrees of freedom of a generalised model.
    """
    if args.ddf is not None and fit.state.family is not None:
        raise ArgumentError(NO_DDF)
    ddf: dict[str, Any] = {} if args.ddf is None else {"ddf": args.ddf}
    if args.format in SHOWN_FORMATS:
        limits = {} if args.level is None else {"level": args.level}
        return rendered(fit.summary(**ddf, **limits), args.format)
    level = DEFAULT_LEVEL if args.level is None else args.level
    if args.format == "json":
        return json_text(_facts(fit, ddf, level, warned))
    if args.table == "glance":
        return csv_text(fit.glance())
    effects = args.table or "fixed"
    return csv_text(fit.tidy(effects, conf_int=True, conf_level=level, **ddf))


def _facts(
    fit: MixedModelResults | GeneralizedResults,
    ddf: dict[str, Any],
    level: float,
    warned: Sequence[str],
) -> dict[str, Any]:
    """All about a fit, in plain values and lists of rows."""
    fixed = fit.tidy("fixed", conf_int=True, conf_level=level, **ddf)
    modes = records(fit.tidy("ran_vals", conf_int=True, conf_level=level)) if fit.ngroups else []
    report = fit.optimizer
    return {
        "formula": fit.formula,
        **_kind_of_model(fit),
        "nobs": fit.nobs,
        "groups": fit.ngroups,
        "npar": fit.npar,
        "criterion": fit.criterion,
        "loglik": fit.llf,
        "aic": fit.aic,
        "bic": fit.bic,
        "level": level,
        "fixed": records(fixed),
        "fixed_notes": fixed.notes,
        "dropped": fit.dropped,
        "vcomp": records(fit.vcomp),
        "random_params": records(fit.random_params),
        "random": modes,
        "optimizer": {
            "converged": fit.converged,
            "message": report.message,
            "n_evaluations": report.n_evaluations,
            "gradient_norm": report.gradient_norm,
            "singular": fit.singular_terms,
            "unidentified": fit.unidentified_terms,
            "at_bound": report.at_bound,
        },
        "warnings": warned,
    }


def _kind_of_model(fit: MixedModelResults | GeneralizedResults) -> dict[str, Any]:
    """What only linear models have, or only generalised ones."""
    from ..results.generalized.generalized_results import GeneralizedResults

    if isinstance(fit, GeneralizedResults):
        return {
            "family": fit.family,
            "link": fit.link,
            "nagq": fit.nagq,
            "dispersion": _formula(fit, "dispersion"),
            "zero_inflation": _formula(fit, "zero_inflation"),
            "family_params": records(fit.family_params),
        }
    return {
        "residual": fit.residual,
        "reml": fit.reml,
        "sigma": fit.sigma,
        "residual_params": fit.residual_params.to_dict(),
    }


def _formula(fit: GeneralizedResults, name: str) -> str | None:
    """The formula of a parameter beside the mean, if it has one."""
    part = fit.state.design.auxiliary.get(name)
    return None if part is None else str(part.formula)
