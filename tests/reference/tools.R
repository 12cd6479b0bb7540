# What the scripts that make reference figures share: JSON, the data sets, the optimum.
#
#   source(file.path("tests", "reference", "tools.R"))        (from the repository root)
#
# Needs: lme4, minqa, jsonlite.

if (!dir.exists("datasets")) stop("run this script from the repository root")

# -- JSON --------------------------------------------------------------------

# The shortest text that reads back as the same double.
shortest <- function(x) {
  x <- as.numeric(x)
  finite <- is.finite(x)
  text <- sprintf("%.15g", x)
  for (digits in 16:17) {
    bad <- which(finite & as.numeric(text) != x)
    text[bad] <- sprintf(paste0("%.", digits, "g"), x[bad])
  }
  # what every JSON reader takes for infinity; and null for what R could not compute
  text[!finite] <- ifelse(is.nan(x[!finite]) | is.na(x[!finite]), "null",
                          ifelse(x[!finite] > 0, "1e999", "-1e999"))
  text
}

one <- function(x) structure(list(x), class = "one")

# A vector becomes an array, one(x) a scalar, a matrix nested rows, a named list
# an object, any other list an array.
as_json <- function(x, top = FALSE) {
  brackets <- function(parts) paste0("[", paste(parts, collapse = ", "), "]")
  atoms <- function(x) {
    if (is.logical(x)) return(ifelse(is.na(x), "null", ifelse(x, "true", "false")))
    if (is.numeric(x)) return(shortest(x))
    vapply(as.character(x), function(s) as.character(toJSON(unbox(s))), "")
  }
  if (is.null(x)) return("null")
  if (inherits(x, "one")) return(atoms(x[[1]]))
  if (is.matrix(x)) return(brackets(apply(x, 1, function(row) brackets(atoms(row)))))
  if (is.list(x) && length(x) == 0) return("{}")
  if (is.list(x) && is.null(names(x))) return(brackets(vapply(x, as_json, "")))
  if (is.list(x)) {
    parts <- paste0(atoms(names(x)), ": ", vapply(x, as_json, ""))
    if (top) return(paste0("{\n  ", paste(parts, collapse = ",\n  "), "\n}"))
    return(paste0("{", paste(parts, collapse = ", "), "}"))
  }
  brackets(atoms(x))
}

# -- data --------------------------------------------------------------------

read_dataset <- function(name) {
  about <- fromJSON(file.path("datasets", paste0(name, ".json")), simplifyVector = FALSE)
  frame <- read.csv(file.path("datasets", about$file), colClasses = "character", na.strings = NULL)
  stopifnot(identical(names(frame), names(about$columns)))
  for (column in names(about$columns)) {
    facts <- about$columns[[column]]
    x <- frame[[column]]
    frame[[column]] <- switch(facts$type,
      float = as.numeric(x),
      int = as.integer(x),
      {
        level <- if (is.null(facts$levels)) {
          as.character(sort(as.integer(unique(x))))
        } else {
          unlist(facts$levels)
        }
        factor(x, levels = level, ordered = facts$type == "ordered")
      }
    )
  }
  frame
}

# -- the optimum -------------------------------------------------------------

# Central differences of order six.
gradient <- function(f, x, free) {
  g <- numeric(length(x))
  for (i in free) {
    h <- 5e-3 * max(abs(x[i]), 0.05)
    at <- function(k) f(replace(x, i, x[i] + k * h))
    g[i] <- (45 * (at(1) - at(-1)) - 9 * (at(2) - at(-2)) + (at(3) - at(-3))) / (60 * h)
  }
  g
}

hessian <- function(f, x, free) {
  n <- length(free)
  h <- 1e-2 * pmax(abs(x[free]), 0.05)
  at <- function(i, a, j, b) {
    y <- x
    y[free[i]] <- y[free[i]] + a * h[i]
    y[free[j]] <- y[free[j]] + b * h[j]
    f(y)
  }
  H <- matrix(0, n, n)
  centre <- f(x)
  for (i in seq_len(n)) {
    H[i, i] <- (at(i, 1, i, 0) - 2 * centre + at(i, -1, i, 0)) / h[i]^2
    for (j in seq_len(i - 1)) {
      H[i, j] <- H[j, i] <-
        (at(i, 1, j, 1) - at(i, 1, j, -1) - at(i, -1, j, 1) + at(i, -1, j, -1)) / (4 * h[i] * h[j])
    }
  }
  H
}

# Newton steps that are taken only while they make the gradient smaller without
# raising the criterion beyond its rounding. Flat directions are left alone.
polish <- function(f, x, free, steps = 4) {
  if (length(free) == 0) return(list(x = x, value = f(x), gradient = 0))
  rounding <- 1e-11 * max(1, abs(f(x)))
  g <- gradient(f, x, free)
  spectrum <- eigen(hessian(f, x, free), symmetric = TRUE)
  keep <- spectrum$values > 1e-5 * max(spectrum$values)
  basis <- spectrum$vectors[, keep, drop = FALSE]
  for (step in seq_len(steps)) {
    move <- -basis %*% ((t(basis) %*% g[free]) / spectrum$values[keep])
    candidate <- replace(x, free, x[free] + move)
    g_new <- gradient(f, candidate, free)
    if (f(candidate) > f(x) + rounding || max(abs(g_new)) >= max(abs(g))) break
    x <- candidate
    g <- g_new
  }
  list(x = x, value = f(x), gradient = max(abs(g)))
}

find_optimum <- function(devfun, theta0, lower) {
  evaluate <- function(theta) as.numeric(devfun(theta))
  bobyqa_to <- function(start, rhobeg) {
    if (length(start) == 1) {
      rhobeg <- min(rhobeg, 0.3)
    }
    minqa::bobyqa(
      start, evaluate, lower = lower,
      control = list(rhobeg = rhobeg, rhoend = 1e-9, maxfun = 1e5)
    )$par
  }
  nelder_mead_to <- function(start) {
    Nelder_Mead(
      evaluate, start, lower = lower,
      control = list(maxfun = 20000, FtolAbs = 1e-12, FtolRel = 1e-15, XtolRel = 1e-10)
    )$par
  }
  is_diagonal <- is.finite(lower) & lower == 0
  second_start <- ifelse(is_diagonal, 0.3, 0.05)
  candidates <- list(
    bobyqa = bobyqa_to(theta0, 0.2),
    `bobyqa from a second start` = bobyqa_to(second_start, 0.1)
  )
  reached <- vapply(candidates, evaluate, 0)
  best <- which.min(reached)
  restarted <- nelder_mead_to(candidates[[best]])
  if (evaluate(restarted) < reached[[best]]) {
    theta <- restarted
    winner <- paste(names(candidates)[best], "+ Nelder_Mead")
  } else {
    theta <- candidates[[best]]
    winner <- names(candidates)[best]
  }

  # A diagonal within a hair of its bound goes to the bound, if that costs nothing.
  value <- evaluate(theta)
  near <- which(is_diagonal & abs(theta) < 1e-3)
  for (i in near) {
    snapped <- replace(theta, i, 0)
    if (evaluate(snapped) <= value + 1e-10 * max(1, abs(value))) theta <- snapped
  }
  free <- which(!(is_diagonal & theta == 0))
  polished <- polish(evaluate, theta, free)
  list(
    theta = polished$x,
    value = polished$value,
    gradient = polished$gradient,
    gap = max(reached) - min(reached),
    note = sprintf(
      "%s, polished; starts agree to %.1e, largest gradient %.1e",
      winner, max(reached) - min(reached), polished$gradient
    )
  )
}

fit_lmm <- function(formula, data, reml, weights = NULL, offset = NULL, contrasts = NULL) {
  arguments <- list(formula = formula, data = data, REML = reml, contrasts = contrasts)
  if (!is.null(weights)) arguments$weights <- as.name(weights)
  if (!is.null(offset)) arguments$offset <- as.name(offset)
  arguments$control <- lmerControl(
    check.conv.singular = "ignore", check.rankX = "silent.drop.cols", calc.derivs = FALSE
  )
  parts <- do.call(lFormula, arguments)
  devfun <- do.call(mkLmerDevfun, parts)
  optimum <- find_optimum(devfun, parts$reTrms$theta, parts$reTrms$lower)
  opt <- list(
    par = optimum$theta, fval = as.numeric(devfun(optimum$theta)), feval = NA_integer_, conv = 0,
    message = ""
  )
  list(
    fit = mkMerMod(environment(devfun), opt, parts$reTrms, fr = parts$fr),
    optimum = optimum
  )
}
