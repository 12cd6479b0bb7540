# Reference fits of generalised linear mixed models, by glmmTMB, lme4 and our own integrals.
#
#   Rscript tests/reference/glmm_fits.R             (from the repository root)
#   Rscript tests/reference/glmm_fits.R cbpp_logit ticks     (only these, which are replaced)
#
# Needs: glmmTMB (1.1.5 was used), TMB 1.9.2, lme4 1.1-31, ordinal 2022.11-16, numDeriv 2016.8-1.1,
# statmod 1.5.0, mgcv 1.8-41, jsonlite 1.8.4; R 4.2.2. Writes glmm_fits.json. The CSV files are
# made by glmm_data.R. What an entry holds is in README.md.

suppressPackageStartupMessages({
  library(glmmTMB)
  library(lme4)
  library(ordinal)
  library(jsonlite)
})
options(contrasts = c("contr.treatment", "contr.treatment"))
source(file.path("tests", "reference", "tools.R"))
parts <- c("glmm_densities.R", "glmm_engines.R", "glmm_tmb.R", "glmm_models.R", "glmm_ordinal.R")
for (part in parts) {
  source(file.path("tests", "reference", part))
}

r_families <- function(family, link) {
  switch(family,
    binomial = binomial(link), poisson = poisson(link), Gamma = Gamma(link),
    nbinom1 = nbinom1(link), nbinom2 = nbinom2(link), beta = beta_family(link),
    betabinomial = betabinomial(link), tweedie = tweedie(link), t = t_family(link),
    truncated_poisson = truncated_poisson(link), truncated_nbinom2 = truncated_nbinom2(link)
  )
}

run_model <- function(model) {
  data <- read_data(model$data)
  extra <- model$extra(data)
  data[names(extra)] <- extra
  if (!is.null(data$row)) data$row <- factor(data$row)
  formula <- as.formula(model$formula_r)
  programs <- list()
  model$formula_lme4 <- formula
  model$formula_tmb <- if (is.null(model$reduced)) formula else as.formula(model$reduced)
  model$zi <- as.formula(model$zi_formula)
  model$disp <- as.formula(model$disp_formula)
  only <- isTRUE(model$own$only)
  if (model$family != "inverse.gaussian") {
    model$family_tmb <- if (!only) r_families(model$family, model$link)
    model$family_lme4 <- model$family_tmb
  }
  if (!only) {
    fit <- suppressWarnings(fit_tmb(model, data))
    figures <- tmb_figures(model, fit)
    programs <- as.list(fit$programs)
    if (is.null(figures$zi_terms)) programs[["own Laplace there"]] <- check_tmb(model, fit)
    loglik <- fit$loglik
    gradient <- fit$gradient
    nobs <- length(fit$parts$data.tmb$yobs)
    df <- length(fit$par) + model$lost
    if (model$lost) {
      figures <- at_boundary(figures, formula)
    }
  }
  lme4_start <- if (!only) {
    list(fixef = unname(unlist(figures$beta)), theta = unname(unlist(lapply(figures$terms, function(t) {
      t$factor[lower.tri(t$factor, diag = TRUE)]
    }))))
  }
  lme4_fits <- list()
  if (model$lme4 != "none") {
    model$family_lme4 <- if (model$link == "cauchit") binomial("cauchit") else
      r_families(model$family, model$link)
    lme4_fits <- fit_lme4(model, data, if (model$heavy) lme4_start)
    constant <- 0
    if (model$nagq > 1) {
      size <- if (is.null(model$own$size)) rep(1, nrow(data)) else data[[model$own$size]]
      constant <- saturated(model$family, data[[model$own$y]], size)
    }
    label <- if (model$lme4 == "same") "lme4" else "lme4 (expected information)"
    for (name in names(lme4_fits)) {
      programs[[paste(label, name)]] <- as.numeric(logLik(lme4_fits[[name]])) + constant
    }
  }
  if (only) {
    model$y <- model$own$y
    model$size <- model$own$size
    model$formula_own <- update_response(formula, model$y)
    if (length(lme4_fits)) {
      start <- list(beta = fixef(lme4_fits[[1]]), sd = getME(lme4_fits[[1]], "theta"), phi = NULL)
    } else {
      start <- gamma_start(model, formula, data)
    }
    fit <- fit_own(model, data, start$beta, start$sd, start$phi)
    figures <- fit$figures
    loglik <- fit$loglik
    gradient <- fit$gradient
    programs[["own"]] <- loglik
    nobs <- nrow(data)
    df <- length(start$beta) + length(start$sd) + length(start$phi)
  }
  cat(sprintf("%-32s %.12g  gradient %.1e\n", model$id, loglik, gradient))
  for (name in names(programs)) cat(sprintf("    %-42s %+.2e\n", name, programs[[name]] - loglik))
  c(
    list(
      id = one(model$id), data = one(model$data), extra_columns = lapply(extra, as_plain),
      formula = one(model$formula), formula_r = one(model$formula_r), family = one(model$family),
      link = one(model$link), weights = maybe(model$weights), offset = maybe(model$offset),
      nagq = one(model$nagq), disp_formula = one(model$disp_formula),
      zi_formula = one(model$zi_formula), nobs = one(nobs), df = one(df), loglik = one(loglik),
      gradient = one(gradient)
    ),
    figures, list(programs = lapply(programs, one))
  )
}

# A singular optimum: a term that is left out has sd 0; there are no standard errors.
at_boundary <- function(figures, formula) {
  if (length(findbars(formula)) > length(figures$terms)) {
    last <- tail(findbars(formula), 1)[[1]]
    figures$terms <- c(figures$terms, list(
      random_term(deparse(last[[3]]), "(Intercept)", 0, diag(1))
    ))
  }
  figures$singular <- one(TRUE)
  figures[grepl("se$|se_log$|vcov", names(figures))] <- list(one(NA))
  figures
}

as_plain <- function(x) if (length(x) > 2000) stop("too long for the JSON file") else x
maybe <- function(x) if (is.null(x)) one(NA) else one(x)

update_response <- function(formula, y) {
  formula[[2]] <- as.name(y)
  formula
}

# Start of an inverse Gaussian fit: glmmTMB's Gamma fit.
gamma_start <- function(model, formula, data) {
  close <- glmmTMB(formula, data, family = Gamma(model$link))
  list(beta = fixef(close)$cond, sd = pmax(unname(unlist(lapply(glmmTMB::VarCorr(close)$cond, attr, "stddev"))), 0.05),
       phi = sigma(close)^2 / mean(data[[model$own$y]]))
}


# -- run -------------------------------------------------------------------------

out_file <- file.path("tests", "reference", "glmm_fits.json")

# The entries of the file that is there, as text by name.
stored_entries <- function() {
  if (!file.exists(out_file)) return(list())
  lines <- readLines(out_file)
  from <- which(lines == "{")[-1]
  to <- which(lines %in% c("},", "}") & seq_along(lines) > from[1])[seq_along(from)]
  text <- Map(function(a, b) sub(",$", "", paste(lines[a:b], collapse = "\n")), from, to)
  setNames(text, vapply(text, function(x) fromJSON(x)$id, ""))
}

order_of <- c(names(models), names(ordinal_models))
chosen <- commandArgs(trailingOnly = TRUE)
texts <- if (length(chosen)) stored_entries() else list()
for (id in if (length(chosen)) chosen else order_of) {
  entry <- if (id %in% names(models)) run_model(models[[id]]) else run_ordinal(ordinal_models[[id]])
  texts[[id]] <- as_json(entry, top = TRUE)
}
texts <- texts[intersect(order_of, names(texts))]

factors <- lapply(names(csv_factors), function(name) {
  frame <- read_data(name)
  lapply(frame[names(csv_factors[[name]])], function(x) if (nlevels(x) > 30) one(NA) else levels(x))
})
versions <- c("glmmTMB", "TMB", "lme4", "ordinal", "numDeriv", "statmod", "mgcv", "Matrix")
writeLines(c(
  "{",
  paste0("\"versions\": ", as_json(c(
    list(R = one(paste(R.version$major, R.version$minor, sep = "."))),
    sapply(versions, function(p) one(as.character(packageVersion(p))), simplify = FALSE)
  )), ","),
  paste0("\"factors\": ", as_json(setNames(factors, names(csv_factors))), ","),
  "\"fits\": [", paste(unlist(texts), collapse = ",\n"), "]", "}"
), out_file)
cat("wrote", length(texts), "fits\n")
