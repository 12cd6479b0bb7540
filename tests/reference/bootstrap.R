# Reference figures of bootstraps, for tests/inference/test_bootstrap_references.py.
#
#   Rscript tests/reference/bootstrap.R         (from the repository root; some ten minutes)
#
# Replicates by lme4's bootMer (means, standard deviations and quantiles of 5,000), tests by
# pbkrtest's PBmodcomp (4,000 simulated statistics), and intervals by boot's boot.ci from 999
# replicates that are written too, to tests/reference/bootstrap.json.
#
# Needs: R >= 4.0, lme4, pbkrtest, boot, jsonlite.

suppressPackageStartupMessages({
  library(lme4)
  library(pbkrtest)
  library(boot)
  library(jsonlite)
})
source(file.path("tests", "reference", "tools.R"))
RNGkind("Mersenne-Twister", "Inversion", "Rejection")
sleepstudy <- read_dataset("sleepstudy")
Penicillin <- read_dataset("Penicillin")
cake <- read_dataset("cake")
cake$temp <- as.numeric(cake$temp)

probs <- c(0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975)
control <- lmerControl(calc.derivs = FALSE, check.conv.singular = "ignore")

# --- replicates ---------------------------------------------------------------------------------

parameters <- function(fit) {
  v <- as.data.frame(VarCorr(fit), order = "lower.tri")
  c(fixef(fit), v$sdcor)
}
nsim <- 5000
replicates <- function(fit) {
  t <- bootMer(fit, parameters, nsim = nsim, seed = 1)$t
  list(
    nsim = one(nsim),
    mean = unname(colMeans(t, na.rm = TRUE)),
    sd = unname(apply(t, 2, sd, na.rm = TRUE)),
    probs = probs,
    quantiles = unname(apply(t, 2, quantile, probs = probs, na.rm = TRUE, type = 6))
  )
}
sleep_reml <- lmer(Reaction ~ Days + (Days | Subject), sleepstudy, control = control)
penicillin <- lmer(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin, REML = FALSE, control = control)

# --- tests --------------------------------------------------------------------------------------

test <- function(large, small) {
  found <- PBmodcomp(large, small, nsim = 4000, seed = 1)
  ref <- as.numeric(found$ref)
  list(
    nsim = one(4000),
    statistic = one(found$test["PBtest", "stat"]),
    p_value = one(found$test["PBtest", "p.value"]),
    chi_squared = one(found$test["LRT", "p.value"]),
    mean = one(mean(pmax(ref, 0)))
  )
}
small_sleep <- sleepstudy[1:47, ]
large <- lmer(Reaction ~ Days + (Days | Subject), small_sleep, REML = FALSE, control = control)
none <- lmer(Reaction ~ 1 + (Days | Subject), small_sleep, REML = FALSE, control = control)
cake_large <- lmer(angle ~ recipe + temp + (1 | recipe:replicate), cake, REML = FALSE, control = control)
cake_small <- lmer(angle ~ temp + (1 | recipe:replicate), cake, REML = FALSE, control = control)

# --- intervals ----------------------------------------------------------------------------------

set.seed(3)
x <- sleepstudy$Reaction[1:25]
ratio <- function(d, i) mean(d[i]) / sd(d[i])
out <- boot(x, ratio, R = 999)
L <- empinf(out, type = "jack")
limits <- lapply(c(0.8, 0.9), function(level) {
  ci <- boot.ci(out, conf = level, type = c("perc", "basic", "bca"), L = L)
  list(
    level = one(level),
    percentile = ci$percent[4:5],
    basic = ci$basic[4:5],
    bca = ci$bca[4:5]
  )
})

figures <- list(
  replicates = list(sleepstudy = replicates(sleep_reml), penicillin = replicates(penicillin)),
  tests = list(sleepstudy = test(large, none), cake = test(cake_large, cake_small)),
  intervals = list(
    estimate = one(out$t0),
    replicates = as.numeric(out$t),
    without_each = out$t0 - as.numeric(L) / (length(x) - 1),
    limits = limits
  )
)
writeLines(as_json(figures, top = TRUE), file.path("tests", "reference", "bootstrap.json"))
