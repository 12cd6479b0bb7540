# Figures of one fit for inference.R: coefficients, degrees of freedom, F tests.
#
# Two sources stand side by side. `lmertest` and `pbkrtest` are what those packages return.
# `exact` is computed here from dense n x n matrices, by the formulas below, since lmerTest
# differentiates numerically.

# -- fits --------------------------------------------------------------------

# An lmerModLmerTest object at the polished optimum, and what the optimiser said. The call of
# the object carries the data, so that update() and model.frame() work on it.
fit_model <- function(formula, data, reml, weights = NULL, offset = NULL, contrasts = NULL) {
  arguments <- list(formula = formula, data = data, REML = reml)
  arguments$contrasts <- contrasts
  if (!is.null(weights)) arguments$weights <- as.name(weights)
  if (!is.null(offset)) arguments$offset <- as.name(offset)
  # the optimiser is for refits by update(), in ranova, drop1 and step
  arguments$control <- lmerControl(
    optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e5),
    check.conv.singular = "ignore", check.rankX = "silent.drop.cols", calc.derivs = FALSE
  )
  parts <- do.call(lFormula, arguments)
  devfun <- do.call(mkLmerDevfun, parts)
  optimum <- find_optimum(devfun, parts$reTrms$theta, parts$reTrms$lower)
  opt <- list(
    par = optimum$theta, fval = as.numeric(devfun(optimum$theta)), feval = NA_integer_, conv = 0,
    message = ""
  )
  call <- as.call(c(list(quote(lmerTest::lmer)), arguments))
  fit <- mkMerMod(environment(devfun), opt, parts$reTrms, fr = parts$fr, mc = call)
  list(fit = suppressWarnings(as_lmerModLmerTest(fit)), optimum = optimum)
}

describe_fit <- function(fit, optimum, reml) {
  list(
    nobs = one(nobs(fit)),
    criterion = one(if (reml) as.numeric(REMLcrit(fit)) else as.numeric(deviance(fit, REML = FALSE))),
    beta_names_r = names(fixef(fit)),
    beta = unname(fixef(fit)),
    vcov = unname(as.matrix(vcov(fit))),
    theta = unname(getME(fit, "theta")),
    theta_names_r = names(getME(fit, "theta")),
    sigma = one(sigma(fit)),
    singular = one(isSingular(fit, tol = 1e-4)),
    dropped_r = names(attr(getME(fit, "X"), "col.dropped")),
    optimizer = one(optimum$note)
  )
}

# -- Satterthwaite, lmerTest and dense ---------------------------------------

satterthwaite_table <- function(fit) {
  table <- coef(summary(fit, ddf = "Satterthwaite"))
  list(
    std_error = unname(table[, "Std. Error"]), df = unname(table[, "df"]),
    statistic = unname(table[, "t value"]), p_value = unname(table[, "Pr(>|t|)"])
  )
}

# V and its first and second derivatives in (theta, sigma), with V = sigma^2 (W^-1 + Z L L' Z').
dense_derivatives <- function(fit) {
  z <- as.matrix(getME(fit, "Z"))
  lambda_t <- getME(fit, "Lambdat")
  index <- getME(fit, "Lind")
  s <- sigma(fit)
  factor_of <- function(x) {
    lambda_t@x <- x
    z %*% t(as.matrix(lambda_t))
  }
  u <- factor_of(getME(fit, "theta")[index])
  v0 <- diag(1 / weights(fit), nrow(z)) + tcrossprod(u)
  k <- length(getME(fit, "theta"))
  du <- lapply(seq_len(k), function(i) factor_of(as.numeric(index == i)))
  d0 <- lapply(du, function(d) tcrossprod(d, u) + tcrossprod(u, d))
  first <- c(lapply(d0, `*`, s^2), list(2 * s * v0))
  second <- function(i, j) {
    if (i > k && j > k) return(2 * v0)
    if (i > k) return(2 * s * d0[[j]])
    if (j > k) return(2 * s * d0[[i]])
    s^2 * (tcrossprod(du[[i]], du[[j]]) + tcrossprod(du[[j]], du[[i]]))
  }
  list(v = s^2 * v0, first = first, second = second)
}

# Gradients of cov(beta) and the covariance 2 H^-1 of (theta, sigma), with H the Hessian of
# -2 x the (restricted) log-likelihood:
#   H_ij = tr(M V_ij) - tr(M V_i M V_j) + 2 y'P V_i P V_j P y - y'P V_ij P y,
# M = P for REML and V^-1 for ML. As in lmerTest, eigenvalues of H up to 1e-8 are left out.
exact_satterthwaite <- function(fit, reml) {
  parts <- dense_derivatives(fit)
  x <- getME(fit, "X")
  # the response less the offset
  y <- getME(fit, "y") - getME(fit, "offset")
  vi <- chol2inv(chol(parts$v))
  vix <- vi %*% x
  phi <- solve(crossprod(x, vix))
  p <- vi - vix %*% phi %*% t(vix)
  m <- if (reml) p else vi
  py <- p %*% y
  n_par <- length(parts$first)
  mv <- lapply(parts$first, function(d) m %*% d)
  vpy <- lapply(parts$first, function(d) d %*% py)
  h <- matrix(0, n_par, n_par)
  for (i in seq_len(n_par)) {
    for (j in seq_len(i)) {
      vij <- parts$second(i, j)
      h[i, j] <- h[j, i] <- sum(m * vij) - sum(mv[[i]] * t(mv[[j]])) +
        2 * sum(vpy[[i]] * (p %*% vpy[[j]])) - sum(py * (vij %*% py))
    }
  }
  spectrum <- eigen(h, symmetric = TRUE)
  keep <- spectrum$values > 1e-8
  basis <- spectrum$vectors[, keep, drop = FALSE]
  list(
    gradients = lapply(parts$first, function(d) phi %*% crossprod(vix, d %*% vix) %*% phi),
    covariance = 2 * basis %*% (t(basis) / spectrum$values[keep]),
    phi = phi,
    dropped = sum(!keep)
  )
}

exact_df <- function(exact, l) {
  apply(l, 1, function(row) {
    g <- vapply(exact$gradients, function(d) sum(row * (d %*% row)), 0)
    2 * sum(row * (exact$phi %*% row))^2 / sum(g * (exact$covariance %*% g))
  })
}

# -- Kenward-Roger -----------------------------------------------------------

kenward_roger_table <- function(fit) {
  adjusted <- as.matrix(vcovAdj(fit))
  p <- nrow(adjusted)
  v0 <- vcov(fit)
  df <- vapply(seq_len(p), function(i) Lb_ddf(diag(p)[i, ], v0, vcovAdj(fit)), 0)
  se <- sqrt(diag(adjusted))
  statistic <- fixef(fit) / se
  list(
    vcov = unname(adjusted), std_error = unname(se), df = df, statistic = unname(statistic),
    p_value = unname(2 * pt(-abs(statistic), df))
  )
}

# -- tests of several rows ---------------------------------------------------

# L given by name; p is the number of coefficients. All are 0 = L beta.
joint_hypotheses <- function(p, intercept) {
  eye <- diag(p)
  slopes <- if (intercept) eye[-1, , drop = FALSE] else eye
  out <- list()
  if (nrow(slopes) > 0) out$all_slopes <- slopes
  if (p >= 2) out$all_coefficients <- eye
  if (p >= 3) {
    out$two_rows <- rbind(eye[p, ] - eye[p - 1, ], eye[p, ] + 0.5 * eye[p - 2, ])
    out$redundant <- rbind(out$two_rows, out$two_rows[1, ] - 2 * out$two_rows[2, ])
  }
  out
}

joint_tests_of <- function(fit, with_kr) {
  p <- length(fixef(fit))
  hypotheses <- joint_hypotheses(p, names(fixef(fit))[1] == "(Intercept)")
  lapply(names(hypotheses), function(name) {
    l <- hypotheses[[name]]
    s <- contestMD(fit, l, ddf = "Satterthwaite")
    out <- list(
      name = one(name), L = l,
      satterthwaite = list(
        statistic = one(s$`F value`), num_df = one(s$NumDF), den_df = one(s$DenDF),
        p_value = one(s$`Pr(>F)`), sum_sq = one(s$`Sum Sq`), mean_sq = one(s$`Mean Sq`)
      )
    )
    if (with_kr && name != "redundant") {
      test <- KRmodcomp(fit, l)$test
      out$kenward_roger <- list(
        statistic = one(test["Ftest", "stat"]), num_df = one(test["Ftest", "ndf"]),
        den_df = one(test["Ftest", "ddf"]), scaling = one(test["Ftest", "F.scaling"]),
        p_value = one(test["Ftest", "p.value"]), unscaled_statistic = one(test["FtestU", "stat"])
      )
    }
    out
  })
}

# -- anova by term -----------------------------------------------------------

anova_table <- function(fit, type, ddf) {
  table <- suppressWarnings(suppressMessages(anova(fit, type = type, ddf = ddf)))
  list(
    type = one(type), ddf = one(tolower(ddf)), terms_r = rownames(table),
    sum_sq = table$`Sum Sq`, mean_sq = table$`Mean Sq`, num_df = table$NumDF,
    den_df = table$DenDF, statistic = table$`F value`, p_value = table$`Pr(>F)`
  )
}

anova_tables <- function(fit, with_kr) {
  if (length(attr(terms(fit), "term.labels")) == 0) return(list())
  methods <- c("Satterthwaite", if (with_kr) "Kenward-Roger")
  out <- list()
  for (ddf in methods) for (type in 1:3) out[[length(out) + 1]] <- anova_table(fit, type, ddf)
  out
}

car_tables <- function(fit) {
  lapply(2:3, function(type) {
    table <- car::Anova(fit, type = type, test.statistic = "F")
    list(
      type = one(type), terms_r = rownames(table), statistic = table$F, num_df = table$Df,
      den_df = table$Df.res, p_value = table$`Pr(>F)`
    )
  })
}
