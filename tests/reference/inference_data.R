# Simulated data of inference.R: an unbalanced factorial with an empty cell, and a nested design.
#
#   Rscript tests/reference/inference_data.R     (from the repository root; base R only)

RNGkind("Mersenne-Twister", "Inversion", "Rejection")
set.seed(14)
folder <- file.path("tests", "reference")
write_data <- function(data, name) {
  write.csv(data, file.path(folder, name), row.names = FALSE, quote = FALSE)
}

# a (3) x b (4) with unequal counts and no row of a3, b4; 11 groups; a covariate.
cells <- expand.grid(a = paste0("a", 1:3), b = paste0("b", 1:4), stringsAsFactors = FALSE)
cells <- cells[!(cells$a == "a3" & cells$b == "b4"), ]
counts <- c(9, 4, 12, 7, 10, 5, 8, 14, 6, 11, 10)
data <- cells[rep(seq_len(nrow(cells)), counts), ]
data <- data[sample(nrow(data)), ]
n <- nrow(data)
data$group <- paste0("g", sample(sprintf("%02d", c(1:11, 1:4, 1:2)), n, replace = TRUE))
data$x <- round(rnorm(n, 3, 1.5), 2)
data$w <- round(runif(n, 0.4, 2.5), 2)
effect_a <- c(a1 = 0, a2 = 1.1, a3 = -0.6)
effect_b <- c(b1 = 0, b2 = 0.5, b3 = 1.4, b4 = 0.2)
effect_group <- setNames(rnorm(11, 0, 0.9), paste0("g", sprintf("%02d", 1:11)))
slope_group <- setNames(rnorm(11, 0, 0.3), names(effect_group))
data$y <- round(
  4 + effect_a[data$a] + effect_b[data$b] + 0.8 * (data$a == "a2" & data$b == "b3") +
    (0.4 + slope_group[data$group]) * data$x + effect_group[data$group] + rnorm(n, 0, 1.1), 3
)
data$positive <- round(exp(0.25 * data$y), 4)
write_data(data[c("a", "b", "group", "x", "w", "y", "positive")], "unbalanced.csv")

# clinics within regions, doctors within clinics, two treatments.
clinics <- data.frame(region = c("east", "east", "north", "north", "north", "west", "west"))
clinics$clinic <- paste0("c", seq_len(nrow(clinics)))
design <- clinics[rep(seq_len(nrow(clinics)), each = 4), ]
design$doctor <- sprintf("d%02d", seq_len(nrow(design)))
data <- design[rep(seq_len(nrow(design)), each = 4), ]
data$treatment <- rep(c("new", "old"), length.out = nrow(data))
data <- data[-sample(nrow(data), 13), ]
clinic_effect <- setNames(rnorm(7, 0, 2), clinics$clinic)
doctor_effect <- setNames(rnorm(nrow(design), 0, 1.2), design$doctor)
data$score <- round(
  20 + c(east = 0, north = 2, west = -1)[data$region] + clinic_effect[data$clinic] +
    1.5 * (data$treatment == "new") + doctor_effect[data$doctor] + rnorm(nrow(data), 0, 1.5), 3
)
write_data(data[c("region", "clinic", "doctor", "treatment", "score")], "nested.csv")
