# Reference figures of marginal means, tests of terms and comparisons of generalised linear mixed
# models, for tests/glmm.
#
#   Rscript tests/reference/glmm_means.R          (from the repository root)
#
# Writes tests/reference/glmm_means.json: for each model what emmeans, car and glmmTMB say of its
# maximum, to which glmmTMB's fits are taken by Newton steps, and averages over rows with the delta
# method by differences.
#
# Needs: glmmTMB 1.1.5, emmeans 1.8.4, car 3.1, numDeriv, jsonlite; R 4.2.2.

suppressPackageStartupMessages({
  library(glmmTMB)
  library(emmeans)
  library(car)
  library(jsonlite)
})
options(contrasts = c("contr.treatment", "contr.treatment"))
source(file.path("tests", "reference", "tools.R"))
source(file.path("tests", "reference", "glmm_models.R"))

# A glmmTMB fit whose parameters and covariance are those of the maximum itself.
fit_tightly <- function(...) {
  fit <- suppressWarnings(glmmTMB(...))
  f <- fit$obj
  f$env$tracemgc <- FALSE
  par <- fit$fit$par
  for (step in 1:4) {
    H <- numDeriv::jacobian(f$gr, par)
    par <- par - solve((H + t(H)) / 2, as.vector(f$gr(par)))
  }
  value <- f$fn(par)
  gradient <- max(abs(f$gr(par)))
  stopifnot(gradient < 1e-6)
  H <- numDeriv::jacobian(f$gr, par)
  dimnames(H) <- list(names(par), names(par))
  f$fn(par)
  fit$fit$par[] <- par
  fit$fit$parfull <- f$env$last.par
  fit$fit$objective <- as.numeric(value)
  fit$sdr <- TMB::sdreport(f, par.fixed = par, hessian.fixed = (H + t(H)) / 2)
  stopifnot(all.equal(unname(fixef(fit)$cond), unname(par[names(par) == "beta"]), tolerance = 1e-12))
  fit
}

# Columns of a table of emmeans by our names.
columns <- c(
  emmean = "estimate", response = "estimate", prob = "estimate", rate = "estimate",
  odds.ratio = "estimate", ratio = "estimate", SE = "std_error", asymp.LCL = "lower",
  asymp.UCL = "upper", z.ratio = "statistic", p.value = "p_value", F.ratio = "statistic",
  df1 = "num_df"
)
table_of <- function(x) {
  x <- as.data.frame(x)
  names(x) <- ifelse(names(x) %in% names(columns), columns[names(x)], names(x))
  names(x)[grepl("[.]trend$", names(x))] <- "estimate"
  keep <- intersect(c("estimate", "std_error", "lower", "upper", "statistic", "p_value", "num_df"),
                    names(x))
  as.list(x[keep])
}

# The mean of some function of β over rows, with its standard error.
averaged <- function(beta, V, value) {
  g <- numDeriv::grad(value, beta, method.args = list(r = 6))
  list(estimate = one(value(beta)), std_error = one(sqrt(drop(g %*% V %*% g))))
}

averages <- function(fit, data, wanted, offset = 0) {
  beta <- fixef(fit)$cond
  V <- vcov(fit)$cond
  h <- fit$modelInfo$family$linkinv
  fixed <- lme4::nobars(formula(fit))
  columns_of <- function(d) model.matrix(delete.response(terms(fixed)), d, xlev = lapply(
    Filter(is.factor, data[intersect(names(data), all.vars(fixed))]), levels))
  X <- columns_of(data)
  out <- list(predictions = averaged(beta, V, function(b) mean(h(X %*% b + offset))))
  for (name in names(wanted)) {
    pair <- wanted[[name]]
    if (is.null(pair)) {
      step <- 1e-4
      move <- function(k) { d <- data; d[[name]] <- d[[name]] + k * step; columns_of(d) }
      A <- move(1); B <- move(-1); A2 <- move(2); B2 <- move(-2)
      value <- function(b) mean(
        8 * (h(A %*% b + offset) - h(B %*% b + offset)) - (h(A2 %*% b + offset) - h(B2 %*% b + offset))
      ) / (12 * step)
    } else {
      at <- function(v) { d <- data; d[[name]][] <- v; columns_of(d) }
      high <- at(pair[2]); low <- at(pair[1])
      value <- function(b) mean(h(high %*% b + offset) - h(low %*% b + offset))
    }
    out[[name]] <- averaged(beta, V, value)
  }
  out
}

tests_of <- function(fit, type) {
  x <- Anova(fit, type = type)
  x <- x[rownames(x) != "(Intercept)", ]
  list(term = rownames(x), statistic = x$Chisq, df = x$Df, p_value = x[["Pr(>Chisq)"]])
}

describe <- function(fit, summed, data, spec, trend = NULL, wanted = list(), sigma = NULL,
                     offset = 0) {
  all_cells <- update(ref_grid(fit), df = Inf)
  grid <- emmeans(all_cells, spec)
  out <- list(
    loglik = one(-fit$fit$objective),
    link = table_of(confint(grid)),
    response = table_of(confint(regrid(grid, "pass"), type = "response")),
    pairs_link = table_of(summary(pairs(grid), infer = TRUE)),
    pairs_response = table_of(summary(pairs(grid), infer = TRUE, type = "response")),
    joint = table_of(joint_tests(all_cells)),
    type2 = tests_of(fit, 2), type3 = tests_of(summed, 3),
    averages = averages(fit, data, wanted, offset)
  )
  if (!is.null(trend)) {
    x <- update(emtrends(fit, spec, trend), df = Inf)
    out$trends <- table_of(confint(x))
    out$trend_pairs <- table_of(summary(pairs(x), infer = TRUE))
  }
  if (!is.null(sigma)) {
    out$sigma <- one(sigma)
    out$adjusted <- table_of(summary(grid, type = "response", bias.adjust = TRUE, sigma = sigma))
  }
  out
}

likelihood <- function(fit) one(as.numeric(if (inherits(fit, "glm")) logLik(fit) else -fit$fit$objective))

out <- list()
cbpp <- read_data("cbpp")
salamanders <- read_data("glmm_salamanders.csv")
cake <- read_data("cake")
cake$warmth <- (cake$temp - 200) / 10
herd <- cbind(incidence, size - incidence) ~ period + (1 | herd)

for (link in c("logit", "cloglog")) {
  fit <- fit_tightly(herd, cbpp, family = binomial(link))
  summed <- fit_tightly(herd, cbpp, family = binomial(link), contrasts = list(period = "contr.sum"))
  out[[paste0("cbpp_", link)]] <- describe(
    fit, summed, cbpp, "period", wanted = list(period = c("1", "3")), sigma = 0.7
  )
}
out$cbpp_logit$comparisons <- list(
  without_period = likelihood(fit_tightly(update(herd, . ~ . - period), cbpp, family = binomial)),
  without_herd = likelihood(glm(
    cbind(incidence, size - incidence) ~ period, binomial, cbpp, epsilon = 1e-15, maxit = 100
  ))
)

animals <- count ~ spp + mined * cover + (1 | site)
sums <- list(spp = "contr.sum", mined = "contr.sum")
fit <- fit_tightly(animals, salamanders, family = poisson)
summed <- fit_tightly(animals, salamanders, family = poisson, contrasts = sums)
out$salamanders <- describe(
  fit, summed, salamanders, "mined", trend = "cover",
  wanted = list(cover = NULL, mined = c("yes", "no")), sigma = 0.4
)
out$salamanders$averages$cover <- averages(fit, salamanders, list(cover = NULL))$cover
crossed <- count ~ mined * spp + DOY + (1 | site)
few <- droplevels(subset(salamanders, spp %in% c("GP", "DM", "DES-L")))
fit <- fit_tightly(crossed, few, family = poisson)
summed <- fit_tightly(crossed, few, family = poisson, contrasts = sums)
out$few_salamanders <- describe(
  fit, summed, few, "spp", wanted = list(mined = c("yes", "no"))
)
plain <- count ~ spp + mined + (1 | site)
free <- glmmTMBControl(optCtrl = list(iter.max = 1e4, eval.max = 1e4))
out$salamanders$comparisons <- list(
  poisson = likelihood(fit_tightly(plain, salamanders, family = poisson)),
  nbinom2 = likelihood(fit_tightly(plain, salamanders, family = nbinom2, control = free)),
  zip = likelihood(fit_tightly(plain, salamanders, family = poisson, ziformula = ~1)),
  nbinom2_without_site = likelihood(fit_tightly(
    count ~ spp + mined, salamanders, family = nbinom2, control = free
  ))
)

baked <- angle ~ recipe * warmth + (1 | recipe:replicate)
fit <- fit_tightly(baked, cake, family = Gamma("log"))
summed <- fit_tightly(baked, cake, family = Gamma("log"), contrasts = list(recipe = "contr.sum"))
out$cake_gamma <- describe(
  fit, summed, cake, "recipe", trend = "warmth", wanted = list(recipe = c("A", "C"))
)
out$cake_gamma$averages$warmth <- averages(fit, cake, list(warmth = NULL))$warmth

writeLines(as_json(out, top = TRUE), file.path("tests", "reference", "glmm_means.json"))
