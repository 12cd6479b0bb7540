# Reference fits by lme4 for tests/test_reference_lme4.py.
#
#   Rscript tests/reference/lme4_fits.R        (from the repository root)
#
# Reads the data from datasets/ (types and level orders from the sidecars), fits
# every model below by REML and by ML, and writes tests/reference/lme4_fits.json
# with doubles at full precision. Each optimum is reached from two starts by two
# optimisers and then polished by Newton steps on a finite-difference gradient of
# lme4's own deviance function, so that estimates are good to more digits than
# the tests ask for.
#
# Needs: R >= 4.0, lme4, jsonlite.

suppressPackageStartupMessages({
  library(lme4)
  library(jsonlite)
})
options(contrasts = c("contr.treatment", "contr.treatment"))
set.seed(1)

out_file <- file.path("tests", "reference", "lme4_fits.json")
source(file.path("tests", "reference", "tools.R"))

MAX_RANEF <- 200 # random effects are recorded up to this many
MAX_VCOV <- 8 # cov(beta) is recorded up to this many coefficients
HEAD <- 6 # fitted values and residuals recorded

# -- our terms out of lme4's -------------------------------------------------

# One term of our formula: `group` as we write it; `columns`, lme4's names of its
# columns, where the group does not settle it; `diagonal` for `||`, which lme4
# splits into one term per column.
term <- function(group, columns = NULL, diagonal = FALSE) {
  list(group = group, columns = columns, diagonal = diagonal)
}

sorted_parts <- function(group) paste(sort(strsplit(group, ":")[[1]]), collapse = ":")

match_term <- function(wanted, groups, cnms) {
  same <- vapply(groups, sorted_parts, "") == sorted_parts(wanted$group)
  pieces <- if (wanted$diagonal) as.list(wanted$columns) else list(wanted$columns)
  vapply(pieces, function(columns) {
    hit <- same & vapply(cnms, function(n) is.null(columns) || identical(n, columns), TRUE)
    if (sum(hit) != 1) stop("term ", wanted$group, " matches ", sum(hit), " terms of lme4")
    which(hit)
  }, 0L)
}

# Level labels of an interaction, with the parts in the order of our group.
our_levels <- function(level, group_r, group) {
  if (group_r == group) return(level)
  place <- match(strsplit(group, ":")[[1]], strsplit(group_r, ":")[[1]])
  vapply(strsplit(level, ":"), function(parts) paste(parts[place], collapse = ":"), "")
}

block_diagonal <- function(blocks) as.matrix(Matrix::bdiag(blocks))

# sigma^2 Lambda (Lambda'Z'WZ Lambda + I)^-1 Lambda', all terms together.
conditional_covariance <- function(fit) {
  lambda <- as.matrix(getME(fit, "Lambda"))
  z <- as.matrix(getME(fit, "Z")) * sqrt(weights(fit))
  a <- crossprod(z %*% lambda) + diag(ncol(z))
  sigma(fit)^2 * lambda %*% solve(a, t(lambda))
}

describe_terms <- function(fit, wanted) {
  cnms <- getME(fit, "cnms")
  groups <- names(cnms)
  factors <- getME(fit, "flist")
  assign <- attr(factors, "assign")
  templates <- unname(getME(fit, "Tlist"))
  first <- getME(fit, "Gp")
  b <- as.numeric(getME(fit, "b"))
  small <- length(b) <= MAX_RANEF
  covariance <- if (small) conditional_covariance(fit)

  used <- lapply(wanted, match_term, groups, cnms)
  stopifnot(setequal(unlist(used), seq_along(cnms)), !anyDuplicated(unlist(used)))

  terms <- list()
  effects <- list()
  for (k in seq_along(wanted)) {
    pieces <- used[[k]]
    group_r <- groups[pieces[1]]
    level <- levels(factors[[assign[pieces[1]]]])
    terms[[k]] <- list(
      group = one(wanted[[k]]$group),
      group_r = one(group_r),
      cnames_r = unlist(cnms[pieces]),
      lambda = block_diagonal(templates[pieces]),
      nlevels = one(length(level))
    )
    if (!small) next
    # positions in b: levels in rows, columns of the term in columns
    place <- do.call(cbind, lapply(pieces, function(p) {
      matrix(seq(first[p] + 1, first[p + 1]), ncol = length(cnms[[p]]), byrow = TRUE)
    }))
    effects[[k]] <- list(
      group = one(wanted[[k]]$group),
      levels = unname(our_levels(level, group_r, wanted[[k]]$group)),
      values = matrix(b[place], nrow = nrow(place)),
      condvar = lapply(seq_len(nrow(place)), function(l) {
        covariance[place[l, ], place[l, ], drop = FALSE]
      })
    )
  }
  list(terms = terms, effects = if (small) effects)
}

# lme4's own conditional covariances must be the same numbers.
check_condvar <- function(fit) {
  effects <- ranef(fit, condVar = TRUE)
  if (length(effects) > 1 || is.list(attr(effects[[1]], "postVar"))) return(invisible())
  theirs <- attr(effects[[1]], "postVar")
  k <- dim(theirs)[1]
  ours <- conditional_covariance(fit)
  for (l in seq_len(dim(theirs)[3])) {
    place <- (l - 1) * k + seq_len(k)
    stopifnot(all.equal(ours[place, place], theirs[, , l], tolerance = 1e-8,
                        check.attributes = FALSE))
  }
}

# -- one entry ---------------------------------------------------------------

zero_based <- function(rows) if (is.null(rows)) NULL else rows - 1L

run_model <- function(model, reml) {
  data <- read_dataset(model$dataset)
  extra <- if (is.null(model$extra)) NULL else model$extra(data)
  for (column in names(extra)) data[[column]] <- extra[[column]]
  for (column in names(model$missing)) data[[column]][model$missing[[column]]] <- NA
  if (!is.null(model$rows)) data <- data[model$rows, , drop = FALSE]

  formula <- as.formula(model$formula_r)
  result <- fit_lmm(formula, data, reml, model$weights, model$offset, model$contrasts)
  fit <- result$fit
  criterion <- if (reml) as.numeric(REMLcrit(fit)) else as.numeric(deviance(fit, REML = FALSE))
  loglik <- as.numeric(logLik(fit, REML = reml))
  stopifnot(abs(criterion + 2 * loglik) <= 1e-9 * max(1, abs(criterion)))
  if (length(getME(fit, "b")) <= MAX_RANEF) check_condvar(fit)

  beta <- fixef(fit)
  v <- as.matrix(vcov(fit))
  described <- describe_terms(fit, model$terms)
  label <- paste0(model$id, if (reml) "_reml" else "_ml")
  cat(sprintf("%-28s %18.8f  %s%s\n", label, criterion,
              if (isSingular(fit, tol = 1e-4)) "singular; " else "", result$optimum$note))

  list(
    id = one(label),
    dataset = one(model$dataset),
    formula_r = one(model$formula_r),
    formula = one(model$formula),
    reml = one(reml),
    rows = zero_based(model$rows),
    extra_columns = lapply(extra, function(x) if (is.factor(x)) as.character(x) else x),
    set_missing = lapply(model$missing, zero_based),
    weights = if (!is.null(model$weights)) one(model$weights),
    offset = if (!is.null(model$offset)) one(model$offset),
    nobs = one(nobs(fit)),
    rank = one(length(beta)),
    dropped_count = one(length(attr(getME(fit, "X"), "col.dropped"))),
    beta = unname(beta),
    beta_names_r = names(beta),
    se = unname(sqrt(diag(v))),
    vcov = if (length(beta) <= MAX_VCOV) unname(v),
    sigma = one(sigma(fit)),
    criterion = one(criterion),
    loglik = one(loglik),
    aic = one(as.numeric(AIC(fit))),
    bic = one(as.numeric(BIC(fit))),
    terms = described$terms,
    ngroups = {
      counts <- ngrps(fit)
      ours <- vapply(names(counts), function(g) {
        model$terms[[match(sorted_parts(g), vapply(model$terms, function(t) {
          sorted_parts(t$group)
        }, ""))]]$group
      }, "")
      setNames(lapply(unname(counts), one), ours)
    },
    singular = one(isSingular(fit, tol = 1e-4)),
    ranef = described$effects,
    fitted_head = unname(head(fitted(fit), HEAD)),
    resid_head = unname(head(residuals(fit, type = "response"), HEAD)),
    optimizer = one(result$optimum$note)
  )
}

# -- the models --------------------------------------------------------------

models <- list()

add <- function(id, dataset, formula_r, ..., formula = formula_r, terms, extra = NULL, rows = NULL,
                missing = NULL, weights = NULL, offset = NULL, contrasts = NULL) {
  stopifnot(...length() == 0, !id %in% names(models))
  models[[id]] <<- list(
    id = id, dataset = dataset, formula_r = formula_r, formula = formula, terms = terms,
    extra = extra, rows = rows, missing = missing, weights = weights, offset = offset,
    contrasts = contrasts
  )
}

INTERCEPT <- "(Intercept)"

# one factor, intercepts
add("dung", "dung", "pr_dung ~ flies + (1 | oven_block)", terms = list(term("oven_block")))
add("rail", "Rail", "travel ~ 1 + (1 | Rail)", terms = list(term("Rail")))
add("dyestuff", "Dyestuff", "Yield ~ 1 + (1 | Batch)", terms = list(term("Batch")))
add("dyestuff2", "Dyestuff2", "Yield ~ 1 + (1 | Batch)", terms = list(term("Batch")))
add("ovary", "Ovary", "follicles ~ sin(2 * pi * Time) + cos(2 * pi * Time) + (1 | Mare)",
  formula = "follicles ~ np.sin(2 * np.pi * Time) + np.cos(2 * np.pi * Time) + (1 | Mare)",
  terms = list(term("Mare"))
)
add("cell_means", "Machines", "score ~ 0 + Machine + (1 | Worker)", terms = list(term("Worker")))
add("slopes_by_sex", "Orthodont", "distance ~ 0 + Sex + Sex:age + (1 | Subject)",
  terms = list(term("Subject"))
)
add("occasions", "Oxboys", "height ~ Occasion + (1 | Subject)", terms = list(term("Subject")))
add("cbpp_log", "cbpp", "log(incidence + 1) ~ period + size + (1 | herd)",
  formula = "np.log(incidence + 1) ~ period + size + (1 | herd)",
  terms = list(term("herd"))
)

# crossed and nested factors
add("penicillin", "Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)",
  terms = list(term("plate"), term("sample"))
)
add("pastes_nested", "Pastes", "strength ~ 1 + (1 | batch/cask)",
  terms = list(term("batch"), term("batch:cask"))
)
add("pastes_sample", "Pastes", "strength ~ 1 + (1 | sample) + (1 | batch)",
  terms = list(term("sample"), term("batch"))
)
add("pastes_interaction", "Pastes", "strength ~ 1 + (1 | batch:cask)",
  terms = list(term("batch:cask"))
)
add("machines_crossed", "Machines", "score ~ Machine + (1 | Worker) + (1 | Worker:Machine)",
  terms = list(term("Worker"), term("Worker:Machine"))
)
add("oats_split_plot", "Oats", "yield ~ nitro + Variety + (1 | Block/Variety)",
  terms = list(term("Block"), term("Block:Variety"))
)
add("oats_interaction", "Oats", "yield ~ nitro * Variety + (1 | Block/Variety)",
  terms = list(term("Block"), term("Block:Variety"))
)
add("sleep_crossed_days", "sleepstudy", "Reaction ~ Days + (1 | Subject) + (1 | day)",
  terms = list(term("Subject"), term("day")),
  extra = function(d) list(day = paste0("d", d$Days))
)
add("grouseticks", "grouseticks",
  "log(TICKS + 1) ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION)",
  formula = "np.log(TICKS + 1) ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION)",
  terms = list(term("BROOD"), term("LOCATION"))
)
add("cake_factor", "cake", "angle ~ recipe * temperature + (1 | recipe:replicate)",
  terms = list(term("recipe:replicate"))
)
add("cake_numeric", "cake", "angle ~ recipe + temp + (1 | recipe:replicate)",
  terms = list(term("recipe:replicate"))
)
add("cake_nested", "cake", "angle ~ recipe + temp + (1 | replicate/recipe)",
  terms = list(term("replicate"), term("replicate:recipe"))
)
yes <- function(d) list(yes = as.numeric(d$r2 == "Y"))
add("verbagg", "VerbAgg",
  "yes ~ Anger + Gender + btype + situ + mode + (1 | id) + (1 | item)",
  terms = list(term("id"), term("item")), extra = yes
)
add("insteval", "InstEval", "y ~ service + (1 | s) + (1 | d) + (1 | dept)",
  terms = list(term("s"), term("d"), term("dept"))
)

# slopes
add("sleep_slope", "sleepstudy", "Reaction ~ Days + (Days | Subject)",
  terms = list(term("Subject"))
)
add("sleep_uncorrelated", "sleepstudy", "Reaction ~ Days + (Days || Subject)",
  terms = list(term("Subject", c(INTERCEPT, "Days"), diagonal = TRUE))
)
add("sleep_two_terms", "sleepstudy", "Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)",
  terms = list(term("Subject", INTERCEPT), term("Subject", "Days"))
)
add("sleep_slope_only", "sleepstudy", "Reaction ~ Days + (0 + Days | Subject)",
  terms = list(term("Subject"))
)
add("sleep_poly", "sleepstudy", "Reaction ~ poly(Days, 2) + (Days | Subject)",
  terms = list(term("Subject"))
)
add("sleep_scaled", "sleepstudy", "Reaction ~ scale(Days) + (scale(Days) | Subject)",
  terms = list(term("Subject"))
)
add("sleep_log", "sleepstudy", "log(Reaction) ~ Days + (Days | Subject)",
  formula = "np.log(Reaction) ~ Days + (Days | Subject)",
  terms = list(term("Subject"))
)
add("ortho_slope", "Orthodont", "distance ~ age * Sex + (age | Subject)",
  terms = list(term("Subject"))
)
add("ortho_centred", "Orthodont", "distance ~ I(age - 11) * Sex + (I(age - 11) | Subject)",
  terms = list(term("Subject"))
)
add("ortho_two_terms", "Orthodont", "distance ~ age + (1 | Subject) + (0 + age | Subject)",
  terms = list(term("Subject", INTERCEPT), term("Subject", "age"))
)
add("oxboys_slope", "Oxboys", "height ~ age + (age | Subject)", terms = list(term("Subject")))
add("oxboys_quadratic", "Oxboys", "height ~ age + I(age^2) + (age | Subject)",
  formula = "height ~ age + I(age ** 2) + (age | Subject)",
  terms = list(term("Subject"))
)
add("oxboys_random_quadratic", "Oxboys", "height ~ age + I(age^2) + (age + I(age^2) | Subject)",
  formula = "height ~ age + I(age ** 2) + (age + I(age ** 2) | Subject)",
  terms = list(term("Subject"))
)
add("ovary_slope", "Ovary",
  "follicles ~ sin(2 * pi * Time) + cos(2 * pi * Time) + (sin(2 * pi * Time) | Mare)",
  formula = paste(
    "follicles ~ np.sin(2 * np.pi * Time) + np.cos(2 * np.pi * Time)",
    "+ (np.sin(2 * np.pi * Time) | Mare)"
  ),
  terms = list(term("Mare"))
)

# factors as slopes
add("machines_slope", "Machines", "score ~ Machine + (Machine | Worker)",
  terms = list(term("Worker"))
)
add("machines_indicator", "Machines", "score ~ Machine + (0 + Machine | Worker)",
  terms = list(term("Worker"))
)
# lme4 keeps the levels of a factor correlated after `||`; we do not, so R's
# formula spells the separate columns.
add("machines_separate", "Machines",
  paste(
    "score ~ Machine + (1 | Worker) + (0 + dummy(Machine, \"B\") | Worker)",
    "+ (0 + dummy(Machine, \"C\") | Worker)"
  ),
  formula = "score ~ Machine + (Machine || Worker)",
  terms = list(term("Worker",
    c(INTERCEPT, "dummy(Machine, \"B\")", "dummy(Machine, \"C\")"), diagonal = TRUE
  ))
)
add("machines_diagonal", "Machines",
  paste(
    "score ~ Machine + (0 + dummy(Machine, \"A\") | Worker)",
    "+ (0 + dummy(Machine, \"B\") | Worker) + (0 + dummy(Machine, \"C\") | Worker)"
  ),
  formula = "score ~ Machine + (0 + Machine || Worker)",
  terms = list(term("Worker", paste0("dummy(Machine, \"", c("A", "B", "C"), "\")"),
    diagonal = TRUE
  ))
)
add("verbagg_slopes", "VerbAgg", "yes ~ btype + situ + mode + (0 + situ | id) + (1 | item)",
  terms = list(term("id"), term("item")), extra = yes
)
add("verbagg_mode", "VerbAgg", "yes ~ btype + situ + mode + (mode | id) + (Gender | item)",
  terms = list(term("id"), term("item")), extra = yes
)

# contrasts
add("cake_sum_contrasts", "cake", "angle ~ recipe * temp + (1 | recipe:replicate)",
  formula = "angle ~ C(recipe, contr.sum) * temp + (1 | recipe:replicate)",
  terms = list(term("recipe:replicate")), contrasts = list(recipe = "contr.sum")
)

# weights and offset
add("sleep_weights", "sleepstudy", "Reaction ~ Days + (Days | Subject)",
  terms = list(term("Subject")), weights = "w",
  extra = function(d) list(w = 1 / (1 + d$Days / 4))
)
add("sleep_counts_as_weights", "sleepstudy", "Reaction ~ Days + (1 | Subject)",
  terms = list(term("Subject")), weights = "w",
  extra = function(d) list(w = 1L + as.integer(d$Days) %% 3L)
)
add("cbpp_weights", "cbpp", "proportion ~ period + (1 | herd)",
  terms = list(term("herd")), weights = "size",
  extra = function(d) list(proportion = d$incidence / d$size)
)
add("sleep_offset", "sleepstudy", "Reaction ~ Days + (Days | Subject)",
  terms = list(term("Subject")), offset = "known",
  extra = function(d) list(known = 100 + 3 * sqrt(d$Days))
)
add("penicillin_weights_offset", "Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)",
  terms = list(term("plate"), term("sample")), weights = "w", offset = "known",
  extra = function(d) {
    list(w = 0.5 + (seq_len(nrow(d)) %% 7) / 3, known = (seq_len(nrow(d)) %% 5) / 4)
  }
)

# missing values and subsets
add("sleep_missing", "sleepstudy", "Reaction ~ Days + (Days | Subject)",
  terms = list(term("Subject")),
  missing = list(Reaction = c(4L, 18L, 180L), Days = c(41L, 18L), Subject = 101L)
)
add("pastes_missing", "Pastes", "strength ~ 1 + (1 | batch/cask)",
  terms = list(term("batch"), term("batch:cask")),
  missing = list(strength = c(1L, 2L, 31L), cask = 60L)
)
add("sleep_first_rows", "sleepstudy", "Reaction ~ Days + (Days | Subject)",
  terms = list(term("Subject")), rows = 1:47
)
add("oats_two_varieties", "Oats", "yield ~ nitro + Variety + (1 | Block)",
  terms = list(term("Block")),
  rows = which(read_dataset("Oats")$Variety != "Victory")
)
add("machines_unbalanced", "Machines", "score ~ Machine + (1 | Worker) + (1 | Worker:Machine)",
  terms = list(term("Worker"), term("Worker:Machine")),
  rows = setdiff(1:54, c(2L, 3L, 6L, 8L, 9L, 12L, 19L, 20L, 27L, 33L))
)
add("sleep_three_days", "sleepstudy", "Reaction ~ Days + (Days | Subject)",
  terms = list(term("Subject")),
  rows = which(read_dataset("sleepstudy")$Days < 3)
)
add("ortho_four_boys", "Orthodont", "distance ~ age + (age | Subject)",
  terms = list(term("Subject")),
  rows = 1:16
)
add("penicillin_few", "Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)",
  terms = list(term("plate"), term("sample")),
  rows = 1:18
)

# rank-deficient X
add("cake_aliased", "cake", "angle ~ temp + celsius + recipe + (1 | recipe:replicate)",
  terms = list(term("recipe:replicate")),
  extra = function(d) list(celsius = (d$temp - 32) / 1.8)
)
add("cake_constant", "cake", "angle ~ constant + recipe + temp + (1 | recipe:replicate)",
  terms = list(term("recipe:replicate")),
  extra = function(d) list(constant = rep(2.5, nrow(d)))
)
add("cake_empty_cell", "cake", "angle ~ recipe * temperature + (1 | recipe:replicate)",
  terms = list(term("recipe:replicate")),
  rows = {
    d <- read_dataset("cake")
    which(!(d$recipe == "B" & d$temperature == "205"))
  }
)

# singular optima
add("oats_slope", "Oats", "yield ~ nitro + Variety + (nitro | Block)",
  terms = list(term("Block"))
)
add("machines_few", "Machines", "score ~ Machine + (Machine | Worker)",
  terms = list(term("Worker")),
  rows = c(1:9, 19:27, 37:45)
)
add("cake_replicate_slope", "cake", "angle ~ recipe + warmth + (warmth | replicate)",
  terms = list(term("replicate")),
  extra = function(d) list(warmth = (d$temp - 200) / 10)
)
add("ortho_young", "Orthodont", "distance ~ age + (age | Subject)",
  terms = list(term("Subject")),
  rows = which(read_dataset("Orthodont")$age < 13)
)
add("ovary_three_columns", "Ovary", "follicles ~ Time + (Time + I(Time^2) | Mare)",
  formula = "follicles ~ Time + (Time + I(Time ** 2) | Mare)",
  terms = list(term("Mare")),
  rows = 1:150
)
add("pastes_few", "Pastes", "strength ~ 1 + (1 | batch/cask)",
  terms = list(term("batch"), term("batch:cask")),
  rows = 1:24
)

# -- run ---------------------------------------------------------------------

chosen <- commandArgs(trailingOnly = TRUE) # for a trial: names of models, nothing is written
entries <- list()
for (model in if (length(chosen)) models[chosen] else models) {
  for (reml in c(TRUE, FALSE)) entries[[length(entries) + 1]] <- run_model(model, reml)
}
if (length(chosen) == 0) {
  text <- paste0(
    "{\n\"versions\": ",
    as_json(list(
      R = one(paste(R.version$major, R.version$minor, sep = ".")),
      lme4 = one(as.character(packageVersion("lme4"))),
      Matrix = one(as.character(packageVersion("Matrix")))
    )),
    ",\n\"fits\": [\n",
    paste(vapply(entries, as_json, "", top = TRUE), collapse = ",\n"),
    "\n]\n}\n"
  )
  connection <- file(out_file, "wb")
  writeChar(text, connection, eos = NULL, useBytes = TRUE)
  close(connection)

  # Doubles must round-trip.
  back <- fromJSON(out_file, simplifyVector = FALSE)$fits
  for (i in seq_along(back)) {
    stopifnot(
      identical(as.numeric(unlist(back[[i]]$beta)), as.numeric(entries[[i]]$beta)),
      identical(as.numeric(back[[i]]$criterion), as.numeric(entries[[i]]$criterion[[1]]))
    )
  }
  cat("wrote", length(entries), "fits of", length(models), "models to", out_file, "\n")
}
