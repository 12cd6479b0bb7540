# How lme4 and glmmTMB fit a generalised model; waiting.R calls it. The data are a list of the frame
# and of what model.json says (generalized_fits.py writes it).
read_model <- function(folder) {
  list(frame = read_frame(folder), model = fromJSON(file.path(folder, "model.json")))
}
r_family <- function(model) {
  make <- switch(model$family, binomial = binomial, poisson = poisson, gamma = Gamma)
  if (is.null(model$link)) make() else make(link = model$link)
}
# nAGQ > 1 of lme4 leaves out the log-likelihood of the saturated model
saturated <- function(model) {
  y <- model@resp$y
  size <- model@resp$weights
  sum(dbinom(round(y * size), size, y, log = TRUE))
}
fit_glmer <- function(formula, data, nagq = data$model$nagq) {
  if (data$model$family == "negative_binomial") return(quietly(glmer.nb(formula, data$frame)))
  quietly(glmer(formula, data$frame, family = r_family(data$model), nAGQ = nagq))
}
reached <- function(model, nagq) {
  list(-2 * (as.numeric(logLik(model)) + if (nagq > 1) saturated(model) else 0), model@optinfo$feval, NULL)
}
fit_tmb <- function(formula, data, reml) {
  model <- data$model
  family <- if (model$family == "negative_binomial") nbinom2() else r_family(model)
  zeros <- if (is.null(model$zeros)) ~0 else as.formula(model$zeros)
  found <- quietly(glmmTMB(formula, data$frame, family = family, ziformula = zeros))
  list(2 * found$fit$objective, found$fit$evaluations[["function"]], NULL)
}
kept <- new.env()  # the fit that is there before a bootstrap
boot_mer <- function(formula, data, reml) {
  if (is.null(kept$fit)) kept$fit <- fit_glmer(formula, data)
  figures <- function(model) c(fixef(model), as.data.frame(VarCorr(model))$sdcor)
  quietly(bootMer(kept$fit, figures, nsim = data$model$replicates, seed = 1))
  reached(kept$fit, data$model$nagq)
}
generalized <- list(
  "glmer" = function(formula, data, reml) reached(fit_glmer(formula, data), data$model$nagq),
  "glmer (nAGQ=0)" = function(formula, data, reml) reached(fit_glmer(formula, data, 0L), 0L),
  "glmmTMB (generalized)" = fit_tmb,
  "bootMer" = boot_mer
)
