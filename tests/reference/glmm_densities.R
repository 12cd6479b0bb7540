# Log densities of the families with two derivatives in the linear predictor, and the Laplace and
# adaptive Gauss-Hermite approximations made of them: an independent check of glmmTMB and lme4,
# and the reference for what they do not fit. Nothing here runs; glmm_fits.R sources it.

# -- links: mean and its two derivatives in eta ----------------------------------

links <- list(
  logit = function(e) {
    m <- plogis(e)
    list(m, m * (1 - m), m * (1 - m) * (1 - 2 * m))
  },
  probit = function(e) list(pnorm(e), dnorm(e), -e * dnorm(e)),
  cloglog = function(e) {
    a <- exp(e)
    list(-expm1(-a), a * exp(-a), a * exp(-a) * (1 - a))
  },
  cauchit = function(e) list(pcauchy(e), dcauchy(e), -2 * e / (pi * (1 + e^2)^2)),
  log = function(e) list(exp(e), exp(e), exp(e)),
  inverse = function(e) list(1 / e, -1 / e^2, 2 / e^3),
  sqrt = function(e) list(e^2, 2 * e, rep(2, length(e))),
  identity = function(e) list(e, rep(1, length(e)), rep(0, length(e)))
)

# -- families: log density and its two derivatives in the mean --------------------
# s: list of size (trials), phi (dispersion as defined in README.md), power (Tweedie), df (t)

densities <- list(
  binomial = function(y, m, s) {
    n <- s$size
    list(dbinom(y, n, m, log = TRUE), y / m - (n - y) / (1 - m), -y / m^2 - (n - y) / (1 - m)^2)
  },
  poisson = function(y, m, s) list(dpois(y, m, log = TRUE), y / m - 1, -y / m^2),
  nbinom2 = function(y, m, s) {
    k <- s$phi
    list(dnbinom(y, size = k, mu = m, log = TRUE), y / m - (y + k) / (m + k),
         -y / m^2 + (y + k) / (m + k)^2)
  },
  nbinom1 = function(y, m, s) {
    r <- m / s$phi
    list(dnbinom(y, size = r, mu = m, log = TRUE),
         (digamma(y + r) - digamma(r) - log1p(s$phi)) / s$phi,
         (trigamma(y + r) - trigamma(r)) / s$phi^2)
  },
  Gamma = function(y, m, s) {
    list(dgamma(y, shape = 1 / s$phi, scale = m * s$phi, log = TRUE), (y - m) / (s$phi * m^2),
         (1 / m^2 - 2 * y / m^3) / s$phi)
  },
  inverse.gaussian = function(y, m, s) {
    list(-0.5 * log(2 * pi * s$phi * y^3) - (y - m)^2 / (2 * s$phi * m^2 * y),
         (y - m) / (s$phi * m^3), (2 / m^3 - 3 * y / m^4) / s$phi)
  },
  beta = function(y, m, s) {
    a <- m * s$phi
    b <- (1 - m) * s$phi
    list(dbeta(y, a, b, log = TRUE),
         s$phi * (digamma(b) - digamma(a) + log(y) - log1p(-y)),
         -s$phi^2 * (trigamma(a) + trigamma(b)))
  },
  betabinomial = function(y, m, s) {
    a <- m * s$phi
    b <- (1 - m) * s$phi
    n <- s$size
    list(lchoose(n, y) + lbeta(y + a, n - y + b) - lbeta(a, b),
         s$phi * (digamma(y + a) - digamma(n - y + b) - digamma(a) + digamma(b)),
         s$phi^2 * (trigamma(y + a) + trigamma(n - y + b) - trigamma(a) - trigamma(b)))
  },
  tweedie = function(y, m, s) {
    list(mgcv::ldTweedie(y, m, p = s$power, phi = s$phi[1])[, 1], (y - m) / (s$phi * m^s$power),
         -1 / (s$phi * m^s$power) - s$power * (y - m) / (s$phi * m^(s$power + 1)))
  },
  t = function(y, m, s) {
    z <- (y - m) / s$phi
    v <- s$df
    list(dt(z, v, log = TRUE) - log(s$phi), (v + 1) * z / (v + z^2) / s$phi,
         -(v + 1) * (v - z^2) / (v + z^2)^2 / s$phi^2)
  }
)

# Given that y > 0.
truncate_at_zero <- function(density) {
  function(y, m, s) {
    f <- density(y, m, s)
    zero <- density(rep(0, length(y)), m, s)
    p <- exp(zero[[1]])
    ratio <- p / -expm1(zero[[1]])
    list(f[[1]] - log(-expm1(zero[[1]])), f[[2]] + ratio * zero[[2]],
         f[[3]] + ratio * (zero[[3]] + zero[[2]]^2) + (ratio * zero[[2]])^2)
  }
}
densities$truncated_poisson <- truncate_at_zero(densities$poisson)
densities$truncated_nbinom2 <- truncate_at_zero(densities$nbinom2)
densities$truncated_nbinom1 <- truncate_at_zero(densities$nbinom1)

# Log density with derivatives in eta. s$zero: probability of an extra zero (NULL: none).
make_log_density <- function(family, link, y, s) {
  density <- densities[[family]]
  hurdle <- startsWith(family, "truncated")
  w <- if (is.null(s$weights)) rep(1, length(y)) else s$weights
  function(eta) {
    m <- links[[link]](eta)
    f <- density(y, m[[1]], s)
    l <- f[[1]]
    d1 <- f[[2]] * m[[2]]
    d2 <- f[[3]] * m[[2]]^2 + f[[2]] * m[[3]]
    if (!is.null(s$zero)) {
      zero <- y == 0
      stays <- 1 - s$zero
      if (hurdle) {
        l <- ifelse(zero, log(s$zero), log(stays) + l)
        d1[zero] <- 0
        d2[zero] <- 0
      } else {
        p <- s$zero + stays * exp(l)
        share <- stays * exp(l) / p
        d2 <- ifelse(zero, share * (d2 + d1^2) - (share * d1)^2, d2)
        d1 <- ifelse(zero, share * d1, d1)
        l <- ifelse(zero, log(p), log(stays) + l)
      }
    }
    list(l = w * l, d1 = w * d1, d2 = w * d2)
  }
}

# Cumulative link: y in 1..K, P(y <= j) = F(alpha_j - eta).
make_cumulative <- function(link, y, alpha) {
  F <- list(logit = plogis, probit = pnorm, cloglog = function(x) -expm1(-exp(x)))[[link]]
  f <- list(logit = dlogis, probit = dnorm, cloglog = function(x) exp(x - exp(x)))[[link]]
  slope <- list(
    logit = function(x) dlogis(x) * (1 - 2 * plogis(x)), probit = function(x) -x * dnorm(x),
    cloglog = function(x) exp(x - exp(x)) * (1 - exp(x))
  )[[link]]
  ends <- unname(c(-Inf, alpha, Inf))
  at <- function(g, x) ifelse(is.finite(x), g(ifelse(is.finite(x), x, 0)), 0)
  function(eta) {
    upper <- ends[y + 1] - eta
    lower <- ends[y] - eta
    high <- ifelse(upper == Inf, 1, at(F, upper))
    p <- high - at(F, lower)
    d1 <- -(at(f, upper) - at(f, lower)) / p
    list(l = log(p), d1 = d1, d2 = (at(slope, upper) - at(slope, lower)) / p - d1^2)
  }
}

# -- the integral ----------------------------------------------------------------

# Mode of sum(l(fixed + A u)) - u'u/2, by Newton's method with halved steps.
conditional_mode <- function(log_density, fixed, A, u) {
  value_at <- function(u) sum(log_density(fixed + as.vector(A %*% u))$l) - sum(u^2) / 2
  value <- value_at(u)
  if (!is.finite(value)) {
    u <- numeric(length(u))
    value <- value_at(u)
  }
  for (iteration in 1:200) {
    f <- log_density(fixed + as.vector(A %*% u))
    slope <- as.vector(Matrix::crossprod(A, f$d1)) - u
    newton_step <- function(curvature) {
      H <- Matrix::crossprod(A, as(curvature * A, "CsparseMatrix")) + Matrix::Diagonal(length(u))
      as.vector(Matrix::solve(Matrix::Cholesky(Matrix::forceSymmetric(H), LDL = FALSE), slope))
    }
    # where the exact Hessian is not positive definite, a floor keeps the step uphill
    step <- tryCatch(newton_step(-f$d2), error = function(e) NULL, warning = function(e) NULL)
    if (is.null(step)) step <- newton_step(pmax(-f$d2, 0))
    size <- 1
    repeat {
      candidate <- u + size * step
      new <- value_at(candidate)
      if (is.finite(new) && new >= value - 1e-13 * abs(value)) break
      size <- size / 2
      if (size < 1e-10) return(u)
    }
    u <- candidate
    value <- new
    if (max(abs(step)) < 1e-13) break
  }
  u
}

# Laplace's approximation, exact Hessian (observed information).
laplace <- function(log_density, fixed, A, u) {
  u <- conditional_mode(log_density, fixed, A, u)
  f <- log_density(fixed + as.vector(A %*% u))
  H <- Matrix::crossprod(A, as(-f$d2 * A, "CsparseMatrix")) + Matrix::Diagonal(length(u))
  half_log_det <- as.numeric(Matrix::determinant(Matrix::Cholesky(Matrix::forceSymmetric(H), LDL = FALSE))$modulus)
  list(value = sum(f$l) - sum(u^2) / 2 - half_log_det, u = u)
}

# Adaptive Gauss-Hermite quadrature for one scalar random effect per group; group: 1..q.
quadrature <- function(log_density, fixed, sd, group, k, u) {
  A <- Matrix::sparseMatrix(i = seq_along(group), j = group, x = sd)
  u <- conditional_mode(log_density, fixed, A, u)
  f <- log_density(fixed + sd * u[group])
  spread <- 1 / sqrt(1 + sd^2 * as.vector(rowsum(-f$d2, group)))
  rule <- statmod::gauss.quad.prob(k, "normal")
  logs <- vapply(seq_len(k), function(j) {
    at <- u + spread * rule$nodes[j]
    as.vector(rowsum(log_density(fixed + sd * at[group])$l, group)) - at^2 / 2 +
      rule$nodes[j]^2 / 2 + log(rule$weights[j])
  }, u)
  top <- apply(logs, 1, max)
  list(value = sum(log(spread) + top + log(rowSums(exp(logs - top)))), u = u)
}
