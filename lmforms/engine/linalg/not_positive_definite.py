"""What a Cholesky factorisation ends with where there is no factor."""

from __future__ import annotations

from ...errors import NumericalError


class NotPositiveDefiniteError(NumericalError):
    """A pivot that is not positive enough.

    Attributes
    ----------
    row : int or None
        The row of the matrix that was being eliminated, where it is known.
    """

    def __init__(self, row: int | None = None) -> None:
        super().__init__("the matrix is not positive definite.")
        self.row = row
