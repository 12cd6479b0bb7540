# Reference figures of tests of terms, for tests/inference/test_term_references.py.
#
#   Rscript tests/reference/term_tests.R         (from the repository root)
#
# Simulates an unbalanced design of three factors, two covariates and random groups into
# tests/reference/term_tests.csv, fits the models below by lme4 at a polished optimum, and writes
# lmerTest's anova tables of Type I, II and III, by Satterthwaite and by Kenward-Roger (not for ML
# fits and weights), to tests/reference/term_tests.json with doubles at full precision.
#
# Needs: R >= 4.0, lme4, lmerTest, pbkrtest, jsonlite.

suppressPackageStartupMessages({
  library(lme4)
  library(lmerTest)
  library(pbkrtest)
  library(jsonlite)
})
options(contrasts = c("contr.treatment", "contr.treatment"))
folder <- file.path("tests", "reference")
for (name in c("tools.R", "inference_figures.R")) source(file.path(folder, name))

# -- data --------------------------------------------------------------------

RNGkind("Mersenne-Twister", "Inversion", "Rejection")
set.seed(1980)
n <- 160
data <- data.frame(
  a = factor(sample(paste0("a", 1:3), n, replace = TRUE, prob = c(5, 3, 2))),
  b = factor(sample(paste0("b", 1:3), n, replace = TRUE, prob = c(3, 4, 3))),
  c = factor(sample(paste0("c", 1:2), n, replace = TRUE)),
  g = factor(paste0("g", sprintf("%02d", sample(13, n, replace = TRUE)))),
  x = round(rnorm(n, 1, 1.5), 2),
  z = round(runif(n, -1, 2), 2),
  w = round(runif(n, 0.5, 3), 2)
)
data$late <- data$z > 0.6
data$dose <- c(a1 = 1, a2 = 2.5, a3 = 3)[as.character(data$a)]
group_effect <- rnorm(nlevels(data$g), 0, 1)
slope <- rnorm(nlevels(data$g), 0, 0.3)
code <- function(f) as.integer(f)
data$y <- round(
  5 + code(data$a) - 0.7 * code(data$b) + 0.6 * (data$a == "a2" & data$b == "b3") +
    0.5 * data$x * (data$c == "c2") - 0.3 * data$z + group_effect[code(data$g)] +
    slope[code(data$g)] * data$x + rnorm(n), 3
)
write.csv(data, file.path(folder, "term_tests.csv"), row.names = FALSE, quote = FALSE)

cell <- paste(data$a, data$b, data$c)
two <- paste(data$a, data$b)
rows_of <- list(
  all = NULL,
  one_empty = which(two != "a3 b3"),
  three_empty = which(!two %in% c("a1 b2", "a2 b3", "a3 b1")),
  empty_of_three = which(!cell %in% c("a1 b1 c2", "a3 b2 c1", "a3 b3 c2")),
  # levels of a and b in two groups that share none
  apart = which(two %in% c("a1 b1", "a2 b1", "a2 b2", "a1 b2", "a3 b3")),
  chain = which(two %in% c("a1 b1", "a1 b2", "a2 b2", "a3 b3", "a2 b3"))
)

# -- models ------------------------------------------------------------------

models <- list()

# `fixed` is R's formula, `ours` where it is written otherwise.
add <- function(id, fixed, ours = fixed, random = "(1 | g)", rows = "all", reml = TRUE,
                weights = NULL, contrasts = NULL) {
  stopifnot(!id %in% names(models))
  models[[id]] <<- list(
    id = id, formula_r = paste("y ~", fixed, "+", random), rows = rows, reml = reml,
    formula = paste("y ~", ours, "+", random), weights = weights, contrasts = contrasts
  )
}

add("two_way", "a * b")
add("two_way_sum", "a * b", contrasts = list(a = "contr.sum", b = "contr.helmert"))
add("two_way_ml", "a * b", reml = FALSE)
add("two_way_weights", "a * b", weights = "w")
add("two_way_slope", "a * b + x", random = "(x | g)")
add("additive", "a + b + c")
add("three_way", "a * b * c")
add("three_way_sum", "a * b * c", contrasts = list(a = "contr.sum", c = "contr.sum"))
add("all_pairs", "(a + b + c)^2", "(a + b + c)**2")
add("two_pairs", "a * b + a * c")
add("with_covariates", "a * b + x + z")
add("covariate", "x * a")
add("covariate_sum", "x * a", contrasts = list(a = "contr.sum"))
add("covariate_three_way", "x * a * b")
add("two_covariates", "x * z * a")
add("polynomial", "poly(x, 2) * a")
add("power", "a + x + I(x^2) + a:I(x^2)", "a + x + I(x**2) + a:I(x**2)")
add("no_main_effect", "b + x:a")
add("slopes_within", "a/x")
add("cell_means", "0 + a")
add("lines", "0 + a + x:a")
add("cells_alone", "a:b")
add("logical", "late * a")
add("condition", "I(x > 1) * b")
add("polynomial_contrasts", "C(b, contr.poly) * a")
add("one_empty", "a * b", rows = "one_empty")
add("one_empty_sum", "a * b", rows = "one_empty", contrasts = list(a = "contr.sum", b = "contr.sum"))
add("three_empty", "a * b + x", rows = "three_empty")
add("empty_of_three", "a * b * c", rows = "empty_of_three")
add("empty_pairs", "(a + b + c)^2", "(a + b + c)**2", rows = "empty_of_three")
add("chain", "a + b", rows = "chain")
# where lmerTest departs from SAS
add("no_intercept", "0 + a * b")
add("no_intercept_additive", "0 + a + b")
add("nested", "a/b")
add("apart", "a + b", rows = "apart")
add("apart_cells", "a * b", rows = "apart")
add("dose_and_factor", "dose + a")

run_model <- function(model) {
  rows <- rows_of[[model$rows]]
  used <- if (is.null(rows)) data else droplevels(data[rows, ])
  result <- fit_model(
    as.formula(model$formula_r), used, model$reml, model$weights, NULL, model$contrasts
  )
  fit <- result$fit
  with_kr <- model$reml && is.null(model$weights)
  cat(sprintf("%-24s %s\n", model$id, result$optimum$note))
  list(
    id = one(model$id), formula = one(model$formula), formula_r = one(model$formula_r),
    reml = one(model$reml), weights = if (!is.null(model$weights)) one(model$weights),
    contrasts = if (!is.null(model$contrasts)) lapply(model$contrasts, one),
    rows = if (!is.null(rows)) rows - 1L,
    criterion = one(if (model$reml) as.numeric(REMLcrit(fit)) else as.numeric(deviance(fit, REML = FALSE))),
    singular = one(isSingular(fit, tol = 1e-4)),
    anova = anova_tables(fit, with_kr)
  )
}

entries <- lapply(models, run_model)
versions <- lapply(
  setNames(nm = c("lme4", "lmerTest", "pbkrtest")),
  function(package) one(as.character(packageVersion(package)))
)
text <- paste0(
  "{\n\"versions\": ",
  as_json(c(list(R = one(paste(R.version$major, R.version$minor, sep = "."))), versions)),
  ",\n\"models\": [\n",
  paste(vapply(unname(entries), as_json, "", top = TRUE), collapse = ",\n"),
  "\n]\n}\n"
)
connection <- file(file.path(folder, "term_tests.json"), "wb")
writeChar(text, connection, eos = NULL, useBytes = TRUE)
close(connection)
cat("wrote", length(entries), "models,", nchar(text), "bytes\n")
