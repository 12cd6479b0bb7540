# A parametric bootstrap by lme4's bootMer, and a test by pbkrtest's PBmodcomp.
# Rscript bootstrap_jobs.R FOLDER FORMULA REPLICATES SMALLER   prints one object of seconds
args <- commandArgs(trailingOnly = TRUE)
suppressMessages({library(lme4); library(pbkrtest); library(jsonlite)})
about <- fromJSON(file.path(args[1], "columns.json"))
columns <- lapply(seq_len(nrow(about$columns)), function(i) {
  path <- function(ending) file.path(args[1], paste0(i - 1, ending))
  if (about$columns$kind[i] == "number") return(readBin(path(".bin"), "double", about$rows))
  codes <- readBin(path(".bin"), "integer", about$rows, size = 4) + 1L
  structure(codes, levels = readLines(path(".levels"), encoding = "UTF-8"), class = "factor")
})
names(columns) <- about$columns$name
data <- as.data.frame(columns)
n <- as.integer(args[3])
quiet <- function(x) suppressMessages(suppressWarnings(x))
fit <- quiet(lmer(as.formula(args[2]), data))
figures <- function(fit) c(fixef(fit), as.data.frame(VarCorr(fit))$sdcor)
start <- as.numeric(Sys.time())
t <- quiet(bootMer(fit, figures, nsim = n, seed = 1))$t
out <- list(replicates = as.numeric(Sys.time()) - start, std_error = unname(apply(t, 2, sd, na.rm = TRUE)))
large <- quiet(lmer(as.formula(args[2]), data, REML = FALSE))
small <- quiet(lmer(as.formula(args[4]), data, REML = FALSE))
start <- as.numeric(Sys.time())
test <- quiet(PBmodcomp(large, small, nsim = n, seed = 1))
out$test <- as.numeric(Sys.time()) - start
out$p_value <- test$test["PBtest", "p.value"]
cat(toJSON(out, digits = NA), "\n", sep = "")
