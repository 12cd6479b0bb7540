# Reference fits for expressions inside formulas, for tests/test_formula.py.
#
#   Rscript tests/reference/formula_fits.R     (from the repository root)
#
# Fits sleepstudy by lme4 and writes tests/reference/formula_fits.json. lme4 takes every `|`
# for the bar of a random term, so conditions with one are given to it as a column, `either`.
#
# Needs: R >= 4.0, lme4, splines, jsonlite.

suppressPackageStartupMessages({
  library(lme4)
  library(splines)
  library(jsonlite)
})

data <- read.csv(file.path("datasets", "sleepstudy.csv"))
data$Subject <- factor(data$Subject)
data$late <- data$Days > 4
either <- "Days %% 3 == 1 | !Days > 7"
data$either <- eval(parse(text = either), data)
control <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5))

formulas <- c(
  "I((Days > 2) + (Days > 6)) + (1 | Subject)",
  "I(Days > 2 & Days < 7) + (Days | Subject)",
  "I(Days > 2 & late) + (1 | Subject)",
  "I(late + (Days > 6)) + (1 | Subject)",
  "I(either) + (1 | Subject)",
  "I(2 * Days %% 3) + I(-Days^2 %/% 5) + (1 | Subject)",
  "I(2^0.5^Days) + (1 | Subject)",
  "ifelse(Days > 4, Days - 4, 0) + (1 | Subject)",
  "as.numeric(Days > 4):Days + (0 + I((Days > 2) - (Days > 6)) | Subject)",
  "I(Days %in% c(2, 3)) + (1 | Subject)",
  "pmin(Days, 5) + I((Days > 3) * (Days < 8)) + (1 | Subject)",
  "exp(late) + (1 | Subject)",
  "as.factor(Days %% 3) + (1 | Subject)",
  "(1 + Days):late + (1 | Subject)",
  "late/(1 + Days) + (1 | Subject)",
  "(0 + Days) + (1 | Subject)",
  "ns(Days, df = 3) + (1 | Subject)",
  "0 + ns(Days, df = 4, intercept = TRUE) + (1 | Subject)",
  "0 + ns(Days, df = 3) + (1 | Subject)",
  "ns(Days, knots = c(2, 5.5)) + (ns(Days, df = 2) | Subject)",
  "ns(Days, df = 3, Boundary.knots = c(1, 8)) + (1 | Subject)",
  "ns(Days) + (1 | Subject)"
)

new <- data.frame(Days = c(-1, 4, 12))
new$late <- new$Days > 4
new$either <- eval(parse(text = either), new)

entries <- lapply(formulas, function(right) {
  fit <- lmer(as.formula(paste("Reaction ~", right)), data, REML = FALSE, control = control)
  list(
    formula = paste("Reaction ~", sub("either", either, right, fixed = TRUE)),
    deviance = as.numeric(-2 * logLik(fit)),
    predicted = unname(predict(fit, new, re.form = NA))
  )
})
out <- list(
  made_with = list(R = R.version.string, lme4 = as.character(packageVersion("lme4"))),
  days = new$Days,
  fits = entries
)
write(toJSON(out, digits = NA, auto_unbox = TRUE, pretty = TRUE),
      file.path("tests", "reference", "formula_fits.json"))
