"""Plots: each function takes the object and ``ax=``, and returns the matplotlib Axes.

matplotlib is imported when something is drawn: ``pip install 'lmforms[plot]'``.
"""

from __future__ import annotations

from .binned_plots import binned_residuals, calibration
from .bootstrap_plot import bootstrap
from .collinearity_plot import collinearity
from .correlation_plots import autocorrelation, correlation_heatmap, semivariogram
from .criterion_plots import criterion
from .diagnostic_plots import random_effects_qq, simulated_residuals
from .effects_plots import random_effects_pairs, shrinkage
from .field_plot import residual_field
from .fit_plots import coefficients, random_effects
from .form_comparison import companion
from .form_plots import codes, covariance, loadings
from .influence_plot import influence
from .lines_plot import fitted_lines
from .matrix_plots import matrix
from .means_plot import means
from .profile_plots import profile_density, profile_pairs, profile_zeta
from .rank_and_objective import objective, rank
from .residual_plots import residuals_fitted, residuals_qq, scale_location
from .rootogram_plot import rootogram

__all__ = [
    "autocorrelation",
    "binned_residuals",
    "bootstrap",
    "calibration",
    "codes",
    "coefficients",
    "collinearity",
    "companion",
    "correlation_heatmap",
    "covariance",
    "criterion",
    "fitted_lines",
    "influence",
    "loadings",
    "matrix",
    "means",
    "objective",
    "profile_density",
    "profile_pairs",
    "profile_zeta",
    "random_effects",
    "random_effects_pairs",
    "random_effects_qq",
    "rank",
    "residual_field",
    "residuals_fitted",
    "residuals_qq",
    "rootogram",
    "scale_location",
    "semivariogram",
    "shrinkage",
    "simulated_residuals",
]
