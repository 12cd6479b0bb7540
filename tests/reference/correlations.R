# Fits by nlme with the correlation functions of lmforms/correlation.
#
#   Rscript tests/reference/correlations.R        (from the repository root)
#
# The search starts at several places, because gls stops at local optima and flat ends.
suppressMessages(library(nlme))

growth <- as.data.frame(Orthodont)
growth$visit <- (growth$age - 6) / 2
weights <- as.data.frame(BodyWeight)
field <- as.data.frame(Wheat2)

best <- function(model, data, starts, method = "REML") {
  control <- glsControl(maxIter = 500, msMaxIter = 500, tolerance = 1e-10, msTol = 1e-12)
  fits <- lapply(starts, function(start) {
    tryCatch(gls(model, data, correlation = start, method = method, control = control),
             error = function(e) NULL)
  })
  fits <- Filter(Negate(is.null), fits)
  fit <- fits[[which.max(sapply(fits, logLik))]]
  list(loglik = as.numeric(logLik(fit)), sigma = fit$sigma,
       natural = unname(coef(fit$modelStruct$corStruct, unconstrained = FALSE)))
}
arma <- function(p, q, starts) {
  lapply(starts, function(s) corARMA(s, form = ~ visit | Subject, p = p, q = q))
}
ortho <- distance ~ age * Sex
time <- lapply(c(1, 3, 10), function(r) corExp(r, form = ~ Time | Rat))
noise <- lapply(c(5, 30), function(r) corExp(c(r, 0.1), form = ~ Time | Rat, nugget = TRUE))
place <- function(kind, metric = "euclidean") {
  starts <- list(c(5, 0.2), c(15, 0.2), c(30, 0.3))
  lapply(starts, function(s) {
    kind(s, form = ~ latitude + longitude, nugget = TRUE, metric = metric)
  })
}
out <- list(
  data = list(
    growth = list(y = growth$distance, age = growth$age, female = as.integer(growth$Sex == "Female"),
                  visit = growth$visit, series = as.integer(factor(growth$Subject))),
    rats = list(y = weights$weight, time = weights$Time,
                diet = as.integer(weights$Diet), series = as.integer(factor(weights$Rat))),
    field = list(y = field$yield, variety = as.integer(field$variety),
                 latitude = field$latitude, longitude = field$longitude)
  ),
  fits = list(
    ar1 = best(ortho, growth, arma(1, 0, list(0.5))),
    ma1 = best(ortho, growth, arma(0, 1, list(0.5, -0.5))),
    ma1_ml = best(ortho, growth, arma(0, 1, list(0.5, -0.5)), "ML"),
    arma11 = best(ortho, growth, arma(1, 1, list(c(0.5, 0.1), c(0.9, -0.5)))),
    ar2 = best(ortho, growth, arma(2, 0, list(c(0.3, 0.3)))),
    exp_time = best(weight ~ factor(Diet) * Time, weights, time),
    exp_time_ml = best(weight ~ factor(Diet) * Time, weights, time, "ML"),
    exp_time_nugget = best(weight ~ factor(Diet) * Time, weights, noise),
    exp = best(yield ~ variety, field, place(corExp)),
    exp_l1 = best(yield ~ variety, field, place(corExp, "manhattan")),
    gau = best(yield ~ variety, field, place(corGaus)),
    sph = best(yield ~ variety, field, place(corSpher))
  )
)
writeLines(jsonlite::toJSON(out, digits = NA, auto_unbox = TRUE, pretty = TRUE), file.path("tests", "reference", "correlations.json"))
