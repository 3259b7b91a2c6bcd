"""The pandera model of a format, derived from the same column table as the casts, and the check of a typed batch.

Rows to be quarantined are out when a batch comes here: what fails now is a defect of the reader, never of a file.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from csp_pipeline.formats.casting import plain

if TYPE_CHECKING:
    import pandera.polars

    from csp_pipeline.formats.columns import WireFormat

POLARS_TYPES = {
    "text": pl.String(),
    "id": pl.String(),
    "decimal": pl.Decimal(38, 18),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us"),
    "boolean": pl.Boolean(),
}


def import_models() -> None:
    """Import what the checks need, which takes a part of a second, so that it is there when they do."""
    import pandera.polars  # noqa: F401, PLC0415  (imported for its effect)


@cache
def model_of(kind: str) -> pandera.polars.DataFrameSchema:
    """The pandera model of a kind: types of every figure, date and required column; required ones are never NULL."""
    import pandera.polars as pa_polars  # noqa: PLC0415  (over a second)

    from csp_pipeline.formats import distributor  # noqa: PLC0415  (formats name their own modules)
    from csp_pipeline.formats.open_month import OPEN_OF  # noqa: PLC0415  (formats name their own modules)
    from csp_pipeline.formats.recognition import FORMATS  # noqa: PLC0415  (likewise)

    known = FORMATS | {wire_format.kind: wire_format for wire_format in OPEN_OF.values()}
    columns = {
        column.name: pa_polars.Column(POLARS_TYPES[column.type], nullable=not column.required, required=True)
        for column in known.get(kind, distributor.FORMAT).columns
        if column.required or column.type not in ("text", "id")
    }
    return pa_polars.DataFrameSchema(columns, strict=True, name=kind)


def check(wire_format: WireFormat, table: pa.Table) -> None:
    """Check typed rows against the model of their kind; texts that may be blank are held by the Arrow schema.

    Raises:
        pandera.errors.SchemaError: when a column has another type, or a required one holds NULL.
    """
    model = model_of(wire_format.kind)
    frame = pl.from_arrow(pa.table({name: plain(table[name]) for name in model.columns}))
    if isinstance(frame, pl.DataFrame):
        model.validate(frame)
