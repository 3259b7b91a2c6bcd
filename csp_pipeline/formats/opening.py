"""From a stream of text to rows: the one place that tells JSON from CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from csp_pipeline.formats.csv_rows import CsvRows, open_csv
from csp_pipeline.formats.json_rows import JsonRows, open_json

if TYPE_CHECKING:
    import io

_JSON_STARTS = (b"{", b"[")


def open_rows(stream: BinaryIO) -> CsvRows | JsonRows:
    """Recognise the form and the kind of a file.

    Args:
        stream: UTF-8 text at its start, buffered.

    Returns:
        The rows, as batches still to be typed.

    Raises:
        InputFileError: in one sentence, when the file is not what a file of a known kind looks like.
    """
    buffered: io.BufferedReader = stream  # type: ignore[assignment]
    start = buffered.peek(1).lstrip()[:1]
    return open_json(stream) if start in _JSON_STARTS else open_csv(stream)
