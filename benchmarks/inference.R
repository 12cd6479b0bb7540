# Tests after a fit: lmerTest (Satterthwaite) and pbkrtest (Kenward-Roger).
# Rscript inference.R FOLDER FORMULA REPEATS LIMIT   prints one object of seconds
args <- commandArgs(trailingOnly = TRUE)
suppressMessages({library(lmerTest); library(pbkrtest); library(jsonlite)})
script <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
source(file.path(dirname(gsub("~+~", " ", script, fixed = TRUE)), "exchange.R"))  # R's spaces
data <- read_frame(args[1])
formula <- as.formula(args[2])
repeats <- as.integer(args[3])
limit <- as.numeric(args[4])
timed <- function(f) {
  seconds <- c()
  for (i in seq_len(repeats + 1)) {
    start <- as.numeric(Sys.time())
    f()
    seconds <- c(seconds, as.numeric(Sys.time()) - start)
    if (seconds[i] > 20) break
  }
  if (length(seconds) > 1) seconds <- seconds[-1]
  median(seconds)
}
out <- list()
out$fit <- timed(function() suppressMessages(suppressWarnings(lme4::lmer(formula, data))))
model <- suppressMessages(suppressWarnings(lme4::lmer(formula, data)))
# what lmerTest adds to a fit: the Hessian and the Jacobian, then the table
out$satterthwaite <- timed(function() summary(suppressMessages(as_lmerModLmerTest(model))))
out$satterthwaite_df <- unname(coef(summary(suppressMessages(as_lmerModLmerTest(model))))[, "df"])
cat(toJSON(out, digits = NA), "\n", sep = "")
flush(stdout())
ones <- diag(length(fixef(model)))
if (limit > 0) {
  setTimeLimit(elapsed = limit)
  out$kenward_roger <- timed(function() {
    adjusted <- vcovAdj(model)
    vapply(seq_len(nrow(ones)), function(i) Lb_ddf(ones[i, ], vcov(model), adjusted), 0)
  })
  setTimeLimit()
  adjusted <- vcovAdj(model)
  out$kenward_roger_df <- vapply(seq_len(nrow(ones)), function(i) Lb_ddf(ones[i, ], vcov(model), adjusted), 0)
  cat(toJSON(out, digits = NA), "\n", sep = "")
}
