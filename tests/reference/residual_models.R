# The models of residual_structures.R.

csv <- function(name) {
  function() read.csv(file.path("tests", "reference", paste0(name, ".csv")), stringsAsFactors = TRUE)
}
set <- function(name, extra = list()) {
  function() {
    data <- as.data.frame(read_dataset(name))
    for (column in names(extra)) data[[column]] <- extra[[column]]
    data
  }
}

models <- list()

# A model, by REML and by ML unless `only` says which. `at` are the columns of the
# points, `of` that of the variance function; `block` is a column whose levels are
# independent (NULL: none are). `nlme` and `glmmtmb` are what the witnesses fit.
add <- function(id, data, formula, residual, correlation, at, series = NULL, block = series,
                variance = "none", of = NULL, fixed_r = formula, random = list(), kind = "fit",
                extra = list(), rows = NULL, only = c(TRUE, FALSE), nlme = NULL, glmmtmb = NULL, ...) {
  frame <- if (startsWith(data, "residual_")) csv(data) else set(data, extra)
  for (reml in only) {
    models[[length(models) + 1]] <<- list(
      id = paste0(id, if (reml) "_reml" else "_ml"), kind = kind, data = data, frame = frame,
      extra = extra, rows = rows, formula = formula, residual = residual,
      correlation = correlation, at = at, series = series, block = block, variance = variance,
      of = of, fixed_r = as.formula(fixed_r), random = random, reml = reml, nlme = nlme,
      glmmtmb = glmmtmb, ...
    )
  }
}

# Rows in another order, some of them left out: 0-based.
some_rows <- function(n, keep, seed) {
  set.seed(seed)
  sample(n, round(keep * n)) - 1L
}

# -- Orthodont: 27 subjects at ages 8, 10, 12, 14 -------------------------------------

visits <- list(visit = rep(1:4, 27))
growth <- function(id, residual, correlation, nlme = NULL, glmmtmb = NULL, kind = "published",
                   at = "visit", ...) {
  add(paste0("orthodont_", id), "Orthodont", "distance ~ age * Sex", residual, correlation,
      at = at, series = "Subject", extra = visits, kind = kind, nlme = nlme, glmmtmb = glmmtmb, ...)
}
growth("iid", "iid", "iid", quote(gls(distance ~ age * Sex)))
growth("cs", "cs(visit | Subject)", "cs",
       quote(gls(distance ~ age * Sex, correlation = corCompSymm(form = ~ visit | Subject))))
growth("ar1", "ar1(visit | Subject)", "ar1",
       quote(gls(distance ~ age * Sex, correlation = corAR1(form = ~ visit | Subject))),
       distance ~ age * Sex + ar1(factor(visit) + 0 | Subject))
growth("toep", "toep(visit | Subject)", "toep")
growth("ma1", "ma(visit | Subject)", "ma", q = 1,
       quote(gls(distance ~ age * Sex, correlation = corARMA(form = ~ visit | Subject, p = 0, q = 1))))
growth("ma2", "ma(visit | Subject, q=2)", "ma", q = 2,
       quote(gls(distance ~ age * Sex, correlation = corARMA(form = ~ visit | Subject, p = 0, q = 2))))
growth("corsymm", "corsymm(visit | Subject)", "corsymm",
       quote(gls(distance ~ age * Sex, correlation = corSymm(form = ~ visit | Subject))))
growth("us", "us(visit | Subject)", "corsymm", variance = "idh", of = "visit",
       quote(gls(distance ~ age * Sex, correlation = corSymm(form = ~ visit | Subject),
                 weights = varIdent(form = ~ 1 | visit))),
       distance ~ age * Sex + us(factor(visit) + 0 | Subject))
growth("hcs", "hcs(visit | Subject)", "cs", variance = "idh", of = "visit",
       quote(gls(distance ~ age * Sex, correlation = corCompSymm(form = ~ visit | Subject),
                 weights = varIdent(form = ~ 1 | visit))),
       distance ~ age * Sex + cs(factor(visit) + 0 | Subject))
growth("har1", "har1(visit | Subject)", "ar1", variance = "idh", of = "visit",
       quote(gls(distance ~ age * Sex, correlation = corAR1(form = ~ visit | Subject),
                 weights = varIdent(form = ~ 1 | visit))))
growth("htoep", "htoep(visit | Subject)", "toep", variance = "idh", of = "visit", kind = "fit",
       glmmtmb = distance ~ age * Sex + toep(factor(visit) + 0 | Subject))
growth("ante", "hante(visit | Subject)", "ante", variance = "idh", of = "visit", kind = "fit")
growth("arma", "arma(visit | Subject, p=1, q=1)", "arma", kind = "fit",
       quote(gls(distance ~ age * Sex, correlation = corARMA(form = ~ visit | Subject, p = 1, q = 1))))
growth("exp", "exp(age | Subject)", "exp", kind = "fit", at = "age",
       quote(gls(distance ~ age * Sex, correlation = corCAR1(form = ~ age | Subject))))
growth("by_sex", "ar1(visit | Subject) * idh(Sex)", "ar1", variance = "idh", of = "Sex", kind = "fit",
       quote(gls(distance ~ age * Sex, correlation = corAR1(form = ~ visit | Subject),
                 weights = varIdent(form = ~ 1 | Sex))))
some <- some_rows(108, 0.8, 11)
growth("gaps_ar1", "ar1(visit | Subject)", "ar1", kind = "fit", rows = some,
       quote(gls(distance ~ age * Sex, correlation = corAR1(form = ~ visit | Subject))),
       distance ~ age * Sex + ar1(factor(visit) + 0 | Subject))
growth("gaps_us", "us(visit | Subject)", "corsymm", variance = "idh", of = "visit", kind = "fit",
       rows = some,
       quote(gls(distance ~ age * Sex, correlation = corSymm(form = ~ visit | Subject),
                 weights = varIdent(form = ~ 1 | visit))),
       distance ~ age * Sex + us(factor(visit) + 0 | Subject))
growth("gaps_toep", "toep(visit | Subject)", "toep", kind = "fit", rows = some)

# -- Ovary: 11 mares, some 28 unequal times --------------------------------------------

ovary <- "follicles ~ np.sin(2 * np.pi * Time) + np.cos(2 * np.pi * Time)"
ovary_r <- "follicles ~ sin(2 * pi * Time) + cos(2 * pi * Time)"
series_order <- list(step = ave(rep(1, nrow(nlme::Ovary)), as.character(nlme::Ovary$Mare), FUN = seq_along))
add("ovary_ar1", "Ovary", ovary, "ar1(step | Mare)", "ar1", "step", "Mare", fixed_r = ovary_r,
    extra = series_order,
    nlme = quote(gls(follicles ~ sin(2 * pi * Time) + cos(2 * pi * Time), correlation = corAR1(form = ~ step | Mare))))
add("ovary_arma", "Ovary", ovary, "arma(step | Mare, p=1, q=1)", "arma", "step", "Mare", fixed_r = ovary_r,
    extra = series_order,
    nlme = quote(gls(follicles ~ sin(2 * pi * Time) + cos(2 * pi * Time),
                     correlation = corARMA(form = ~ step | Mare, p = 1, q = 1))))
add("ovary_exp", "Ovary", ovary, "exp(Time | Mare)", "exp", "Time", "Mare", fixed_r = ovary_r,
    nlme = quote(gls(follicles ~ sin(2 * pi * Time) + cos(2 * pi * Time), correlation = corCAR1(form = ~ Time | Mare))))
add("ovary_intercept_ar1", "Ovary", paste(ovary, "+ (1 | Mare)"), "ar1(step | Mare)", "ar1", "step", "Mare",
    fixed_r = ovary_r, extra = series_order, random = list(list(group = "Mare", basis = ~1)),
    nlme = quote(lme(follicles ~ sin(2 * pi * Time) + cos(2 * pi * Time), random = ~ 1 | Mare,
                     correlation = corAR1(form = ~ step | Mare))))

# -- series: 30 subjects, times 1 to 8 with gaps, rows in any order -----------------------

line <- "y ~ x + time"
simulated <- function(id, residual, correlation, nlme, at = "time", formula = line, ...) {
  add(paste0("series_", id), "residual_series", formula, residual, correlation, at, "subject",
      fixed_r = line, nlme = nlme, ...)
}
simulated("ar1", "ar1(time | subject)", "ar1",
          quote(gls(y ~ x + time, correlation = corAR1(form = ~ time | subject))))
simulated("power", "power(x)", "iid", variance = "power", of = "x",
          quote(gls(y ~ x + time, weights = varPower(form = ~x))))
simulated("expvar", "expvar(x)", "iid", variance = "expvar", of = "x",
          quote(gls(y ~ x + time, weights = varExp(form = ~x))))
simulated("idh", "idh(stratum)", "iid", variance = "idh", of = "stratum",
          quote(gls(y ~ x + time, weights = varIdent(form = ~ 1 | stratum))))
simulated("ar1_idh", "ar1(time | subject) * idh(stratum)", "ar1", variance = "idh", of = "stratum",
          quote(gls(y ~ x + time, correlation = corAR1(form = ~ time | subject),
                    weights = varIdent(form = ~ 1 | stratum))))
simulated("ar1_power", "ar1(time | subject) * power(x)", "ar1", variance = "power", of = "x",
          quote(gls(y ~ x + time, correlation = corAR1(form = ~ time | subject),
                    weights = varPower(form = ~x))))
simulated("ar1_weights", "ar1(time | subject)", "ar1", variance = "weights", of = "x",
          quote(gls(y ~ x + time, correlation = corAR1(form = ~ time | subject),
                    weights = varFixed(~ I(1 / x)))))
simulated("ma2", "ma(time | subject, q=2)", "ma", q = 2,
          quote(gls(y ~ x + time, correlation = corARMA(form = ~ time | subject, p = 0, q = 2))))
intercept <- list(list(group = "subject", basis = ~1))
slope <- list(list(group = "subject", basis = ~time))
simulated("intercept_ar1", "ar1(time | subject)", "ar1", formula = "y ~ x + time + (1 | subject)",
          random = intercept,
          quote(lme(y ~ x + time, random = ~ 1 | subject, correlation = corAR1(form = ~ time | subject))))
simulated("slope_ar1", "ar1(time | subject)", "ar1", formula = "y ~ x + time + (time | subject)",
          random = slope,
          quote(lme(y ~ x + time, random = ~ time | subject, correlation = corAR1(form = ~ time | subject))))
simulated("slope_power", "power(x)", "iid", formula = "y ~ x + time + (time | subject)",
          random = slope, variance = "power", of = "x",
          quote(lme(y ~ x + time, random = ~ time | subject, weights = varPower(form = ~x))))
simulated("intercept_expvar", "expvar(x)", "iid", formula = "y ~ x + time + (1 | subject)",
          random = intercept, variance = "expvar", of = "x",
          quote(lme(y ~ x + time, random = ~ 1 | subject, weights = varExp(form = ~x))))
simulated("intercept_ar1_power", "ar1(time | subject) * power(x)", "ar1",
          formula = "y ~ x + time + (1 | subject)", random = intercept, variance = "power", of = "x",
          quote(lme(y ~ x + time, random = ~ 1 | subject, correlation = corAR1(form = ~ time | subject),
                    weights = varPower(form = ~x))))
# R crosses the levels of a grouping factor; nlme has nothing for it.
simulated("crossed_ar1", "ar1(time | subject)", "ar1", formula = "y ~ x + time + (1 | site)",
          random = list(list(group = "site", basis = ~1)), block = NULL, nlme = NULL)
simulated("crossed_ar1_power", "ar1(time | subject) * power(x)", "ar1", block = NULL, nlme = NULL,
          formula = "y ~ x + time + (1 | subject) + (1 | site)", variance = "power", of = "x",
          random = list(list(group = "subject", basis = ~1), list(group = "site", basis = ~1)),
          only = TRUE)

# -- moving: 24 series of 10 -----------------------------------------------------------------

moved <- function(id, residual, correlation, nlme, at = "time", ...) {
  add(paste0("moving_", id), "residual_moving", "y ~ dose", residual, correlation, at, "unit", nlme = nlme, ...)
}
moved("ar1", "ar1(time | unit)", "ar1",
      quote(gls(y ~ dose, correlation = corARMA(form = ~ time | unit, p = 1, q = 0))))
moved("ma1", "ma(time | unit)", "ma", q = 1,
      quote(gls(y ~ dose, correlation = corARMA(form = ~ time | unit, p = 0, q = 1))))
moved("ma2", "ma(time | unit, q=2)", "ma", q = 2,
      quote(gls(y ~ dose, correlation = corARMA(form = ~ time | unit, p = 0, q = 2))))
moved("arma", "arma(time | unit, p=1, q=1)", "arma",
      quote(gls(y ~ dose, correlation = corARMA(form = ~ time | unit, p = 1, q = 1))))
moved("arma_gaps", "arma(time | unit, p=1, q=1)", "arma", rows = some_rows(240, 0.7, 12), only = TRUE,
      quote(gls(y ~ dose, correlation = corARMA(form = ~ time | unit, p = 1, q = 1))))
moved("exp", "exp(when | unit)", "exp", at = "when",
      quote(gls(y ~ dose, correlation = corExp(form = ~ when | unit))))
moved("gau", "gau(when | unit)", "gau", at = "when",
      quote(gls(y ~ dose, correlation = corGaus(form = ~ when | unit))))

# -- spread: one row after another, the standard deviation a constant and a power ------------------

add("spread_constpower", "residual_spread", "y ~ x", "constpower(x)", "iid", "x",
    variance = "constpower", of = "x", series = "row", block = "row",
    nlme = quote(gls(y ~ x, weights = varConstPower(form = ~x))))

# -- litters: a negative correlation ------------------------------------------------------------

add("litters_cs", "residual_litters", "y ~ diet", "cs(pup | litter)", "cs", "pup", "litter",
    nlme = quote(gls(y ~ diet, correlation = corCompSymm(value = -0.2, form = ~ pup | litter))))

# -- places: 5 fields of 30 places ----------------------------------------------------------------

placed <- function(id, residual, correlation, nlme, ...) {
  add(paste0("places_", id), "residual_places", "y ~ treatment", residual, correlation,
      c("east", "north"), "field", nlme = nlme, ...)
}
placed("exp", "exp(east + north | field)", "exp",
       quote(gls(y ~ treatment, correlation = corExp(form = ~ east + north | field))))
placed("exp_nugget", "exp(east + north | field, nugget=True)", "exp", nugget = TRUE,
       quote(gls(y ~ treatment, correlation = corExp(c(2, 0.2), form = ~ east + north | field, nugget = TRUE))))
placed("gau", "gau(east + north | field)", "gau",
       quote(gls(y ~ treatment, correlation = corGaus(form = ~ east + north | field))))
placed("gau_nugget", "gau(east + north | field, nugget=True)", "gau", nugget = TRUE,
       quote(gls(y ~ treatment, correlation = corGaus(c(2, 0.2), form = ~ east + north | field, nugget = TRUE))))
placed("sph", "sph(east + north | field)", "sph",
       quote(gls(y ~ treatment, correlation = corSpher(3, form = ~ east + north | field))))
placed("sph_nugget", "sph(east + north | field, nugget=True)", "sph", nugget = TRUE,
       quote(gls(y ~ treatment, correlation = corSpher(c(4, 0.2), form = ~ east + north | field, nugget = TRUE))))

# -- visit_trial: unstructured visits, some of them missed ----------------------------------------

trial <- "fev ~ baseline + sex + arm * visit"
few <- which(as.integer(sub("P", "", read_dataset("visit_trial")$patient)) <= 32) - 1L
set.seed(13)
few <- sample(few)
tried <- function(id, residual, correlation, nlme, ...) {
  add(paste0("trial_", id), "visit_trial", trial, residual, correlation, "visit", "patient", rows = few,
      nlme = nlme, ...)
}
tried("us", "us(visit | patient)", "corsymm", variance = "idh", of = "visit",
      quote(gls(fev ~ baseline + sex + arm * visit, correlation = corSymm(form = ~ as.integer(visit) | patient),
                weights = varIdent(form = ~ 1 | visit))),
      glmmtmb = fev ~ baseline + sex + arm * visit + us(visit + 0 | patient))
tried("hcs", "hcs(visit | patient)", "cs", variance = "idh", of = "visit",
      quote(gls(fev ~ baseline + sex + arm * visit, correlation = corCompSymm(form = ~ as.integer(visit) | patient),
                weights = varIdent(form = ~ 1 | visit))),
      glmmtmb = fev ~ baseline + sex + arm * visit + cs(visit + 0 | patient))
tried("har1", "har1(visit | patient)", "ar1", variance = "idh", of = "visit",
      quote(gls(fev ~ baseline + sex + arm * visit, correlation = corAR1(form = ~ as.integer(visit) | patient),
                weights = varIdent(form = ~ 1 | visit))))
tried("ante", "hante(visit | patient)", "ante", variance = "idh", of = "visit", nlme = NULL, only = TRUE)

# -- the printed grid, and a larger one ------------------------------------------------------------

gridded <- function(id, residual, correlation, at = c("row", "column"), series = NULL, ...) {
  add(paste0("grid_", id), "residual_grid", "y ~ variety", residual, correlation, at, series,
      block = NULL, kind = "published", only = TRUE, ...)
}
gridded("iid", "iid", "iid")
gridded("ar1_ar1", "ar1(row):ar1(column)", "ar1:ar1")
gridded("rows", "ar1(row | column)", "ar1", "row", "column")
gridded("columns", "ar1(column | row)", "ar1", "column", "row")
gridded("ma_ma", "ma(row):ma(column)", "ma:ma")
gridded("missing_ar1_ar1", "ar1(row):ar1(column)", "ar1:ar1",
        rows = setdiff(0:47, c(7, 20, 21, 40)))
add("plots_ar1_ar1", "residual_plots", "y ~ check + (1 | block)", "ar1(row):ar1(column)", "ar1:ar1",
    c("row", "column"), fixed_r = "y ~ check", random = list(list(group = "block", basis = ~1)),
    block = NULL)
add("plots_varieties_ar1_ar1", "residual_plots", "y ~ 1 + (1 | variety) + (1 | block)",
    "ar1(row):ar1(column)", "ar1:ar1", c("row", "column"), fixed_r = "y ~ 1", block = NULL,
    random = list(list(group = "variety", basis = ~1), list(group = "block", basis = ~1)))
add("plots_ma_ma", "residual_plots", "y ~ check + (1 | block)", "ma(row):ma(column)", "ma:ma",
    c("row", "column"), fixed_r = "y ~ check", random = list(list(group = "block", basis = ~1)),
    block = NULL, only = TRUE)

# -- technical replicates -------------------------------------------------------------------------

repeated <- function(id, residual, correlation, formula, random = list(), rows = NULL, ...) {
  add(paste0("replicates_", id), "residual_replicates", formula, residual, correlation, "rep",
      "unit", fixed_r = "y ~ x", random = random, rows = rows, kind = "published", only = TRUE, ...)
}
unit_effect <- list(list(group = "unit", basis = ~1))
left <- setdiff(0:14, c(2, 7, 8))
repeated("random", "iid", "iid", "y ~ x + (1 | unit)", unit_effect)
repeated("uniform", "cs(rep | unit)", "cs", "y ~ x")
repeated("missing_random", "iid", "iid", "y ~ x + (1 | unit)", unit_effect, rows = left)
repeated("missing_uniform", "cs(rep | unit)", "cs", "y ~ x", rows = left)
