# How R's peers fit a formula, and how a worker tells of it; worker.R and waiting.R share it.
tell <- function(...) {
  cat(toJSON(list(...), auto_unbox = TRUE, digits = NA, null = "null", na = "null"), "\n", sep = "")
  flush(stdout())
}
resident <- function(field) {
  line <- grep(paste0("^", field), readLines("/proc/self/status"), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) * 1024
}
forget_peak <- function() {
  invisible(gc())
  try(writeLines("5", "/proc/self/clear_refs"), silent = TRUE)
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
)
