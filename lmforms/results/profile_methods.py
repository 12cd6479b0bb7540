"""`ProfileMethods`: profile likelihood of a fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..support.arguments import flag, named_arguments
from .estimates import ModelEstimates

if TYPE_CHECKING:
    from ..inference.profile.profile import Profile


class ProfileMethods(ModelEstimates):
    """Profiles; the numbers are in :mod:`lmforms.inference.profile`."""

    @named_arguments
    def profile(
        self,
        which: str | Sequence[str] = "all",
        *,
        limit: float | None = None,
        reml: bool = False,
        progress: bool = False,
    ) -> Profile:
        """Profile likelihood: the criterion minimised over all other parameters.

        Parameters
        ----------
        which : {"all", "fixed", "random"} or names
            ``"random"`` are standard deviations, correlations, σ and the parameters of structures;
            names are those of ``fit.profile().names``, such as ``"sd(Days | Subject)"``.
        limit : float, optional
            How far profiles go: to ζ of this size, of either sign, or a bound. By default 3.03, for
            intervals up to 99.7 %; later ones are extended when they are asked for.
        reml : bool
            The restricted likelihood, in which the fixed effects have no profile. By default the
            likelihood, of a REML fit too (as lme4): it is refitted by ML first.
        progress : bool
            Whether tqdm shows a bar.

        Returns
        -------
        Profile
            With ``conf_int``, ``table``, ``variances``, ``zeta`` and ``density``. If interrupted
            from the keyboard, of the parameters that were done.

        Raises
        ------
        ArgumentError
            `which` names what is no parameter.
        ModelError
            There is no profile: conjugate gradients, a given θ, variances that depend on the fitted
            values, variances that the data do not determine, β with ``reml=True``.

        Warns
        -----
        ConvergenceWarning
            A profile found a lower criterion than the fit; the profiles are of the lower optimum.

        Notes
        -----
        The profile of a standard deviation goes to zero, that of a correlation to ±1, where the
        criterion is evaluated exactly; an interval that would reach further ends there.

        References
        ----------
        Bates, Mächler, Bolker, Walker (2015), *Fitting Linear Mixed-Effects Models Using lme4*, J.
        Stat. Software 67(1), section 5.1.

        Examples
        --------
        >>> import lmforms as lf
        >>> sleep = lf.datasets.load("sleepstudy")
        >>> fit = lf.lmer("Reaction ~ Days + (Days | Subject)", sleep, reml=False)
        >>> profile = fit.profile()
        >>> profile.conf_int().round(3)["lower"].tolist()
        [237.681, 7.359, 14.381, 3.801, -0.481, 22.898]
        """
        from ..inference.profile.profiles_of_fit import profile_of

        return profile_of(self.state, which, limit, flag("reml", reml), flag("progress", progress))
