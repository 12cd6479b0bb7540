# lme4 or glmmTMB on one job, in a process of its own; speaks as worker.py does.
# Rscript worker.R PEER FOLDER FORMULA REML REPEATS LONG   (LONG: a call of more seconds is not repeated)
args <- commandArgs(trailingOnly = TRUE)
peer <- args[1]
suppressMessages({library(peer, character.only = TRUE); library(jsonlite)})

script <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
here <- dirname(gsub("~+~", " ", script, fixed = TRUE))  # R's spaces
source(file.path(here, "exchange.R"))
source(file.path(here, "fits.R"))

data <- read_frame(args[2])
formula <- as.formula(args[3])
reml <- args[4] == "TRUE"
forget_peak()
tell(ready = resident("VmRSS"))
for (i in seq_len(1 + as.integer(args[5]))) {
  start <- as.numeric(Sys.time())
  got <- fit[[peer]](formula, data, reml)
  seconds <- as.numeric(Sys.time()) - start
  tell(seconds = seconds, memory = resident("VmHWM"), evaluations = got[[2]], criterion = got[[1]],
    remark = got[[3]])
  if (seconds > as.numeric(args[6])) break
}
