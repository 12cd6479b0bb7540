# Data of the reference fits of generalised linear mixed models, as CSV files beside this script.
#
#   Rscript tests/reference/glmm_data.R             (from the repository root)
#
# Needs the packages the sets come from: glmmTMB 1.1.5 (Salamanders, Owls, epil2), mlmRev 1.0-8
# (Contraception, guImmun), MASS 7.3-58.2 (bacteria, quine, petrol), geepack 1.3.9 (ohio),
# ordinal 2022.11-16 (wine, soup), lme4 1.1-31 (Arabidopsis). glmm_simulated.csv is simulated here.
# The levels of the factors, in R's order, are in glmm_fits.json (`factors`).

folder <- file.path("tests", "reference")
if (!dir.exists(folder)) stop("run this script from the repository root")

take <- function(package, name) {
  space <- new.env()
  utils::data(list = name, package = package, envir = space)
  as.data.frame(get(name, envir = space))
}

# numbers with the fewest digits that read back as the same double
text_of <- function(x) {
  if (!is.double(x)) return(as.character(x))
  text <- sprintf("%.15g", x)
  for (digits in 16:17) {
    bad <- which(as.numeric(text) != x)
    text[bad] <- sprintf(paste0("%.", digits, "g"), x[bad])
  }
  text
}

store <- function(name, frame) {
  frame[] <- lapply(frame, text_of)
  path <- file.path(folder, paste0("glmm_", name, ".csv"))
  write.csv(frame, path, row.names = FALSE, quote = FALSE)
  cat(path, nrow(frame), "rows", file.size(path), "bytes\n")
}

store("contraception", take("mlmRev", "Contraception")[, c("district", "use", "livch", "age", "urban")])
store("guimmun", take("mlmRev", "guImmun")[, -1])
store("bacteria", take("MASS", "bacteria")[, c("y", "week", "ID", "trt")])
store("ohio", take("geepack", "ohio"))
store("wine", take("ordinal", "wine")[, c("rating", "temp", "contact", "bottle", "judge")])
store("soup", take("ordinal", "soup")[, c("SURENESS", "RESP", "PROD", "PRODID")])
store("salamanders", take("glmmTMB", "Salamanders"))
store("owls", take("glmmTMB", "Owls")[, c(
  "Nest", "FoodTreatment", "SexParent", "ArrivalTime", "SiblingNegotiation", "BroodSize",
  "NegPerChick", "logBroodSize"
)])
store("epilepsy", take("glmmTMB", "epil2"))
store("quine", take("MASS", "quine"))
store("arabidopsis", take("lme4", "Arabidopsis"))
petrol <- take("MASS", "petrol") # Prater's gasoline yields, per cent of the crude oil
store("petrol", petrol)

# -- simulated -------------------------------------------------------------------

RNGkind("Mersenne-Twister", "Inversion", "Rejection")
set.seed(20)
n_groups <- 30
rows <- expand.grid(time = 0:5, group = sprintf("g%02d", seq_len(n_groups)))
g <- as.integer(rows$group)
rows$x <- round(rnorm(nrow(rows)), 3)
rows$arm <- c("a", "b")[1 + g %% 2]
level <- rnorm(n_groups, 0, 0.5)
slope <- 0.3 * level + rnorm(n_groups, 0, 0.15)
eta <- 0.3 + 0.4 * rows$x - 0.5 * (rows$arm == "b") + level[g] + slope[g] * (rows$time - 2.5) / 2
mean_share <- plogis(eta - 0.5)
rows$share <- round(rbeta(nrow(rows), 12 * mean_share, 12 * (1 - mean_share)), 4)
rows$cost <- round(rgamma(nrow(rows), shape = 3, scale = exp(eta) / 3), 4)
# compound Poisson-gamma with phi 1.3, p 1.6
p <- 1.6
phi <- 1.3
mu <- exp(eta)
claims <- rpois(nrow(rows), mu^(2 - p) / (phi * (2 - p)))
rows$rain <- round(ifelse(
  claims == 0, 0,
  rgamma(nrow(rows), shape = pmax(claims, 1) * (2 - p) / (p - 1), scale = phi * (p - 1) * mu^(p - 1))
), 4)
# inverse Gaussian with phi 0.2 (Michael, Schucany and Haas)
z <- rnorm(nrow(rows))^2
lambda <- 1 / 0.2
root <- mu + mu^2 * z / (2 * lambda) - mu / (2 * lambda) * sqrt(4 * mu * lambda * z + mu^2 * z^2)
rows$wait <- round(ifelse(runif(nrow(rows)) <= mu / (mu + root), root, mu^2 / root), 4)
rows$heavy <- round(2 + 1.5 * eta + 0.6 * rt(nrow(rows), 4), 4)
rows$tries <- 5L + rpois(nrow(rows), 6)
chance <- rbeta(nrow(rows), 6 * mean_share, 6 * (1 - mean_share))
rows$hits <- rbinom(nrow(rows), rows$tries, chance)
stopifnot(all(rows$share > 0 & rows$share < 1), all(rows$cost > 0), all(rows$wait > 0))
store("simulated", rows[, c(
  "group", "time", "arm", "x", "share", "cost", "rain", "wait", "heavy", "hits", "tries"
)])
