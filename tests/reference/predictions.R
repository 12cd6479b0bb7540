# Reference figures of predictions: lme4's predict, standard errors from Henderson's equations,
# emmeans' intervals of population means, and merTools' simulated prediction intervals.
#
#   Rscript tests/reference/predictions.R        (from the repository root; half a minute)
#
# Needs: lme4, lmerTest, emmeans, merTools, minqa, jsonlite.
#
# lme4 1.1-31 has no se.fit. Standard errors are those of Henderson's equations, written out with
# the matrices that getME() gives: the inverse of
#
#   [ X'WX   X'WZ             ]
#   [ Z'WX   Z'WZ + (ΛΛ')^-1  ]  sigma^-2

suppressPackageStartupMessages({
  library(lme4)
  library(jsonlite)
})
source(file.path("tests", "reference", "tools.R"))

sleep <- read_dataset("sleepstudy")
sleep$w <- rep(c(1, 2, 4), length.out = nrow(sleep))
pastes <- read_dataset("Pastes")

models <- list(
  sleep_slopes = list(
    data = "sleepstudy", frame = sleep, formula = "Reaction ~ Days + (Days | Subject)",
    new = data.frame(Days = c(0, 4.5, 12, 3), Subject = c("308", "335", "372", "309"))
  ),
  sleep_slopes_ml = list(
    data = "sleepstudy", frame = sleep, formula = "Reaction ~ Days + (Days | Subject)",
    reml = FALSE,
    new = data.frame(Days = c(0, 4.5, 12, 3), Subject = c("308", "335", "372", "309"))
  ),
  sleep_curved = list(
    data = "sleepstudy", frame = sleep,
    formula = "Reaction ~ poly(Days, 2) + (1 | Subject) + (0 + Days | Subject)",
    new = data.frame(Days = c(0, 4.5, 12, 3), Subject = c("308", "335", "372", "309"))
  ),
  sleep_weighted = list(
    data = "sleepstudy", frame = sleep, formula = "Reaction ~ Days + (Days | Subject)",
    weights = "w", extra = list(w = sleep$w),
    new = data.frame(Days = c(0, 4.5, 12, 3), Subject = c("308", "335", "372", "309"),
                     w = c(1, 3, 0.5, 2))
  ),
  penicillin = list(
    data = "Penicillin", frame = read_dataset("Penicillin"),
    formula = "diameter ~ 1 + (1 | plate) + (1 | sample)",
    new = data.frame(plate = c("a", "k", "x"), sample = c("A", "F", "C"))
  ),
  pastes = list(
    data = "Pastes", frame = pastes, formula = "strength ~ 1 + (1 | batch) + (1 | batch:cask)",
    new = data.frame(batch = c("A", "E", "J"), cask = c("a", "c", "b"))
  )
)

format_labels <- function(x) if (is.numeric(x)) x else as.character(x)

figures <- function(name, model) {
  reml <- is.null(model$reml) || model$reml
  found <- fit_lmm(as.formula(model$formula), model$frame, reml, model$weights)
  fit <- found$fit
  new <- model$new
  X <- getME(fit, "X")
  Z <- as.matrix(getME(fit, "Z"))
  lambda <- as.matrix(getME(fit, "Lambda"))
  w <- weights(fit)
  G <- lambda %*% t(lambda)
  C <- solve(rbind(
    cbind(t(X) %*% (w * X), t(X) %*% (w * Z)),
    cbind(t(Z) %*% (w * X), t(Z) %*% (w * Z) + solve(G))
  ))
  fixed_terms <- delete.response(terms(fit, fixed.only = TRUE))
  x <- model.matrix(fixed_terms, model.frame(fixed_terms, new))
  bars <- findbars(as.formula(model$formula))
  columns <- unique(unlist(lapply(bars, all.vars)))
  old <- model$frame[columns]
  both <- rbind(as.data.frame(lapply(old, format_labels)),
                as.data.frame(lapply(new[columns], format_labels)))
  z <- t(as.matrix(mkReTrms(bars, both)$Zt))[-seq_len(nrow(old)), , drop = FALSE]
  stopifnot(ncol(z) == ncol(Z), max(abs(predict(fit, new, re.form = NA) - x %*% fixef(fit))) < 1e-8)
  own <- if (is.null(new$w)) rep(1, nrow(new)) else new$w
  quadratic <- function(rows, M) rowSums((rows %*% M) * rows)
  p <- ncol(x)
  of_mean <- quadratic(x, C[1:p, 1:p, drop = FALSE])
  seen <- quadratic(cbind(x, z), C)
  between <- quadratic(z, G)
  error <- function(relative) as.numeric(sigma(fit) * sqrt(relative))
  list(
    data = one(model$data),
    formula = one(model$formula),
    reml = one(reml),
    weights = if (is.null(model$weights)) NULL else one(model$weights),
    extra = model$extra,
    new = as.list(new),
    predicted = list(
      all = unname(predict(fit, new)), none = unname(predict(fit, new, re.form = NA))
    ),
    std_error = list(
      all_confidence = error(seen),
      all_prediction = error(seen + 1 / own),
      none_confidence = error(of_mean),
      none_prediction = error(of_mean + between + 1 / own)
    )
  )
}

entries <- lapply(names(models), function(name) figures(name, models[[name]]))
names(entries) <- names(models)

# Population means with Satterthwaite's degrees of freedom.
means <- function() {
  theta <- getME(fit_lmm(Reaction ~ Days + (Days | Subject), sleep, TRUE)$fit, "theta")
  close <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = 1e-4, rhoend = 1e-10))
  fit <- lmerTest::lmer(Reaction ~ Days + (Days | Subject), sleep, start = theta, control = close)
  found <- summary(
    emmeans::emmeans(fit, ~Days, at = list(Days = c(0, 4.5, 12)), lmer.df = "satterthwaite",
                     data = sleep),
    level = 0.9
  )
  list(Days = found$Days, estimate = found$emmean, std_error = found$SE, df = found$df,
       lower = found$lower.CL, upper = found$upper.CL)
}

set.seed(17)
fit <- fit_lmm(Reaction ~ Days + (Days | Subject), sleep, TRUE, NULL)$fit
simulated <- merTools::predictInterval(
  fit, models$sleep_slopes$new, which = "full", level = 0.9, n.sims = 20000, stat = "mean",
  include.resid.var = TRUE
)

out <- c(
  entries,
  list(
    emmeans = means(),
    merTools = list(new = as.list(models$sleep_slopes$new), level = one(0.9),
                    estimate = simulated$fit, lower = simulated$lwr, upper = simulated$upr)
  )
)
writeLines(as_json(out, top = TRUE), file.path("tests", "reference", "predictions.json"))
