"""`RobustMethods`: tests of the fixed effects that do not rely on the model of V."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..support.arguments import named_arguments
from .estimates import ModelEstimates

if TYPE_CHECKING:
    from ..inference.robust.cluster_scores import RobustType
    from ..inference.robust.robust_tests import RobustTests


class RobustMethods(ModelEstimates):
    """Cluster-robust covariances; the numbers are in :mod:`lmforms.inference.robust`."""

    @named_arguments
    def robust(self, type: RobustType = "CR2", *, cluster: Any = None) -> RobustTests:
        """Tests with a cluster-robust covariance: valid whatever the correlations in a cluster.

        Parameters
        ----------
        type : {"CR2", "CR0", "CR1", "CR1p", "CR1S", "CR3"}
            CR0 is Huber's and White's; the CR1 types multiply it by k/(k − 1), k/(k − p) or
            k(n − 1)/((k − 1)(n − p)) for k clusters; CR2 is unbiased if the model holds; CR3 is
            close to the jackknife over clusters, and a little too large.
        cluster : str or array, optional
            A grouping factor, a column of the fit, or a label for each row (a Series of the data
            is found by its row labels). Without it the grouping factor, or the series of the
            residuals, that all others are nested in.

        Returns
        -------
        RobustTests
            ``table``, ``cov_params()``, ``conf_int()`` and ``contrast(L, joint=)``, by t
            distributions with Satterthwaite's degrees of freedom under the working model, and the
            approximate Hotelling test of several rows.

        Raises
        ------
        ColumnError, DataError
            No such factor or column; labels that do not fit the rows.
        ModelError
            Under the model rows of different clusters are correlated, as with crossed factors.

        References
        ----------
        Pustejovsky, Tipton (2018), *Small-sample methods for cluster-robust variance estimation and
        hypothesis testing in fixed effects models*, J. Business and Economic Statistics 36(4).

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Reaction ~ Days + (1 | Subject)", lf.datasets.load("sleepstudy"))
        >>> fit.robust("CR2")
        Coefficients
                   estimate  std_error  df  statistic  p_value    lower    upper
        ------------------------------------------------------------------------
        Intercept   251.405      6.825  17     36.838  <0.0001  237.007  265.804
        Days         10.467      1.546  17      6.771  <0.0001    7.206   13.729
        Degrees of freedom: Satterthwaite, under the working model.
        Covariance: CR2, 18 clusters of Subject.
        Limits: 95 %.
        """
        from ..inference.robust.robust_tests import RobustTests

        return RobustTests(self.state, type, cluster)
