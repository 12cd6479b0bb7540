# Marginal means, slopes and joint tests by emmeans, for inference.R.
#
# `fit_of(id)` gives the fitted model of that name. An entry says in our words what was asked
# (`spec`, `by`, `at`, `weights`, `contrast`, `adjust`, `ddf`, `kind`) and holds emmeans' table by
# columns; `null` is what emmeans calls not estimable.

suppressPackageStartupMessages(library(emmeans))

FIGURES <- c(SE = "std_error", df = "df", t.ratio = "statistic", p.value = "p_value")

table_of <- function(summary) {
  estimate <- attr(summary, "estName")
  limits <- attr(summary, "clNames")
  table <- as.data.frame(summary)
  out <- list()
  labels <- setdiff(names(table), c(estimate, limits, names(FIGURES), "null"))
  out$labels <- lapply(table[labels], function(x) if (is.factor(x)) as.character(x) else x)
  out$estimate <- table[[estimate]]
  for (column in names(FIGURES)) out[[FIGURES[[column]]]] <- table[[column]]
  out$lower <- table[[limits[1]]]
  out$upper <- table[[limits[2]]]
  out
}

optional <- function(x) if (!is.null(x)) one(x)

# `set.seed`: limits and p-values by the multivariate t distribution are simulated.
figures_of <- function(grid, kind, level, bias_sigma) {
  set.seed(1)
  arguments <- list(grid, infer = c(TRUE, TRUE), level = level, type = kind)
  if (!is.null(bias_sigma)) arguments <- c(arguments, list(bias.adjust = TRUE, sigma = bias_sigma))
  table_of(suppressMessages(do.call(summary, arguments)))
}

compare_means <- function(means, contrast, adjust, ref) {
  if (is.null(contrast)) return(if (is.null(adjust)) means else update(means, adjust = adjust))
  arguments <- list(means, method = contrast)
  if (!is.null(adjust)) arguments$adjust <- adjust
  if (!is.null(ref)) arguments$ref <- ref
  do.call(emmeans::contrast, arguments)
}

asked <- function(id, spec, by, at, contrast, adjust, ddf, ref) {
  list(
    model = one(id), spec = spec, by = by, at = at,
    contrast = if (is.list(contrast)) contrast else optional(contrast), adjust = optional(adjust),
    ref = optional(ref), ddf = one(ddf)
  )
}

means_of <- function(id, spec, by = NULL, at = NULL, weights = "equal", contrast = NULL,
                     adjust = NULL, ddf = "satterthwaite", kind = "link", level = 0.95,
                     bias_sigma = NULL, ref = NULL) {
  fit <- fit_of(id)
  means <- suppressMessages(
    emmeans(fit, spec, by = by, at = at, weights = weights, lmer.df = ddf)
  )
  sigma_value <- switch(if (is.null(bias_sigma)) "no" else bias_sigma,
    no = NULL, residual = sigma(fit),
    total = sqrt(sum(as.data.frame(VarCorr(fit))$vcov))
  )
  table <- figures_of(compare_means(means, contrast, adjust, ref), kind, level, sigma_value)
  c(
    asked(id, spec, by, at, contrast, adjust, ddf, ref),
    list(weights = one(weights), kind = one(kind), level = one(level),
         bias_sigma = optional(sigma_value)),
    table
  )
}

trends_of <- function(id, spec, var, by = NULL, at = NULL, contrast = NULL, adjust = NULL,
                      ddf = "satterthwaite") {
  slopes <- suppressMessages(
    emtrends(fit_of(id), spec, var = var, by = by, at = at, lmer.df = ddf)
  )
  table <- figures_of(compare_means(slopes, contrast, adjust, NULL), "link", 0.95, NULL)
  c(asked(id, spec, by, at, contrast, adjust, ddf, NULL), list(var = one(var)), table)
}

# Tests of all terms. emmeans rounds F and its degrees of freedom, and takes the least of those of
# the rows: `emmeans_statistic` and `emmeans_den_df` are its figures. The others are lmerTest's and
# pbkrtest's F tests of the same rows. What emmeans calls confounded is left out.
joint_of <- function(id, by = NULL, at = NULL) {
  fit <- fit_of(id)
  result <- suppressMessages(joint_tests(ref_grid(fit, at = at, lmer.df = "satterthwaite"), by = by))
  rows <- attr(result, "est.fcns")
  table <- as.data.frame(result)
  table <- table[table$`model term` != "(confounded)", , drop = FALSE]
  tests <- lapply(seq_len(nrow(table)), function(k) {
    l <- rows[[as.character(table$`model term`[k])]]
    if (!is.null(by)) l <- l[[as.character(table[[by]][k])]]
    l <- l[, names(fixef(fit)), drop = FALSE]
    with_kr <- isREML(fit)
    s <- contestMD(fit, l, ddf = "Satterthwaite")
    kr <- if (with_kr) KRmodcomp(fit, l)$test
    list(
      satterthwaite = c(s$`F value`, s$NumDF, s$DenDF, s$`Pr(>F)`),
      kenward_roger = if (with_kr) unlist(kr["Ftest", c("stat", "ndf", "ddf", "p.value")])
    )
  })
  columns <- function(method) {
    values <- do.call(rbind, lapply(tests, `[[`, method))
    if (!is.null(values)) {
      list(statistic = values[, 1], num_df = values[, 2], den_df = values[, 3], p_value = values[, 4])
    }
  }
  list(
    model = one(id), by = by, at = at, terms_r = as.character(table$`model term`),
    labels = lapply(table[by], as.character),
    satterthwaite = columns("satterthwaite"), kenward_roger = columns("kenward_roger"),
    emmeans_statistic = table$F.ratio, emmeans_den_df = table$df2
  )
}

# -- means -------------------------------------------------------------------

ADJUSTMENTS <- c("tukey", "sidak", "bonferroni", "holm", "scheffe", "mvt", "none", "fdr")
KR <- "kenward-roger"

means_tables <- function() {
  out <- list()
  add <- function(...) out[[length(out) + 1]] <<- means_of(...)

  # balanced factors
  for (ddf in c("satterthwaite", KR)) {
    add("cake_factor", "recipe", ddf = ddf)
    add("cake_factor", "temperature", ddf = ddf)
    add("cake_numeric", "recipe", ddf = ddf)
  }
  add("cake_factor", "recipe", by = "temperature")
  add("cake_factor", c("recipe", "temperature"))
  add("cake_factor", "recipe", by = "temperature", contrast = "pairwise")
  for (adjust in ADJUSTMENTS) add("cake_factor", "temperature", contrast = "pairwise", adjust = adjust)
  for (adjust in c("none", "sidak", "bonferroni", "scheffe", "mvt")) {
    add("cake_factor", "temperature", adjust = adjust)
  }
  for (contrast in c("pairwise", "revpairwise", "trt.vs.ctrl", "trt.vs.ctrlk", "poly", "consec",
                     "eff", "del.eff", "mean_chg")) {
    add("cake_factor", "temperature", contrast = contrast)
  }
  add("cake_factor", "temperature", contrast = "trt.vs.ctrl", ref = 3)
  for (adjust in c("none", "dunnettx", "mvt", "holm")) {
    add("cake_factor", "temperature", contrast = "trt.vs.ctrl", adjust = adjust)
  }
  add("cake_factor", "temperature", contrast = "pairwise", level = 0.9)
  custom <- list(hot = c(-1, -1, -1, 1, 1, 1) / 3, ends = c(-1, 0, 0, 0, 0, 1))
  add("cake_factor", "temperature", contrast = custom)
  add("cake_factor", "temperature", contrast = custom, adjust = "bonferroni")
  add("cake_factor_ml", "recipe")
  add("cake_sum_contrasts", "temperature", contrast = "pairwise")

  # covariates
  add("cake_numeric", "recipe", at = list(temp = 185))
  add("cake_numeric", c("recipe", "temp"), at = list(temp = c(175, 200)))
  add("cake_covariate", "recipe")
  add("cake_covariate", "recipe", by = "temp", at = list(temp = c(180, 220)), contrast = "pairwise")
  add("cake_covariate", "temp", at = list(temp = c(180, 220)))
  add("sleep_poly", "Days", at = list(Days = c(0, 4, 9)), ddf = KR)
  add("sleep_quadratic", "Days", at = list(Days = c(0, 4, 9)))
  add("sleep_first_rows", "Days", at = list(Days = c(0, 9)), ddf = KR)
  add("sleep_first_rows", "Days", at = list(Days = c(0, 9)))
  add("sleep_slope_ml", "Days", at = list(Days = c(0, 9)))
  add("sleep_weights", "Days", at = list(Days = c(0, 9)))
  # the mean of the offset is added
  add("sleep_offset", "Days", at = list(Days = c(0, 9)))
  add("ortho_slope", "Sex", by = "age", at = list(age = c(8, 14)), contrast = "pairwise", ddf = KR)
  add("ortho_slope", "Sex")
  add("ovary", "Time", at = list(Time = c(0, 0.25)))

  # weights of averages in unbalanced data
  for (weights in c("equal", "proportional", "cells", "outer", "flat")) {
    add("oats_unbalanced", "Variety", weights = weights, ddf = KR)
    add("unbalanced", "a", weights = weights)
    add("unbalanced_two_factors", "b", weights = weights, contrast = "pairwise")
    add("verbagg_three_factors", "btype", weights = weights)
  }
  add("oats_unbalanced", "nitrogen", by = "Variety", contrast = "pairwise", ddf = KR)
  add("oats_unbalanced", "nitrogen", contrast = "poly", ddf = KR)
  add("oats_unbalanced", c("Variety", "nitrogen"))
  add("oats_factors", "nitrogen", contrast = "poly", ddf = KR)
  add("oats_factors", "Variety", by = "nitrogen", contrast = "trt.vs.ctrl", ddf = KR)
  add("unbalanced", "b", at = list(x = 2))
  add("unbalanced", "a", contrast = "pairwise", ddf = KR)
  add("unbalanced", "b", contrast = "consec")
  add("unbalanced_slope", "a", contrast = "eff")
  add("unbalanced_covariate", "a", by = "x", at = list(x = c(1, 4)), contrast = "pairwise")
  add("unbalanced_weights", "a", contrast = "pairwise")
  # averages by numbers of rows, not by sums of the weights of the model
  for (weights in c("equal", "proportional", "cells", "flat")) {
    add("unbalanced_weights", "a", weights = weights)
  }
  for (adjust in c("tukey", "mvt", "scheffe")) {
    add("unbalanced", "b", contrast = "pairwise", adjust = adjust)
  }
  add("verbagg_three_factors", "btype", by = c("situ", "mode"), contrast = "pairwise")
  add("verbagg_three_factors", c("situ", "mode"))
  for (ddf in c("satterthwaite", KR)) {
    add("machines_unbalanced", "Machine", ddf = ddf)
    add("machines_unbalanced", "Machine", contrast = "pairwise", ddf = ddf)
  }
  add("machines_slope", "Machine", contrast = "pairwise")
  add("cell_means", "Machine", contrast = "pairwise")
  add("machines_singular", "Machine", contrast = "pairwise")
  add("oats_singular_slope", "Variety", contrast = "pairwise", ddf = KR)
  add("insteval_subset", "service", by = "lectage")
  add("bioequivalence", "formulation", contrast = "pairwise", ddf = KR)

  # cells without rows
  add("unbalanced_empty_cell", "a")
  add("unbalanced_empty_cell", "b")
  add("unbalanced_empty_cell", c("a", "b"))
  add("unbalanced_empty_cell", "a", by = "b", contrast = "pairwise")
  add("unbalanced_empty_cell", "b", contrast = "pairwise", adjust = "bonferroni")
  add("unbalanced_empty_cell", "a", weights = "cells")
  add("cake_empty_cell", "temperature")
  add("cake_empty_cell", "recipe", by = "temperature")

  # nested factors
  add("nested_factors", "region")
  add("nested_factors", "clinic")
  add("nested_factors", "clinic", contrast = "pairwise")
  add("nested_factors", "region", contrast = "pairwise", ddf = KR)
  add("nested_factors", "treatment", contrast = "pairwise")

  # responses on another scale
  for (id in c("unbalanced_log", "unbalanced_sqrt")) {
    add(id, "a", kind = "response")
    add(id, "a")
    for (s in c("residual", "total")) add(id, "a", kind = "response", bias_sigma = s)
    add(id, "a", contrast = "pairwise", kind = "response")
  }
  add("cbpp_log", "period", kind = "response")
  out
}

# -- slopes ------------------------------------------------------------------

trends_tables <- function() {
  out <- list()
  add <- function(...) out[[length(out) + 1]] <<- trends_of(...)
  for (ddf in c("satterthwaite", KR)) {
    add("cake_covariate", "recipe", "temp", ddf = ddf)
    add("cake_covariate", "recipe", "temp", contrast = "pairwise", ddf = ddf)
    add("ortho_slope", "Sex", "age", ddf = ddf)
  }
  add("unbalanced_covariate", "a", "x")
  add("unbalanced_covariate", "a", "x", contrast = "pairwise", adjust = "none")
  add("unbalanced_covariate", "a", "x", contrast = "trt.vs.ctrl")
  add("oats_numeric", "Variety", "nitro", contrast = "pairwise", ddf = KR)
  add("sleep_slope", "1", "Days")
  add("sleep_poly", "Days", "Days", at = list(Days = c(0, 4, 9)))
  add("sleep_quadratic", "Days", "Days", at = list(Days = c(0, 4, 9)))
  add("slopes_by_sex", "Sex", "age", contrast = "pairwise")
  out
}

# -- joint tests -------------------------------------------------------------

joint_tables <- function() {
  out <- list()
  add <- function(...) out[[length(out) + 1]] <<- joint_of(...)
  for (id in c("cake_factor", "oats_unbalanced", "unbalanced_two_factors")) add(id)
  add("cake_factor", by = "temperature")
  add("oats_unbalanced", by = "Variety")
  add("cake_covariate")
  add("cake_covariate", at = list(temp = c(180, 220)))
  add("unbalanced")
  add("unbalanced_covariate")
  add("unbalanced_empty_cell")
  add("verbagg_three_factors")
  add("verbagg_three_factors", by = "mode")
  add("nested_factors")
  add("cake_factor_ml")
  out
}
