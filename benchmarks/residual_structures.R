# Residual structures by nlme (gls) and glmmTMB.
# Rscript residual_structures.R FOLDER JOB PEER REPEATS   prints one object of seconds
args <- commandArgs(trailingOnly = TRUE)
suppressMessages({library(nlme); library(glmmTMB); library(jsonlite)})
script <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
source(file.path(dirname(gsub("~+~", " ", script, fixed = TRUE)), "exchange.R"))  # R's spaces
data <- read_frame(args[1])
if ("time" %in% names(data)) data$occasion <- factor(data$time)
repeats <- as.integer(args[4])

fits <- list(
  ar1 = list(
    nlme = function() gls(y ~ x, data, correlation = corAR1(form = ~ time | subject)),
    glmmTMB = function() glmmTMB(y ~ x + ar1(occasion + 0 | subject), data, dispformula = ~0, REML = TRUE)
  ),
  us = list(
    nlme = function() gls(
      y ~ arm * visit, data, correlation = corSymm(form = ~ number | subject),
      weights = varIdent(form = ~ 1 | visit), control = glsControl(msMaxIter = 500, maxIter = 200)
    ),
    glmmTMB = function() glmmTMB(y ~ arm * visit + us(visit + 0 | subject), data, dispformula = ~0, REML = TRUE)
  )
)
call <- fits[[args[2]]][[args[3]]]
seconds <- c()
for (i in seq_len(repeats + 1)) {
  start <- as.numeric(Sys.time())
  fit <- suppressWarnings(call())
  seconds <- c(seconds, as.numeric(Sys.time()) - start)
  if (seconds[i] > 20) break
}
later <- if (length(seconds) > 1) seconds[-1] else seconds
loglik <- if (args[3] == "nlme") as.numeric(logLik(fit)) else -fit$fit$objective
cat(toJSON(list(seconds = unbox(median(later)), first = unbox(seconds[1]), loglik = unbox(loglik)),
           digits = NA), "\n", sep = "")
