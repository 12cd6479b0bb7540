# Limits of profile-likelihood intervals: lme4's, which it interpolates, and the roots of
# zeta = +-z on the criterion, found by uniroot over tight minimisations.
#
#   Rscript tests/reference/profiles.R        (from the repository root)
#
# Needs: lme4, nlme, jsonlite.
suppressMessages({
  library(lme4)
  library(nlme)
  library(jsonlite)
})
source(file.path("tests", "reference", "tools.R"))

z <- qnorm(0.975)

# -- the criterion of lme4 at given sd, correlations and sigma ----------------

lambda_of <- function(sd, cor) {
  k <- length(sd)
  C <- diag(k)
  C[lower.tri(C)] <- cor
  C <- C + t(C) - diag(k)
  # a Cholesky factor that takes a singular matrix
  L <- matrix(0, k, k)
  for (j in seq_len(k)) {
    d <- C[j, j] - sum(L[j, seq_len(j - 1)]^2)
    L[j, j] <- sqrt(max(d, 0))
    for (i in seq_len(k)[seq_len(k) > j]) {
      rest <- C[i, j] - sum(L[i, seq_len(j - 1)] * L[j, seq_len(j - 1)])
      L[i, j] <- if (L[j, j] > 0) rest / L[j, j] else 0
    }
  }
  L * sd
}

criterion_of <- function(fm) {
  devfun <- update(fm, devFunOnly = TRUE)
  env <- environment(devfun)
  sizes <- sapply(getME(fm, "cnms"), length)
  n <- nrow(getME(fm, "X"))
  at <- function(sd, cor, sigma) {
    theta <- c()
    a <- b <- 0
    for (k in sizes) {
      L <- lambda_of(sd[a + seq_len(k)], cor[b + seq_len(k * (k - 1) / 2)])
      theta <- c(theta, L[lower.tri(L, diag = TRUE)])
      a <- a + k
      b <- b + k * (k - 1) / 2
    }
    devfun(theta / sigma)
    r2 <- env$resp$wrss() + env$pp$sqrL(1)
    list(log_det = env$pp$ldL2(), r2 = r2, beta = env$pp$beta(1), unscaled = env$pp$unsc())
  }
  n_cor <- sum(sizes * (sizes - 1) / 2)
  list(
    n = n, n_sd = sum(sizes), n_cor = n_cor, fixed = names(fixef(fm)),
    # x: sd, cor, sigma; held: a fixed effect and its value
    value = function(x, held = NULL) {
      sd <- x[seq_len(sum(sizes))]
      cor <- x[sum(sizes) + seq_len(n_cor)]
      sigma <- x[length(x)]
      found <- at(sd, cor, sigma)
      r2 <- found$r2
      if (!is.null(held)) {
        r2 <- r2 + (found$beta[held$j] - held$value)^2 / found$unscaled[held$j, held$j]
      }
      found$log_det + n * log(2 * pi * sigma^2) + r2 / sigma^2
    }
  )
}

# minimum over all entries of x but `fixed`, an index
least <- function(criterion, start, fixed = NULL, value = NULL, held = NULL) {
  kinds <- c(rep("sd", criterion$n_sd), rep("cor", criterion$n_cor), "sigma")
  free <- setdiff(seq_along(kinds), fixed)
  to <- function(u, kind) switch(kind, sd = abs(u), cor = sin(u), sigma = exp(u))
  from <- function(x, kind) switch(kind, sd = x, cor = asin(x), sigma = log(x))
  place <- function(u) {
    x <- start
    x[free] <- mapply(to, u, kinds[free])
    if (!is.null(fixed)) x[fixed] <- value
    x
  }
  f <- function(u) {
    out <- tryCatch(criterion$value(place(u), held), error = function(e) 1e10)
    if (is.finite(out)) out else 1e10
  }
  best <- list(value = Inf)
  for (factor in c(1, 0.7)) {
    first <- start
    first[seq_len(criterion$n_sd)] <- pmax(start[seq_len(criterion$n_sd)], 0.05) * factor
    u <- mapply(from, first[free], kinds[free])
    if (!length(free)) return(list(value = f(u), x = place(u)))
    for (round in 1:2) {
      u <- nlminb(u, f, control = list(rel.tol = 1e-15, x.tol = 1e-12, eval.max = 5000, iter.max = 5000))$par
      if (length(u) > 1) u <- optim(u, f, control = list(reltol = 1e-15, maxit = 5000))$par
    }
    if (f(u) < best$value) best <- list(value = f(u), x = place(u))
  }
  best
}

roots <- function(fm) {
  criterion <- criterion_of(fm)
  vc <- as.data.frame(VarCorr(fm))
  sd <- vc$sdcor[is.na(vc$var2) & vc$grp != "Residual"]
  start <- c(sd, vc$sdcor[!is.na(vc$var2)], sigma(fm))
  optimum <- least(criterion, start)
  x <- optimum$x
  zeta <- function(...) sqrt(max(least(criterion, x, ...)$value - optimum$value, 0)) - z
  search <- function(f, estimate, step, bound) {
    # outwards until zeta is above z, or the bound
    at <- estimate
    for (i in 1:60) {
      further <- at + step
      if ((step > 0 && further >= bound) || (step < 0 && further <= bound)) {
        if (f(bound) <= 0) return(bound)
        further <- bound
      }
      if (f(further) > 0) return(uniroot(f, sort(c(at, further)), tol = 1e-11)$root)
      at <- further
    }
    stop("no root")
  }
  out <- list()
  for (j in seq_along(criterion$fixed)) {
    beta <- fixef(fm)[[j]]
    se <- sqrt(vcov(fm)[j, j])
    f <- function(v) zeta(held = list(j = j, value = v))
    out[[criterion$fixed[j]]] <- c(search(f, beta, -1.5 * se, -Inf), search(f, beta, 1.5 * se, Inf))
  }
  kinds <- c(rep("sd", criterion$n_sd), rep("cor", criterion$n_cor), "sigma")
  for (i in seq_along(x)) {
    f <- function(v) zeta(fixed = i, value = v)
    low <- switch(kinds[i], sd = 0, cor = -1, sigma = 1e-8)
    high <- if (kinds[i] == "cor") 1 else Inf
    step <- if (kinds[i] == "cor") 0.2 else 0.3 * max(x[i], 0.3 * x[length(x)])
    limits <- c(search(f, x[i], -step, low), search(f, x[i], step, high))
    out[[length(out) + 1]] <- limits
    names(out)[length(out)] <- paste0(kinds[i], i)
  }
  list(names = names(out), limits = do.call(rbind, unname(out)), minimum = one(optimum$value))
}

models <- list(
  list(id = "sleepstudy", formula = Reaction ~ Days + (Days | Subject)),
  list(id = "Dyestuff", formula = Yield ~ 1 + (1 | Batch)),
  list(id = "Dyestuff2", formula = Yield ~ 1 + (1 | Batch)),
  list(id = "Penicillin", formula = diameter ~ 1 + (1 | plate) + (1 | sample)),
  list(id = "Pastes", formula = strength ~ 1 + (1 | batch) + (1 | batch:cask)),
  list(id = "cake", formula = angle ~ recipe + temp + (1 | recipe:replicate))
)
fits <- list()
for (model in models) {
  data <- read_dataset(model$id)
  fm <- lmer(model$formula, data, REML = FALSE, control = lmerControl(calc.derivs = FALSE))
  found <- roots(fm)
  interpolated <- tryCatch(
    suppressWarnings(suppressMessages(confint(fm, method = "profile", oldNames = FALSE))),
    error = function(e) NULL
  )
  fits[[model$id]] <- c(found, list(
    lme4_names = rownames(interpolated), lme4 = unname(as.matrix(interpolated))
  ))
  cat(model$id, "\n")
}

# -- gls: the correlation of AR(1) at which the likelihood has fallen ----------

sleep <- read_dataset("sleepstudy")
by_rho <- function(rho) {
  fit <- gls(Reaction ~ Days, sleep, method = "ML",
             correlation = corAR1(rho, form = ~ Days | Subject, fixed = TRUE))
  -2 * as.numeric(logLik(fit))
}
lowest <- optimise(by_rho, c(0.5, 0.95), tol = 1e-10)
f <- function(rho) by_rho(rho) - lowest$objective - z^2
fits$gls_ar1 <- list(rho = c(
  uniroot(f, c(0.3, lowest$minimum), tol = 1e-12)$root,
  uniroot(f, c(lowest$minimum, 0.99), tol = 1e-12)$root
))

versions <- list(R = one(as.character(getRversion())),
                 lme4 = one(as.character(packageVersion("lme4"))),
                 nlme = one(as.character(packageVersion("nlme"))))
writeLines(as_json(c(list(versions = versions), fits), top = TRUE),
           file.path("tests", "reference", "profiles.json"))
