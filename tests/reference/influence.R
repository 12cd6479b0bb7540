# Reference figures of influence by lme4 for tests/inference/test_influence_references.py.
#
#   Rscript tests/reference/influence.R        (from the repository root)
#
# hatvalues(), cooks.distance(), rstudent() of fits, and deletions: refits, each with the optimum
# searched as for all reference fits (tools.R), and lme4's own criterion at the theta of the fit.
# What lme4's influence() returns is computed from these refits by its formulas: its own search
# stops at 1e-3 to 1e-5.
#
# Needs: R >= 4.0, lme4, jsonlite.

suppressPackageStartupMessages({
  library(lme4)
  library(jsonlite)
})
options(contrasts = c("contr.treatment", "contr.treatment"))
set.seed(1)

out_file <- file.path("tests", "reference", "influence.json")
source(file.path("tests", "reference", "tools.R"))

SOME <- 5 # single rows whose deletion is refitted

# Fixed effects, their covariance, sigma and variances of random effects.
figures <- function(fit) {
  list(
    params = unname(fixef(fit)),
    cov = unname(as.matrix(vcov(fit))),
    sigma = one(sigma(fit)),
    vcov = unname(unlist(lapply(VarCorr(fit), function(V) V[lower.tri(V, diag = TRUE)])))
  )
}

at_theta <- function(formula, data, reml, theta, weights) {
  arguments <- list(formula = formula, data = data, REML = reml)
  if (!is.null(weights)) arguments$weights <- as.name(weights)
  arguments$control <- lmerControl(check.conv.singular = "ignore", calc.derivs = FALSE)
  parts <- do.call(lFormula, arguments)
  devfun <- do.call(mkLmerDevfun, parts)
  opt <- list(par = theta, fval = as.numeric(devfun(theta)), feval = 1L, conv = 0, message = "")
  mkMerMod(environment(devfun), opt, parts$reTrms, fr = parts$fr)
}

deletion <- function(formula, data, reml, theta, weights, gone) {
  kept <- droplevels(data[!gone, ])
  held <- at_theta(formula, kept, reml, theta, weights)
  refitted <- fit_lmm(formula, kept, reml, weights = weights)
  list(held = figures(held), refit = figures(refitted$fit))
}

study <- function(formula, data, by, reml = TRUE, weights = NULL) {
  fit <- fit_lmm(formula, data, reml, weights = weights)$fit
  theta <- getME(fit, "theta")
  groups <- lapply(by, function(name) {
    labels <- unique(as.character(data[[name]]))
    each <- lapply(labels, function(l) {
      deletion(formula, data, reml, theta, weights, as.character(data[[name]]) == l)
    })
    refits <- lapply(each, `[[`, "refit")
    shifts <- t(vapply(refits, function(r) r$params, fixef(fit)) - fixef(fit))
    if (length(fixef(fit)) == 1) shifts <- t(shifts)
    inverse <- solve(as.matrix(vcov(fit)))
    n <- length(labels)
    p <- length(fixef(fit))
    factor <- (n - p) / (n * p) # as cooks.distance() of influence() has it
    list(
      labels = labels,
      cases = each,
      cooks = apply(shifts, 1, function(d) drop(d %*% inverse %*% d)) * factor
    )
  })
  names(groups) <- by
  rows <- round(seq(1, nrow(data), length.out = SOME))
  singles <- lapply(rows, function(i) {
    deletion(formula, data, reml, theta, weights, seq_len(nrow(data)) == i)
  })
  list(
    formula = one(paste(deparse(formula), collapse = " ")),
    reml = one(reml),
    fit = figures(fit),
    hat = unname(hatvalues(fit)),
    cooks = unname(cooks.distance(fit)),
    rstudent = unname(rstudent(fit)),
    by = groups,
    rows = rows - 1,
    singles = singles
  )
}

sleep <- read_dataset("sleepstudy")
sleep$w <- 1 + (seq_len(nrow(sleep)) %% 4)

found <- list(
  sleepstudy = study(Reaction ~ Days + (Days | Subject), sleep, "Subject"),
  `sleepstudy, ML` = study(Reaction ~ Days + (Days | Subject), sleep, "Subject", reml = FALSE),
  `sleepstudy, weights` = study(
    Reaction ~ Days + (Days | Subject), sleep, "Subject", weights = "w"
  ),
  Dyestuff = study(Yield ~ 1 + (1 | Batch), read_dataset("Dyestuff"), "Batch"),
  Penicillin = study(
    diameter ~ 1 + (1 | plate) + (1 | sample), read_dataset("Penicillin"), c("plate", "sample")
  ),
  cake = study(
    angle ~ recipe + temp + (1 | recipe:replicate), read_dataset("cake"), "replicate"
  )
)
writeLines(as_json(found, top = TRUE), out_file)
