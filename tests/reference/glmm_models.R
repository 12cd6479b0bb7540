# The models of glmm_fits.R and the reader of their data. Nothing here runs.

# Factors of the CSV files; NULL: levels in ascending order (numbers as numbers).
csv_factors <- list(
  glmm_contraception.csv = list(district = NULL, use = NULL, livch = NULL, urban = NULL),
  glmm_guimmun.csv = list(
    mom = NULL, comm = NULL, immun = NULL, kid2p = NULL, mom25p = NULL,
    ord = c("01", "23", "46", "7p"), ethn = NULL, momEd = NULL, husEd = NULL, momWork = NULL,
    rural = NULL
  ),
  glmm_bacteria.csv = list(y = NULL, ID = NULL, trt = c("placebo", "drug", "drug+")),
  glmm_ohio.csv = list(id = NULL),
  glmm_wine.csv = list(rating = NULL, temp = NULL, contact = NULL, bottle = NULL, judge = NULL),
  glmm_soup.csv = list(SURENESS = NULL, RESP = NULL, PROD = NULL, PRODID = NULL),
  glmm_salamanders.csv = list(
    site = NULL, mined = c("yes", "no"), spp = c("GP", "PR", "DM", "EC-A", "EC-L", "DES-L", "DF")
  ),
  glmm_owls.csv = list(Nest = NULL, FoodTreatment = NULL, SexParent = NULL),
  glmm_epilepsy.csv = list(trt = NULL, subject = NULL),
  glmm_quine.csv = list(Eth = NULL, Sex = NULL, Age = NULL, Lrn = NULL),
  glmm_arabidopsis.csv = list(
    reg = NULL, popu = NULL, gen = NULL, rack = NULL, nutrient = NULL, amd = NULL, status = NULL
  ),
  glmm_petrol.csv = list(No = NULL),
  glmm_simulated.csv = list(group = NULL, arm = NULL)
)

level_order <- function(x, level = NULL) {
  if (!is.null(level)) return(level)
  level <- unique(x)
  numbers <- suppressWarnings(as.numeric(level))
  if (anyNA(numbers)) sort(level, method = "radix") else level[order(numbers)]
}

read_data <- function(name) {
  if (!endsWith(name, ".csv")) {
    frame <- read_dataset(name)
    for (column in names(frame)) class(frame[[column]]) <- setdiff(class(frame[[column]]), "ordered")
    return(frame)
  }
  path <- file.path("tests", "reference", name)
  frame <- read.csv(path, colClasses = "character", na.strings = NULL)
  for (column in names(frame)) {
    x <- frame[[column]]
    frame[[column]] <- if (column %in% names(csv_factors[[name]])) {
      factor(x, levels = level_order(x, csv_factors[[name]][[column]]))
    } else {
      as.numeric(x)
    }
  }
  frame
}

# -- models ----------------------------------------------------------------------

models <- list()

# formula_r: R's formula where it is not ours; own: response and trials for our own fits (cauchit,
# inverse Gaussian, quadrature; `only` where glmmTMB has no such model); lme4: whether glmer's
# criterion is the same ("same"), uses expected information ("expected") or is not wanted ("none");
# reduced: glmmTMB's formula of a singular optimum, with `lost` parameters fewer.
add <- function(id, data, formula, family, link, lme4 = "none", formula_r = formula, zi = "~0",
                disp = "~1", weights = NULL, offset = NULL, nagq = 1L, heavy = FALSE, own = NULL,
                extra = function(d) list(), reduced = NULL, lost = 0L) {
  stopifnot(!id %in% names(models))
  models[[id]] <<- list(
    id = id, data = data, formula = formula, formula_r = formula_r, family = family, link = link,
    lme4 = lme4, zi_formula = zi, disp_formula = disp, weights = weights, offset = offset,
    nagq = nagq, heavy = heavy, own = own, extra = extra, reduced = reduced, lost = lost
  )
}

# binomial: contagious bovine pleuropneumonia
herd <- "cbind(incidence, size - incidence) ~ period + (1 | herd)"
herd_own <- list(y = "incidence", size = "size")
add("cbpp_logit", "cbpp", herd, "binomial", "logit", "same")
add("cbpp_probit", "cbpp", herd, "binomial", "probit", "expected")
add("cbpp_cloglog", "cbpp", herd, "binomial", "cloglog", "expected")
add("cbpp_cauchit", "cbpp", herd, "binomial", "cauchit", "expected", own = c(herd_own, only = TRUE))
for (k in c(5L, 11L, 25L)) {
  add(paste0("cbpp_logit_agq", k), "cbpp", herd, "binomial", "logit", "same", nagq = k,
      own = c(herd_own, only = TRUE))
}
add("cbpp_probit_agq11", "cbpp", herd, "binomial", "probit", "expected", nagq = 11L,
    own = c(herd_own, only = TRUE))
add("cbpp_observations", "cbpp",
    "cbind(incidence, size - incidence) ~ period + (1 | herd) + (1 | row)", "binomial", "logit",
    "same", extra = function(d) list(row = seq_len(nrow(d))))
add("cbpp_proportions", "cbpp", "share ~ period + (1 | herd)", "binomial", "logit", "same",
    weights = "size", extra = function(d) list(share = d$incidence / d$size))
add("cbpp_offset", "cbpp", herd, "binomial", "logit", "same", offset = "known",
    extra = function(d) list(known = (seq_len(nrow(d)) %% 5) / 4))

# binomial: verbal aggression
add("verbagg_main", "VerbAgg", "r2 ~ Anger + Gender + btype + situ + (1 | id) + (1 | item)",
    "binomial", "logit", "same", heavy = TRUE)
add("verbagg_interactions", "VerbAgg",
    "r2 ~ (Anger + Gender + btype + situ)**2 + (1 | id) + (1 | item)", "binomial", "logit", "same",
    formula_r = "r2 ~ (Anger + Gender + btype + situ)^2 + (1 | id) + (1 | item)", heavy = TRUE)
add("verbagg_situ_slope", "VerbAgg", "r2 ~ btype + situ + mode + (situ | id) + (1 | item)",
    "binomial", "logit", "same", heavy = TRUE)
add("verbagg_btype_slopes", "VerbAgg", "r2 ~ btype + situ + mode + (0 + btype | id) + (1 | item)",
    "binomial", "logit", "same", heavy = TRUE)
add("verbagg_person_probit", "VerbAgg", "r2 ~ btype + situ + mode + (1 | id)",
    "binomial", "probit", heavy = TRUE)

# binomial: others
women <- "use ~ age + I(age ** 2) + urban + livch + (1 | district)"
women_r <- "use ~ age + I(age^2) + urban + livch + (1 | district)"
add("contraception", "glmm_contraception.csv", women, "binomial", "logit", "same",
    formula_r = women_r)
add("contraception_probit", "glmm_contraception.csv", women, "binomial", "probit", "expected",
    formula_r = women_r)
add("contraception_slope", "glmm_contraception.csv",
    sub("(1 |", "(urban |", women, fixed = TRUE), "binomial", "logit", "same",
    formula_r = sub("(1 |", "(urban |", women_r, fixed = TRUE))
add("contraception_separate", "glmm_contraception.csv",
    "use ~ age + city + livch + (city || district)", "binomial", "logit", "same",
    formula_r = "use ~ age + city + livch + (1 | district) + (0 + city | district)",
    extra = function(d) list(city = as.integer(d$urban == "Y")))
add("contraception_places", "glmm_contraception.csv",
    "use ~ age + urban + livch + (1 | urban:district)", "binomial", "logit", "same")
add("contraception_singular", "glmm_contraception.csv",
    "use ~ age + urban + livch + (1 | urban:district) + (1 | district)",
    "binomial", "logit", "same", reduced = "use ~ age + urban + livch + (1 | urban:district)",
    lost = 1L)
add("guimmun_nested", "glmm_guimmun.csv", paste(
  "immun ~ kid2p + mom25p + ord + ethn + momEd + husEd + momWork + rural + pcInd81",
  "+ (1 | comm/mom)"
), "binomial", "logit", "same", heavy = TRUE)
late <- function(d) list(late = as.integer(d$week > 2))
drug_own <- list(y = "present", only = TRUE)
add("bacteria", "glmm_bacteria.csv", "y ~ trt + late + (1 | ID)", "binomial", "logit", "same",
    extra = late)
add("bacteria_agq15", "glmm_bacteria.csv", "present ~ trt + late + (1 | ID)", "binomial", "logit",
    "same", nagq = 15L, own = drug_own,
    extra = function(d) c(late(d), list(present = as.integer(d$y == "y"))))
add("ohio", "glmm_ohio.csv", "resp ~ age * smoke + (1 | id)", "binomial", "logit", "same",
    heavy = TRUE)
add("ohio_agq25", "glmm_ohio.csv", "resp ~ age * smoke + (1 | id)", "binomial", "logit", "same",
    nagq = 25L, own = list(y = "resp", only = TRUE), heavy = TRUE)

# Poisson
add("ticks", "grouseticks",
    "TICKS ~ YEAR + HEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION)", "poisson", "log", "same")
add("ticks_scaled", "grouseticks",
    "TICKS ~ YEAR + level + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION)", "poisson", "log", "same",
    extra = function(d) list(level = (d$HEIGHT - 460) / 35))
add("ticks_nested", "grouseticks", "TICKS ~ YEAR + level + (1 | LOCATION/BROOD)",
    "poisson", "log", "same", extra = function(d) list(level = (d$HEIGHT - 460) / 35))
seizures <- "y ~ lbase * trt + lage + V4 + (1 | subject)"
add("epilepsy", "glmm_epilepsy.csv", seizures, "poisson", "log", "same")
add("epilepsy_agq9", "glmm_epilepsy.csv", seizures, "poisson", "log", "same", nagq = 9L,
    own = list(y = "y", only = TRUE))
add("epilepsy_slope", "glmm_epilepsy.csv", sub("(1 |", "(V4 |", seizures, fixed = TRUE),
    "poisson", "log", "same")
add("epilepsy_visit", "glmm_epilepsy.csv", "y ~ lbase * trt + lage + Visit + (Visit | subject)",
    "poisson", "log", "same")
add("epilepsy_separate", "glmm_epilepsy.csv", "y ~ lbase * trt + lage + Visit + (Visit || subject)",
    "poisson", "log", "same")
add("epilepsy_sqrt", "glmm_epilepsy.csv", "y ~ lbase * trt + lage + V4 + (1 | subject)",
    "poisson", "sqrt", "expected")
add("salamanders_poisson", "glmm_salamanders.csv", "count ~ spp + mined + (1 | site)",
    "poisson", "log", "same")
add("salamanders_weights", "glmm_salamanders.csv", "count ~ spp + mined + (1 | site)",
    "poisson", "log", "same", weights = "copies",
    extra = function(d) list(copies = 1L + (seq_len(nrow(d)) %% 3L)))
owls <- "SiblingNegotiation ~ FoodTreatment * SexParent + (1 | Nest)"
add("owls_poisson", "glmm_owls.csv", owls, "poisson", "log", "same", offset = "logBroodSize")

# negative binomial
add("salamanders_nb2", "glmm_salamanders.csv", "count ~ spp + mined + (1 | site)", "nbinom2", "log")
add("salamanders_nb1", "glmm_salamanders.csv", "count ~ spp + mined + (1 | site)", "nbinom1", "log")
add("salamanders_nb2_dispersion", "glmm_salamanders.csv", "count ~ spp + mined + (1 | site)",
    "nbinom2", "log", disp = "~DOY")
add("salamanders_nb1_dispersion", "glmm_salamanders.csv", "count ~ mined + cover + (1 | site)",
    "nbinom1", "log", disp = "~mined")
add("owls_nb1", "glmm_owls.csv", owls, "nbinom1", "log", offset = "logBroodSize")
add("owls_nb2", "glmm_owls.csv", owls, "nbinom2", "log", offset = "logBroodSize")
add("quine_nb2", "glmm_quine.csv", "Days ~ Sex * Lrn + (1 | Eth:Age)", "nbinom2", "log")
add("epilepsy_nb2", "glmm_epilepsy.csv", "y ~ Base * trt + Age + Visit + (1 | subject)",
    "nbinom2", "log")
add("epilepsy_nb2_singular", "glmm_epilepsy.csv",
    "y ~ Base * trt + Age + Visit + (Visit | subject)", "nbinom2", "log",
    reduced = "y ~ Base * trt + Age + Visit + rr(Visit | subject, d = 1)", lost = 1L)
add("arabidopsis_nb2", "glmm_arabidopsis.csv",
    "fruits ~ nutrient * amd + rack + status + (1 | popu/gen)", "nbinom2", "log",
    extra = function(d) list(fruits = d$total.fruits))
add("arabidopsis_nb1", "glmm_arabidopsis.csv",
    "fruits ~ nutrient * amd + rack + status + (1 | gen)", "nbinom1", "log",
    extra = function(d) list(fruits = d$total.fruits))
add("arabidopsis_nb1_singular", "glmm_arabidopsis.csv",
    "fruits ~ nutrient * amd + rack + status + (nutrient | gen)", "nbinom1", "log",
    reduced = "fruits ~ nutrient * amd + rack + status + rr(nutrient | gen, d = 1)", lost = 1L,
    extra = function(d) list(fruits = d$total.fruits))

# zero-inflated and hurdle
add("salamanders_zip", "glmm_salamanders.csv", "count ~ spp * mined + (1 | site)", "poisson", "log",
    zi = "~1")
add("salamanders_zip_mined", "glmm_salamanders.csv", "count ~ spp + mined + (1 | site)",
    "poisson", "log", zi = "~mined")
add("salamanders_zip_species", "glmm_salamanders.csv", "count ~ spp + mined + (1 | site)",
    "poisson", "log", zi = "~spp + mined")
add("salamanders_zinb2", "glmm_salamanders.csv", "count ~ spp + mined + (1 | site)",
    "nbinom2", "log", zi = "~mined")
add("owls_zip", "glmm_owls.csv", owls, "poisson", "log", zi = "~1", offset = "logBroodSize")
add("owls_zinb1", "glmm_owls.csv", owls, "nbinom1", "log", zi = "~1", offset = "logBroodSize")
add("owls_zinb2", "glmm_owls.csv", owls, "nbinom2", "log", zi = "~FoodTreatment",
    offset = "logBroodSize")
add("owls_zip_random", "glmm_owls.csv", owls, "poisson", "log", zi = "~1 + (1 | Nest)",
    offset = "logBroodSize")
add("salamanders_hurdle", "glmm_salamanders.csv", "count ~ spp + mined + (1 | site)",
    "truncated_poisson", "log", zi = "~spp + mined")
add("salamanders_hurdle_nb2", "glmm_salamanders.csv", "count ~ spp + mined + (1 | site)",
    "truncated_nbinom2", "log", zi = "~mined")

# positive responses
add("cake_gamma_log", "cake", "angle ~ recipe * warmth + (1 | recipe:replicate)", "Gamma", "log",
    extra = function(d) list(warmth = (d$temp - 200) / 10))
add("cake_gamma_inverse", "cake", "angle ~ recipe + warmth + (1 | replicate)", "Gamma", "inverse",
    extra = function(d) list(warmth = (d$temp - 200) / 10))
add("sleep_gamma", "sleepstudy", "Reaction ~ Days + (Days | Subject)", "Gamma", "log")
add("sleep_gamma_dispersion", "sleepstudy", "Reaction ~ Days + (1 | Subject)", "Gamma", "log",
    disp = "~Days")
add("cost_gamma", "glmm_simulated.csv", "cost ~ x + arm + (time || group)", "Gamma", "log")
ig <- function(y) list(y = y, only = TRUE)
add("cake_inverse_gaussian", "cake", "angle ~ recipe + warmth + (1 | replicate)",
    "inverse.gaussian", "log", own = ig("angle"),
    extra = function(d) list(warmth = (d$temp - 200) / 10))
add("wait_inverse_gaussian", "glmm_simulated.csv", "wait ~ x + arm + (1 | group)",
    "inverse.gaussian", "log", own = ig("wait"))
add("wait_inverse_gaussian_separate", "glmm_simulated.csv", "wait ~ x + arm + (time || group)",
    "inverse.gaussian", "log", own = ig("wait"))
add("rain_tweedie", "glmm_simulated.csv", "rain ~ x + arm + (1 | group)", "tweedie", "log")
add("owls_tweedie", "glmm_owls.csv", "NegPerChick ~ FoodTreatment * SexParent + (1 | Nest)",
    "tweedie", "log")

# shares, and heavy tails
add("cbpp_betabinomial_singular", "cbpp", herd, "betabinomial", "logit",
    reduced = sub(" + (1 | herd)", "", herd, fixed = TRUE), lost = 1L)
hits <- "cbind(hits, tries - hits) ~ x + arm + (1 | group)"
add("hits_betabinomial", "glmm_simulated.csv", hits, "betabinomial", "logit")
add("hits_betabinomial_slope", "glmm_simulated.csv", sub("(1 |", "(time |", hits, fixed = TRUE),
    "betabinomial", "logit")
add("hits_betabinomial_dispersion", "glmm_simulated.csv", hits, "betabinomial", "logit",
    disp = "~arm")
add("petrol_beta", "glmm_petrol.csv", "share ~ heat + (1 | No)", "beta", "logit",
    extra = function(d) list(share = d$Y / 100, heat = (d$EP - 332) / 70))
add("share_beta", "glmm_simulated.csv", "share ~ x + arm + (time | group)", "beta", "logit")
add("share_beta_dispersion", "glmm_simulated.csv", "share ~ x + arm + (1 | group)",
    "beta", "logit", disp = "~arm")
add("share_beta_probit", "glmm_simulated.csv", "share ~ x + arm + (1 | group)", "beta", "probit")
add("heavy_t", "glmm_simulated.csv", "heavy ~ x + arm + (1 | group)", "t", "identity")
add("sleep_t", "sleepstudy", "Reaction ~ Days + (Days | Subject)", "t", "identity")
