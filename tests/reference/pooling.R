# Reference figures of pooled fits of imputed data, for tests/inference/test_pooling.py.
#
#   Rscript tests/reference/pooling.R          (from the repository root)
#
# Simulates data with missing values, imputes them by mice, writes the completed data sets to
# imputed.csv, fits models to each (lme4 at a polished optimum) and writes what mice makes of the
# fits to pooling.json. README.md describes the files.
#
# Needs: lme4, lmerTest, mice, mitml, broom.mixed, minqa, jsonlite.

suppressPackageStartupMessages({
  library(lme4)
  library(lmerTest)
  library(mice)
  library(mitml)
  library(broom.mixed)
  library(jsonlite)
})
options(contrasts = c("contr.treatment", "contr.treatment"))
folder <- file.path("tests", "reference")
source(file.path(folder, "tools.R"))

simulate_and_impute <- function(m) {
  set.seed(20)
  g <- rep(1:18, each = 5)
  x <- rnorm(90)
  dose <- factor(sample(c("a", "b", "c"), 90, replace = TRUE))
  y <- 2 + 0.5 * x + c(0, 0.4, 0.8)[dose] + 0.7 * rnorm(18)[g] + 0.8 * rnorm(90)
  data <- data.frame(g, dose, x, y)
  data$x[runif(90) < 0.25] <- NA
  data$y[runif(90) < 0.1] <- NA
  imputed <- mice(data, m = m, method = "norm", seed = 3, printFlag = FALSE)
  sets <- lapply(seq_len(m), function(i) cbind(imputation = i, complete(imputed, i)))
  do.call(rbind, sets)
}

path <- file.path(folder, "imputed.csv")
long <- simulate_and_impute(8)
long$x <- round(long$x, 6)
long$y <- round(long$y, 6)
write.csv(long, path, row.names = FALSE, quote = FALSE)
long <- read.csv(path)
long$g <- factor(long$g)
long$dose <- factor(long$dose)

fit_one <- function(formula, data, reml) {
  if (!grepl("|", deparse(formula), fixed = TRUE)) return(lm(formula, data))
  theta <- fit_lmm(formula, data, reml)$optimum$theta
  control <- lmerControl(optimizer = "nloptwrap", calc.derivs = FALSE, optCtrl = list(maxeval = 1))
  lmerTest::lmer(formula, data, REML = reml, start = theta, control = control)
}

models <- list(
  linear = list(formula = "y ~ x + dose", m = 5),
  linear_two = list(formula = "y ~ x * dose", m = 2),
  intercepts = list(formula = "y ~ x + dose + (1 | g)", m = 5),
  intercepts_eight = list(formula = "y ~ x * dose + (1 | g)", m = 8),
  intercepts_ml = list(formula = "y ~ x + dose + (1 | g)", m = 3, reml = FALSE)
)

entry <- function(id) {
  message(id)
  model <- models[[id]]
  formula <- as.formula(model$formula)
  reml <- !isFALSE(model$reml)
  fits <- lapply(seq_len(model$m), function(i) {
    fit_one(formula, long[long$imputation == i, ], reml)
  })
  smaller <- as.formula(if (is_mixed(fits)) "y ~ x + (1 | g)" else "y ~ x")
  nulls <- lapply(seq_len(model$m), function(i) {
    fit_one(smaller, long[long$imputation == i, ], reml)
  })
  beta <- sapply(fits, if (is_mixed(fits)) fixef else coef)
  residual <- 90 - nrow(beta)
  of <- function(dfcom) {
    pooled <- pool(as.mira(fits), dfcom = dfcom)
    table <- summary(pooled, conf.int = TRUE)
    p <- pooled$pooled
    list(
      estimate = table$estimate, std_error = table$std.error, statistic = table$statistic,
      df = table$df, p_value = table$p.value, lower = table[["2.5 %"]], upper = table[["97.5 %"]],
      within = p$ubar, between = p$b, total = p$t, relative_increase = p$riv, share = p$lambda,
      fraction_missing = p$fmi
    )
  }
  joint <- function(df_com) {
    test <- testModels(fits, nulls, method = "D1", df.com = df_com)$test
    list(statistic = one(test[1]), num_df = one(test[2]), den_df = one(test[3]),
         p_value = one(test[4]))
  }
  out <- list(
    id = one(id), formula = one(model$formula), m = one(model$m), reml = one(reml),
    residual = of(residual), none = of(Inf),
    joint_residual = if (nrow(beta) - 2 > 0) joint(residual), joint_none = joint(NULL)
  )
  if (is_mixed(fits)) {
    df <- rowMeans(sapply(fits, function(fit) coef(summary(fit))[, "df"]))
    variances <- sapply(fits, function(fit) diag(as.matrix(vcov(fit))))
    found <- lapply(seq_len(nrow(beta)), function(j) {
      # pool.scalar takes complete-data degrees of freedom as n - k
      pool.scalar(beta[j, ], variances[j, ], n = df[j] + 1, k = 1)
    })
    out$satterthwaite <- list(df = sapply(found, `[[`, "df"), complete = unname(df),
                              fraction_missing = sapply(found, `[[`, "fmi"))
    vc <- sapply(fits, function(fit) as.data.frame(VarCorr(fit))$vcov)
    out$variances <- rowMeans(vc)
  }
  out
}

is_mixed <- function(fits) inherits(fits[[1]], "merMod")

versions <- list(R = one(as.character(getRversion())))
for (p in c("lme4", "lmerTest", "mice", "mitml")) {
  versions[[p]] <- one(as.character(packageVersion(p)))
}
entries <- lapply(names(models), entry)
writeLines(as_json(list(versions = versions, models = entries), top = TRUE),
           file.path(folder, "pooling.json"))
