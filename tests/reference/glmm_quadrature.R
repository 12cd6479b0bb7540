# Marginal log-likelihoods at given parameters, by brute-force integration group by group.
#
#   Rscript tests/reference/glmm_quadrature.R       (from the repository root)
#
# Needs: R 4.2.2, jsonlite 1.8.4, statmod 1.5.0, Matrix 1.5-3, mgcv 1.8-41, lme4 1.1-31 (minqa) for
# tools.R. Writes glmm_quadrature.json.
#
# One random effect per group: integrate() at rel.tol 1e-12 on pieces one conditional standard
# deviation wide, out to ten prior standard deviations on either side of the mode. Two: a tensor of
# Gauss-Hermite rules with 100 nodes each about the mode; 80 nodes give the same (`change`).
# `laplace` and `agq` are the usual approximations at the same parameters, by k nodes (observed
# information). The parameters are round numbers near the estimates, not estimates.

suppressPackageStartupMessages({
  library(lme4)
  library(jsonlite)
})
source(file.path("tests", "reference", "tools.R"))
for (part in c("glmm_densities.R", "glmm_models.R")) source(file.path("tests", "reference", part))

# -- one random effect -------------------------------------------------------------

integral_of_group <- function(log_density, fixed, sd) {
  joint <- function(u) sum(log_density(fixed + sd * u)$l) + dnorm(u, log = TRUE)
  A <- Matrix::Matrix(rep(sd, length(fixed)), ncol = 1, sparse = TRUE)
  u <- conditional_mode(log_density, fixed, A, 0)
  f <- log_density(fixed + sd * u)
  spread <- 1 / sqrt(1 - sd^2 * sum(f$d2))
  top <- joint(u)
  height <- function(x) vapply(x, function(v) exp(joint(v) - top), 0)
  ends <- u + c(rev(-seq(0, 10, by = spread)), seq(0, 10, by = spread)[-1])
  pieces <- vapply(seq_len(length(ends) - 1), function(i) {
    if (max(height(ends[i + 0:1])) < 1e-25) return(0)
    integrate(height, ends[i], ends[i + 1], rel.tol = 1e-12, subdivisions = 1000)$value
  }, 0)
  top + log(sum(pieces))
}

# -- two random effects --------------------------------------------------------------

tensor_of_group <- function(log_density, fixed, Z, L, k) {
  A <- as(Z %*% L, "CsparseMatrix")
  u <- conditional_mode(log_density, fixed, A, c(0, 0))
  f <- log_density(fixed + as.vector(A %*% u))
  H <- as.matrix(Matrix::crossprod(A, -f$d2 * A)) + diag(2)
  R <- solve(chol(H)) # R R' = solve(H)
  rule <- statmod::gauss.quad.prob(k, "normal")
  at <- as.matrix(expand.grid(seq_len(k), seq_len(k)))
  x <- cbind(rule$nodes[at[, 1]], rule$nodes[at[, 2]])
  points <- t(u + R %*% t(x))
  logs <- vapply(seq_len(nrow(points)), function(i) {
    sum(log_density(fixed + as.vector(A %*% points[i, ]))$l)
  }, 0) - rowSums(points^2) / 2 + rowSums(x^2) / 2 +
    log(rule$weights[at[, 1]]) + log(rule$weights[at[, 2]]) + log(abs(det(R)))
  max(logs) + log(sum(exp(logs - max(logs))))
}

# -- cases -----------------------------------------------------------------------------

cases <- list()

# slope: column of the random slope, with covariance factor `factor` (lower triangle); else sd.
add_case <- function(id, data, formula, response, group, family, link, beta, sd = NULL,
                     factor = NULL, slope = NULL, keep, size = NULL, offset = NULL, phi = NULL,
                     power = NULL, extra = function(d) list(), thresholds = NULL, zero = NULL,
                     df = NULL) {
  frame <- read_data(data)
  added <- extra(frame)
  frame[names(added)] <- added
  rows <- which(frame[[group]] %in% keep)
  d <- frame[rows, ]
  X <- model.matrix(as.formula(sub("^.*~", "~", sub(" \\+ \\(.*$", "", formula))), d)
  if (!is.null(thresholds)) X <- X[, -1, drop = FALSE]
  stopifnot(ncol(X) == length(beta))
  fixed <- as.vector(X %*% beta) + if (is.null(offset)) 0 else d[[offset]]
  y <- if (is.factor(d[[response]])) as.integer(d[[response]]) - is.null(thresholds) else d[[response]]
  s <- list(size = if (is.null(size)) rep(1, nrow(d)) else d[[size]], phi = phi, power = power,
            df = df, zero = zero)
  density_of <- function(i) {
    if (!is.null(thresholds)) return(make_cumulative(link, y[i], thresholds))
    part <- s
    part$size <- s$size[i]
    make_log_density(family, link, y[i], part)
  }
  g <- droplevels(factor(d[[group]]))
  groups <- split(seq_along(y), g)
  if (is.null(slope)) {
    integrals <- vapply(groups, function(i) integral_of_group(density_of(i), fixed[i], sd), 0)
    change <- 0
    q <- as.integer(g)
    A <- Matrix::sparseMatrix(i = seq_along(q), j = q, x = sd)
    near <- list(laplace = one(laplace(density_of(seq_along(y)), fixed, A, numeric(max(q)))$value))
    for (k in c(5, 15, 31)) {
      near[[paste0("agq", k)]] <- one(quadrature(
        density_of(seq_along(y)), fixed, sd, q, k, numeric(max(q))
      )$value)
    }
  } else {
    Z <- cbind(1, if (is.factor(d[[slope]])) as.integer(d[[slope]]) - 1 else d[[slope]])
    by <- function(k) vapply(groups, function(i) {
      tensor_of_group(density_of(i), fixed[i], Z[i, , drop = FALSE], factor, k)
    }, 0)
    integrals <- by(100)
    change <- max(abs(integrals - by(80)))
    near <- list()
    for (k in c(1, 5, 15)) {
      near[[if (k == 1) "laplace" else paste0("agq", k)]] <- one(sum(by(k)))
    }
  }
  cat(sprintf("%-26s %.15g", id, sum(integrals)), sprintf("%+.1e", unlist(near) - sum(integrals)),
      sprintf("(%.0e)\n", change))
  cases[[id]] <<- c(list(
    id = one(id), data = one(data), extra_columns = added, rows = rows - 1L, formula = one(formula),
    family = one(family), link = one(link), size = one(if (is.null(size)) NA else size),
    offset = one(if (is.null(offset)) NA else offset), beta = setNames(lapply(beta, one), colnames(X)),
    thresholds = if (is.null(thresholds)) one(NA) else thresholds,
    factor = if (is.null(factor)) matrix(sd) else factor,
    dispersion = one(if (is.null(phi)) NA else phi), power = one(if (is.null(power)) NA else power),
    df_t = one(if (is.null(df)) NA else df),
    zero_probability = one(if (is.null(zero)) NA else zero), loglik = one(sum(integrals)),
    by_group = setNames(lapply(unname(integrals), one), names(groups)), change = one(change)
  ), near)
}

herds <- as.character(1:6)
herd <- "cbind(incidence, size - incidence) ~ period + (1 | herd)"
add_case("cbpp_logit", "cbpp", herd, "incidence", "herd", "binomial", "logit",
         c(-1.4, -1, -1.1, -1.6), sd = 0.65, keep = herds, size = "size")
add_case("cbpp_logit_wide", "cbpp", herd, "incidence", "herd", "binomial", "logit",
         c(-1.4, -1, -1.1, -1.6), sd = 3, keep = herds, size = "size")
for (link in c("probit", "cloglog", "cauchit")) {
  add_case(paste0("cbpp_", link), "cbpp", herd, "incidence", "herd", "binomial", link,
           c(-0.8, -0.5, -0.6, -0.8), sd = 0.4, keep = herds, size = "size")
}
add_case("cbpp_betabinomial", "cbpp", herd, "incidence", "herd", "betabinomial", "logit",
         c(-1.4, -1, -1.1, -1.6), sd = 0.5, keep = herds, size = "size", phi = 8)
add_case("ohio_logit", "glmm_ohio.csv", "resp ~ age * smoke + (1 | id)", "resp", "id", "binomial",
         "logit", c(-3, -0.2, 0.4, 0.1), sd = 2.2,
         keep = as.character(c(230:239, 330:339, 500:536)))
people <- as.character(c(1:8, 25, 49, 56))
seizures <- "y ~ lbase * trt + lage + V4 + (1 | subject)"
effects <- c(1.8, 0.9, -0.3, 0.5, -0.2, 0.5)
add_case("epilepsy_poisson", "glmm_epilepsy.csv", seizures, "y", "subject", "poisson", "log",
         effects, sd = 0.5, keep = people)
add_case("epilepsy_nb2", "glmm_epilepsy.csv", seizures, "y", "subject", "nbinom2", "log", effects,
         sd = 0.4, keep = people, phi = 7)
add_case("epilepsy_nb1", "glmm_epilepsy.csv", seizures, "y", "subject", "nbinom1", "log", effects,
         sd = 0.4, keep = people, phi = 0.8)
add_case("epilepsy_zip", "glmm_epilepsy.csv", seizures, "y", "subject", "poisson", "log", effects,
         sd = 0.5, keep = people, zero = 0.1)
nests <- c("AutavauxTV", "Bochet", "Champmartin", "ChEsard")
add_case("owls_offset", "glmm_owls.csv", "SiblingNegotiation ~ FoodTreatment * SexParent + (1 | Nest)",
         "SiblingNegotiation", "Nest", "poisson", "log", c(0.6, -0.6, -0.1, 0.1), sd = 0.4,
         keep = nests, offset = "logBroodSize")
few <- sprintf("g%02d", 1:8)
add_case("cost_gamma", "glmm_simulated.csv", "cost ~ x + arm + (1 | group)", "cost", "group",
         "Gamma", "log", c(0.3, 0.4, -0.5), sd = 0.5, keep = few, phi = 0.4)
add_case("wait_inverse_gaussian", "glmm_simulated.csv", "wait ~ x + arm + (1 | group)", "wait",
         "group", "inverse.gaussian", "log", c(0.3, 0.4, -0.5), sd = 0.5, keep = few, phi = 0.3)
add_case("share_beta", "glmm_simulated.csv", "share ~ x + arm + (1 | group)", "share", "group",
         "beta", "logit", c(-0.2, 0.4, -0.5), sd = 0.5, keep = few, phi = 9)
add_case("rain_tweedie", "glmm_simulated.csv", "rain ~ x + arm + (1 | group)", "rain", "group",
         "tweedie", "log", c(0.3, 0.4, -0.5), sd = 0.5, keep = few, phi = 1.2, power = 1.55)
add_case("heavy_t", "glmm_simulated.csv", "heavy ~ x + arm + (1 | group)", "heavy", "group",
         "t", "identity", c(2.4, 0.6, -0.8), sd = 0.8, keep = few, phi = 0.7, df = 4.5)
add_case("wine_logit", "glmm_wine.csv", "rating ~ temp + contact + (1 | judge)", "rating", "judge",
         "cumulative", "logit", c(3, 1.8), sd = 1.2, keep = as.character(1:9),
         thresholds = c(-1.6, 1.5, 4.2, 6))
add_case("wine_probit", "glmm_wine.csv", "rating ~ temp + contact + (1 | judge)", "rating", "judge",
         "cumulative", "probit", c(1.7, 1), sd = 0.7, keep = as.character(1:9),
         thresholds = c(-1, 0.8, 2.4, 3.5))

lower <- rbind(c(0.5, 0), c(-0.1, 0.7))
add_case("epilepsy_slope", "glmm_epilepsy.csv",
         "y ~ lbase * trt + lage + Visit + (Visit | subject)", "y", "subject", "poisson", "log",
         c(1.8, 0.9, -0.3, 0.5, -0.25, 0.5), factor = lower, slope = "Visit", keep = people)
add_case("contraception_slope", "glmm_contraception.csv", "use ~ age + urban + (urban | district)",
         "use", "district", "binomial", "logit", c(-0.7, 0.01, 0.7),
         factor = rbind(c(0.6, 0), c(-0.6, 0.5)), slope = "urban",
         keep = as.character(c(1:4, 11, 35)))
add_case("cost_gamma_slope", "glmm_simulated.csv", "cost ~ x + arm + (time | group)", "cost",
         "group", "Gamma", "log", c(0.3, 0.4, -0.5), factor = rbind(c(0.5, 0), c(-0.1, 0.2)),
         slope = "time", keep = few, phi = 0.4)

writeLines(paste0("{\n", paste(
  paste0("\"", names(cases), "\": ", vapply(cases, as_json, "", top = TRUE)), collapse = ",\n"
), "\n}"), file.path("tests", "reference", "glmm_quadrature.json"))
