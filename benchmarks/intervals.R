# Intervals after a fit: lme4's profile and confint.
# Rscript intervals.R FOLDER FORMULA REPEATS   prints one object of processor seconds
args <- commandArgs(trailingOnly = TRUE)
suppressMessages({library(lme4); library(jsonlite)})
about <- fromJSON(file.path(args[1], "columns.json"))
columns <- lapply(seq_len(nrow(about$columns)), function(i) {
  path <- function(ending) file.path(args[1], paste0(i - 1, ending))
  if (about$columns$kind[i] == "number") return(readBin(path(".bin"), "double", about$rows))
  codes <- readBin(path(".bin"), "integer", about$rows, size = 4) + 1L
  structure(codes, levels = readLines(path(".levels"), encoding = "UTF-8"), class = "factor")
})
names(columns) <- about$columns$name
data <- as.data.frame(columns)
timed <- function(f, repeats) {
  seconds <- c()
  for (i in seq_len(repeats + 1)) {
    start <- proc.time()
    f()
    seconds <- c(seconds, sum((proc.time() - start)[c("user.self", "sys.self")]))
  }
  median(seconds[-1])
}
model <- suppressMessages(lmer(as.formula(args[2]), data, REML = FALSE))
quietly <- function(x) suppressWarnings(suppressMessages(x))
profiled <- quietly(profile(model))
out <- list(
  profile = timed(function() quietly(confint(profile(model))), as.integer(args[3])),
  limits = unname(confint(profiled))
)
cat(toJSON(out, digits = NA), "\n", sep = "")
