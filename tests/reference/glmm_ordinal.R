# Cumulative link mixed models: P(y <= j) = F(threshold_j - x'beta - z'b), by ordinal::clmm and by
# our own Laplace approximation or quadrature, which is maximised from clmm's estimates. Nothing
# here runs; glmm_fits.R sources it.

ordinal_models <- list()

add_ordinal <- function(id, data, formula, link, nagq = 1L) {
  ordinal_models[[id]] <<- list(
    id = id, data = data, formula = formula, link = link, nagq = nagq
  )
}

add_ordinal("wine_logit", "glmm_wine.csv", "rating ~ temp + contact + (1 | judge)", "logit")
add_ordinal("wine_probit", "glmm_wine.csv", "rating ~ temp + contact + (1 | judge)", "probit")
add_ordinal("wine_cloglog", "glmm_wine.csv", "rating ~ temp + contact + (1 | judge)", "cloglog")
add_ordinal("wine_logit_agq10", "glmm_wine.csv", "rating ~ temp + contact + (1 | judge)", "logit",
            nagq = 10L)
add_ordinal("wine_probit_agq10", "glmm_wine.csv", "rating ~ temp + contact + (1 | judge)",
            "probit", nagq = 10L)
add_ordinal("wine_interaction", "glmm_wine.csv", "rating ~ temp * contact + (1 | judge)", "logit")
add_ordinal("soup_logit", "glmm_soup.csv", "SURENESS ~ PROD + (1 | RESP)", "logit")
add_ordinal("soup_probit", "glmm_soup.csv", "SURENESS ~ PROD + (1 | RESP)", "probit")
add_ordinal("soup_two_logit", "glmm_soup.csv", "SURENESS ~ PROD + (1 | RESP) + (1 | PROD:RESP)",
            "logit")
add_ordinal("soup_two_probit", "glmm_soup.csv",
            "SURENESS ~ PROD + (1 | RESP) + (1 | PROD:RESP)", "probit")
add_ordinal("soup_crossed", "glmm_soup.csv", "SURENESS ~ 1 + (1 | RESP) + (1 | PRODID)", "logit")

run_ordinal <- function(model) {
  data <- read_data(model$data)
  formula <- as.formula(model$formula)
  response <- all.vars(formula)[1]
  data[[response]] <- factor(data[[response]], ordered = TRUE)
  # clmm 2022.11-16 swaps cloglog and loglog (clm and MASS::polr do not)
  its_link <- if (model$link == "cloglog") "loglog" else model$link
  # clmm looks for variables in the frame of its caller
  start <- suppressWarnings(eval(bquote(clmm(
    .(formula), data = data, link = .(its_link), nAGQ = .(model$nagq),
    control = clmm.control(gradTol = 1e-7, maxIter = 500, maxLineIter = 200, innerCtrl = "noWarn")
  ))))
  y <- as.integer(data[[response]])
  numeric_response <- formula
  numeric_response[[2]] <- as.name("code_")
  data$code_ <- y
  parsed <- lFormula(numeric_response, data, control = lmerControl(
    check.nobs.vs.nRE = "ignore", check.nobs.vs.nlev = "ignore"
  ))
  X <- parsed$X[, -1, drop = FALSE]
  Z <- lapply(parsed$reTrms$Ztlist, Matrix::t)
  K <- max(y)
  p <- ncol(X)
  memory <- new.env()
  memory$u <- numeric(sum(vapply(Z, ncol, 0L)))
  f <- function(par) {
    beta <- par[K - 1 + seq_len(p)]
    sd <- par[K - 1 + p + seq_along(Z)]
    density <- make_cumulative(model$link, y, par[seq_len(K - 1)])
    fixed <- if (p) as.vector(X %*% beta) else numeric(length(y))
    out <- if (model$nagq > 1) {
      quadrature(density, fixed, sd, as.integer(parsed$reTrms$flist[[1]]), model$nagq, memory$u)
    } else {
      laplace(density, fixed, do.call(cbind, Map(`*`, Z, sd)), memory$u)
    }
    memory$u <- out$u
    out$value
  }
  names_r <- term_groups(parsed$reTrms)
  sd_start <- vapply(start$ST[names_r], as.numeric, 0)
  best <- maximise(f, unname(c(start$alpha, start$beta, pmax(sd_start, 0.05))))
  covariance <- solve(best$hessian)
  se <- sqrt(diag(covariance))
  programs <- list(`ordinal clmm` = as.numeric(logLik(start)), own = best$value)
  cat(sprintf("%-32s %.12g  gradient %.1e  clmm %+.2e\n", model$id, best$value, best$gradient,
              programs[[1]] - best$value))
  at <- K - 1 + seq_len(p)
  first <- seq_len(K - 1)
  list(
    id = one(model$id), data = one(model$data), extra_columns = list(),
    formula = one(model$formula), formula_r = one(model$formula), family = one("cumulative"),
    link = one(model$link), weights = one(NA), offset = one(NA), nagq = one(model$nagq),
    disp_formula = one("~1"), zi_formula = one("~0"), nobs = one(length(y)),
    df = one(length(best$par)), loglik = one(best$value), gradient = one(best$gradient),
    beta = scalars(best$par[at], colnames(X)), se = scalars(se[at], colnames(X)),
    vcov = covariance[at, at, drop = FALSE],
    thresholds = scalars(best$par[first], names(start$alpha)),
    thresholds_se = scalars(se[first], names(start$alpha)),
    terms = lapply(seq_along(Z), function(i) {
      random_term(names_r[i], parsed$reTrms$cnms[[i]], abs(best$par[K - 1 + p + i]), diag(1))
    }),
    singular = one(FALSE), programs = lapply(programs, one)
  )
}
