# Reference figures of cluster-robust covariances, for tests/inference/test_robust.py.
#
#   Rscript tests/reference/robust.R          (from the repository root)
#
# Fits every model below by lme4 at a polished optimum, or by nlme or lm, and writes what
# clubSandwich makes of it to tests/reference/robust.json. README.md describes the file.
#
# Needs: lme4, nlme, clubSandwich, minqa, jsonlite.

suppressPackageStartupMessages({
  library(lme4)
  library(nlme)
  library(clubSandwich)
  library(jsonlite)
})
options(contrasts = c("contr.treatment", "contr.treatment"))
source(file.path("tests", "reference", "tools.R"))

read_data <- function(model) {
  if (!grepl("csv$", model$data)) {
    data <- read_dataset(model$data)
  } else {
    data <- read.csv(file.path("tests", "reference", model$data))
    for (column in model$factors) data[[column]] <- factor(data[[column]])
  }
  if (!is.null(model$extra)) {
    extra <- model$extra(data)
    for (column in names(extra)) data[[column]] <- extra[[column]]
  }
  if (!is.null(model$rows)) data <- data[model$rows, , drop = FALSE]
  droplevels(data)
}

tight_lme <- lmeControl(maxIter = 500, msMaxIter = 500, tolerance = 1e-12, msTol = 1e-14,
                        niterEM = 100, opt = "nlminb")
tight_gls <- glsControl(maxIter = 500, msMaxIter = 500, tolerance = 1e-12, msTol = 1e-14)

# Each has our formula (and options), and how R fits it: lmer by default.
models <- list(
  intercepts = list(data = "sleepstudy", formula = "Reaction ~ Days + (1 | Subject)"),
  slopes = list(data = "sleepstudy", formula = "Reaction ~ Days + (Days | Subject)"),
  slopes_ml = list(data = "sleepstudy", formula = "Reaction ~ Days + (Days | Subject)",
                   reml = FALSE),
  # subjects with one to ten rows
  unbalanced = list(data = "sleepstudy", formula = "Reaction ~ Days + I(Days**2) + (1 | Subject)",
                    formula_r = "Reaction ~ Days + I(Days^2) + (1 | Subject)",
                    rows = c(1, 13:14, 21:25, 31:40, 44, 51:57, 62:70, 72:73, 90, 91:95)),
  nested = list(data = "Pastes", formula = "strength ~ 1 + (1 | batch / cask)"),
  nested_treatment = list(data = "nested.csv", factors = c("region", "clinic", "doctor", "treatment"),
                          formula = "score ~ treatment + (1 | region / clinic)", cluster = "region"),
  split_plot = list(data = "cake", formula = "angle ~ recipe * temperature + (1 | recipe:replicate)",
                    r_cluster = function(data) interaction(data$recipe, data$replicate, drop = TRUE)),
  coarser = list(data = "cake", formula = "angle ~ recipe + temp + (1 | recipe:replicate)",
                 cluster = "replicate",
                 joint = list(c(2, 3), c(1, 2, 3, 4))),
  machines = list(data = "Machines", formula = "score ~ Machine + (1 | Worker)"),
  # clubSandwich refuses weights of lmer
  weighted = list(data = "unbalanced.csv", factors = c("a", "b", "group"),
                  formula = "y ~ a + b + x + (1 | group)", weights = "w", by = "lme",
                  r_weights = quote(varFixed(~ 1 / w)), random = ~ 1 | group),
  dropped = list(data = "unbalanced.csv", factors = c("a", "b", "group"),
                 formula = "y ~ x + b + z + (1 | group)",
                 extra = function(data) list(z = 2 * data$x - 1)),
  aliased = list(data = "unbalanced.csv", factors = c("a", "b", "group"),
                 formula = "y ~ a * b + (1 | group)"),
  no_random = list(data = "sleepstudy", formula = "Reaction ~ Days", cluster = "Subject", by = "lm"),
  no_random_weights = list(data = "unbalanced.csv", factors = c("a", "b", "group"),
                           formula = "y ~ a + x", weights = "w", cluster = "group", by = "gls",
                           r_weights = quote(varFixed(~ 1 / w))),
  subjects = list(data = "sleepstudy", formula = "Reaction ~ 0 + Subject + Days", cluster = "Subject",
                  by = "lm", types = c("CR0", "CR1", "CR2"), tested = 19),
  ar1 = list(data = "sleepstudy", formula = "Reaction ~ Days", residual = "ar1(Days | Subject)",
             by = "gls", correlation = quote(corAR1(0.5, ~ Days | Subject)),
             rows = c(1:34, 36:101, 105:180)),
  ar1_intercepts = list(data = "sleepstudy", formula = "Reaction ~ Days + (1 | Subject)",
                        residual = "ar1(Days | Subject)", by = "lme",
                        correlation = quote(corAR1(0.5, ~ Days | Subject)), random = ~ 1 | Subject),
  variances = list(data = "Orthodont", formula = "distance ~ age * Sex + (1 | Subject)",
                   residual = "idh(Sex)", by = "lme", r_weights = quote(varIdent(form = ~ 1 | Sex)),
                   random = ~ 1 | Subject),
  symmetric = list(data = "Orthodont", formula = "distance ~ age * Sex",
                   residual = "cs(1 | Subject)", by = "gls",
                   correlation = quote(corCompSymm(0.3, ~ 1 | Subject)))
)

fitted_by_r <- function(model, data) {
  text <- if (is.null(model$formula_r)) model$formula else model$formula_r
  reml <- !isFALSE(model$reml)
  by <- if (is.null(model$by)) "lmer" else model$by
  if (by == "lmer") {
    theta <- fit_lmm(as.formula(text), data, reml, weights = model$weights)$optimum$theta
    arguments <- list(as.formula(text), quote(data), REML = reml, start = theta,
                      control = lmerControl(optimizer = "nloptwrap", calc.derivs = FALSE,
                                            check.conv.singular = "ignore",
                                            check.rankX = "silent.drop.cols",
                                            optCtrl = list(maxeval = 1)))
    if (!is.null(model$weights)) arguments$weights <- as.name(model$weights)
    fit <- eval(as.call(c(quote(lmer), arguments)), list(data = data))
    stopifnot(max(abs(getME(fit, "theta") - theta)) < 1e-9)
    return(fit)
  }
  fixed <- as.formula(sub(" \\+ \\([^)]*\\)$", "", text))
  if (by == "lm") return(eval(bquote(lm(.(fixed), data = data)), list(data = data)))
  assign("model_data", data, envir = globalenv())  # clubSandwich evaluates the call again
  arguments <- list(fixed, data = quote(model_data))
  if (!is.null(model$correlation)) arguments$correlation <- model$correlation
  if (!is.null(model$r_weights)) arguments$weights <- model$r_weights
  if (by == "lme") {
    arguments$random <- model$random
    arguments$control <- tight_lme
    return(eval(as.call(c(quote(lme), arguments))))
  }
  arguments$control <- tight_gls
  eval(as.call(c(quote(gls), arguments)))
}

coefficients_of <- function(fit) if (inherits(fit, c("lmerMod", "lme"))) fixef(fit) else coef(fit)

figures_of <- function(fit, model, cluster) {
  types <- if (is.null(model$types)) c("CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3") else model$types
  beta <- coefficients_of(fit)
  beta <- beta[!is.na(beta)]
  p <- length(beta)
  tested <- if (is.null(model$tested)) seq_len(p) else model$tested
  joint <- if (!is.null(model$joint)) model$joint else if (length(tested) > 1) {
    list(tested, tested[-1])
  }
  out <- list()
  for (type in types) {
    v <- tryCatch(
      if (is.null(cluster)) vcovCR(fit, type = type) else vcovCR(fit, cluster = cluster, type = type),
      error = function(e) { message("  ", type, ": ", conditionMessage(e)); NULL }
    )
    if (is.null(v)) next
    found <- list(vcov = unname(as.matrix(v)[tested, tested, drop = FALSE]))
    if (type %in% c("CR0", "CR2", "CR3")) {
      tests <- as.data.frame(coef_test(fit, v, test = "Satterthwaite"))[tested, ]
      found <- c(found, list(std_error = tests$SE, df = tests$df_Satt, p_value = tests$p_Satt))
    }
    if (type %in% c("CR0", "CR2", "CR3") && length(joint)) {
      found$joint <- lapply(joint, function(rows) {
        L <- diag(p)[rows, , drop = FALSE]
        test <- Wald_test(fit, constraints = L, vcov = v, test = "HTZ")
        list(rows = rows - 1, statistic = one(test$Fstat), num_df = one(test$df_num),
             den_df = one(test$df_denom), p_value = one(test$p_val))
      })
    }
    out[[type]] <- found
  }
  list(beta = unname(beta), tested = tested - 1, types = out)
}

describe_column <- function(x) {
  if (is.factor(x)) list(values = as.character(x), levels = levels(x)) else list(values = x)
}

entry <- function(id) {
  message(id)
  model <- models[[id]]
  data <- read_data(model)
  fit <- fitted_by_r(model, data)
  cluster <- if (!is.null(model$r_cluster)) model$r_cluster(data) else if (!is.null(model$cluster)) {
    data[[model$cluster]]
  }
  full <- read_data(model[c("data", "factors")])
  c(
    list(
      id = one(id), data = one(model$data),
      factors = if (!is.null(model$factors)) lapply(full[model$factors], levels),
      extra_columns = if (!is.null(model$extra)) lapply(model$extra(full), describe_column),
      rows = if (!is.null(model$rows)) model$rows - 1,
      formula = one(model$formula), reml = one(!isFALSE(model$reml)),
      weights = if (!is.null(model$weights)) one(model$weights),
      residual = if (!is.null(model$residual)) one(model$residual),
      cluster = if (!is.null(model$cluster)) one(model$cluster)
    ),
    figures_of(fit, model, cluster)
  )
}

asked <- commandArgs(trailingOnly = TRUE)
chosen <- if (length(asked)) asked else names(models)
entries <- lapply(chosen, entry)
if (length(asked) == 0) {
  versions <- list(R = one(as.character(getRversion())))
  for (p in c("lme4", "nlme", "clubSandwich")) versions[[p]] <- one(as.character(packageVersion(p)))
  writeLines(as_json(list(versions = versions, models = entries), top = TRUE),
             file.path("tests", "reference", "robust.json"))
}
