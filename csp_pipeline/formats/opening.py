"""From a stream of text to rows: the one place that tells JSON from CSV, and CSV from the layouts of distributors."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from csp_pipeline.formats.csv_rows import CsvRows, open_csv
from csp_pipeline.formats.distributor_rows import open_delimited
from csp_pipeline.formats.json_rows import JsonRows, open_json
from csp_pipeline.formats.legacy_usage_sections import begins_sections, open_sections
from csp_pipeline.formats.text_rows import TextRows

if TYPE_CHECKING:
    import io
    from collections.abc import Sequence

    from csp_pipeline.formats.buffers import Buffers
    from csp_pipeline.formats.distributor import InvoiceMapping

Rows: TypeAlias = CsvRows | JsonRows | TextRows
_JSON_STARTS = (b"{", b"[")


def open_rows(stream: BinaryIO, mappings: Sequence[InvoiceMapping] = (), buffers: Buffers | None = None) -> Rows:
    """Recognise the form and the kind of a file.

    Args:
        stream: UTF-8 text at its start, buffered.
        mappings: the layouts of distributors; the kinds of the provider come before them.
        buffers: memory that other files have used.

    Returns:
        The rows, as batches still to be typed.

    Raises:
        InputFileError: in one sentence, when the file is not what a file of a known kind looks like.
    """
    buffered: io.BufferedReader = stream  # type: ignore[assignment]
    start = buffered.peek(1)
    if start.lstrip()[:1] in _JSON_STARTS:
        return open_json(stream, buffers)
    if begins_sections(start):
        return open_sections(stream)
    distributed = open_delimited(stream, start, mappings) if mappings else None
    return distributed or open_csv(stream, buffers)
