# A fit by lme4 and by our own integrals. Nothing here runs; glmm_fits.R sources it.

# -- parts of an entry -----------------------------------------------------------

# Lower triangular root of a correlation matrix, also of a singular one.
lower_root <- function(R) {
  L <- 0 * R
  for (j in seq_len(ncol(R))) {
    done <- seq_len(j - 1)
    L[j, j] <- sqrt(max(R[j, j] - sum(L[j, done]^2), 0))
    for (i in seq_len(nrow(R))[-seq_len(j)]) {
      if (L[j, j] > 1e-7) L[i, j] <- (R[i, j] - sum(L[i, done] * L[j, done])) / L[j, j]
    }
  }
  L
}

scalars <- function(x, names) setNames(lapply(unname(x), one), names)

random_term <- function(group, columns, sd, correlation) {
  factor <- lower_root(correlation) * sd
  list(
    group = one(group), columns = lapply(columns, one), sd = scalars(sd, columns),
    correlation = unname(matrix(correlation, length(sd))),
    factor = unname(matrix(factor, length(sd)))
  )
}

# -- lme4 ------------------------------------------------------------------------

fit_lme4 <- function(model, data, start) {
  optimizers <- list(
    bobyqa = list("bobyqa", list(rhoend = 1e-9, maxfun = 1e5)),
    nloptwrap = list("nloptwrap", list(
      algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-11, ftol_abs = 1e-12, xtol_rel = 0,
      ftol_rel = 0, maxeval = 1e5
    )),
    Nelder_Mead = list("Nelder_Mead", list(
      maxfun = 1e5, FtolAbs = 1e-12, FtolRel = 1e-15, XtolRel = 1e-10
    ))
  )
  if (model$heavy) optimizers <- optimizers["bobyqa"]
  fits <- lapply(optimizers, function(o) {
    for (tolerance in c(1e-13, 1e-12, 1e-11)) {
      arguments <- list(
        formula = model$formula_lme4, data = data, family = model$family_lme4,
        nAGQ = model$nagq, start = start,
        control = glmerControl(
          optimizer = o[[1]], optCtrl = o[[2]], tolPwrss = tolerance, calc.derivs = FALSE,
          check.conv.singular = "ignore", check.nobs.vs.nRE = "ignore"
        )
      )
      if (!is.null(model$weights)) arguments$weights <- as.name(model$weights)
      if (!is.null(model$offset)) arguments$offset <- as.name(model$offset)
      fit <- tryCatch(suppressWarnings(do.call(glmer, arguments)), error = function(e) NULL)
      if (!is.null(fit)) break
    }
    fit
  })
  Filter(Negate(is.null), fits)
}

# lme4's nAGQ > 1 leaves out the log-likelihood of the saturated model.
saturated <- function(family, y, size) {
  switch(family, binomial = sum(dbinom(y, size, y / size, log = TRUE)),
         poisson = sum(dpois(y, y, log = TRUE)))
}

# -- our own ---------------------------------------------------------------------

# Maximum of f from a start: nlminb on differences of order six, then Newton steps; and the
# Hessian by Richardson's extrapolation.
maximise <- function(f, start) {
  all <- seq_along(start)
  minus <- function(x) {
    value <- tryCatch(-f(x), error = function(e) NA)
    if (is.finite(value)) value else 1e10
  }
  found <- nlminb(start, minus, function(x) gradient(minus, x, all),
                  control = list(iter.max = 1e4, eval.max = 1e4, rel.tol = 1e-15, x.tol = 1e-12))
  best <- polish(minus, found$par, all, steps = 6)
  if (best$gradient > 1e-7) {
    best <- newton_polish(minus, function(x) gradient(minus, x, all), best$x)
  }
  list(par = best$x, value = -best$value, gradient = best$gradient,
       hessian = numDeriv::hessian(minus, best$x, method.args = list(d = 0.02, r = 6)))
}

# Laplace (nagq 1) or quadrature, for terms without correlations; parameters: beta, sds of the
# terms, log dispersion.
fit_own <- function(model, data, start_beta, start_sd, start_phi = NULL) {
  parsed <- lFormula(model$formula_own, data, control = lmerControl(
    check.nobs.vs.nRE = "ignore", check.nobs.vs.nlev = "ignore", check.formula.LHS = "ignore"
  ))
  X <- parsed$X
  Z <- lapply(parsed$reTrms$Ztlist, Matrix::t)
  y <- data[[model$y]]
  p <- ncol(X)
  s <- list(size = if (is.null(model$size)) rep(1, length(y)) else data[[model$size]])
  u <- new.env()
  u$u <- numeric(sum(vapply(Z, ncol, 0L)))
  f <- function(par) {
    beta <- par[seq_len(p)]
    sd <- par[p + seq_along(Z)]
    if (!is.null(start_phi)) s$phi <- exp(par[length(par)])
    density <- make_log_density(model$family, model$link, y, s)
    fixed <- as.vector(X %*% beta) + if (is.null(model$offset)) 0 else data[[model$offset]]
    out <- if (model$nagq > 1) {
      group <- as.integer(parsed$reTrms$flist[[1]])
      quadrature(density, fixed, sd, group, model$nagq, u$u)
    } else {
      laplace(density, fixed, do.call(cbind, Map(`*`, Z, sd)), u$u)
    }
    u$u <- out$u
    out$value
  }
  best <- maximise(f, c(start_beta, start_sd, if (!is.null(start_phi)) log(start_phi)))
  covariance <- solve(best$hessian)
  columns <- colnames(X)
  named <- function(x) scalars(x, columns)
  figures <- list(
    beta = named(best$par[1:p]), se = named(sqrt(diag(covariance)[1:p])),
    vcov = covariance[1:p, 1:p, drop = FALSE],
    terms = lapply(seq_along(Z), function(i) {
      random_term(term_groups(parsed$reTrms)[i], parsed$reTrms$cnms[[i]],
                  abs(best$par[p + i]), diag(1))
    }),
    singular = one(FALSE)
  )
  if (!is.null(start_phi)) {
    figures$dispersion <- one(exp(best$par[length(best$par)]))
    figures$dispersion_se_log <- one(sqrt(diag(covariance))[length(best$par)])
  }
  list(figures = figures, loglik = best$value, gradient = best$gradient)
}

term_groups <- function(reTrms) names(reTrms$flist)[attr(reTrms$flist, "assign")]
