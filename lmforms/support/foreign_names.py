"""Names of R, statsmodels, scikit-learn and others, and the code that does the same here.

Names are looked up in lower case without underscores: ``VarCorr``, ``var_corr`` and ``varcorr`` are
one. The code has the variables `lf` (the package), `fit`, `fit1`, `fit2` (fits of `data`, whose
columns are y, x, f, g and time), `new_data` and `y`; what follows ``#`` is a remark.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache

from ..errors import UnknownNameError, near_matches

OF_GENERALIZED = {
    **dict.fromkeys(("tvalues", "tvalue", "tstat"), "fit.zvalues"),
    **dict.fromkeys(
        ("sigma", "scale", "sigma2", "dispersion", "getsigma", "size", "precision"),
        "fit.family_params",
    ),
}
"""Code for fits of generalised models, where that of linear ones does not do."""

RESULTS = {
    # estimates
    "fit.params": "fixef fixed_effects fe_params beta betas coefs getFixef",
    "fit.params  # the effects of each level are in fit.random_effects": "coef coef_ coefficients",
    "fit.params['Intercept']": "intercept_",
    "fit.bse": "bse_fe std_err std_error std_errors stderror standard_errors se",
    "fit.tvalues": "t_value t_values tstat tstats t_stat zvalues z_values",
    "fit.pvalues": "p_value p_values pval pvals",
    "fit.df_denom": "ddf dfs denDF df_t df",
    "fit.tidy()": "coeftable coef_table summary_frame broom",
    "fit.random_effects": "ranef raneff blup blups BLUP eblup b u predicted_effects raneftables",
    "fit.random_effects_cov": "condVar postVar ranef_cov",
    "fit.vcomp": (
        "VarCorr getVarCov cov_re vcov_re ranef_var ranef_corr varest sdest variances "
        "variance_components"
    ),
    "fit.random_params": "re_params covariance_parameters covparms",
    "fit.residual_covariance()": "rcov R_matrix residual_cov",
    "fit.scale": "sigma2 mse_resid dispersion residual_variance sigma_squared",
    "fit.sigma": "get_sigma sigma_hat residual_sd rmse",
    "fit.residual_params": "corStruct modelStruct varStruct rho",
    # likelihood and numbers
    "fit.llf": "logLik loglike loglikelihood log_likelihood logL",
    "fit.criterion  # −2 × the (restricted) log-likelihood": "deviance devcomp REMLcrit objective",
    "fit.at(fit.theta).criterion": "devfun",
    "fit.nobs": "n n_obs nobservations n_observations nrow",
    "fit.ngroups": "ngrps grps n_groups l",
    "fit.npar": "df_model df_modelwc dof n_parameters nparams k_params",
    "fit.reml": "isREML REML method",
    "fit.aic": "extractAIC",
    "lf.compare(fit1, fit2)": "aicc AICc model_weights",
    "fit.optimizer": "mle_retvals optinfo optsum iterations n_iter_ convergence hist",
    "fit.matrices": "getME Lambdat Zt RX RZX Lind Ut",
    # covariance, tests and intervals
    "fit.cov_params()": "vcov normalized_cov_params cov_fe covb",
    "fit.robust()": (
        "cov_HC0 cov_HC1 cov_HC2 cov_HC3 vcovCR coef_test get_robustcov_results cov_type"
    ),
    "fit.contrast('x = 0')": (
        "t_test f_test wald_test contest contest1D contestMD linearHypothesis glht hypotheses "
        "estimate esticon"
    ),
    "fit.anova()": "wald_test_terms Anova type3 tests anova_lm anova_table",
    "lf.anova(fit1, fit2)": "compare_lr_test compare_f_test compare_lm_test lrtest lrt",
    "fit.ranova()": "rand exactRLRT",
    "fit.conf_int()": "confint conf_ints intervals ci confidence_intervals",
    "fit.profile()": "profile_re",
    "fit.bootstrap(2)  # 1000 draws by default": "bootMer parametric_bootstrap boot pb",
    "fit.predict(new_data)": "get_prediction predict_interval augPred predictions forecast",
    "fit.refit(reml=False)": "refitML",
    "fit.refit(y)": "fit fit_again newResponse",
    # means and slopes
    "fit.emmeans('f')": "lsmeans ls_means lsmeansLT marginal_means predicted_means adjusted_means",
    "fit.emmeans('f', contrast='pairwise')": (
        "pairs post_hoc posthoc difflsmeans pairwise pairwise_tukey t_test_pairwise tukey"
    ),
    "fit.emmeans('f', letters=True)": "cld letters",
    "fit.emtrends('f', 'x')": "lstrends simple_slopes",
    "fit.average()": "avg_predictions ggpredict ggeffects margins",
    "fit.average(slope='x')": "slopes avg_slopes get_margeff margeff marginal_effects",
    "fit.average(comparison='f')": "comparisons avg_comparisons",
    # reports and checks
    "fit.summary()": "summary2 print display report summ",
    "fit.glance()": "model_performance performance",
    "fit.check()": "check_model check_convergence plot_diagnostics diagnostics",
    "fit.vif()": "check_collinearity variance_inflation_factor",
    "fit.is_singular": "check_singularity singular",
    "fit.r2()": "rsquared rsquared_adj prsquared r_squared r2_nakagawa rsquaredGLMM r2_score",
    "fit.random_effects_pca()": "rePCA",
    "fit.influence()": "get_influence dfbetas dfbeta rstudent outlier_test cooks",
    "fit.leverage": "hat hatvalues hat_matrix_diag leverages",
    "fit.fittedvalues": "fitted fitted_values yhat",
    "fit.residuals('pearson')": "resid_pearson resid_studentized rstandard",
    "fit.simulated_residuals()": "dharma DHARMa simulateResiduals quantile_residuals",
    "lf.plot.simulated_residuals(fit.simulated_residuals())": "plot_residuals plot_resid plot_fit",
    "lf.plot.random_effects_qq(fit)": "qqnorm qqmath qqplot plot_qq",
    "lf.plot.random_effects(fit)": "plot_ranef plotREsim dotplot caterpillar plot_random_effects",
    "lf.plot.coefficients(fit)": "plot_summary plot_coef coefplot dwplot plot_model",
    "lf.plot.autocorrelation(fit, time=data['time'], series='g')": (
        "ACF acf plot_acf check_autocorrelation"
    ),
    "lf.plot.semivariogram(fit, place=data['time'], series='g')": "Variogram",
    # the model and its data
    "fit.design().X": "model_matrix modelmatrix exog get_exog model_frame",
    "fit.design().Z": "exog_re Z_matrix exog_vc",
    "fit.params.index": "exog_names coefnames fixefnames xnames feature_names_in_ param_names",
    "fit.state.response": "endog get_response response y",
    "fit.formula": "call terms get_formula model_formula",
    "len(fit.params)": "k_fe k_vars rank",
    "len(fit.theta)": "k_re k_re2 k_vc",
    "fit.save('model.lmf')": "pickle to_pickle saveRDS dump",
    "lf.load('model.lmf')": "load read load_pickle",
    "lf.sklearn.MixedRegressor('y ~ x + (1 | g)')": "score get_params set_params",
}
"""Code, and the names that others have for what it gives of a fit."""

FUNCTIONS = {
    "lf.lmer('y ~ x + (1 | g)', data)": (
        "mixedlm MixedLM lmm lme lmer4 mixed LinearMixedModel fit fit_model lmerTest "
        "MixedEffects mixed_model"
    ),
    "lf.lmer('y ~ x', data)  # a formula without random terms": "lm ols wls gls",
    "lf.glmer('y ~ x + (1 | g)', data, family='poisson')  # or another family": (
        "glmmTMB gee glmer_nb mixed_model_glm BinomialBayesMixedGLM PoissonBayesMixedGLM"
    ),
    "lf.glmer('y ~ x', data, family='poisson')  # a formula without random terms": "glm",
    "lf.glmer('f ~ x + (1 | g)', data, family='ordinal')": "clmm clmm2 clm polr",
    "lf.lmer('y ~ x + (1 | g)', data)  # only linear predictors are there": "nlmer nlme",
    "lf.Control()": "lmerControl lmeControl options settings",
    "pandas.read_csv('data.csv')  # a table of pandas, polars or pyarrow is what lmer takes": (
        "read_csv read_table read_parquet read_excel"
    ),
    "lf.datasets.load('dung')": "load_dataset get_dataset dataset get_rdataset",
    "lf.compare(fit1, fit2)": "compare_performance aictab model_sel AICctab",
    "lf.sklearn.MixedRegressor('y ~ x + (1 | g)')": "MixedRegressor MixedLMRegressor estimator",
    "lf.latent.LinearMixedForm(rank=2)": "LinearMixedForm latent_model forms",
    "lf.relationship.Pedigree": "Pedigree pedigree Amatrix",
}
"""Code, and the names that others have for a function that does this."""


@cache
def _by_name() -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The code of results and of functions, by names as they are looked up."""
    made = []
    for table in (RESULTS, FUNCTIONS):
        made.append({plain(name): code for code, names in table.items() for name in names.split()})
    return made[0], made[0] | made[1]


def _names_of_fits() -> list[str]:
    """Names that fits have, if there can be one: nothing is imported for a message."""
    results = sys.modules.get("lmforms.results.model_results")
    return [] if results is None else dir(results.MixedModelResults)


def plain(name: str) -> str:
    """A name as it is looked up."""
    return name.lower().replace("_", "")


def unknown_name(
    owner: object, label: str, name: str, known: Iterable[str], *, of_package: bool = False
) -> UnknownNameError:
    """The error for a name that `owner` does not have.

    Parameters
    ----------
    owner : object
    label : str
        What it is, for the message.
    name : str
    known : iterable of str
        Names that it has.
    of_package : bool
        Whether it is the package, which has functions too.

    Examples
    --------
    >>> unknown_name(None, "a fit", "VarCorr", ["vcomp"])
    UnknownNameError('a fit has no attribute `VarCorr`: write fit.vcomp.')
    """
    said = f"{label} has no attribute `{name}`"
    known, word = list(known), plain(name)
    same = [own for own in known if plain(own) == word]
    code = _by_name()[of_package].get(word)
    if of_package and code is None and name in _names_of_fits():
        code = f"fit.{name}"
    if not of_package and "zvalues" in known:  # a fit of a generalised model
        attribute = re.match(r"fit\.(\w+)", code or "")
        has_not = attribute is not None and attribute[1] not in known
        code = OF_GENERALIZED.get(word, None if has_not else code)
    if same:
        return UnknownNameError(f"{said}. Did you mean `{same[0]}`?", owner)
    if code is None:
        return UnknownNameError(f"{said}.{near_matches(name, known)}", owner)
    code, _, remark = code.partition("  # ")
    remark = f" ({remark})" if remark else ""
    return UnknownNameError(f"{said}: write {code}{remark}.", owner)
