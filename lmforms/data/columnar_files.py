"""Parquet, Feather and Arrow files as tables with the types that they have."""

from __future__ import annotations

import io
import re
from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import DataError, MissingPackageError
from .input_table import column_names
from .opened_file import OpenedFile

if TYPE_CHECKING:
    import pandas as pd

KINDS = {b"PAR1": "Parquet", b"ARROW1": "Arrow", b"FEA1": "Feather"}
"""What files are by their first bytes."""

_INDEX = re.compile(r"__index_level_\d+__")
"""What pandas calls an index without a name."""


class ColumnarFile:
    """A Parquet, Feather or Arrow file.

    Parameters
    ----------
    file : OpenedFile
    kind : str
        Of :data:`KINDS`.

    Raises
    ------
    MissingPackageError
        pyarrow is not there.
    DataError
        The file cannot be read, or has two columns of one name or no rows.
    """

    sep, decimal = ",", "."
    """How text that is made of it is written."""

    def __init__(self, file: OpenedFile, kind: str) -> None:
        self.file = file
        self.kind = kind
        if not self._read.num_rows:
            raise DataError(f"{file.shown} has no rows.")

    @cached_property
    def columns(self) -> list[str]:
        """Names of the columns; row names that pandas stored are none."""
        return [name for name in column_names(self._read) if not _INDEX.fullmatch(name)]

    def table(self, labels: Collection[str] = (), numbers: Collection[str] = ()) -> Any:
        """An Arrow table of all columns: they have their types, whatever they are used for."""
        return self._read.select(self.columns)

    def as_written(self) -> pd.DataFrame:
        """All columns, each value as it is printed."""
        import pandas as pd

        return self.table().to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)

    @cached_property
    def _read(self) -> Any:
        try:
            import pyarrow as pa
            from pyarrow import feather, parquet
        except ImportError:
            raise MissingPackageError(
                f"reading {self.file.shown}, {'an' if self.kind[0] == 'A' else 'a'} {self.kind} "
                "file, needs pyarrow: pip install pyarrow, or save it as CSV."
            ) from None
        source = self.file.source
        if isinstance(source, io.BytesIO):
            source.seek(0)
        reader = parquet.read_table if self.kind == "Parquet" else feather.read_table
        try:
            return reader(source)
        except (pa.ArrowException, OSError, ValueError) as exc:
            first = (str(exc).strip().splitlines() or [type(exc).__name__])[0]
            raise DataError(
                f"{self.file.shown} cannot be read as {self.kind}: {first.rstrip('.')}."
            ) from None
