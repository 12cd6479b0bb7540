# Simulated data for means.R: an unbalanced trial, and drugs nested in routes.
#
#   Rscript tests/reference/means_data.R     (from the repository root)
set.seed(20)
folder <- file.path("tests", "reference")
trial <- expand.grid(block = paste0("b", 1:9), f = c("a", "b", "c"), g = c("u", "v"),
                     h = c("p", "q", "r"))
trial <- trial[sample(nrow(trial), 90, prob = 1 + (trial$f == "a") + 2 * (trial$h == "q")), ]
n <- nrow(trial)
trial$x <- round(rnorm(n, 5), 3)
trial$z <- rbinom(n, 1, 0.3)
trial$w <- round(runif(n, 0.5, 2.5), 3)
trial$code <- sample(c(1, 2, 5), n, TRUE)
trial$flag <- sample(c(TRUE, FALSE), n, TRUE, c(0.4, 0.6))
trial$text <- sample(c("new", "old", "very-old"), n, TRUE)
effect <- rnorm(9)
trial$y <- round(exp(
  0.4 * as.numeric(factor(trial$f)) - 0.3 * (trial$g == "v") + trial$x / 4 +
    effect[as.numeric(factor(trial$block))] / 2 + rnorm(n, sd = 0.6)
), 5)
write.csv(trial, file.path(folder, "means_trial.csv"), row.names = FALSE)

drugs <- data.frame(
  route = rep(c("injection", "oral"), c(5, 9)),
  drug = rep(c("Bovineumab", "Charloisazepam", "Angustatin", "Herefordmycin", "Mollycoddle"),
             c(3, 2, 4, 2, 3))
)
nested <- rbind(drugs, drugs, drugs, drugs)
nested$farm <- paste0("farm", rep_len(1:6, nrow(nested)))
nested$sex <- sample(c("female", "male"), nrow(nested), TRUE, c(0.6, 0.4))
effect <- rnorm(6)
nested$y <- round(effect[as.numeric(factor(nested$farm))] + as.numeric(factor(nested$drug)) / 3 +
                    (nested$sex == "male") + rnorm(nrow(nested)), 4)
write.csv(nested, file.path(folder, "means_nested.csv"), row.names = FALSE)
