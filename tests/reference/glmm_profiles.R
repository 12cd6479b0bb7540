# Reference figures of profile-likelihood intervals of generalised linear mixed models, for
# tests/glmm.
#
#   Rscript tests/reference/glmm_profiles.R          (from the repository root)
#
# Writes tests/reference/glmm_profiles.json. `limits` are roots of the fall of the log-likelihood,
# 1.92 for 95 %: one parameter of glmmTMB's likelihood is held, the others are maximised by nlminb
# with exact gradients. With nodes they are roots on lme4's deviance, maximised by bobyqa.
# `tmb_uniroot` and `lme4_profile` are what confint() says: the second interpolates.
#
# Needs: glmmTMB 1.1.5, lme4, minqa, jsonlite; R 4.2.2.

suppressPackageStartupMessages({
  library(glmmTMB)
  library(lme4)
  library(minqa)
  library(jsonlite)
})
options(contrasts = c("contr.treatment", "contr.treatment"))
source(file.path("tests", "reference", "tools.R"))

half_fall <- qchisq(0.95, 1) / 2

# Where half a criterion, minimised over the other parameters, has risen by `half_fall`; infinite
# where it does not rise so far within 20 steps.
roots <- function(profiled, centre, step) {
  lowest <- profiled(centre)
  end <- function(sign) {
    far <- centre + sign * step
    for (i in 1:20) {
      if (profiled(far) - lowest > half_fall) break
      far <- far + sign * step
    }
    if (profiled(far) - lowest < half_fall) return(sign * Inf) # a deviation of 0, a correlation of 1
    uniroot(function(v) profiled(v) - lowest - half_fall, sort(c(centre, far)), tol = 1e-10)$root
  }
  c(end(-1), end(1))
}

# Limits of the i-th parameter of a fit by glmmTMB, on its own scale.
limits_of <- function(fit, i) {
  f <- fit$obj
  f$env$tracemgc <- FALSE
  f$env$inner.control$tol <- 1e-13
  with_value <- function(others, value) append(others, value, i - 1)
  start <- fit$fit$par
  best <- nlminb(start, f$fn, f$gr, control = list(rel.tol = 1e-15, x.tol = 1e-12))$par
  others <- best[-i]
  profiled <- function(value) {
    found <- nlminb(
      others, function(p) f$fn(with_value(p, value)), function(p) f$gr(with_value(p, value))[-i],
      control = list(rel.tol = 1e-15, x.tol = 1e-12)
    )
    found$objective
  }
  spread <- sqrt(diag(solve(optimHess(best, f$fn, f$gr))))[i]
  unname(roots(profiled, best[[i]], spread))
}

# By name: the scale of each parameter, from glmmTMB's.
describe <- function(fit, scales, uniroot = TRUE) {
  stopifnot(length(scales) == length(fit$fit$par))
  out <- list()
  for (i in seq_along(scales)) {
    message(names(scales)[i])
    out[[names(scales)[i]]] <- scales[[i]](limits_of(fit, i))
  }
  found <- list(limits = out)
  if (uniroot) {
    table <- confint(fit, method = "uniroot")
    found$tmb_uniroot <- setNames(lapply(seq_along(scales), function(i) {
      unname(scales[[i]](table[i, 1:2]))
    }), names(scales))
  }
  found
}

as_is <- function(names) setNames(rep(list(identity), length(names)), names)
correlation <- function(x) ifelse(is.infinite(x), sign(x), x / sqrt(1 + x^2))

out <- list(versions = list(
  R = one(as.character(getRversion())), glmmTMB = one(as.character(packageVersion("glmmTMB"))),
  lme4 = one(as.character(packageVersion("lme4")))
))

# -- cbpp ------------------------------------------------------------------------

cbpp <- read_dataset("cbpp")
formula <- cbind(incidence, size - incidence) ~ period + (1 | herd)
coefficients <- c("Intercept", "period[T.2]", "period[T.3]", "period[T.4]")
deviation <- "sd(Intercept | herd)"
out$cbpp <- describe(
  glmmTMB(formula, cbpp, family = binomial),
  c(as_is(coefficients), setNames(list(exp), deviation))
)
tight <- glmer(formula, cbpp, family = binomial, control = glmerControl(tolPwrss = 1e-13))
table <- suppressMessages(confint(tight, method = "profile", quiet = TRUE))
out$cbpp$lme4_profile <- setNames(
  lapply(c(2:5, 1), function(i) unname(table[i, ])), c(coefficients, deviation)
)

# -- cbpp with eleven nodes --------------------------------------------------------

deviance_of <- glmer(
  formula, cbpp, family = binomial, nAGQ = 11, devFunOnly = TRUE,
  control = glmerControl(tolPwrss = 1e-13)
)
nodes <- glmer(
  formula, cbpp, family = binomial, nAGQ = 11, control = glmerControl(tolPwrss = 1e-13)
)
control <- list(rhobeg = 0.05, rhoend = 1e-9, maxfun = 1e5)
best <- bobyqa(
  c(getME(nodes, "theta"), fixef(nodes)), deviance_of, lower = c(0, rep(-Inf, 4)), control = control
)$par
by_nodes <- function(i, step) {
  profiled <- function(value) {
    low <- c(0, rep(-Inf, 4))[-i]
    bobyqa(
      best[-i], function(p) deviance_of(append(p, value, i - 1)), lower = low, control = control
    )$fval / 2
  }
  roots(profiled, best[[i]], step)
}
out$cbpp_nodes <- list(limits = setNames(
  list(by_nodes(1, 0.15), by_nodes(3, 0.3)), c(deviation, "period[T.2]")
))

# -- counts with a slope, and with a dispersion ---------------------------------------

read_csv <- function(name) read.csv(file.path("tests", "reference", name))
epilepsy <- transform(read_csv("glmm_epilepsy.csv"), subject = factor(subject))
out$epilepsy <- describe(
  glmmTMB(y ~ lbase * trt + (V4 | subject), epilepsy, family = poisson),
  c(
    as_is(c("Intercept", "lbase", "trt[T.progabide]", "lbase:trt[T.progabide]")),
    list(
      "sd(Intercept | subject)" = exp, "sd(V4 | subject)" = exp,
      "cor(Intercept, V4 | subject)" = correlation
    )
  )
)

salamanders <- read_csv("glmm_salamanders.csv")
salamanders$mined <- factor(salamanders$mined, c("yes", "no"))
fit <- glmmTMB(
  count ~ mined + (1 | site), salamanders, family = nbinom2, ziformula = ~1
)
out$salamanders <- describe(fit, c(
  as_is(c(
    "Intercept", "mined[T.no]", "zero_inflation[Intercept]"
  )),
  list(size = exp, "sd(Intercept | site)" = exp)
), uniroot = FALSE)

writeLines(as_json(out, top = TRUE), file.path("tests", "reference", "glmm_profiles.json"))
