# Estimates and 95 % intervals of the parameters of residual structures by nlme, and likelihood
# ratio tests between them: writes residual_intervals.json.
# Rscript tests/reference/residual_intervals.R, from the root; needs nlme and jsonlite.
library(nlme)

data <- as.data.frame(Orthodont)
data$visit <- as.integer(factor(data$age))
form <- distance ~ age * Sex

models <- function(method) {
  fit <- function(...) gls(form, data, method = method, ...)
  list(
    "iid" = fit(),
    "cs(age | Subject)" = fit(correlation = corCompSymm(form = ~ 1 | Subject)),
    "ar1(age | Subject)" = fit(correlation = corAR1(form = ~ visit | Subject)),
    "har1(age | Subject)" = fit(
      correlation = corAR1(form = ~ visit | Subject), weights = varIdent(form = ~ 1 | age)
    ),
    "us(age | Subject)" = fit(
      correlation = corSymm(form = ~ visit | Subject), weights = varIdent(form = ~ 1 | age)
    ),
    "exp(age | Subject)" = fit(correlation = corExp(form = ~ age | Subject)),
    "exp(age | Subject) + units" = fit(
      correlation = corExp(c(20, 0.3), form = ~ age | Subject, nugget = TRUE)
    ),
    "idh(Sex)" = fit(weights = varIdent(form = ~ 1 | Sex)),
    "power(age)" = fit(weights = varPower(form = ~ age)),
    "expvar(age)" = fit(weights = varExp(form = ~ age))
  )
}

described <- function(fit) {
  found <- tryCatch(intervals(fit, which = "var-cov"), error = function(e) NULL)
  rows <- function(part) {
    if (is.null(part)) NULL else list(
      names = rownames(part), lower = unname(part[, 1]), estimate = unname(part[, 2]),
      upper = unname(part[, 3])
    )
  }
  list(
    loglik = as.numeric(logLik(fit)),
    npar = attr(logLik(fit), "df"),
    aic = AIC(fit),
    sigma = fit$sigma,
    sigma_limits = as.numeric(found$sigma),
    correlation = rows(found$corStruct),
    variance = rows(found$varStruct)
  )
}

out <- list()
for (method in c("REML", "ML")) {
  fits <- models(method)
  out[[method]] <- lapply(fits, described)
  m <- list(iid = fits[["iid"]], cs = fits[["cs(age | Subject)"]], us = fits[["us(age | Subject)"]])
  first <- anova(m$iid, m$cs, m$us)
  m2 <- list(
    iid = fits[["iid"]], ar1 = fits[["ar1(age | Subject)"]], har1 = fits[["har1(age | Subject)"]],
    us = fits[["us(age | Subject)"]]
  )
  second <- anova(m2$iid, m2$ar1, m2$har1, m2$us)
  out[[paste0(method, "_tests")]] <- list(
    list(
      names = c("iid", "cs(age | Subject)", "us(age | Subject)"),
      statistic = first[["L.Ratio"]][-1], p_value = first[["p-value"]][-1]
    ),
    list(
      names = c("iid", "ar1(age | Subject)", "har1(age | Subject)", "us(age | Subject)"),
      statistic = second[["L.Ratio"]][-1], p_value = second[["p-value"]][-1]
    )
  )
}
out$versions <- list(R = R.version.string, nlme = as.character(packageVersion("nlme")))
writeLines(
  jsonlite::toJSON(out, digits = NA, auto_unbox = TRUE, pretty = TRUE, null = "null"),
  file.path("tests", "reference", "residual_intervals.json")
)
