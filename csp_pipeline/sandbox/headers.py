"""The headers of all of Microsoft's invoices, as the collection `/invoices` tells them.

What belongs here: which headers there are and in what order, and that an adjustment note stands within the invoice that
it amends. What a header says is in `resources` and `legacy_documents`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.sandbox.legacy_documents import legacy_header
from csp_pipeline.sandbox.resources import invoice_header

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from csp_pipeline.sandbox.documents import Document
    from csp_pipeline.sandbox.json_text import Json
    from csp_pipeline.sandbox.legacy_documents import LegacyDocument

AMENDMENTS = "amendments"


def invoice_headers(documents: Iterable[Document], legacy: Iterable[LegacyDocument]) -> list[Json]:
    """The items of `/invoices`.

    Args:
        documents: The invoices and adjustment notes of new commerce, with their lines.
        legacy: The legacy invoices.

    Returns:
        A header for each invoice, with those of its amendments.
    """
    headers: dict[str, Json] = {}
    for document in documents:
        header = invoice_header(document)
        if document.amends:
            headers[document.amends].setdefault(AMENDMENTS, []).append(header)
        else:
            headers[document.number] = header
    return [*headers.values(), *(legacy_header(document) for document in legacy)]


def each_header(headers: Iterable[Json]) -> Iterator[Json]:
    """Every header, those of amendments after the one they stand in."""
    for header in headers:
        yield header
        yield from header.get(AMENDMENTS, ())
