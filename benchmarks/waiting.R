# lme4 or glmmTMB on one job, in a process that waits; speaks as waiting.py does.
# Rscript waiting.R PROGRAM FOLDER FORMULA REML
args <- commandArgs(trailingOnly = TRUE)
suppressMessages({library(lme4); library(jsonlite)})

script <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
here <- dirname(gsub("~+~", " ", script, fixed = TRUE))  # R's spaces
source(file.path(here, "exchange.R"))
source(file.path(here, "fits.R"))
source(file.path(here, "generalized.R"))

# what variancePartition's dream() has as its default (vpcontrol)
dream <- lmerControl(calc.derivs = FALSE, check.rankX = "stop.deficient",
  check.conv.singular = .makeCC("ignore", tol = 1e-4))
# lmer's criterion at the theta that a fit reached. Not logLik(): refit() of lme4 1.1-31 hands REML = TRUE
# on as the number 1 where lmer has the number of coefficients, so it minimises, and tells, another one.
criterion <- function(model) {
  parts <- model@devcomp$cmp
  dof <- nobs(model) - if (isREML(model)) length(fixef(model)) else 0
  determinants <- parts[["ldL2"]] + if (isREML(model)) parts[["ldRX2"]] else 0
  determinants + dof * (1 + log(2 * pi * parts[["pwrss"]] / dof))
}
# lmer on each response, in turn; the criterion is their sum. With tests: Satterthwaite's, by lmerTest
lmer_loop <- function(formula, data, reml, control, tests = FALSE) {
  frame <- data$frame
  formula <- update(formula, response_of_loop ~ .)
  each <- apply(data$responses, 2, function(y) {
    frame$response_of_loop <- y
    if (!tests) return(criterion(quietly(lmer(formula, frame, REML = reml, control = control))))
    model <- quietly(lmerTest::lmer(formula, frame, REML = reml, control = control))
    quietly(coef(summary(model)))
    criterion(model)
  })
  list(sum(each), NULL, NULL)
}
# lmer on the first response, and refit() to each of the others
refit_loop <- function(formula, data, reml, control) {
  frame <- data$frame
  frame$response_of_loop <- data$responses[, 1]
  formula <- update(formula, response_of_loop ~ .)
  first <- quietly(lmer(formula, frame, REML = reml, control = control))
  others <- apply(data$responses[, -1, drop = FALSE], 2, function(y) criterion(quietly(refit(first, y))))
  list(criterion(first) + sum(others), NULL, NULL)
}
programs <- list(
  "lme4" = fit$lme4,
  "lmer loop" = function(formula, data, reml) lmer_loop(formula, data, reml, lmerControl()),
  "lmer loop (dream's control)" = function(formula, data, reml) lmer_loop(formula, data, reml, dream),
  "lmer loop (dream's control, tests)" = function(formula, data, reml) lmer_loop(formula, data, reml, dream, TRUE),
  "refit loop" = function(formula, data, reml) refit_loop(formula, data, reml, lmerControl()),
  "refit loop (dream's control)" = function(formula, data, reml) refit_loop(formula, data, reml, dream)
)

is_generalized <- args[1] %in% names(generalized)
if (grepl("^glmmTMB", args[1])) suppressMessages(library(glmmTMB))
call <- c(programs, generalized)[[args[1]]]
data <- if (is_generalized) read_model(args[2]) else read_frame(args[2])
if (grepl("loop", args[1])) data <- list(frame = data, responses = read_responses(args[2]))
formula <- as.formula(args[3])
reml <- args[4] == "TRUE"
processor <- function() sum(proc.time()[1:2])
forget_peak()
tell(ready = resident("VmRSS"))
orders <- file("stdin", "r")
while (length(line <- readLines(orders, 1)) > 0) {
  count <- as.integer(line)
  wall <- numeric(count)
  before <- processor()
  for (i in seq_len(count)) {
    start <- as.numeric(Sys.time())
    got <- call(formula, data, reml)
    wall[i] <- as.numeric(Sys.time()) - start
  }
  tell(wall = I(wall), cpu = (processor() - before) / count, memory = resident("VmHWM"),
    criterion = got[[1]], evaluations = got[[2]])
}
