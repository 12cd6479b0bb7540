"""`BootstrapMethods`: what a fit has for replicates of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..support.arguments import flag, named_arguments, whole_number
from .estimates import ModelEstimates

if TYPE_CHECKING:
    from ..inference.bootstrap.replicate_table import Bootstrap


class BootstrapMethods(ModelEstimates):
    """Bootstraps; the numbers are in :mod:`lmforms.inference.bootstrap`."""

    @named_arguments
    def bootstrap(self, n: int = 1000, *, seed: Any = None, progress: bool = False) -> Bootstrap:
        """Draw replicates of the fit and refit the model to each.

        Parameters
        ----------
        n : int
            Number of replicates.
        seed : int or anything else :func:`numpy.random.default_rng` takes
            The same seed gives the same replicates, and the first ones for any larger n.
        progress : bool
            Whether tqdm shows a bar.

        Returns
        -------
        Bootstrap

        Raises
        ------
        ModelError
            θ of the fit was given, or it did not converge, or was made by conjugate gradients.

        Warns
        -----
        InterruptedWarning
            Interrupted from the keyboard: with the replicates made so far.

        Examples
        --------
        >>> import lmforms as lf
        >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))
        >>> found = fit.bootstrap(200, seed=1)
        >>> found.table.shape
        (200, 6)
        """
        from ..inference.bootstrap.run import bootstrap

        n = whole_number("n", n, least=1)
        return bootstrap(self.state, n, seed, flag("progress", progress))
