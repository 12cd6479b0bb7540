# Tests of many responses by lmerTest, for tests/inference/test_many_fits.py.
#
#   Rscript tests/reference/many_tests.R       (from the repository root)
#
# Responses are transformations of sleepstudy's Reaction and of Pastes' strength, and those of a
# few groups. Each model is fitted to each, by REML and by ML, with tight tolerances. Writes
# tests/reference/many_tests.json: Satterthwaite's degrees of freedom (lmerTest), p-values, and
# p-values adjusted by p.adjust over the responses. lme4 does not converge in one of the 18 cases
# (short, slopes, ML): its criterion is too high there.
#
# Needs: R >= 4.0, lme4, lmerTest, jsonlite.

suppressPackageStartupMessages({
  library(lmerTest)
  library(jsonlite)
})
options(contrasts = c("contr.treatment", "contr.treatment"))

sleep <- read.csv(file.path("datasets", "sleepstudy.csv"))
sleep$Subject <- factor(sleep$Subject)
pastes <- read.csv(file.path("datasets", "Pastes.csv"))
for (name in c("batch", "cask")) pastes[[name]] <- factor(pastes[[name]])

transformed <- function(y) {
  data.frame(plain = y, speed = 1000 / y, root = sqrt(y), logged = log(y), square = y^2 / 100)
}
cases <- list(
  list(data = "sleepstudy", rhs = "~ Days + (1 | Subject)"),
  list(data = "sleepstudy", rhs = "~ Days + (0 + Days | Subject)"),
  list(data = "sleepstudy", rhs = "~ Days + (Days | Subject)"),
  list(data = "sleepstudy", rhs = "~ Days + (Days || Subject)"),
  list(data = "Pastes", rhs = "~ cask + (1 | batch)"),
  list(data = "Pastes", rhs = "~ 1 + (1 | batch/cask)")
)
tables <- list(sleepstudy = sleep, Pastes = pastes)
responses <- list(
  sleepstudy = transformed(sleep$Reaction), Pastes = transformed(pastes$strength)
)
# the first 67 rows of the sleep study, unbalanced
first <- seq_len(67)
tables$short <- droplevels(sleep[first, ])
responses$short <- responses$sleepstudy[first, ]
for (rhs in c("~ Days + (1 | Subject)", "~ Days + (Days | Subject)", "~ Days + (Days || Subject)")) {
  cases[[length(cases) + 1]] <- list(data = "short", rhs = rhs)
}

control <- lmerControl(
  optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12, maxfun = 1e5), calc.derivs = FALSE,
  check.conv.singular = "ignore"
)

out <- list()
for (case in cases) {
  for (reml in c(TRUE, FALSE)) {
    df <- p <- criterion <- list()
    for (name in names(responses[[case$data]])) {
      d <- tables[[case$data]]
      d$y <- responses[[case$data]][[name]]
      fit <- lmer(as.formula(paste("y", case$rhs)), d, REML = reml, control = control)
      criterion[[name]] <- -2 * as.numeric(logLik(fit))
      table <- coef(summary(fit))
      df[[name]] <- table[, "df"]
      p[[name]] <- table[, "Pr(>|t|)"]
    }
    p <- do.call(rbind, p)
    adjusted <- lapply(
      c(fdr = "fdr", by = "BY", bonferroni = "bonferroni", holm = "holm", hochberg = "hochberg",
        hommel = "hommel"),
      function(method) apply(p, 2, p.adjust, method = method)
    )
    out[[length(out) + 1]] <- list(
      data = case$data, formula = case$rhs, reml = reml, responses = rownames(p),
      criterion = unname(unlist(criterion)), df = unname(do.call(rbind, df)), p_value = unname(p), adjusted = lapply(adjusted, unname)
    )
  }
}
write(
  toJSON(
    list(
      versions = list(R = as.character(getRversion()), lmerTest = as.character(packageVersion("lmerTest"))),
      cases = out
    ),
    auto_unbox = TRUE, digits = I(17), pretty = 1
  ),
  file.path("tests", "reference", "many_tests.json")
)
