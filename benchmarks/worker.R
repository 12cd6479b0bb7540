# lme4 on one job, in a process of its own: prints a line of JSON.
# Rscript worker.R DATA.csv FACTORS FORMULA REML REPEATS   (FACTORS: comma-separated columns)
suppressMessages({library(lme4); library(jsonlite)})
args <- commandArgs(trailingOnly = TRUE)
data <- read.csv(args[1])
for (name in strsplit(args[2], ",")[[1]]) data[[name]] <- factor(data[[name]])
formula <- as.formula(args[3])
reml <- args[4] == "TRUE"
fit <- suppressMessages(suppressWarnings(lmer(formula, data, REML = reml)))
times <- replicate(as.integer(args[5]),
  system.time(suppressMessages(suppressWarnings(lmer(formula, data, REML = reml))))[["elapsed"]])
peak <- as.numeric(sub("[^0-9]*([0-9]+).*", "\\1", grep("VmHWM", readLines("/proc/self/status"), value = TRUE))) * 1024
cat(toJSON(list(seconds = median(times), fastest = min(times), memory = peak,
  evaluations = fit@optinfo$feval, criterion = -2 * as.numeric(logLik(fit))),
  auto_unbox = TRUE, digits = NA), "\n")
