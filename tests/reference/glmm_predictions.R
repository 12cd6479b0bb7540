# Reference figures of predictions and shares of variance of generalised linear mixed models.
#
#   Rscript tests/reference/glmm_predictions.R             (from the repository root)
#
# Needs: glmmTMB (1.1.5 was used), performance 0.10.2, insight 0.19.0, jsonlite; R 4.2.2.
# Writes glmm_predictions.json. Fits are by glmmTMB, polished by Newton steps; standard errors by its
# predict(se.fit = TRUE), on the link and on the response scale.

suppressPackageStartupMessages({
  library(glmmTMB)
  library(performance)
  library(jsonlite)
})
options(contrasts = c("contr.treatment", "contr.treatment"))
source(file.path("tests", "reference", "tools.R"))
source(file.path("tests", "reference", "glmm_models.R"))

# glmmTMB's optimum, with Newton steps to a gradient of rounding; predictions start from there.
fit_to_optimum <- function(formula, data, family, ziformula = ~0) {
  fit <- glmmTMB(formula, data = data, family = family, ziformula = ziformula)
  for (step in 1:4) {
    par <- fit$fit$par
    gradient <- as.numeric(fit$obj$gr(par))
    if (max(abs(gradient)) < 1e-9) break
    fit$fit$par <- par - solve(optimHess(par, fit$obj$fn, fit$obj$gr), gradient)
    names(fit$fit$par) <- names(par)
  }
  fit$fit$objective <- as.numeric(fit$obj$fn(fit$fit$par))
  fit$fit$parfull <- fit$obj$env$last.par
  fit$obj$env$last.par.best <- fit$obj$env$last.par
  fit$sdr <- TMB::sdreport(fit$obj, par.fixed = fit$fit$par, getJointPrecision = FALSE)
  fit
}

predictions <- function(fit, newdata = NULL, ...) {
  link <- predict(fit, newdata, type = "link", se.fit = TRUE, ...)
  response <- predict(fit, newdata, type = "response", se.fit = TRUE, ...)
  list(
    eta = as.numeric(link$fit), eta_se = as.numeric(link$se.fit),
    mean = as.numeric(response$fit), mean_se = as.numeric(response$se.fit)
  )
}

shares <- function(fit) {
  r2 <- suppressWarnings(r2_nakagawa(fit))
  correlation <- suppressWarnings(icc(fit))
  list(
    marginal = one(as.numeric(r2$R2_marginal)), conditional = one(as.numeric(r2$R2_conditional)),
    adjusted = one(as.numeric(correlation$ICC_adjusted)),
    unadjusted = one(as.numeric(correlation$ICC_unadjusted))
  )
}

out <- list(versions = list(
  R = one(as.character(getRversion())), glmmTMB = one(as.character(packageVersion("glmmTMB"))),
  performance = one(as.character(packageVersion("performance"))),
  insight = one(as.character(packageVersion("insight")))
))

cbpp <- read_data("cbpp")
herd <- cbind(incidence, size - incidence) ~ period + (1 | herd)
fit <- fit_to_optimum(herd, cbpp, binomial())
middle <- data.frame(period = levels(cbpp$period), herd = NA)
new <- data.frame(period = levels(cbpp$period), herd = "new")
out$cbpp <- list(
  loglik = one(-fit$fit$objective),
  rows = predictions(fit),
  middle = predictions(fit, middle, re.form = NA),
  new_level = predictions(fit, new, allow.new.levels = TRUE)
)
for (link in c("logit", "probit", "cloglog")) {
  own <- fit_to_optimum(herd, cbpp, binomial(link))
  out[[paste0("shares_", link)]] <- shares(own)
}

salamanders <- read_data("glmm_salamanders.csv")
owls <- read_data("glmm_owls.csv")
crossed <- count ~ mined + (1 | site) + (mined | spp)
calls <- SiblingNegotiation ~ FoodTreatment * SexParent + (1 | Nest)
models <- list(
  salamanders_poisson = list(count ~ spp * mined + (1 | site), poisson(), ~0, salamanders),
  salamanders_zip = list(count ~ mined + (1 | site), poisson(), ~mined, salamanders),
  salamanders_crossed = list(crossed, nbinom2(), ~0, salamanders),
  owls_zinb2 = list(calls, nbinom2(), ~1, owls)
)
for (id in names(models)) {
  model <- models[[id]]
  data <- model[[4]]
  fit <- fit_to_optimum(model[[1]], data, model[[2]], model[[3]])
  at <- seq(1, nrow(data), by = 7)
  every <- predictions(fit)
  out[[id]] <- list(
    loglik = one(-fit$fit$objective), at = at - 1, rows = lapply(every, function(x) x[at]),
    middle = predictions(fit, data[at, ], re.form = NA)
  )
}

writeLines(as_json(out, top = TRUE), file.path("tests", "reference", "glmm_predictions.json"))
