# Exports the bundled data sets from the R packages lme4, nlme and glmmTMB (and the two
# small tables of Duthie's notes, typed in below) to CSV, each with a JSON
# sidecar that says what it is and carries checks computed here, by R, from the
# original objects.
#
#   Rscript datasets/export.R          (from the repository root)
#
# Needs: R >= 4.0, lme4, nlme, glmmTMB, jsonlite, and the command sha256sum.

suppressPackageStartupMessages({
  library(jsonlite)
})

out_dir <- "datasets"
if (!dir.exists(out_dir)) stop("run this script from the repository root")

GZIP_ABOVE <- 300 * 1000 # bytes of CSV above which a file is compressed
MAX_LISTED_LEVELS <- 60 # longer level lists are stored only when they must be

# -- text of numbers ---------------------------------------------------------

# The shortest of 15, 16 or 17 significant digits that reads back as the same
# double: 0.1433747 stays 0.1433747, and 1/3 gets all its digits.
shortest <- function(x) {
  x <- as.numeric(x)
  text <- sprintf("%.15g", x)
  for (digits in 16:17) {
    bad <- which(as.numeric(text) != x)
    text[bad] <- sprintf(paste0("%.", digits, "g"), x[bad])
  }
  text
}

verbatim <- function(x) structure(shortest(x), class = "json")

quoted <- function(x) {
  needs <- grepl("[\",\n]", x)
  x[needs] <- paste0("\"", gsub("\"", "\"\"", x[needs], fixed = TRUE), "\"")
  x
}

# -- one data set ------------------------------------------------------------

column <- function(type, description, unit = NULL) {
  list(type = type, description = description, unit = unit)
}

# Levels that are not listed are the whole numbers found in the column, ascending.
natural_order <- function(f) {
  level <- levels(f)
  used <- level %in% as.character(f)
  all(used) && all(grepl("^[0-9]+$", level)) && !is.unsorted(as.integer(level), strictly = TRUE)
}

cell_text <- function(x, type) {
  if (is.factor(x)) return(quoted(as.character(x)))
  if (type == "int") {
    stopifnot(all(x == round(x)), all(abs(x) < 1e9))
    return(sprintf("%d", as.integer(x)))
  }
  shortest(x)
}

export <- function(name, data, meta) {
  data <- as.data.frame(data)
  class(data) <- "data.frame"
  stopifnot(identical(names(data), names(meta$columns)), !anyNA(data))

  columns <- list()
  check <- list()
  for (column_name in names(data)) {
    x <- data[[column_name]]
    about <- meta$columns[[column_name]]
    entry <- list(type = about$type)
    if (is.factor(x)) {
      stopifnot(about$type == if (is.ordered(x)) "ordered" else "category")
      if (nlevels(x) <= MAX_LISTED_LEVELS || !natural_order(x)) entry$levels <- levels(x)
      check[[column_name]] <- list(code_sum = verbatim(sum(as.integer(x))), nlevels = nlevels(x))
    } else {
      stopifnot(about$type %in% c("float", "int"), is.numeric(x))
      check[[column_name]] <- list(sum = verbatim(sum(x)))
    }
    entry["unit"] <- list(about$unit)
    entry$description <- about$description
    columns[[column_name]] <- entry
  }

  cells <- lapply(names(data), function(n) cell_text(data[[n]], meta$columns[[n]]$type))
  lines <- c(paste(quoted(names(data)), collapse = ","), do.call(paste, c(cells, sep = ",")))
  text <- paste0(paste(lines, collapse = "\n"), "\n")

  compressed <- nchar(text, type = "bytes") > GZIP_ABOVE
  file_name <- paste0(name, if (compressed) ".csv.gz" else ".csv")
  path <- file.path(out_dir, file_name)
  # R writes gzip headers without a time or a name, so the bytes are reproducible.
  connection <- if (compressed) gzfile(path, "wb", compression = 9) else file(path, "wb")
  writeChar(text, connection, eos = NULL, useBytes = TRUE)
  close(connection)
  sha256 <- sub(" .*", "", system2("sha256sum", path, stdout = TRUE))

  sidecar <- list(
    name = name,
    title = meta$title,
    description = meta$description,
    source = list(
      package = meta$package,
      version = if (is.null(meta$package)) NULL else as.character(packageVersion(meta$package)),
      citation = meta$citation
    ),
    licence = meta$licence,
    file = file_name,
    nrow = nrow(data),
    columns = columns,
    example = meta$example,
    check = check,
    sha256 = sha256
  )
  json <- toJSON(sidecar, auto_unbox = TRUE, null = "null", pretty = 2, json_verbatim = TRUE)
  connection <- file(file.path(out_dir, paste0(name, ".json")), "wb")
  writeChar(paste0(trimws(json), "\n"), connection, eos = NULL, useBytes = TRUE)
  close(connection)
}

from_package <- function(name, package) {
  holder <- new.env()
  utils::data(list = name, package = package, envir = holder)
  holder[[name]]
}

licence_of <- function(package) {
  paste0(
    "The R package ", package, " is distributed under GPL (>= 2). The values are facts from the ",
    "cited publication, republished here with attribution."
  )
}

PINHEIRO_BATES <- paste(
  "Pinheiro, J. C. and Bates, D. M. (2000). Mixed-Effects Models in S and S-PLUS.",
  "Springer, New York, Appendix A."
)
DAVIES_GOLDSMITH <- function(section) {
  paste0(
    "Davies, O. L. and Goldsmith, P. L. (eds) (1972). Statistical Methods in Research and ",
    "Production, 4th ed. Oliver and Boyd, section ", section, "."
  )
}
DUTHIE <- paste(
  "Duthie, A. B. (2 October 2024). Introduction to the mathematics of mixed models.",
  "Lecture notes."
)
DUTHIE_LICENCE <- paste(
  "The values are printed in the cited lecture notes; they are facts, republished here with",
  "attribution."
)

# -- the sets ----------------------------------------------------------------

sets <- list()

sets$sleepstudy <- list(
  package = "lme4",
  title = "Reaction times in a sleep deprivation study",
  description = paste(
    "Average reaction time per day for the 18 subjects of the most sleep-deprived group (three",
    "hours in bed a night) over the first ten days of the study. Days 0 and 1 were adaptation and",
    "training, day 2 was the baseline; sleep deprivation started after day 2."
  ),
  citation = paste(
    "Belenky, G., Wesensten, N. J., Thorne, D. R., Thomas, M. L., Sing, H. C., Redmond, D. P.,",
    "Russo, M. B. and Balkin, T. J. (2003). Patterns of performance degradation and restoration",
    "during sleep restriction and subsequent recovery: a sleep dose-response study.",
    "Journal of Sleep Research 12, 1-12."
  ),
  example = "Reaction ~ Days + (Days | Subject)",
  columns = list(
    Reaction = column("float", "average reaction time", "ms"),
    Days = column("float", "day of the study, from 0", "day"),
    Subject = column("category", "subject number")
  )
)

sets$Dyestuff <- list(
  package = "lme4",
  title = "Yield of dyestuff by batch",
  description = paste(
    "Yield of dyestuff (Naphthalene Black 12B) from five preparations of each of six batches of an",
    "intermediate product (H-acid): the classical balanced one-way layout for the variation",
    "between and within batches."
  ),
  citation = DAVIES_GOLDSMITH("6.4"),
  example = "Yield ~ 1 + (1 | Batch)",
  columns = list(
    Batch = column("category", "batch of the intermediate product"),
    Yield = column("float", "yield of the preparation", "g of standard colour")
  )
)

sets$Dyestuff2 <- list(
  package = "lme4",
  title = "Constructed dyestuff yields without variation between batches",
  description = paste(
    "Data constructed in the layout of Dyestuff, in which the mean square between batches is less",
    "than the mean square within them, so that the estimated variance between batches is zero."
  ),
  citation = paste(
    "Box, G. E. P. and Tiao, G. C. (1973). Bayesian Inference in Statistical Analysis.",
    "Addison-Wesley, section 5.1.2."
  ),
  example = "Yield ~ 1 + (1 | Batch)",
  columns = list(
    Batch = column("category", "batch"),
    Yield = column("float", "constructed yield")
  )
)

sets$Penicillin <- list(
  package = "lme4",
  title = "Variation in penicillin testing",
  description = paste(
    "Six samples of penicillin were tested by the B. subtilis plate method on each of 24 plates;",
    "the response is the diameter of the zone in which growth of the organism is inhibited. Plate",
    "and sample are completely crossed."
  ),
  citation = DAVIES_GOLDSMITH("6.6"),
  example = "diameter ~ 1 + (1 | plate) + (1 | sample)",
  columns = list(
    diameter = column("float", "diameter of the zone of inhibition", "mm"),
    plate = column("category", "assay plate"),
    sample = column("category", "penicillin sample")
  )
)

sets$Pastes <- list(
  package = "lme4",
  title = "Paste strength by batch and cask",
  description = paste(
    "Strength of a chemical paste in two assays of each of three casks from each of ten delivery",
    "batches. Casks are nested in batches: cask a of batch A has nothing to do with cask a of",
    "batch B, and `sample` names the 30 casks one by one."
  ),
  citation = DAVIES_GOLDSMITH("6.5"),
  example = "strength ~ 1 + (1 | batch/cask)",
  columns = list(
    strength = column("float", "paste strength"),
    batch = column("category", "delivery batch"),
    cask = column("category", "cask within the delivery batch"),
    sample = column("category", "batch:cask, the sample assayed")
  )
)

sets$cake <- list(
  package = "lme4",
  title = "Breakage angle of chocolate cakes",
  description = paste(
    "Breakage angle of chocolate cakes made by three recipes and baked at six temperatures, in a",
    "split-plot design: fifteen replicates of each recipe are the whole units, and temperatures",
    "are the sub-units. Replicate is nested within recipe; its numbers seem to follow time."
  ),
  citation = paste(
    "Cook, F. E. (1938). Chocolate cake, I. Optimum baking temperature. Master's thesis, Iowa",
    "State College. Reported in Cochran, W. G. and Cox, G. M. (1957). Experimental Designs,",
    "2nd ed. Wiley, p. 300."
  ),
  example = "angle ~ recipe * temperature + (1 | recipe:replicate)",
  columns = list(
    replicate = column("category", "replicate within the recipe"),
    recipe = column("category", "recipe"),
    temperature = column("ordered", "baking temperature as an ordered factor", "degree Fahrenheit"),
    angle = column("int", "angle at which the cake broke", "degree"),
    temp = column("float", "baking temperature as a number", "degree Fahrenheit")
  )
)

sets$InstEval <- list(
  package = "lme4",
  title = "Lecture evaluations by students at ETH Zurich",
  description = paste(
    "73,421 ratings of lectures by students at ETH Zurich, anonymised: a medium-sized, partially",
    "crossed design with 2,972 students, 1,128 lecturers and 14 departments."
  ),
  citation = paste(
    "Student evaluations at ETH Zurich, anonymised and slightly simplified by the lme4 authors.",
    "Bates, D., Maechler, M., Bolker, B. and Walker, S. (2015). Fitting linear mixed-effects",
    "models using lme4. Journal of Statistical Software 67(1), 1-48."
  ),
  example = "y ~ service + (1 | s) + (1 | d) + (1 | dept)",
  columns = list(
    s = column("category", "student"),
    d = column("category", "lecturer"),
    studage = column("ordered", "semester the student is in", "semester"),
    lectage = column("ordered", "how many semesters back the lecture took place", "semester"),
    service = column(
      "category", "1 if the lecture is held for a department other than the lecturer's own"
    ),
    dept = column("category", "department of the lecture (random code)"),
    y = column("int", "rating, 1 (poor) to 5 (very good)")
  )
)

sets$cbpp <- list(
  package = "lme4",
  title = "Contagious bovine pleuropneumonia",
  description = paste(
    "New serological cases of contagious bovine pleuropneumonia in 15 commercial zebu herds in",
    "the Boji district of Ethiopia, in four quarterly periods of a follow-up survey. Some periods",
    "are missing."
  ),
  citation = paste(
    "Lesnoff, M., Laval, G., Bonnet, P., Abdicho, S., Workalemahu, A., Kifle, D., Peyraud, A.,",
    "Lancelot, R. and Thiaucourt, F. (2004). Within-herd spread of contagious bovine",
    "pleuropneumonia in Ethiopian highlands. Preventive Veterinary Medicine 64, 27-40."
  ),
  example = "incidence ~ period + size + (1 | herd)",
  columns = list(
    herd = column("category", "herd"),
    incidence = column("int", "new serological cases in the herd and period", "animal"),
    size = column("int", "herd size at the beginning of the period", "animal"),
    period = column("category", "quarterly period")
  )
)

sets$grouseticks <- list(
  package = "lme4",
  title = "Ticks on red grouse chicks",
  description = paste(
    "Number of ticks on the heads of 403 red grouse chicks sampled in the field, of 118 broods at",
    "63 locations in three years."
  ),
  citation = paste(
    "Elston, D. A., Moss, R., Boulinier, T., Arrowsmith, C. and Lambin, X. (2001). Analysis of",
    "aggregation, a worked example: numbers of ticks on red grouse chicks. Parasitology 122,",
    "563-569."
  ),
  example = "np.log(TICKS + 1) ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION)",
  columns = list(
    INDEX = column("category", "chick (one per row)"),
    TICKS = column("int", "number of ticks", "tick"),
    BROOD = column("category", "brood"),
    HEIGHT = column("float", "height above sea level", "m"),
    YEAR = column("category", "year, minus 1900"),
    LOCATION = column("category", "geographic location code"),
    cHEIGHT = column("float", "HEIGHT minus its mean", "m")
  )
)

sets$VerbAgg <- list(
  package = "lme4",
  title = "Verbal aggression item responses",
  description = paste(
    "Answers of 316 persons to the 24 items of a questionnaire on verbal aggression, three ordered",
    "answers to each; items cross a behaviour type, a situation type and a behaviour mode."
  ),
  citation = paste(
    "De Boeck, P. and Wilson, M. (2004). Explanatory Item Response Models. Springer. Data of",
    "Vansteelandt, K. (2000), distributed by the UC Berkeley BEAR Center."
  ),
  example = paste(
    "I((r2 == 'Y') * 1.0) ~ Anger + Gender + btype + situ + mode",
    "+ (1 | id) + (1 | item)"
  ),
  columns = list(
    Anger = column("int", "trait anger score on the STAXI of the person"),
    Gender = column("category", "gender of the person"),
    item = column("category", "item of the questionnaire"),
    resp = column("ordered", "answer"),
    id = column("category", "person"),
    btype = column("category", "behaviour type"),
    situ = column("category", "situation type: other to blame, or self to blame"),
    mode = column("category", "behaviour mode: want to, or do"),
    r2 = column("category", "dichotomous answer: N for no, Y for perhaps or yes")
  )
)

sets$Machines <- list(
  package = "nlme",
  title = "Productivity scores for machines and workers",
  description = paste(
    "Productivity scores of six workers, chosen at random from a factory's employees, who operated",
    "each of three brands of machine three times."
  ),
  citation = paste(
    "Milliken, G. A. and Johnson, D. E. (1992). Analysis of Messy Data, Volume I: Designed",
    "Experiments. Chapman and Hall, London, p. 285.", PINHEIRO_BATES
  ),
  example = "score ~ Machine + (0 + Machine | Worker)",
  columns = list(
    Worker = column("ordered", "worker, ordered by the highest score"),
    Machine = column("category", "brand of machine"),
    score = column("float", "productivity score")
  )
)

sets$Orthodont <- list(
  package = "nlme",
  title = "Growth curves of an orthodontic measurement",
  description = paste(
    "Distance from the pituitary to the pterygomaxillary fissure, measured on x-ray images every",
    "two years from age 8 to age 14, of 16 boys and 11 girls."
  ),
  citation = paste(
    "Potthoff, R. F. and Roy, S. N. (1964). A generalized multivariate analysis of variance model",
    "useful especially for growth curve problems. Biometrika 51, 313-326.", PINHEIRO_BATES
  ),
  example = "distance ~ age * Sex + (age | Subject)",
  columns = list(
    distance = column("float", "distance from pituitary to pterygomaxillary fissure", "mm"),
    age = column("float", "age", "year"),
    Subject = column("ordered", "subject, ordered by average distance within sex"),
    Sex = column("category", "sex")
  )
)

sets$Oats <- list(
  package = "nlme",
  title = "Split-plot experiment on varieties of oats",
  description = paste(
    "Yield of three varieties of oats, randomised to the whole plots of six blocks, at four",
    "concentrations of nitrogen, randomised to the subplots."
  ),
  citation = paste(
    "Yates, F. (1935). Complex experiments. Supplement to the Journal of the Royal Statistical",
    "Society 2, 181-247.", PINHEIRO_BATES
  ),
  example = "yield ~ nitro + Variety + (1 | Block/Variety)",
  columns = list(
    Block = column("ordered", "block"),
    Variety = column("category", "variety of oats"),
    nitro = column("float", "nitrogen concentration", "cwt/acre"),
    yield = column("float", "yield", "bushel/acre")
  )
)

sets$Ovary <- list(
  package = "nlme",
  title = "Counts of ovarian follicles",
  description = paste(
    "Daily counts of ovarian follicles larger than 10 mm in 11 mares, from three days before an",
    "ovulation until three days after the next; time is scaled so that the ovulations are at 0",
    "and 1."
  ),
  citation = paste(
    "Pierson, R. A. and Ginther, O. J. (1987). Follicular population dynamics during the estrus",
    "cycle of the mare. Animal Reproduction Science 14, 219-231.", PINHEIRO_BATES
  ),
  example = "follicles ~ np.sin(2 * np.pi * Time) + np.cos(2 * np.pi * Time) + (1 | Mare)",
  columns = list(
    Mare = column("ordered", "mare"),
    Time = column("float", "time in the estrus cycle, in units of the cycle"),
    follicles = column("int", "follicles greater than 10 mm in diameter", "follicle")
  )
)

sets$Oxboys <- list(
  package = "nlme",
  title = "Heights of boys in Oxford",
  description = paste(
    "Heights of 26 boys from Oxford on nine occasions each, against a standardised age."
  ),
  citation = paste(
    "Goldstein, H. (1987). Multilevel Models in Educational and Social Research. Griffin, London.",
    PINHEIRO_BATES
  ),
  example = "height ~ age + I(age ** 2) + (age | Subject)",
  columns = list(
    Subject = column("ordered", "boy"),
    age = column("float", "standardised age"),
    height = column("float", "height", "cm"),
    Occasion = column("ordered", "occasion of the measurement")
  )
)

sets$Rail <- list(
  package = "nlme",
  title = "Ultrasonic travel times in railway rails",
  description = paste(
    "Travel time of ultrasonic head-waves in six rails, three measurements each; the values are",
    "the travel time minus 36,100 nanoseconds."
  ),
  citation = paste(
    "Devore, J. L. (2000). Probability and Statistics for Engineering and the Sciences, 5th ed.",
    "Duxbury, Boston, p. 427.", PINHEIRO_BATES
  ),
  example = "travel ~ 1 + (1 | Rail)",
  columns = list(
    Rail = column("ordered", "rail, ordered by travel time"),
    travel = column("float", "travel time minus 36,100 ns", "ns")
  )
)

sets$Salamanders <- list(
  package = "glmmTMB",
  title = "Salamanders in streams below mines",
  description = paste(
    "Numbers of salamanders of seven species or life stages found in four visits to each of 23",
    "streams in Kentucky, some of them below mountaintop removal mines. Covariates were scaled by",
    "the authors of glmmTMB."
  ),
  citation = paste(
    "Price, S. J., Muncy, B. L., Bonner, S. J., Drayer, A. N. and Barton, C. D. (2016). Effects of",
    "mountaintop removal mining and valley filling on the occupancy and abundance of stream",
    "salamanders. Journal of Applied Ecology 53, 459-468. Data: Dryad Digital Repository,",
    "doi:10.5061/dryad.5m8f6."
  ),
  licence = paste(
    "The original data are in the Dryad Digital Repository, which publishes under CC0. They are",
    "here as the R package glmmTMB (AGPL-3) arranges them; the values are facts from the cited",
    "publication, republished with attribution."
  ),
  example = "np.log(count + 1) ~ spp + mined + (1 | site)",
  columns = list(
    site = column("ordered", "stream; the order is that of the names"),
    mined = column("category", "whether the stream is below a mine"),
    cover = column("float", "objects that give cover in the stream, scaled"),
    sample = column("int", "visit, 1 to 4"),
    DOP = column("float", "days since precipitation, scaled"),
    Wtemp = column("float", "water temperature, scaled"),
    DOY = column("float", "day of the year, scaled"),
    spp = column("category", "species, with the life stage of some"),
    count = column("int", "number of salamanders found", "salamander")
  )
)

for (name in names(sets)) {
  sets[[name]]$data <- from_package(name, sets[[name]]$package)
  if (is.null(sets[[name]]$licence)) sets[[name]]$licence <- licence_of(sets[[name]]$package)
}

sets$dung <- list(
  title = "Proportion of dung mass left after drying",
  description = paste(
    "A subset of experiments with dung flies: containers of wet cow dung were placed out for flies",
    "to lay their eggs, the offspring that emerged were counted, and the dung was dried in an",
    "oven. Containers went into the oven in three blocks, which could affect the dry mass."
  ),
  citation = DUTHIE,
  licence = DUTHIE_LICENCE,
  example = "pr_dung ~ flies + (1 | oven_block)",
  columns = list(
    pr_dung = column("float", "oven-dried mass divided by the original wet mass of the container"),
    flies = column("int", "offspring that emerged from the container", "fly"),
    oven_block = column("category", "block in which the container went into the oven")
  ),
  data = data.frame(
    pr_dung = c(
      0.1433747, 0.1551917, 0.1413354, 0.1380987, 0.1488016, 0.1443227, 0.1428871, 0.1705165,
      0.1593878, 0.1651354, 0.1747078, 0.1904174, 0.1806727, 0.1700109, 0.1654107, 0.1803931,
      0.1727390, 0.1701061
    ),
    flies = c(223, 0, 100, 97, 130, 169, 183, 77, 0, 51, 49, 81, 45, 98, 168, 22, 4, 98),
    oven_block = factor(rep(1:3, c(7, 5, 6)))
  )
)

sets$six_points <- list(
  title = "Six points of a straight line",
  description = paste(
    "The hypothetical data of six points with which the notes introduce the linear model;",
    "least squares gives the intercept 7.3824167 and the slope 0.600529."
  ),
  citation = DUTHIE,
  licence = DUTHIE_LICENCE,
  example = "y ~ x",
  columns = list(y = column("float", "response"), x = column("float", "predictor")),
  data = data.frame(
    y = c(11.05, 11.40, 10.43, 10.29, 9.52, 9.20),
    x = c(4.90, 4.76, 5.85, 5.07, 4.76, 3.96)
  )
)

for (name in names(sets)) export(name, sets[[name]]$data, sets[[name]])
cat("wrote", length(sets), "data sets to", out_dir, "\n")
