# Reference figures of diagnostics: lme4's rePCA, car's vif, performance's icc and r2_nakagawa.
#
#   Rscript tests/reference/diagnostics.R        (from the repository root; half a minute)
#
# Needs: lme4, minqa, jsonlite, car, performance, insight.

suppressPackageStartupMessages({
  library(lme4)
  library(jsonlite)
})
source(file.path("tests", "reference", "tools.R"))

sleep <- read_dataset("sleepstudy")
sleep$w <- rep(c(1, 2, 4), length.out = nrow(sleep))
sleep$late <- as.numeric(sleep$Days > 5)
cake <- read_dataset("cake")
cake$temperature <- factor(cake$temperature, ordered = FALSE)
pastes <- read_dataset("Pastes")

models <- list(
  sleep_slopes = list(
    data = "sleepstudy", frame = sleep, formula = "Reaction ~ Days + (Days | Subject)"
  ),
  sleep_slopes_ml = list(
    data = "sleepstudy", frame = sleep, formula = "Reaction ~ Days + (Days | Subject)", reml = FALSE
  ),
  sleep_independent = list(
    data = "sleepstudy", frame = sleep,
    formula = "Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)"
  ),
  sleep_two_predictors = list(
    data = "sleepstudy", frame = sleep, formula = "Reaction ~ Days + late + (Days | Subject)",
    extra = list(late = sleep$late)
  ),
  sleep_weighted = list(
    data = "sleepstudy", frame = sleep, formula = "Reaction ~ Days + late + (Days | Subject)",
    weights = "w", extra = list(late = sleep$late, w = sleep$w)
  ),
  penicillin = list(
    data = "Penicillin", frame = read_dataset("Penicillin"),
    formula = "diameter ~ 1 + (1 | plate) + (1 | sample)"
  ),
  pastes = list(
    data = "Pastes", frame = pastes, formula = "strength ~ 1 + (1 | batch) + (1 | batch:cask)"
  ),
  cake = list(
    data = "cake", frame = cake,
    formula = "angle ~ recipe * temperature + (1 | recipe:replicate)"
  ),
  machines = list(
    data = "Machines", frame = read_dataset("Machines"),
    formula = "score ~ Machine + (1 | Worker) + (1 | Worker:Machine)"
  )
)

figures <- function(name, model) {
  reml <- is.null(model$reml) || model$reml
  found <- fit_lmm(as.formula(model$formula), model$frame, reml, model$weights)
  fit <- found$fit
  variances <- insight::get_variance(fit)
  pca <- rePCA(fit)
  random <- lapply(pca, function(one) {
    shares <- one$sdev^2 / sum(one$sdev^2)
    list(relative_sd = one$sdev, share = shares, rotation = abs(one$rotation))
  })
  terms <- attr(terms(lme4::nobars(as.formula(model$formula))), "term.labels")
  inflation <- NULL
  if (length(terms) > 1) {
    table <- car::vif(fit)
    if (!is.matrix(table)) table <- cbind(table, 1, sqrt(table))
    inflation <- list(
      term = rownames(table), gvif = table[, 1], df = table[, 2], gvif_root = table[, 3]
    )
  }
  icc <- performance::icc(fit)
  by_group <- suppressWarnings(performance::icc(fit, by_group = TRUE))
  r2 <- performance::r2_nakagawa(fit)
  list(
    id = one(name), data = one(model$data), formula = one(model$formula), reml = one(reml),
    weights = if (is.null(model$weights)) one(NA) else one(model$weights),
    extra_columns = if (is.null(model$extra)) structure(list(), names = character(0)) else model$extra,
    sigma = one(sigma(fit)), gradient = one(found$optimum$gradient),
    random_pca = random, vif = inflation,
    icc_adjusted = one(icc$ICC_adjusted), icc_unadjusted = one(icc$ICC_unadjusted),
    icc_group = by_group$Group, icc_by_group = by_group$ICC,
    has_slopes = one(!is.null(variances$var.slope)),
    variance_fixed = one(unname(variances$var.fixed)),
    variance_random = one(unname(variances$var.random)),
    r2_marginal = one(unname(r2$R2_marginal)), r2_conditional = one(unname(r2$R2_conditional))
  )
}

out <- list(
  versions = lapply(
    c(R = "base", lme4 = "lme4", car = "car", performance = "performance", insight = "insight"),
    function(package) one(as.character(packageVersion(package)))
  ),
  models = unname(Map(figures, names(models), models))
)
writeLines(as_json(out, top = TRUE), file.path("tests", "reference", "diagnostics.json"))
