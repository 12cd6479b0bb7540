# lme4 or glmmTMB on one job, in a process of its own; speaks as worker.py does.
# Rscript worker.R PEER FOLDER FORMULA REML REPEATS LONG   (LONG: a call of more seconds is not repeated)
args <- commandArgs(trailingOnly = TRUE)
peer <- args[1]
suppressMessages({library(peer, character.only = TRUE); library(jsonlite)})

script <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
source(file.path(dirname(gsub("~+~", " ", script, fixed = TRUE)), "exchange.R"))  # R's spaces
tell <- function(...) {
  cat(toJSON(list(...), auto_unbox = TRUE, digits = NA, null = "null", na = "null"), "\n", sep = "")
  flush(stdout())
}
resident <- function(field) {
  line <- grep(paste0("^", field), readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) * 1024
}
quietly <- function(x) suppressMessages(suppressWarnings(x))
fit <- list(
  lme4 = function(formula, data, reml) {
    model <- quietly(lmer(formula, data, REML = reml))
    list(-2 * as.numeric(logLik(model)), model@optinfo$feval, NULL)
  },
  glmmTMB = function(formula, data, reml) {
    model <- quietly(glmmTMB(formula, data, REML = reml))
    # logLik() is NA where the Hessian is not positive definite; the objective is what it reached
    flat <- !is.null(model$sdr) && !isTRUE(model$sdr$pdHess)
    list(2 * model$fit$objective, model$fit$evaluations[["function"]], if (flat) "Hessian not positive definite")
  }
)[[peer]]

data <- read_frame(args[2])
formula <- as.formula(args[3])
reml <- args[4] == "TRUE"
invisible(gc())
try(writeLines("5", "/proc/self/clear_refs"), silent = TRUE)
tell(ready = resident("VmRSS"))
for (i in seq_len(1 + as.integer(args[5]))) {
  start <- as.numeric(Sys.time())
  got <- fit(formula, data, reml)
  seconds <- as.numeric(Sys.time()) - start
  tell(seconds = seconds, memory = resident("VmHWM"), evaluations = got[[2]], criterion = got[[1]],
    remark = got[[3]])
  if (seconds > as.numeric(args[6])) break
}
