# Reference figures of covariance structures of random effects, by glmmTMB.
#
#   Rscript tests/reference/random_structures.R     (from the repository root)
#
# Needs: glmmTMB (1.1.5 was used), jsonlite. Writes random_structures.csv, random_places.csv and
# random_structures.json.
#
# glmmTMB's cs and toep have a variance for each level: hcs and htoep of lmforms. Its ou, exp, gau
# and mat are exp, exp, gau and mat of lmforms. It has no fa: rr + diag of the same effects is one.

library(glmmTMB)
library(jsonlite)
source(file.path("tests", "reference", "tools.R"))

RNGkind("Mersenne-Twister", "Inversion", "Rejection")
set.seed(15)
folder <- file.path("tests", "reference")

# -- data ----------------------------------------------------------------------

# 30 groups, five times at unequal distances and six items, two rows each
times <- c(0, 1, 2.5, 4, 7)
n_groups <- 30
series <- expand.grid(time = times, item = letters[1:6], group = sprintf("g%02d", 1:n_groups))
decay <- exp(-as.matrix(dist(times)) / 3)
curve <- t(sapply(1:n_groups, function(i) drop(t(chol(decay)) %*% rnorm(5)) * 1.2))
loadings <- c(1.1, 0.8, -0.6, 0.9, 0.3, -1.0)
own <- c(0.5, 0.3, 0.4, 0.6, 0.5, 0.2)
score <- rnorm(n_groups)
unique <- matrix(rnorm(n_groups * 6), n_groups) * rep(own, each = n_groups)
g <- as.integer(factor(series$group))
series$y <- round(
  2 + 0.4 * as.integer(series$item) + 0.15 * series$time +
    curve[cbind(g, match(series$time, times))] +
    score[g] * loadings[as.integer(series$item)] +
    unique[cbind(g, as.integer(series$item))] + rnorm(nrow(series), 0, 0.7), 3
)
series <- series[runif(nrow(series)) > 0.15, c("group", "item", "time", "y")]
write.csv(series, file.path(folder, "random_structures.csv"), row.names = FALSE, quote = FALSE)

# 30 places in two fields, two or three rows each
places <- data.frame(field = rep(c("north", "south"), each = 15),
                     east = round(runif(30, 0, 10), 1), north = round(runif(30, 0, 8), 1))
surface <- unlist(lapply(split(places, places$field), function(p) {
  drop(t(chol(exp(-as.matrix(dist(p[, 2:3])) / 4))) %*% rnorm(nrow(p))) * 1.5
}))
field <- places[rep(1:30, times = rep(c(2, 3), 15)), ]
field$x <- round(rnorm(nrow(field)), 2)
field$y <- round(5 + 0.7 * field$x + rep(surface, times = rep(c(2, 3), 15)) +
                   rnorm(nrow(field), 0, 0.6), 3)
write.csv(field, file.path(folder, "random_places.csv"), row.names = FALSE, quote = FALSE)

machines <- read.csv(file.path("datasets", "Machines.csv"))
machines$Worker <- factor(machines$Worker)
orthodont <- read.csv(file.path("datasets", "Orthodont.csv"))
orthodont$fage <- factor(orthodont$age)
orthodont$nage <- numFactor(orthodont$age)
series$ftime <- factor(series$time)
series$ntime <- numFactor(series$time)
field$place <- numFactor(field$east, field$north)

# -- fits ----------------------------------------------------------------------

control <- glmmTMBControl(optCtrl = list(iter.max = 1e4, eval.max = 1e4, rel.tol = 1e-15,
                                         x.tol = 1e-12, xf.tol = 1e-15))

fit <- function(name, ours, formula, data, data_name, reml) {
  model <- suppressWarnings(glmmTMB(formula, data = data, REML = reml, control = control))
  # of many effects the first six
  blocks <- lapply(unname(VarCorr(model)$cond), function(v) {
    first <- seq_len(min(6, nrow(v)))
    matrix(v[first, first], length(first))
  })
  cat(name, reml, format(as.numeric(logLik(model)), digits = 12), model$fit$message, "\n")
  list(formula = one(ours), data = one(data_name), reml = one(reml),
       loglik = one(as.numeric(logLik(model))), sigma = one(sigma(model)),
       beta = unname(fixef(model)$cond), covariances = blocks)
}

cases <- list(
  list("hcs", "score ~ Machine + hcs(0 + Machine | Worker)",
       score ~ Machine + cs(0 + Machine | Worker), machines, "Machines"),
  list("htoep", "score ~ Machine + htoep(0 + Machine | Worker)",
       score ~ Machine + toep(0 + Machine | Worker), machines, "Machines"),
  list("ar1", "score ~ Machine + ar1(0 + Machine | Worker)",
       score ~ Machine + ar1(0 + Machine | Worker), machines, "Machines"),
  list("rr1", "score ~ Machine + rr(0 + Machine | Worker, 1)",
       score ~ Machine + rr(0 + Machine | Worker, 1), machines, "Machines"),
  list("rr2", "score ~ Machine + rr(0 + Machine | Worker, 2)",
       score ~ Machine + rr(0 + Machine | Worker, 2), machines, "Machines"),
  list("orthodont_ar1", "distance ~ age * Sex + ar1(0 + factor(age) | Subject)",
       distance ~ age * Sex + ar1(0 + fage | Subject), orthodont, "Orthodont"),
  list("orthodont_gau", "distance ~ age * Sex + gau(0 + age | Subject)",
       distance ~ age * Sex + gau(0 + nage | Subject), orthodont, "Orthodont"),
  list("exp", "y ~ item + time + exp(0 + time | group)",
       y ~ item + time + ou(0 + ntime | group), series, "series"),
  list("exp_and_item", "y ~ item + time + exp(0 + factor(time) | group) + (1 | group:item)",
       y ~ item + time + exp(0 + ntime | group) + (1 | group:item), series, "series"),
  list("gau", "y ~ item + time + gau(0 + time | group)",
       y ~ item + time + gau(0 + ntime | group), series, "series"),
  list("mat", "y ~ item + time + mat(0 + time | group) + diag(0 + item | group)",
       y ~ item + time + mat(0 + ntime | group) + diag(0 + item | group), series, "series"),
  list("hcs_items", "y ~ item + time + hcs(0 + item | group)",
       y ~ item + time + cs(0 + item | group), series, "series"),
  list("rr_items", "y ~ item + time + rr(0 + item | group, 2)",
       y ~ item + time + rr(0 + item | group, 2), series, "series"),
  list("fa_items", "y ~ item + time + fa(0 + item | group, 1)",
       y ~ item + time + rr(0 + item | group, 1) + diag(0 + item | group), series, "series"),
  list("fa2_items", "y ~ item + time + fa(0 + item | group, 2)",
       y ~ item + time + rr(0 + item | group, 2) + diag(0 + item | group), series, "series"),
  list("ar1_and_fa", "y ~ item + time + fa(0 + item | group, 1) + exp(0 + time | group)",
       y ~ item + time + rr(0 + item | group, 1) + diag(0 + item | group) +
         ou(0 + ntime | group), series, "series"),
  list("places_exp", "y ~ x + exp(east + north | field)",
       y ~ x + exp(0 + place | field), field, "places"),
  list("places_gau", "y ~ x + gau(east + north | field)",
       y ~ x + gau(0 + place | field), field, "places"),
  list("places_mat", "y ~ x + mat(east + north | field)",
       y ~ x + mat(0 + place | field), field, "places")
)

figures <- list()
for (case in cases) {
  for (reml in c(TRUE, FALSE)) {
    key <- paste(case[[1]], if (reml) "reml" else "ml", sep = "_")
    figures[[key]] <- fit(case[[1]], case[[2]], case[[3]], case[[4]], case[[5]], reml)
  }
}
writeLines(as_json(figures, top = TRUE), file.path(folder, "random_structures.json"))
