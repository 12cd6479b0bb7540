# Reference figures of tests, degrees of freedom and means, for tests/inference.
#
#   Rscript tests/reference/inference.R          (from the repository root)
#
# Fits every model below by lme4 at a polished optimum and writes what lmerTest, pbkrtest, car,
# nlme, emmeans and broom.mixed make of it to tests/reference/inference.json, with doubles at
# full precision. README.md describes the file. Names of models as arguments run only those and
# write nothing.
#
# Needs: R >= 4.0, lme4, lmerTest, pbkrtest, car, nlme, emmeans, mvtnorm, broom.mixed, jsonlite.

suppressPackageStartupMessages({
  library(lme4)
  library(lmerTest)
  library(pbkrtest)
  library(jsonlite)
})
options(contrasts = c("contr.treatment", "contr.treatment"))
folder <- file.path("tests", "reference")
sources <- c("tools.R", "inference_figures.R", "inference_comparisons.R", "inference_means.R")
for (name in sources) source(file.path(folder, name))

# -- data --------------------------------------------------------------------

# Data of a model: a set of datasets/ by name, or a CSV file beside this script with its factors.
# `extra` adds columns, `rows` takes a subset.
files <- list(
  battery.csv = c("WP", "SP"), wind_tunnel.csv = "WP", unbalanced.csv = c("a", "b", "group"),
  nested.csv = c("region", "clinic", "doctor", "treatment"),
  bioequivalence.csv = c("subject", "formulation", "period", "sequence")
)

read_file <- function(name) {
  data <- read.csv(file.path(folder, name))
  for (column in files[[name]]) data[[column]] <- factor(data[[column]])
  data
}

read_data <- function(name) if (name %in% names(files)) read_file(name) else read_dataset(name)

model_data <- function(model) {
  data <- read_data(model$data)
  extra <- if (is.null(model$extra)) NULL else model$extra(data)
  for (column in names(extra)) data[[column]] <- extra[[column]]
  if (!is.null(model$rows)) data <- data[model$rows, , drop = FALSE]
  data
}

describe_column <- function(x) {
  if (is.factor(x)) list(values = as.character(x), levels = levels(x)) else list(values = x)
}

describe_data <- function(model) {
  extra <- if (is.null(model$extra)) NULL else model$extra(read_data(model$data))
  list(
    data = one(model$data),
    factors = if (model$data %in% names(files)) {
      lapply(Filter(is.factor, read_file(model$data)), levels)
    },
    extra_columns = lapply(extra, describe_column),
    rows = if (!is.null(model$rows)) model$rows - 1L
  )
}

# -- one model ---------------------------------------------------------------

run_model <- function(model) {
  started <- Sys.time()
  result <- fit_with_optimum(model$id)
  fit <- result$fit
  # pbkrtest is wrong with weights, and Kenward-Roger is for REML
  with_kr <- model$reml && is.null(model$weights)
  exact <- exact_satterthwaite(fit, model$reml)
  p <- length(fixef(fit))
  satterthwaite <- satterthwaite_table(fit)
  satterthwaite$df_exact <- exact_df(exact, diag(p))
  out <- c(
    list(id = one(model$id)),
    describe_data(model),
    list(
      formula = one(model$formula), formula_r = one(model$formula_r), reml = one(model$reml),
      weights = if (!is.null(model$weights)) one(model$weights),
      offset = if (!is.null(model$offset)) one(model$offset),
      contrasts = if (!is.null(model$contrasts)) lapply(model$contrasts, one),
      fit = describe_fit(fit, result$optimum, model$reml),
      satterthwaite = satterthwaite,
      dropped_eigenvalues = one(exact$dropped),
      kenward_roger = if (with_kr) kenward_roger_table(fit),
      joint = joint_tests_of(fit, with_kr),
      anova = anova_tables(fit, with_kr),
      car_anova = if (model$id %in% car_models) car_tables(fit) else list()
    )
  )
  gap <- max(abs(satterthwaite$df / satterthwaite$df_exact - 1))
  cat(sprintf(
    "%-24s %4d rows %2d coef  df gap %.1e  %s%s (%.1f s)\n", model$id, nobs(fit), p, gap,
    if (isSingular(fit, tol = 1e-4)) "singular; " else "", result$optimum$note,
    as.numeric(Sys.time() - started, units = "secs")
  ))
  out
}

# -- the models --------------------------------------------------------------

models <- list()

add <- function(id, data, formula_r, ..., formula = formula_r, reml = TRUE, extra = NULL,
                rows = NULL, weights = NULL, offset = NULL, contrasts = NULL, contrasts_r = NULL) {
  stopifnot(...length() == 0, !id %in% names(models))
  models[[id]] <<- list(
    id = id, data = data, formula_r = formula_r, formula = formula, reml = reml, extra = extra,
    rows = rows, weights = weights, offset = offset, contrasts = contrasts,
    contrasts_r = contrasts_r
  )
}

# one factor
add("dung", "dung", "pr_dung ~ flies + (1 | oven_block)")
add("dung_ml", "dung", "pr_dung ~ flies + (1 | oven_block)", reml = FALSE)
add("rail", "Rail", "travel ~ 1 + (1 | Rail)")
add("dyestuff", "Dyestuff", "Yield ~ 1 + (1 | Batch)")
add("dyestuff2", "Dyestuff2", "Yield ~ 1 + (1 | Batch)")
add("sleep_intercept", "sleepstudy", "Reaction ~ Days + (1 | Subject)")
day <- function(d) list(day = factor(paste0("d", d$Days)))
add("sleep_factor", "sleepstudy", "Reaction ~ day + (1 | Subject)", extra = day)
add("sleep_ordered", "sleepstudy", "Reaction ~ C(day, contr.poly) + (1 | Subject)",
  rows = which(read_dataset("sleepstudy")$Days < 5),
  extra = function(d) list(day = factor(paste0("d", pmin(d$Days, 4))))
)
add("cell_means", "Machines", "score ~ 0 + Machine + (1 | Worker)")
add("slopes_by_sex", "Orthodont", "distance ~ 0 + Sex + Sex:age + (1 | Subject)")
add("cbpp_log", "cbpp", "log(incidence + 1) ~ period + size + (1 | herd)",
  formula = "np.log(incidence + 1) ~ period + size + (1 | herd)"
)
add("ovary", "Ovary", "follicles ~ sin(2 * pi * Time) + cos(2 * pi * Time) + (1 | Mare)",
  formula = "follicles ~ np.sin(2 * np.pi * Time) + np.cos(2 * np.pi * Time) + (1 | Mare)"
)

add("unbalanced_log", "unbalanced.csv", "log(positive) ~ a + b + x + (1 | group)",
  formula = "np.log(positive) ~ a + b + x + (1 | group)"
)
add("unbalanced_sqrt", "unbalanced.csv", "sqrt(positive) ~ a + b + x + (1 | group)",
  formula = "np.sqrt(positive) ~ a + b + x + (1 | group)"
)

# several factors with interactions
add("cake_factor", "cake", "angle ~ recipe * temperature + (1 | recipe:replicate)")
add("cake_factor_ml", "cake", "angle ~ recipe * temperature + (1 | recipe:replicate)",
  reml = FALSE
)
add("cake_numeric", "cake", "angle ~ recipe + temp + (1 | recipe:replicate)")
add("cake_covariate", "cake", "angle ~ recipe * temp + (1 | recipe:replicate)")
add("cake_nested", "cake", "angle ~ recipe + temp + (1 | replicate/recipe)")
add("cake_sum_contrasts", "cake", "angle ~ recipe * temperature + (1 | recipe:replicate)",
  contrasts = list(recipe = "sum", temperature = "poly"),
  contrasts_r = list(recipe = "contr.sum", temperature = "contr.poly")
)
cake_without_cell <- local({
  d <- read_dataset("cake")
  which(!(d$recipe == "B" & d$temperature == "205"))
})
add("cake_empty_cell", "cake", "angle ~ recipe * temperature + (1 | recipe:replicate)",
  rows = cake_without_cell
)
add("cake_aliased", "cake", "angle ~ temp + celsius + recipe + (1 | recipe:replicate)",
  extra = function(d) list(celsius = (d$temp - 32) / 1.8)
)
add("unbalanced", "unbalanced.csv", "y ~ a + b + x + (1 | group)")
add("unbalanced_empty_cell", "unbalanced.csv", "y ~ a * b + x + (1 | group)")
add("unbalanced_covariate", "unbalanced.csv", "y ~ a * x + b + (1 | group)")
add("unbalanced_slope", "unbalanced.csv", "y ~ a + b + x + (x | group)")
add("unbalanced_two_factors", "unbalanced.csv", "y ~ a * b + (1 | group)",
  rows = which(read_file("unbalanced.csv")$b != "b4")
)
add("unbalanced_ml", "unbalanced.csv", "y ~ a * x + b + (1 | group)", reml = FALSE)
verbagg_rows <- which(as.integer(as.character(read_dataset("VerbAgg")$id)) %% 16 == 3)
add("verbagg_three_factors", "VerbAgg", "yes ~ btype * situ * mode + (1 | id) + (1 | item)",
  rows = verbagg_rows, extra = function(d) list(yes = as.numeric(d$r2 == "Y"))
)

# crossed and nested
add("machines_crossed", "Machines", "score ~ Machine + (1 | Worker) + (1 | Worker:Machine)")
machines_rows <- setdiff(1:54, c(2L, 3L, 6L, 8L, 9L, 12L, 19L, 20L, 27L, 33L))
add("machines_unbalanced", "Machines", "score ~ Machine + (1 | Worker) + (1 | Worker:Machine)",
  rows = machines_rows
)
add("machines_unbalanced_ml", "Machines", "score ~ Machine + (1 | Worker) + (1 | Worker:Machine)",
  rows = machines_rows, reml = FALSE
)
add("penicillin", "Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)")
add("pastes_nested", "Pastes", "strength ~ 1 + (1 | batch/cask)")
nitrogen <- function(d) list(nitrogen = factor(d$nitro, labels = c("n0", "n2", "n4", "n6")))
add("oats_factors", "Oats", "yield ~ Variety * nitrogen + (1 | Block/Variety)", extra = nitrogen)
add("oats_numeric", "Oats", "yield ~ Variety * nitro + (1 | Block/Variety)")
add("oats_numeric_ml", "Oats", "yield ~ Variety * nitro + (1 | Block/Variety)", reml = FALSE)
add("oats_unbalanced", "Oats", "yield ~ Variety * nitrogen + (1 | Block/Variety)",
  extra = nitrogen, rows = setdiff(1:72, c(3L, 10L, 11L, 25L, 40L, 41L, 42L, 60L, 71L))
)
add("nested_factors", "nested.csv", "score ~ treatment + region/clinic + (1 | doctor)")
add("grouseticks", "grouseticks", "log(TICKS + 1) ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION)",
  formula = "np.log(TICKS + 1) ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION)"
)
insteval_rows <- local({
  d <- read_dataset("InstEval")
  which(as.integer(as.character(d$s)) <= 90 & d$dept %in% c("1", "2", "3", "11"))
})
add("insteval_subset", "InstEval", "y ~ service * lectage + studage + (1 | s) + (1 | d)",
  rows = insteval_rows
)
add("bioequivalence", "bioequivalence.csv",
  "log_data ~ period + formulation + sequence + (1 | subject)"
)
battery_terms <- "(X1 + X2 + X3 + X4 + X5 + X6)^2"
add("battery", "battery.csv", paste("Y ~", battery_terms, "+ (1 | WP) + (1 | SP)"),
  formula = paste("Y ~", sub("^", "**", battery_terms, fixed = TRUE), "+ (1 | WP) + (1 | SP)")
)
add("wind_tunnel", "wind_tunnel.csv",
  "efficiency ~ (FRH + RRH + YA + GC)^2 + I(FRH^2) + I(RRH^2) + I(YA^2) + I(GC^2) + (1 | WP)",
  formula = paste(
    "efficiency ~ (FRH + RRH + YA + GC)**2 + I(FRH ** 2) + I(RRH ** 2) + I(YA ** 2)",
    "+ I(GC ** 2) + (1 | WP)"
  )
)

# slopes
add("sleep_slope", "sleepstudy", "Reaction ~ Days + (Days | Subject)")
add("sleep_slope_ml", "sleepstudy", "Reaction ~ Days + (Days | Subject)", reml = FALSE)
add("sleep_uncorrelated", "sleepstudy", "Reaction ~ Days + (Days || Subject)")
add("sleep_slope_only", "sleepstudy", "Reaction ~ Days + (0 + Days | Subject)")
add("sleep_first_rows", "sleepstudy", "Reaction ~ Days + (Days | Subject)", rows = 1:47)
add("sleep_poly", "sleepstudy", "Reaction ~ poly(Days, 2) + (Days | Subject)")
add("sleep_quadratic", "sleepstudy",
  "Reaction ~ Days + I(Days^2) + (Days + I(Days^2) || Subject)",
  formula = "Reaction ~ Days + I(Days ** 2) + (Days + I(Days ** 2) || Subject)"
)
add("ortho_slope", "Orthodont", "distance ~ age * Sex + (age | Subject)")
add("ortho_slope_ml", "Orthodont", "distance ~ age * Sex + (age | Subject)", reml = FALSE)
add("oxboys_quadratic", "Oxboys", "height ~ age + I(age^2) + (age | Subject)",
  formula = "height ~ age + I(age ** 2) + (age | Subject)"
)
add("machines_slope", "Machines", "score ~ Machine + (Machine | Worker)")

# weights and offset
add("sleep_weights", "sleepstudy", "Reaction ~ Days + (Days | Subject)", weights = "w",
  extra = function(d) list(w = 1 / (1 + d$Days / 4))
)
add("sleep_constant_weight", "sleepstudy", "Reaction ~ Days + (Days | Subject)", weights = "w",
  extra = function(d) list(w = rep(4, nrow(d)))
)
add("cbpp_weights", "cbpp", "proportion ~ period + (1 | herd)", weights = "size",
  extra = function(d) list(proportion = d$incidence / d$size)
)
add("unbalanced_weights", "unbalanced.csv", "y ~ a * x + b + (1 | group)", weights = "w")
add("sleep_offset", "sleepstudy", "Reaction ~ Days + (Days | Subject)", offset = "known",
  extra = function(d) list(known = 100 + 3 * sqrt(d$Days))
)

# singular
add("oats_singular_slope", "Oats", "yield ~ nitro + Variety + (nitro | Block)")
add("machines_singular", "Machines", "score ~ Machine + (Machine | Worker)",
  rows = c(1:9, 19:27, 37:45)
)
add("cake_singular_slope", "cake", "angle ~ recipe + warmth + (warmth | replicate)",
  extra = function(d) list(warmth = (d$temp - 200) / 10)
)
add("pastes_singular", "Pastes", "strength ~ 1 + (1 | batch/cask)", rows = 1:24)

car_models <- c(
  "cake_factor", "machines_unbalanced", "oats_factors", "oats_unbalanced", "unbalanced",
  "unbalanced_covariate", "unbalanced_two_factors", "ortho_slope", "sleep_slope"
)

# -- run ---------------------------------------------------------------------

fits <- new.env()
fit_with_optimum <- function(id) {
  if (is.null(fits[[id]])) {
    model <- models[[id]]
    fits[[id]] <- fit_model(
      as.formula(model$formula_r), model_data(model), model$reml, model$weights, model$offset,
      model$contrasts_r
    )
  }
  fits[[id]]
}
fit_of <- function(id) fit_with_optimum(id)$fit

# Every section with a function that makes it. Names of sections or models as arguments run those.
sections <- list(
  comparisons = comparisons, dropped_terms = dropped_terms, between_within = between_within,
  tidy = tidy_tables, means = means_tables, trends = trends_tables, joint_tests = joint_tables
)
chosen <- commandArgs(trailingOnly = TRUE)
everything <- length(chosen) == 0
wanted <- if (everything) names(models) else intersect(chosen, names(models))
entries <- lapply(models[wanted], run_model)
wanted <- if (everything) names(sections) else intersect(chosen, names(sections))
made <- lapply(sections[wanted], function(make) {
  started <- Sys.time()
  out <- make()
  cat(sprintf("%d entries (%.0f s)\n", length(out), as.numeric(Sys.time() - started, units = "secs")))
  out
})
if (!everything) {
  str(made)
} else {
  packages <- c(
    "lme4", "lmerTest", "pbkrtest", "car", "nlme", "emmeans", "mvtnorm", "broom.mixed", "Matrix"
  )
  versions <- lapply(
    setNames(nm = packages), function(package) one(as.character(packageVersion(package)))
  )
  listed <- function(entries) {
    paste0("[\n", paste(vapply(unname(entries), as_json, "", top = TRUE), collapse = ",\n"), "\n]")
  }
  # dropped_terms makes four
  made <- c(made[names(made) != "dropped_terms"], made$dropped_terms)
  text <- paste0(
    "{\n\"versions\": ",
    as_json(c(list(R = one(paste(R.version$major, R.version$minor, sep = "."))), versions)),
    ",\n\"models\": ", listed(entries), ",\n",
    paste0("\"", names(made), "\": ", vapply(made, listed, ""), collapse = ",\n"),
    "\n}\n"
  )
  connection <- file(file.path(folder, "inference.json"), "wb")
  writeChar(text, connection, eos = NULL, useBytes = TRUE)
  close(connection)
  cat("wrote", length(entries), "models,", nchar(text), "bytes\n")
}
