# Reference fits of residual covariance structures, for tests/residual/.
#
#   Rscript tests/reference/residual_structures.R [id ...]      (from the repository root)
#
# The likelihood is computed here from dense matrices and maximised from several
# starts (nlminb, then BFGS, then Newton steps on differences of order six); nlme
# and glmmTMB are witnesses, whose log-likelihoods are stored beside it. Names of
# models as arguments run only those and replace their entries.
#
# Needs: R >= 4.0, nlme, glmmTMB, lme4, jsonlite.

suppressPackageStartupMessages({
  library(nlme)
  library(glmmTMB)
  library(jsonlite)
})
options(contrasts = c("contr.treatment", "contr.treatment"))
source(file.path("tests", "reference", "tools.R"))
source(file.path("tests", "reference", "residual_models.R"))

out_file <- file.path("tests", "reference", "residual_structures.json")

# -- maps from unconstrained numbers -------------------------------------------

within <- function(low, high) {
  list(
    to = function(u) low + (high - low) * (1 + sin(u)) / 2,
    from = function(x) asin(pmin(1, pmax(-1, 2 * (x - low) / (high - low) - 1)))
  )
}
positive <- list(to = exp, from = log)
free <- list(to = identity, from = identity)

# -- correlations ---------------------------------------------------------------
# Each: names, map (one per parameter), starts, and value(par, info) of the pairs
# of rows in info: lag (of integer times), distance, i and j (numbers of visits).

autocorrelations <- function(phi, theta, most) {
  psi <- c(1, theta)
  q <- length(theta)
  if (length(phi) == 0) {
    lagged <- function(k) sum(psi[seq_len(q + 1 - k)] * psi[seq_len(q + 1 - k) + k])
    return(vapply(0:most, function(k) if (k > q) 0 else lagged(k) / lagged(0), 0))
  }
  stopifnot(length(phi) == 1, q <= 1)
  if (q == 0) return(phi^(0:most))
  first <- (1 + phi * theta) * (phi + theta) / (1 + 2 * phi * theta + theta^2)
  c(1, first * phi^(seq_len(most) - 1))
}

# Coefficients of an invertible moving average from numbers in (-1, 1).
invertible <- function(a) {
  out <- numeric(0)
  for (value in a) out <- c(out + value * rev(out), value)
  out
}

# Autocorrelations from partial ones: solve the bordered system lag by lag.
from_partial <- function(partial) {
  r <- numeric(0)
  for (k in seq_along(partial)) {
    if (k == 1) {
      r <- partial[1]
      next
    }
    m <- toeplitz(c(1, r[seq_len(k - 2)]))
    back <- solve(m, rev(r))
    r <- c(r, sum(r * back) + partial[k] * sqrt((1 - sum(r * solve(m, r))) * (1 - sum(rev(r) * back))))
  }
  r
}

by_lag <- function(lag, values) {
  array(values[as.vector(lag) + 1], dim(lag))
}

correlations <- list(
  iid = function(info) {
    list(names = character(), natural = function(u) u, starts = list(numeric()),
         value = function(u, at) (at$distance == 0) * 1)
  },
  ar1 = function(info) {
    m <- within(-1, 1)
    list(names = "rho", natural = m$to, starts = lapply(c(0.3, 0.8, -0.3), m$from),
         value = function(u, at) m$to(u)^at$lag)
  },
  cs = function(info) {
    m <- within(-1 / (info$k - 1), 1)
    list(names = "rho", natural = m$to, starts = lapply(c(0.3, 0.8, -0.1), m$from),
         value = function(u, at) array(m$to(u), dim(at$lag)))
  },
  corsymm = function(info) {
    k <- info$k
    place <- which(upper.tri(diag(k)))
    table <- function(u) {
      root <- diag(k)
      root[upper.tri(root)] <- u
      root <- root / rep(sqrt(colSums(root^2)), each = k)
      crossprod(root)
    }
    label <- outer(seq_len(k), seq_len(k), function(i, j) sprintf("rho[%d,%d]", i, j))
    start <- chol(0.5 + 0.5 * diag(k))
    start <- start / rep(diag(start), each = k)
    list(names = label[place], natural = function(u) table(u)[place],
         starts = list(start[place], numeric(length(place))),
         value = function(u, at) array(table(u)[cbind(as.vector(at$i), as.vector(at$j))], dim(at$i)))
  },
  toep = function(info) {
    k <- info$k
    lags <- seq_len(k - 1)
    natural <- function(u) from_partial(sin(u))
    list(names = sprintf("rho[%d]", lags), natural = natural,
         starts = list(rep(0.1, k - 1), c(0.7, rep(0, k - 2))),
         value = function(u, at) by_lag(at$lag, c(1, natural(u))))
  },
  ma = function(info) {
    q <- info$q
    natural <- function(u) invertible(sin(u))
    list(names = paste0("theta", seq_len(q)), natural = natural,
         starts = list(rep(0.3, q), c(0.8, rep(0.4, q - 1)), rep(-0.3, q)),
         value = function(u, at) by_lag(at$lag, autocorrelations(NULL, natural(u), info$longest)))
  },
  arma = function(info) {
    list(names = c("phi1", "theta1"), natural = sin,
         starts = list(c(0.4, 0.2), c(0.8, -0.4), c(0.2, 0.8), c(-0.3, 0.5)),
         value = function(u, at) by_lag(at$lag, autocorrelations(sin(u[1]), sin(u[2]), info$longest)))
  },
  # Antedependence of order one: the product of the correlations of neighbours.
  ante = function(info) {
    k <- info$k
    list(names = sprintf("rho[%d,%d]", seq_len(k - 1), seq_len(k - 1) + 1), natural = sin,
         starts = list(rep(0.5, k - 1), rep(-0.2, k - 1)),
         value = function(u, at) {
           step <- diag(k)
           for (a in seq_len(k - 1)) for (b in (a + 1):k) step[a, b] <- prod(sin(u[a:(b - 1)]))
           array(step[cbind(as.vector(at$i), as.vector(at$j))], dim(at$i))
         })
  },
  exp = function(info) spatial(info, function(h) exp(-h)),
  gau = function(info) spatial(info, function(h) exp(-h^2)),
  sph = function(info) spatial(info, function(h) (1 - 1.5 * h + 0.5 * h^3) * (h < 1)),
  `ar1:ar1` = function(info) {
    list(names = c("rho[row]", "rho[column]"), natural = sin,
         starts = list(c(0.2, 0.2), c(0.7, 0.7), c(-0.2, 0.3)),
         value = function(u, at) sin(u[1])^at$lag * sin(u[2])^at$lag2)
  },
  `ma:ma` = function(info) {
    lag <- function(u) sin(u) / (1 + sin(u)^2)
    list(names = c("theta1[row]", "theta1[column]"), natural = sin,
         starts = list(c(0.2, 0.2), c(0.9, 0.4), c(-0.2, 0.3)),
         value = function(u, at) {
           ((at$lag == 0) + lag(u[1]) * (at$lag == 1)) * ((at$lag2 == 0) + lag(u[2]) * (at$lag2 == 1))
         })
  }
)

spatial <- function(info, decay) {
  nugget <- within(0, 1)
  natural <- function(u) c(exp(u[1]), if (info$nugget) nugget$to(u[2]))
  # the spherical function's likelihood has several maxima
  scales <- log(info$scale * if (decay(1) == 0) c(0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.7, 0.85, 1) else c(0.1, 0.3, 1))
  list(names = c("range", if (info$nugget) "nugget"), natural = natural,
       starts = lapply(scales, function(s) c(s, if (info$nugget) nugget$from(0.2))),
       value = function(u, at) {
         par <- natural(u)
         decay(at$distance / par[1]) * (if (info$nugget) 1 - par[2] else 1)
       })
}

# -- variance functions: names, natural, starts, sd(u, rows) ------------------------

variances <- list(
  none = function(data, of) {
    list(names = character(), natural = function(u) u, starts = list(numeric()),
         sd = function(u) rep(1, nrow(data)))
  },
  idh = function(data, of) {
    f <- factor(data[[of]])
    list(names = sprintf("sd[%s]", levels(f)[-1]), natural = exp,
         starts = list(numeric(nlevels(f) - 1)), sd = function(u) c(1, exp(u))[as.integer(f)])
  },
  weights = function(data, of) {
    list(names = character(), natural = function(u) u, starts = list(numeric()),
         sd = function(u) 1 / sqrt(data[[of]]))
  },
  power = function(data, of) {
    list(names = "power", natural = identity, starts = list(0.5, -0.5),
         sd = function(u) abs(data[[of]])^u)
  },
  expvar = function(data, of) {
    list(names = "rate", natural = identity, starts = list(0.1, -0.1),
         sd = function(u) exp(u * data[[of]]))
  },
  constpower = function(data, of) {
    list(names = c("const", "power"), natural = function(u) c(exp(u[1]), u[2]),
         starts = list(c(0, 0.8), c(-1, 1.5), c(-2, 0.5)), sd = function(u) exp(u[1]) + abs(data[[of]])^u[2])
  }
)

# -- the likelihood ------------------------------------------------------------------

pairs_within <- function(model, data, rows) {
  out <- list(same = array(TRUE, c(length(rows), length(rows))))
  if (!is.null(model$series)) {
    s <- as.character(data[[model$series]])[rows]
    out$same <- outer(s, s, "==")
  }
  at <- data.matrix(data[rows, model$at, drop = FALSE])
  squares <- lapply(seq_len(ncol(at)), function(d) outer(at[, d], at[, d], "-")^2)
  out$lag <- sqrt(squares[[1]])
  if (length(squares) > 1) out$lag2 <- sqrt(squares[[2]])
  out$distance <- sqrt(Reduce(`+`, squares))
  rank <- match(at[, 1], sort(unique(as.numeric(data[[model$at[1]]]))))
  out$i <- outer(rank, rank, pmin)
  out$j <- outer(rank, rank, pmax)
  if (isTRUE(model$ordinal)) out$lag <- out$j - out$i
  out
}

likelihood <- function(model, data) {
  X <- model.matrix(model$fixed_r, data)
  y <- model.response(model.frame(model$fixed_r, data))
  n <- length(y)
  p <- ncol(X)
  at <- sort(unique(as.numeric(data[[model$at[1]]])))
  correlation <- correlations[[model$correlation]](list(
    k = if (is.null(model[["k"]])) length(at) else model[["k"]], q = model$q, nugget = isTRUE(model$nugget),
    scale = max(dist(data.matrix(data[, model$at, drop = FALSE]))), longest = round(max(at) - min(at))
  ))
  variance <- variances[[model$variance]](data, model$of)
  block <- if (is.null(model$block)) rep(1, n) else as.character(data[[model$block]])
  rows <- split(seq_len(n), block)
  info <- lapply(rows, pairs_within, model = model, data = data)
  terms <- lapply(model$random, function(term) {
    basis <- model.matrix(term$basis, data)
    level <- as.character(data[[term$group]])
    k <- ncol(basis)
    list(k = k, lower = which(lower.tri(diag(k), diag = TRUE)), size = k * (k + 1) / 2,
         basis = lapply(rows, function(r) basis[r, , drop = FALSE]),
         same = lapply(rows, function(r) outer(level[r], level[r], "==")))
  })
  n_c <- length(correlation$names)
  n_v <- length(variance$names)
  own <- seq_len(n_c)
  more <- n_c + seq_len(n_v)
  pieces <- function(u) {
    sd <- variance$sd(u[more])
    offset <- n_c + n_v
    G <- list()
    for (term in terms) {
      L <- matrix(0, term$k, term$k)
      L[term$lower] <- u[offset + seq_len(term$size)]
      offset <- offset + term$size
      G <- c(G, list(tcrossprod(L)))
    }
    xx <- matrix(0, p + 1, p + 1)
    log_det <- 0
    for (b in seq_along(rows)) {
      r <- rows[[b]]
      V <- correlation$value(u[own], info[[b]]) * info[[b]]$same
      diag(V) <- 1
      V <- V * outer(sd[r], sd[r])
      for (i in seq_along(terms)) {
        B <- terms[[i]]$basis[[b]]
        V <- V + terms[[i]]$same[[b]] * (B %*% G[[i]] %*% t(B))
      }
      U <- chol(V)
      log_det <- log_det + 2 * sum(log(diag(U)))
      xx <- xx + crossprod(backsolve(U, cbind(X, y)[r, , drop = FALSE], transpose = TRUE))
    }
    list(xx = xx, log_det = log_det, G = G)
  }
  criterion <- function(u) {
    found <- tryCatch(pieces(u), error = function(e) NULL)
    U <- tryCatch(chol(found$xx), error = function(e) NULL)
    if (is.null(U)) return(1e10)
    df <- if (model$reml) n - p else n
    value <- df * (log(2 * pi * U[p + 1, p + 1]^2 / df) + 1) + found$log_det
    if (model$reml) value <- value + 2 * sum(log(abs(diag(U)[seq_len(p)])))
    if (is.finite(value)) value else 1e10
  }
  figures <- function(u) {
    found <- pieces(u)
    U <- chol(found$xx)
    inside <- U[seq_len(p), seq_len(p), drop = FALSE]
    sigma <- U[p + 1, p + 1] / sqrt(if (model$reml) n - p else n)
    natural <- c(correlation$natural(u[own]), variance$natural(u[more]))
    list(
      nobs = one(n), loglik = one(-criterion(u) / 2),
      beta = unname(backsolve(inside, U[seq_len(p), p + 1])),
      se = unname(sigma * sqrt(diag(chol2inv(inside)))), sigma = one(sigma),
      parameters = setNames(as.list(lapply(natural, one)), c(correlation$names, variance$names)),
      random_covariance = lapply(found$G, function(g) sigma^2 * g)
    )
  }
  random_start <- unlist(lapply(terms, function(term) (0.7 * diag(term$k))[term$lower]))
  starts <- list()
  for (a in correlation$starts) for (b in variance$starts) {
    starts <- c(starts, list(c(a, b, random_start)))
  }
  list(criterion = criterion, figures = figures, starts = starts,
       names = colnames(X),
       bounded = if (model$correlation %in% c("corsymm", "exp", "gau", "sph")) integer() else own)
}

# The spherical function has jumps in its second derivative wherever a distance is
# the range: short differences there, and Newton steps that must not raise the value.
fine_polish <- function(f, x) {
  slope <- function(x) vapply(seq_along(x), function(i) {
    (f(replace(x, i, x[i] + 1e-5)) - f(replace(x, i, x[i] - 1e-5))) / 2e-5
  }, 0)
  g <- slope(x)
  for (step in 1:30) {
    H <- vapply(seq_along(x), function(i) {
      (slope(replace(x, i, x[i] + 1e-4)) - slope(replace(x, i, x[i] - 1e-4))) / 2e-4
    }, numeric(length(x)))
    move <- -solve((H + t(H)) / 2, g)
    size <- 1
    while (size > 1e-4 && max(abs(slope(x + size * move))) >= max(abs(g))) size <- size / 2
    if (size <= 1e-4) break
    x <- x + size * move
    g <- slope(x)
  }
  list(x = x, value = f(x), gradient = max(abs(g)))
}

best_of <- function(f, starts, bounded, smooth) {
  if (length(starts[[1]]) == 0) return(list(x = numeric(), value = f(numeric()), gradient = 0, gap = 0))
  ends <- lapply(starts, function(x) {
    one <- nlminb(x, f, control = list(iter.max = 500, eval.max = 3000, rel.tol = 1e-13))
    list(x = one$par, value = one$objective)
  })
  reached <- vapply(ends, function(e) e$value, 0)
  x <- ends[[which.min(reached)]]$x
  bfgs <- optim(x, f, function(x) gradient(f, x, seq_along(x)), method = "BFGS",
                control = list(maxit = 200, reltol = 1e-15))
  if (bfgs$value < min(reached)) x <- bfgs$par
  # A sine within a hair of its end goes there, if that costs nothing.
  fixed <- integer()
  for (i in which(cos(x) < 0.05 & seq_along(x) %in% bounded)) {
    snapped <- replace(x, i, sign(sin(x[i])) * pi / 2)
    others <- setdiff(seq_along(x), c(fixed, i))
    if (length(others) > 0) snapped <- polish(f, snapped, others, steps = 6)$x
    if (f(snapped) <= f(x) + 1e-7) {
      x <- snapped
      fixed <- c(fixed, i)
    }
  }
  end <- if (smooth) polish(f, x, setdiff(seq_along(x), fixed), steps = 6) else fine_polish(f, x)
  end$gap <- sort(reached)[min(2, length(reached))] - end$value
  end
}

# -- witnesses -------------------------------------------------------------------------

witness_nlme <- function(model, data) {
  if (is.null(model$nlme)) return(list())
  method <- if (model$reml) "REML" else "ML"
  call <- model$nlme
  call$data <- data
  call$method <- method
  call$control <- if (identical(call[[1]], as.name("lme"))) {
    lmeControl(returnObject = TRUE, maxIter = 200, msMaxIter = 500)
  } else glsControl(returnObject = TRUE, maxIter = 200, msMaxIter = 500)
  fit <- tryCatch(suppressWarnings(eval(call)), error = function(e) conditionMessage(e))
  if (is.character(fit)) return(list(nlme_error = one(fit)))
  list(nlme = one(as.numeric(logLik(fit))), nlme_sigma = one(fit$sigma))
}

witness_glmmtmb <- function(model, data) {
  if (is.null(model$glmmtmb)) return(list())
  fit <- tryCatch(suppressWarnings(glmmTMB(
    model$glmmtmb, data = data, REML = model$reml, dispformula = ~0
  )), error = function(e) conditionMessage(e))
  if (is.character(fit)) return(list(glmmtmb_error = one(fit)))
  list(glmmtmb = one(-fit$fit$objective))
}

# -- run ---------------------------------------------------------------------------------

run <- function(model) {
  began <- Sys.time()
  data <- model$frame()
  if (!is.null(model$rows)) data <- data[model$rows + 1, , drop = FALSE]
  rownames(data) <- NULL
  data <- droplevels(data)
  problem <- likelihood(model, data)
  end <- best_of(problem$criterion, problem$starts, problem$bounded, model$correlation != "sph")
  out <- c(
    list(
      id = one(model$id), kind = one(model$kind), data = one(model$data),
      extra_columns = model$extra, rows = model$rows,
      formula = one(model$formula), residual = one(model$residual),
      weights = one(if (model$variance == "weights") model$of else NA),
      reml = one(model$reml), correlation = one(model$correlation), at = as.character(model$at),
      ordinal = one(isTRUE(model$ordinal)),
      series = one(if (is.null(model$series)) NA else model$series),
      variance = one(model$variance), of = one(if (is.null(model$of)) NA else model$of),
      random = lapply(model$random, function(r) list(group = one(r$group), basis = one(deparse(r$basis)))),
      beta_names_r = problem$names
    ),
    problem$figures(end$x),
    list(gradient = one(end$gradient), start_gap = one(end$gap)),
    witness_nlme(model, data), witness_glmmtmb(model, data)
  )
  loglik <- out$loglik[[1]]
  agrees <- function(x) if (is.null(x)) "-" else sprintf("%+.1e", x[[1]] - loglik)
  cat(sprintf("%-34s %16.9f  gradient %.0e  gap %.0e  nlme %s  glmmTMB %s  %s  [%.1f s]\n", out$id[[1]],
              loglik, end$gradient, end$gap, agrees(out[["nlme"]]), agrees(out[["glmmtmb"]]),
              paste(names(out$parameters), signif(as.numeric(unlist(out$parameters)), 8), collapse = " "),
              as.numeric(Sys.time() - began, units = "secs")))
  if (!is.null(out$nlme_error)) cat("   nlme:", out$nlme_error[[1]], "\n")
  if (!is.null(out$glmmtmb_error)) cat("   glmmTMB:", out$glmmtmb_error[[1]], "\n")
  out
}

asked <- commandArgs(trailingOnly = TRUE)
chosen <- Filter(function(m) length(asked) == 0 || m$id %in% asked, models)
found <- parallel::mclapply(chosen, run, mc.cores = 2, mc.preschedule = FALSE)
broken <- vapply(found, inherits, TRUE, "try-error")
if (any(broken)) stop(paste(unlist(lapply(chosen[broken], `[[`, "id")), found[broken], collapse = "\n"))
lines <- vapply(found, as_json, "")
if (length(asked) == 0) {
  versions <- list(R = one(paste(R.version$major, R.version$minor, sep = ".")),
                   nlme = one(as.character(packageVersion("nlme"))),
                   glmmTMB = one(as.character(packageVersion("glmmTMB"))))
  writeLines(c("{", paste0("\"versions\": ", as_json(versions), ","), "\"fits\": [",
               paste0(lines, c(rep(",", length(lines) - 1), "")), "]", "}"), out_file)
} else {
  stored <- readLines(out_file)
  for (line in lines) {
    place <- which(startsWith(stored, sub("^(\\{\"id\": \"[^\"]*\").*", "\\1", line)))
    if (length(place) != 1) stop("a new model: run the script without arguments")
    stored[place] <- paste0(line, if (endsWith(stored[place], ",")) ",")
  }
  writeLines(stored, out_file)
}
