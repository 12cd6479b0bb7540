"""Options of tables of means and contrasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .response_scale import ResponseScale


@dataclass(frozen=True, eq=False, kw_only=True)
class Options:
    """What a table of means or contrasts shows, checked.

    Attributes
    ----------
    what : str
        Method that the user called, for messages.
    ddf, information
        See :func:`lmforms.inference.degrees_of_freedom.methods.df_method`.
    level : float
        Of the limits.
    adjust : str or None
        None for the default.
    contrast : str, mapping, matrix or None
    reference : str or None
        The control of ``"trt.vs.ctrl"``.
    letters : bool
    response : ResponseScale or None
        For estimates on the scale of the response.
    sigma : float or None
        Standard deviation of the bias adjustment.
    """

    what: str
    ddf: str
    information: str | None
    level: float
    adjust: str | None = None
    contrast: Any = None
    reference: str | None = None
    letters: bool = False
    response: ResponseScale | None = None
    sigma: float | None = None
