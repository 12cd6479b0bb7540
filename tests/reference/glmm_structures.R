# Poisson models with structured random effects, by glmmTMB (1.1.5 was used); R 4.2.2, jsonlite.
#
#   Rscript tests/reference/glmm_structures.R       (from the repository root)
#
# Writes glmm_structures.json: log-likelihoods by our formulas. glmmTMB's cs and toep have a standard
# deviation for each level, which hcs and htoep have here. The data are simulated (four places in each
# of 20 groups, standard deviation 0.5).

suppressPackageStartupMessages({ library(glmmTMB); library(jsonlite) })
data <- read.csv("tests/reference/glmm_structures.csv", colClasses = c(g = "character", t = "character"))
data$t <- factor(data$t)
data$g <- factor(data$g)
control <- glmmTMBControl(optCtrl = list(iter.max = 1e4, eval.max = 1e4, rel.tol = 1e-14, x.tol = 1e-12))
terms <- c(ar1 = "ar1(0 + t | g)", hcs = "cs(0 + t | g)", htoep = "toep(0 + t | g)",
           diag = "diag(t | g)", rr = "rr(0 + t | g, 2)")
ours <- c(ar1 = "ar1(0 + t | g)", hcs = "hcs(0 + t | g)", htoep = "htoep(0 + t | g)",
          diag = "diag(t | g)", rr = "rr(0 + t | g, 2)")
fits <- lapply(names(terms), function(name) {
  fit <- glmmTMB(as.formula(paste("y ~ x +", terms[[name]])), data, family = poisson, control = control)
  list(formula = paste("y ~ x +", ours[[name]]), loglik = as.numeric(logLik(fit)),
       beta = as.numeric(fixef(fit)$cond), se = as.numeric(sqrt(diag(vcov(fit)$cond))))
})
write(toJSON(fits, auto_unbox = TRUE, digits = I(17), pretty = TRUE), "tests/reference/glmm_structures.json")
