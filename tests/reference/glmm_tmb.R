# A fit by glmmTMB, polished, and what it estimated. Nothing here runs; glmm_fits.R sources it.

# Exact gradients by differences of order four: the Hessian of the joint negative log-likelihood.
jacobian_of <- function(gr, x) {
  H <- matrix(0, length(x), length(x))
  for (i in seq_along(x)) {
    h <- 1e-3 * max(1, abs(x[i]))
    at <- function(k) as.vector(gr(replace(x, i, x[i] + k * h)))
    H[i, ] <- (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * h)
  }
  (H + t(H)) / 2
}

# Newton steps on exact gradients, while they make them smaller.
newton_polish <- function(fn, gr, x) {
  H <- jacobian_of(gr, x)
  g <- as.vector(gr(x))
  for (step in 1:6) {
    candidate <- x - solve(H, g)
    g_new <- tryCatch(as.vector(gr(candidate)), error = function(e) NA)
    if (anyNA(g_new) || max(abs(g_new)) >= max(abs(g))) break
    x <- candidate
    g <- g_new
  }
  list(x = x, value = fn(x), gradient = max(abs(g)), hessian = jacobian_of(gr, x))
}

tmb_parts <- function(model, data) {
  arguments <- list(
    formula = model$formula_tmb, data = data, family = model$family_tmb, doFit = FALSE,
    ziformula = model$zi, dispformula = model$disp
  )
  if (!is.null(model$weights)) arguments$weights <- data[[model$weights]]
  if (!is.null(model$offset)) arguments$offset <- data[[model$offset]]
  do.call(glmmTMB, arguments)
}

fit_tmb <- function(model, data) {
  parts <- tmb_parts(model, data)
  if (model$link %in% c("inverse", "sqrt")) { # zero is no start there
    d <- parts$data.tmb
    parts$parameters$beta <- unname(qr.coef(
      qr(d$X), model$family_lme4$linkfun(d$yobs + 0.1)
    ))
  }
  objective <- with(parts, TMB::MakeADFun(
    data.tmb, parameters, map = mapArg, random = randomArg, silent = TRUE, DLL = "glmmTMB"
  ))
  objective$env$inner.control$tol <- 1e-10
  objective$env$inner.control$tol10 <- 0
  fn <- function(x) as.numeric(objective$fn(x))
  gr <- function(x) as.vector(objective$gr(x))
  tight <- list(iter.max = 1e5, eval.max = 1e5, rel.tol = 1e-14, x.tol = 1e-12)
  found <- list(nlminb = tryCatch(
    nlminb(objective$par, fn, gr, control = tight)$par, error = function(e) NULL
  ))
  if (!model$heavy && model$family != "tweedie") { # (BFGS runs to where its series has no end)
    found$BFGS <- tryCatch(
      optim(objective$par, fn, gr, method = "BFGS",
            control = list(maxit = 1e4, reltol = 1e-16))$par,
      error = function(e) NULL
    )
  }
  # (BFGS may run to where a density overflows)
  found <- Filter(function(x) !is.null(x) && isTRUE(max(abs(gr(x))) < 0.1), found)
  reached <- vapply(found, fn, 0)
  best <- newton_polish(fn, gr, found[[which.min(reached)]])
  fn(best$x) # leaves the random effects of the optimum in the object
  list(
    parts = parts, par = setNames(best$x, names(objective$par)), loglik = -best$value,
    gradient = best$gradient, hessian = best$hessian,
    report = objective$report(objective$env$last.par),
    u = objective$env$last.par[objective$env$random],
    programs = c(setNames(-reached, paste("glmmTMB", names(found))),
                 "glmmTMB polished" = -best$value)
  )
}

# (a term without correlations has an empty matrix)
correlation_of <- function(fit, i) {
  size <- length(fit$report$sd[[i]])
  R <- fit$report$corr[[i]]
  if (size == 1 || length(R) == 0 || anyNA(R)) diag(size) else matrix(R, size)
}

# What glmmTMB estimated, in our units.
tmb_figures <- function(model, fit) {
  par <- fit$par
  covariance <- solve(fit$hessian)
  is <- function(name) which(names(par) == name)
  se <- function(index) sqrt(diag(covariance)[index])
  struct <- fit$parts
  terms <- lapply(seq_along(struct$condReStruc), function(i) {
    sd <- as.vector(fit$report$sd[[i]])
    correlation <- correlation_of(fit, i)
    random_term(
      sub("^.*\\| *", "", names(struct$condReStruc)[i]),
      struct$condList$reTrms$cnms[[i]], sd, correlation
    )
  })
  beta <- par[is("beta")]
  out <- list(
    beta = scalars(beta, colnames(struct$data.tmb$X)),
    se = scalars(se(is("beta")), colnames(struct$data.tmb$X)),
    vcov = covariance[is("beta"), is("beta"), drop = FALSE],
    terms = terms, singular = one(any(vapply(terms, is_singular, TRUE)))
  )
  family <- model$family
  if (length(is("betad"))) {
    d <- par[is("betad")]
    columns <- colnames(struct$data.tmb$Xd)
    # glmmTMB's own parameter of Gamma is the shape, 1/phi
    sign <- if (family == "Gamma") -1 else 1
    out$dispersion <- scalars(exp(sign * d), columns)
    if (length(d) > 1) {
      out$dispersion <- NULL
      out$dispersion_beta <- scalars(sign * d, columns)
      out$dispersion_se <- scalars(se(is("betad")), columns)
    } else {
      out$dispersion <- one(exp(sign * d))
      out$dispersion_se_log <- one(se(is("betad")))
    }
  }
  if (length(is("psi"))) {
    psi <- par[is("psi")]
    if (family == "tweedie") out$power <- one(1 + plogis(psi))
    if (family == "t") out$df_t <- one(exp(psi))
  }
  if (length(is("betazi"))) {
    columns <- colnames(struct$data.tmb$Xzi)
    out$zi <- scalars(par[is("betazi")], columns)
    out$zi_se <- scalars(se(is("betazi")), columns)
  }
  if (length(is("thetazi"))) {
    out$zi_terms <- lapply(seq_along(struct$ziReStruc), function(i) {
      sd <- as.vector(fit$report$sdzi[[i]])
      random_term(sub("^.*\\| *", "", names(struct$ziReStruc)[i]),
                  struct$ziList$reTrms$cnms[[i]], sd, diag(length(sd)))
    })
  }
  # at a boundary the likelihood has no Hessian in glmmTMB's parameters
  if (out$singular[[1]]) out[grepl("se$|se_log$|vcov", names(out))] <- list(one(NA))
  out
}

is_singular <- function(term) {
  sd <- unlist(term$sd)
  any(sd < 1e-4) || min(eigen(term$correlation, symmetric = TRUE)$values) < 1e-3
}

# Our own Laplace approximation at glmmTMB's optimum (the random part must be in the mean only).
check_tmb <- function(model, fit) {
  d <- fit$parts$data.tmb
  par <- fit$par
  value <- function(name) par[names(par) == name]
  s <- list(phi = NULL)
  if (length(value("betad"))) {
    s$phi <- exp(as.vector(d$Xd %*% value("betad")))
    if (model$family == "Gamma") s$phi <- 1 / s$phi
  }
  if (length(value("psi"))) {
    s$power <- 1 + plogis(value("psi"))
    s$df <- exp(value("psi"))
  }
  if (length(value("betazi"))) s$zero <- plogis(as.vector(d$Xzi %*% value("betazi")))
  s$size <- if (length(d$size)) d$size else rep(1, length(d$yobs))
  s$weights <- d$weights
  blocks <- lapply(seq_along(fit$report$sd), function(i) {
    sd <- as.vector(fit$report$sd[[i]])
    correlation <- correlation_of(fit, i)
    L <- lower_root(correlation) * sd
    Matrix::kronecker(Matrix::Diagonal(fit$parts$condReStruc[[i]]$blockReps), L)
  })
  offset <- if (is.null(d$offset)) 0 else d$offset
  fixed <- as.vector(d$X %*% value("beta")) + offset
  density <- make_log_density(model$family, model$link, as.vector(d$yobs), s)
  if (length(blocks) == 0) return(sum(density(fixed)$l))
  A <- as(d$Z %*% Matrix::bdiag(blocks), "CsparseMatrix")
  laplace(density, fixed, A, numeric(ncol(A)))$value
}
