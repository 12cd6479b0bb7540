# Comparisons of models for inference.R: likelihood ratios, terms dropped, backward steps.
#
# `fit_of(id)` gives the fitted model of that name.

# -- likelihood ratios between models ----------------------------------------

# Models of one data set by their right-hand sides. `reml = FALSE`: lme4::anova of fits by maximum
# likelihood; `reml = TRUE`: of restricted fits with the same fixed effects (refit = FALSE).
comparison <- function(id, data, response, right, reml = FALSE, extra = NULL, rows = NULL) {
  model <- list(data = data, extra = extra, rows = rows)
  frame <- model_data(model)
  formulas <- paste(response, "~", right)
  fits <- lapply(formulas, function(f) fit_model(as.formula(f), frame, reml)$fit)
  plain <- lapply(fits, as, "lmerMod")
  table <- do.call(anova, c(unname(plain), list(refit = FALSE, model.names = right)))
  c(list(id = one(id)), describe_data(model), list(
    reml = one(reml),
    formulas = formulas,
    # rows of the table in its own order, with the place of each model among `formulas`
    order = match(rownames(table), right) - 1L,
    npar = table$npar, aic = table$AIC, bic = table$BIC, loglik = table$logLik,
    statistic = table$Chisq, df = table$Df, p_value = table$`Pr(>Chisq)`
  ))
}

comparisons <- function() {
  list(
    comparison("sleep_random", "sleepstudy", "Reaction", c(
      "Days + (1 | Subject)", "Days + (Days || Subject)", "Days + (Days | Subject)"
    )),
    comparison("sleep_random_reml", "sleepstudy", "Reaction", c(
      "Days + (Days | Subject)", "Days + (1 | Subject)"
    ), reml = TRUE),
    comparison("sleep_fixed", "sleepstudy", "Reaction", c(
      "poly(Days, 2) + (Days | Subject)", "1 + (Days | Subject)", "Days + (Days | Subject)"
    )),
    comparison("cake", "cake", "angle", c(
      "recipe + temperature + (1 | recipe:replicate)",
      "recipe * temperature + (1 | recipe:replicate)",
      "temperature + (1 | recipe:replicate)", "temp + (1 | recipe:replicate)"
    )),
    comparison("machines", "Machines", "score", c(
      "Machine + (1 | Worker)", "Machine + (1 | Worker) + (1 | Worker:Machine)",
      "Machine + (Machine | Worker)"
    )),
    comparison("oats", "Oats", "yield", c(
      "nitro + (1 | Block/Variety)", "Variety + nitro + (1 | Block/Variety)",
      "Variety * nitro + (1 | Block/Variety)"
    )),
    comparison("penicillin_same_npar", "Penicillin", "diameter", c(
      "1 + (1 | plate)", "1 + (1 | sample)"
    )),
    comparison("unbalanced", "unbalanced.csv", "y", c(
      "x + (1 | group)", "a + x + (1 | group)", "a * x + b + (x | group)"
    ))
  )
}

# -- one model against those without a term ----------------------------------

# lmerTest::ranova: likelihood ratios of fits by the criterion of the model.
ranova_of <- function(id, reduce = TRUE) {
  table <- ranova(fit_of(id), reduce.terms = reduce)
  list(
    model = one(id), reduce_terms = one(reduce), rows_r = rownames(table), npar = table$npar,
    loglik = table$logLik, aic = table$AIC, statistic = table$LRT, df = table$Df,
    p_value = table$`Pr(>Chisq)`
  )
}

# lme4::drop1: likelihood ratios of fits by maximum likelihood, one term less.
drop1_lrt <- function(id) {
  table <- lme4:::drop1.merMod(as(fit_of(id), "lmerMod"), test = "Chisq")
  list(
    model = one(id), rows_r = rownames(table), df = table$npar, aic = table$AIC,
    statistic = table$LRT, p_value = table$`Pr(Chi)`
  )
}

# lmerTest::drop1: F tests of the terms that marginality lets go, without refits.
drop1_f <- function(id, ddf) {
  table <- drop1(fit_of(id), ddf = ddf)
  list(
    model = one(id), ddf = one(tolower(ddf)), rows_r = rownames(table),
    sum_sq = table$`Sum Sq`, mean_sq = table$`Mean Sq`, num_df = table$NumDF,
    den_df = table$DenDF, statistic = table$`F value`, p_value = table$`Pr(>F)`
  )
}

# lmerTest::step, backward. `eliminated` is 0 for what stays.
step_of <- function(id, ddf = "Satterthwaite") {
  steps <- step(fit_of(id), ddf = ddf)
  random <- steps$random
  fixed <- steps$fixed
  list(
    model = one(id), ddf = one(tolower(ddf)),
    random = list(
      rows_r = rownames(random), eliminated = random$Eliminated, npar = random$npar,
      loglik = random$logLik, aic = random$AIC, statistic = random$LRT, df = random$Df,
      p_value = random$`Pr(>Chisq)`
    ),
    fixed = list(
      rows_r = rownames(fixed), eliminated = fixed$Eliminated, sum_sq = fixed$`Sum Sq`,
      mean_sq = fixed$`Mean Sq`, num_df = fixed$NumDF, den_df = fixed$DenDF,
      statistic = fixed$`F value`, p_value = fixed$`Pr(>F)`
    ),
    final_r = one(paste(deparse(formula(get_model(steps)), width.cutoff = 500), collapse = " "))
  )
}

dropped_terms <- function() {
  random <- c(
    "sleep_slope", "sleep_slope_ml", "sleep_uncorrelated", "sleep_intercept", "machines_crossed",
    "machines_unbalanced_ml", "machines_slope", "oats_factors", "pastes_nested", "penicillin",
    "unbalanced_slope", "dung", "dyestuff2", "battery", "grouseticks"
  )
  fixed <- c(
    "cake_factor", "cake_numeric", "cake_covariate", "oats_numeric", "oats_unbalanced",
    "unbalanced", "unbalanced_covariate", "ortho_slope", "machines_unbalanced", "sleep_poly"
  )
  list(
    ranova = c(lapply(random, ranova_of), list(ranova_of("sleep_slope", reduce = FALSE))),
    drop1_lrt = lapply(c(fixed, "cbpp_weights", "oats_numeric_ml"), drop1_lrt),
    drop1_f = c(
      lapply(fixed, drop1_f, "Satterthwaite"), lapply(fixed, drop1_f, "Kenward-Roger")
    ),
    step = c(
      lapply(c(
        "sleep_slope", "cake_covariate", "cake_nested", "oats_numeric", "unbalanced_covariate",
        "unbalanced_slope", "machines_crossed", "ortho_slope", "battery", "wind_tunnel",
        "insteval_subset"
      ), step_of),
      list(step_of("oats_numeric", "Kenward-Roger"))
    )
  )
}

# -- between-within degrees of freedom ---------------------------------------

# nlme::lme's denominator degrees of freedom: of coefficients, and of terms (as its anova uses).
nlme_df <- function(id, fixed, random) {
  model <- models[[id]]
  frame <- model_data(model)
  fit <- nlme::lme(fixed, data = frame, random = random, method = "REML",
                   control = nlme::lmeControl(opt = "optim", returnObject = TRUE))
  terms <- anova(fit)
  list(
    model = one(id), random_r = one(deparse(random)),
    df = unname(fit$fixDF$X),
    terms_r = rownames(terms), terms_df = terms$denDF
  )
}

between_within <- function() {
  list(
    nlme_df("dung", pr_dung ~ flies, ~ 1 | oven_block),
    nlme_df("rail", travel ~ 1, ~ 1 | Rail),
    nlme_df("sleep_intercept", Reaction ~ Days, ~ 1 | Subject),
    nlme_df("sleep_slope", Reaction ~ Days, ~ Days | Subject),
    nlme_df("cell_means", score ~ 0 + Machine, ~ 1 | Worker),
    nlme_df("cbpp_log", log(incidence + 1) ~ period + size, ~ 1 | herd),
    nlme_df("machines_crossed", score ~ Machine, ~ 1 | Worker / Machine),
    nlme_df("machines_unbalanced", score ~ Machine, ~ 1 | Worker / Machine),
    nlme_df("cake_nested", angle ~ recipe + temp, ~ 1 | replicate / recipe),
    nlme_df("oats_factors", yield ~ Variety * nitrogen, ~ 1 | Block / Variety),
    nlme_df("oats_numeric", yield ~ Variety * nitro, ~ 1 | Block / Variety),
    nlme_df("oats_unbalanced", yield ~ Variety * nitrogen, ~ 1 | Block / Variety),
    nlme_df("ortho_slope", distance ~ age * Sex, ~ age | Subject),
    nlme_df("pastes_nested", strength ~ 1, ~ 1 | batch / cask),
    nlme_df("unbalanced", y ~ a + b + x, ~ 1 | group),
    nlme_df("unbalanced_covariate", y ~ a * x + b, ~ 1 | group),
    nlme_df("bioequivalence", log_data ~ period + formulation + sequence, ~ 1 | subject),
    nlme_df("wind_tunnel", efficiency ~ (FRH + RRH + YA + GC)^2 + I(FRH^2) + I(RRH^2) + I(YA^2) +
              I(GC^2), ~ 1 | WP)
  )
}

# -- broom.mixed -------------------------------------------------------------

as_columns <- function(table) {
  lapply(as.list(as.data.frame(table)), function(x) {
    if (is.factor(x)) as.character(x) else if (is.character(x)) ifelse(is.na(x), "", x) else unname(x)
  })
}

tidy_of <- function(id, kr = TRUE) {
  fit <- fit_of(id)
  satterthwaite <- broom.mixed::tidy(fit, effects = "fixed", conf.int = TRUE)
  list(
    model = one(id),
    fixed = as_columns(satterthwaite),
    fixed_kenward_roger = if (kr) as_columns(broom.mixed::tidy(
      fit, effects = "fixed", conf.int = TRUE, ddf.method = "Kenward-Roger"
    )),
    ran_pars = as_columns(broom.mixed::tidy(fit, effects = "ran_pars")),
    ran_vals = as_columns(broom.mixed::tidy(fit, effects = "ran_vals", conf.int = TRUE)),
    glance = lapply(as_columns(broom.mixed::glance(fit)), one),
    augment = local({
      columns <- as_columns(broom.mixed::augment(fit))
      columns[startsWith(names(columns), ".")]
    })
  )
}

tidy_tables <- function() {
  list(
    tidy_of("dung"), tidy_of("sleep_first_rows"), tidy_of("oats_unbalanced"),
    tidy_of("machines_unbalanced_ml", kr = FALSE), tidy_of("cbpp_weights", kr = FALSE)
  )
}
