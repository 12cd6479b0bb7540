# Reference figures of marginal means, slopes, contrasts and joint tests, for tests/inference.
#
#   Rscript tests/reference/means.R          (from the repository root)
#
# Writes tests/reference/means.json: for each model what emmeans says of a list of calls, with
# doubles at full precision. The data are means_trial.csv and means_nested.csv beside this script
# (made by means_data.R) and sets of datasets/. README.md describes the file.
#
# Needs: R >= 4.0, lme4, lmerTest, pbkrtest, emmeans, jsonlite.

suppressPackageStartupMessages({
  library(lme4)
  library(lmerTest)
  library(emmeans)
  library(jsonlite)
})
options(contrasts = c("contr.treatment", "contr.treatment"))
emm_options(lmer.df = "satterthwaite", pbkrtest.limit = 1e5, lmerTest.limit = 1e5)
set.seed(1)
folder <- file.path("tests", "reference")

# The shortest text that reads back as the same double.
number <- function(x) {
  if (!is.finite(x)) return(if (is.na(x)) "null" else if (x > 0) "1e999" else "-1e999")
  for (digits in 15:17) {
    text <- sprintf(paste0("%.", digits, "g"), x)
    if (as.numeric(text) == x) return(text)
  }
}
json <- function(x) {
  if (is.null(x)) return("null")
  if (is.list(x)) {
    if (length(x) == 0) return("{}")
    parts <- vapply(x, json, "")
    if (is.null(names(x))) return(paste0("[", paste(parts, collapse = ", "), "]"))
    return(paste0("{", paste0(vapply(names(x), toJSON, "", auto_unbox = TRUE), ": ", parts,
                              collapse = ",\n"), "}"))
  }
  if (is.factor(x)) x <- as.character(x)
  parts <- if (is.numeric(x)) vapply(x, number, "") else
    vapply(x, function(v) if (is.na(v)) "null" else as.character(toJSON(v, auto_unbox = TRUE)), "")
  if (length(x) == 1 && !inherits(x, "AsIs")) return(unname(parts))
  paste0("[", paste(parts, collapse = ", "), "]")
}

read_data <- function(name) {
  if (grepl("csv$", name)) {
    data <- read.csv(file.path(folder, name))
    for (column in names(data)) if (is.character(data[[column]]) && column != "text")
      data[[column]] <- factor(data[[column]])
    return(data)
  }
  get(name, envir = asNamespace("lme4"))
}

control <- lmerControl(
  optimizer = "bobyqa", optCtrl = list(rhobeg = 0.1, rhoend = 1e-10, maxfun = 1e5),
  calc.derivs = FALSE, check.rankX = "silent.drop.cols", check.conv.singular = "ignore"
)

# emmeans of one call; arguments have the names of ours.
COLUMNS <- c(
  emmean = "estimate", estimate = "estimate", response = "estimate", ratio = "estimate",
  prediction = "estimate", SE = "std_error", df = "df", t.ratio = "statistic",
  z.ratio = "statistic", p.value = "p_value", lower.CL = "lower", upper.CL = "upper",
  asymp.LCL = "lower", asymp.UCL = "upper"
)
figures <- function(object, infer, ...) {
  table <- suppressMessages(as.data.frame(summary(object, infer = infer, ...)))
  out <- list()
  for (column in names(table)) {
    ours <- COLUMNS[column]
    if (grepl("\\.trend$", column)) ours <- "estimate"
    if (column == "null") next
    out[[if (is.na(ours)) column else unname(ours)]] <- I(table[[column]])
  }
  out
}

R_NAMES <- c(by = "BY")
call_of <- function(fit, method, spec, by = NULL, at = NULL, weights = "equal", contrast = NULL,
                    adjust = NULL, ddf = NULL, kind = NULL, bias_adjust = NULL, level = NULL,
                    var = NULL, reference = NULL) {
  arguments <- as.list(environment())
  arguments$fit <- arguments$method <- NULL
  if (weights == "equal") arguments$weights <- NULL
  arguments <- Filter(Negate(is.null), arguments)
  for (name in intersect(c("spec", "by"), names(arguments)))
    if (length(arguments[[name]]) > 1) arguments[[name]] <- I(arguments[[name]])
  if (!is.null(at)) arguments$at <- lapply(at, I)
  mode <- c(satterthwaite = "satterthwaite", `kenward-roger` = "kenward-roger",
            none = "asymptotic")[[if (is.null(ddf)) "satterthwaite" else ddf]]
  common <- list(fit, spec, by = by, weights = weights, lmer.df = mode)
  if (!is.null(at)) common$at <- at
  if (!is.null(var)) {
    # differences over a small step: emmeans' default is a thousandth of the range
    common <- c(common, list(var = var, delta.var = 1e-5 * diff(range(frame[[var]]))))
  }
  means <- suppressMessages(suppressWarnings(
    do.call(if (is.null(var)) emmeans else emtrends, common)
  ))
  options <- list()
  if (!is.null(kind)) options$type <- kind
  if (!is.null(level)) options$level <- level
  if (!is.null(adjust)) options$adjust <- if (adjust %in% names(R_NAMES)) R_NAMES[[adjust]] else adjust
  if (!is.null(bias_adjust)) {
    options$bias.adjust <- TRUE
    options$sigma <- if (is.logical(bias_adjust)) sigma(fit) else bias_adjust
  }
  infer <- c(TRUE, FALSE)
  if (!is.null(contrast)) {
    infer <- c(TRUE, TRUE)
    made <- list(means, if (is.list(contrast)) lapply(contrast, unclass) else contrast)
    if (!is.null(reference)) made$ref <- reference
    means <- do.call(emmeans::contrast, made)
  }
  if (!is.null(reference)) arguments$reference <- levels(fit@frame[[spec]])[reference]
  if (is.list(contrast)) arguments$contrast <- lapply(contrast, I)
  list(method = method, arguments = arguments,
       figures = do.call(figures, c(list(means, infer), options)))
}

joint_of <- function(fit, by = NULL, ddf = NULL, ...) {
  mode <- if (is.null(ddf)) "satterthwaite" else ddf
  grid <- suppressMessages(suppressWarnings(
    ref_grid(fit, cov.reduce = meanint, cov.keep = character(0), lmer.df = mode)
  ))
  table <- suppressMessages(as.data.frame(joint_tests(grid, by = by)))
  out <- list(
    term = I(as.character(table[["model term"]])), num_df = I(table$df1), den_df = I(table$df2),
    statistic = I(table$F.ratio), p_value = I(table$p.value)
  )
  for (name in by) out[[name]] <- I(as.character(table[[name]]))
  list(method = "joint_tests", arguments = Filter(Negate(is.null), list(by = by, ddf = ddf)),
       figures = out)
}

models <- list()
add <- function(id, data, formula_r, calls, formula = formula_r, weighted_by = NULL, offset_by = NULL,
                factors = NULL, rows = NULL, contrasts = NULL) {
  message(id)
  frame <- read_data(data)
  for (name in factors) frame[[name]] <- factor(frame[[name]])
  if (!is.null(rows)) frame <- droplevels(frame[rows, ])
  frame$.w <- if (is.null(weighted_by)) 1 else frame[[weighted_by]]
  frame$.o <- if (is.null(offset_by)) 0 else frame[[offset_by]]
  arguments <- list(as.formula(formula_r), data = quote(frame), control = quote(control))
  if (!is.null(weighted_by)) arguments$weights <- quote(.w)
  if (!is.null(offset_by)) arguments$offset <- quote(.o)
  if (!is.null(contrasts)) arguments$contrasts <- contrasts
  assign("frame", frame, envir = .GlobalEnv)
  fit <- suppressMessages(suppressWarnings(
    eval(as.call(c(list(quote(lmerTest::lmer)), arguments)), envir = .GlobalEnv)
  ))
  models[[length(models) + 1]] <<- list(
    id = id, data = data, factors = if (!is.null(factors)) I(factors),
    rows = if (!is.null(rows)) I(rows - 1), formula = formula, formula_r = formula_r,
    weights = weighted_by, offset = offset_by, contrasts = contrasts,
    beta = I(unname(fixef(fit))), sigma = sigma(fit),
    calls = calls(fit)
  )
}
em <- function(...) call_of(..., method = "emmeans")
tr <- function(...) call_of(..., method = "emtrends")

ADJUSTMENTS <- c("tukey", "dunnettx", "mvt", "scheffe", "sidak", "bonferroni", "holm", "hochberg",
                 "hommel", "fdr", "by", "none")

add("cake", "cake", "angle ~ recipe * temperature + (1 | recipe:replicate)", function(fit) c(
  list(
    em(fit, "recipe"), em(fit, "temperature"), em(fit, "temperature", level = 0.9),
    em(fit, c("temperature", "recipe")), em(fit, "recipe", by = "temperature"),
    em(fit, "recipe", ddf = "kenward-roger"), em(fit, "recipe", ddf = "none"),
    em(fit, "recipe", contrast = "pairwise", ddf = "none"),
    em(fit, "recipe", contrast = "pairwise", by = "temperature", ddf = "kenward-roger"),
    em(fit, "temperature", contrast = "pairwise"),
    em(fit, "temperature", contrast = "revpairwise"),
    em(fit, "temperature", contrast = "trt.vs.ctrl"),
    em(fit, "temperature", contrast = "trt.vs.ctrl", reference = 3),
    em(fit, "temperature", contrast = "poly"), em(fit, "temperature", contrast = "eff"),
    em(fit, "temperature", contrast = "del.eff"), em(fit, "temperature", contrast = "consec"),
    em(fit, "temperature", contrast = "mean_chg"),
    em(fit, "temperature", by = "recipe", contrast = "poly"),
    em(fit, c("recipe", "temperature"), contrast = "pairwise"),
    em(fit, "recipe", contrast = list(`A vs rest` = c(1, -0.5, -0.5), C = c(0, 0, 1))),
    em(fit, "recipe", at = list(temperature = c("175", "225"))),
    em(fit, "temperature", at = list(temperature = c("225", "185"))),
    joint_of(fit), joint_of(fit, by = "recipe"), joint_of(fit, ddf = "kenward-roger")
  ),
  lapply(ADJUSTMENTS, function(a) em(fit, "recipe", by = "temperature", contrast = "pairwise", adjust = a)),
  lapply(ADJUSTMENTS, function(a) em(fit, "temperature", adjust = a)),
  lapply(ADJUSTMENTS, function(a) em(fit, "temperature", contrast = "eff", adjust = a))
))

add("cake_temp", "cake", "angle ~ recipe * temp + (1 | recipe:replicate)", function(fit) list(
  em(fit, "recipe"), em(fit, "temp", at = list(temp = c(180, 200, 230))),
  em(fit, "recipe", by = "temp", at = list(temp = c(180, 220)), contrast = "pairwise"),
  tr(fit, "recipe", var = "temp"), tr(fit, "recipe", var = "temp", contrast = "pairwise"),
  joint_of(fit)
))

add("cake_additive", "cake", "angle ~ recipe + temp + (1 | recipe:replicate)", function(fit) list(
  em(fit, "recipe"), em(fit, "recipe", contrast = "pairwise"), joint_of(fit)
))

WEIGHTS <- c("equal", "proportional", "cells", "outer", "flat")
trial <- "means_trial.csv"
add("trial", trial, "y ~ f * g + x + (1 | block)", function(fit) c(
  lapply(WEIGHTS, function(w) em(fit, "f", weights = w)),
  lapply(WEIGHTS, function(w) em(fit, "g", weights = w, contrast = "pairwise")),
  list(
    em(fit, c("g", "f"), contrast = "pairwise"), em(fit, "f", by = "g", contrast = "trt.vs.ctrl"),
    em(fit, "f", contrast = "consec"), em(fit, "f", contrast = "pairwise", adjust = "mvt"),
    em(fit, "x", at = list(x = c(4, 5, 6)), contrast = "consec"),
    joint_of(fit), joint_of(fit, by = "g"), joint_of(fit, ddf = "kenward-roger")
  )
))

add("trial_three", trial, "y ~ f + g * h + x + (1 | block)", function(fit) c(
  lapply(WEIGHTS, function(w) em(fit, "g", weights = w)),
  lapply(WEIGHTS, function(w) em(fit, "f", by = "h", weights = w)),
  lapply(WEIGHTS, function(w) em(fit, "f", weights = w, at = list(h = c("p", "r")))),
  list(em(fit, "h", contrast = "eff"), joint_of(fit), joint_of(fit, by = "g"))
))

add("trial_weighted", trial, "y ~ f * g + x + (1 | block)", weighted_by = "w", calls = function(fit) list(
  em(fit, "f"), em(fit, "f", weights = "cells", contrast = "pairwise"), joint_of(fit)
))

add("trial_slopes", trial, "y ~ f * x + g + (x | block)", function(fit) list(
  em(fit, "f"), tr(fit, "f", var = "x"), tr(fit, "f", var = "x", contrast = "pairwise"),
  em(fit, "f", by = "x", at = list(x = c(4, 6)), contrast = "pairwise"), joint_of(fit)
))

add("trial_sum", trial, "y ~ f * g + x + (1 | block)", contrasts = list(f = "contr.sum", g = "contr.helmert"),
    calls = function(fit) list(em(fit, "f"), em(fit, c("f", "g")), joint_of(fit)))

add("trial_curves", trial, "y ~ f * poly(x, 2) + log(w) + I(w^2) + (1 | block)", function(fit) list(
  em(fit, "f"), em(fit, "f", at = list(w = 2)), em(fit, "f", contrast = "pairwise", by = "x", at = list(x = c(4, 5))),
  tr(fit, "f", var = "x", at = list(x = c(4, 5.5)), by = "x"), tr(fit, "f", var = "w"),
  tr(fit, "f", var = "w", at = list(w = c(0.7, 1.5)))
))

add("trial_labels", trial, "y ~ text + flag * factor(code) + (1 | block)", function(fit) list(
  em(fit, "text"), em(fit, "code"), em(fit, c("flag", "code")),
  em(fit, "code", contrast = "pairwise"), em(fit, "text", at = list(code = c(1, 5)))
))

add("trial_binary", trial, "y ~ f * z + (1 | block)", function(fit) list(
  em(fit, "f", at = list(z = c(0, 1))), em(fit, "f", by = "z", at = list(z = c(0, 1)), contrast = "pairwise")
))

add("trial_offset", trial, "y ~ f + x + offset(log(w)) + (1 | block)", function(fit) list(
  em(fit, "f"), em(fit, "f", contrast = "pairwise")
))
add("trial_offset_argument", trial, "y ~ f + x + (1 | block)", offset_by = "w", calls = function(fit) list(
  em(fit, "f"), em(fit, "f", contrast = "pairwise")
))

for (transformed in c("log(y)", "log10(y)", "log2(y)", "sqrt(y)", "log1p(y)", "2 * sqrt(y + 1)", "log(y/2)")) {
  add(paste("trial", transformed), trial, paste(transformed, "~ f * g + x + (1 | block)"), function(fit) list(
    em(fit, "f"), em(fit, "f", kind = "response"),
    em(fit, "f", kind = "response", contrast = "pairwise"),
    em(fit, "g", by = "f", kind = "response", contrast = "pairwise"),
    em(fit, "f", kind = "response", contrast = "eff"),
    em(fit, "f", kind = "response", bias_adjust = TRUE),
    em(fit, "f", kind = "response", bias_adjust = 1.5, level = 0.9)
  ))
}

trial_data <- read_data(trial)
empty <- which(!(trial_data$f == "c" & trial_data$g == "v"))
add("trial_empty", trial, "y ~ f * g + x + (1 | block)", rows = empty, calls = function(fit) list(
  em(fit, "f"), em(fit, "g"), em(fit, c("f", "g")), em(fit, "f", weights = "cells"),
  em(fit, "f", by = "g", contrast = "pairwise", adjust = "none"),
  em(fit, "f", contrast = "pairwise", adjust = "none", weights = "flat"), joint_of(fit)
))
add("trial_empty_additive", trial, "y ~ f + g + x + (1 | block)", rows = empty, calls = function(fit) list(
  em(fit, "f"), em(fit, c("f", "g")), em(fit, "f", contrast = "pairwise"), joint_of(fit)
))

nested <- "means_nested.csv"
add("nested", nested, "y ~ sex + route + drug + (1 | farm)", function(fit) c(
  list(em(fit, "route"), em(fit, "drug"), em(fit, "sex"), em(fit, c("drug", "sex"))),
  lapply(WEIGHTS, function(w) em(fit, "sex", weights = w)),
  lapply(WEIGHTS, function(w) em(fit, "route", weights = w)),
  list(
    em(fit, "drug", contrast = "pairwise"), em(fit, "drug", by = "route", contrast = "pairwise"),
    em(fit, "route", contrast = "pairwise"), joint_of(fit)
  )
))
add("nested_slash", nested, "y ~ route/drug + sex + (1 | farm)", function(fit) list(
  em(fit, "route"), em(fit, "drug"), em(fit, "sex"), joint_of(fit)
))
add("slash_crossed", trial, "y ~ g/f + x + (1 | block)", function(fit) list(
  em(fit, "g"), em(fit, "f"), em(fit, "f", by = "g", contrast = "pairwise")
))
add("cell_means", trial, "y ~ 0 + f:g + (1 | block)", function(fit) list(
  em(fit, "f"), em(fit, "g", contrast = "pairwise")
))

write_json <- function() {
  versions <- list(R = as.character(getRversion()))
  for (p in c("lme4", "lmerTest", "pbkrtest", "emmeans")) versions[[p]] <- as.character(packageVersion(p))
  writeLines(json(list(versions = versions, models = models)), file.path(folder, "means.json"))
}
write_json()
