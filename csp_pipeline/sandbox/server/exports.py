"""The exports behind Graph: the rows of an invoice or an open month, offered as blobs when first asked for.

What belongs here: which rows an export has, at which version, and the files it hands to `blobs`. The rows themselves
come from `export_rows`; how Graph tells of an export is in `graph`.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal, get_args

from csp_pipeline.sandbox.dates import first_day, shift
from csp_pipeline.sandbox.server.export_rows import ExportRows, Kind, Rows
from csp_pipeline.sandbox.server.rewriting import basic, drifted, rewrite

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from csp_pipeline.sandbox.documents import Document
    from csp_pipeline.sandbox.partner import Partner
    from csp_pipeline.sandbox.server.blobs import BlobStore
    from csp_pipeline.sandbox.server.faults import Faults

AttributeSet = Literal["full", "basic"]
Period = Literal["current", "last"]
KINDS: tuple[Kind, ...] = get_args(Kind)
READY_ON, READY_AT = timedelta(days=7), time(6, 34, 34, 870_000, UTC)
E_TAG_CHARACTERS = 17
CHUNK = 1 << 20


@dataclass(frozen=True)
class ExportRequest:
    """What is asked for: the billed rows of an invoice, or the unbilled ones of a currency and period."""

    kind: Kind
    attribute_set: AttributeSet = "full"
    invoice_number: str = ""
    currency: str = ""
    period: Period = "current"


@dataclass(frozen=True)
class Export:
    """The files of an export at one version.

    Attributes:
        directory: Where the blobs are on the server, below the route of the blobs.
        e_tag: The version of the rows: other rows have another one, the same rows the same.
        created_at: When the rows of this version were made.
    """

    request: ExportRequest
    directory: str
    e_tag: str
    created_at: datetime
    partition_type: Literal["Default", "ItemCount"]
    blob_names: tuple[str, ...]


class Exports:
    """All exports of the made-up partner.

    Args:
        partner: The partner.
        blobs: Takes the files.
        folder: Where files are written; whoever made it removes it.
        faults: schema-drift and restated-invoice strike here.
        is_listed: Whether an invoice is there already, by its number.
        on_restated: Takes the invoice that has been restated, with its new sums.

    Raises:
        UsageError: a fault needs what the scenario does not have.
    """

    def __init__(  # noqa: PLR0913  (what it is wired to)
        self,
        partner: Partner,
        blobs: BlobStore,
        folder: Path,
        faults: Faults,
        *,
        is_listed: Callable[[str], bool],
        on_restated: Callable[[Document], None],
    ) -> None:
        self._partner, self._blobs, self._faults = partner, blobs, faults
        self._is_listed, self._on_restated = is_listed, on_restated
        self._rows = ExportRows(partner, folder)
        self._restated = self._rows.restated_number() if faults.is_on("restated-invoice") else None
        self._begun: dict[tuple[ExportRequest, Rows], Future[Export | None]] = {}
        self._delivered: set[Kind] = set()
        self._lock = threading.Lock()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="sandbox-exports")

    def close(self) -> None:
        """Wait for the writer to end; what it has not begun is dropped."""
        self._writer.shutdown(cancel_futures=True)

    def start(self, request: ExportRequest) -> Future[Export | None]:
        """Begin an export, or find it begun.

        Args:
            request: What is asked for.

        Returns:
            The export once it is written; None when there is no data.
        """
        rows = self._rows_of(request)
        if rows is None:
            nothing: Future[Export | None] = Future()
            nothing.set_result(None)
            return nothing
        with self._lock:
            if (request, rows) not in self._begun:
                self._begun[request, rows] = self._writer.submit(self._export, request, rows)
            return self._begun[request, rows]

    def note_delivered(self, export: Export) -> None:
        """Take note that somebody was given the files; an invoice that is to be restated is so once all were given."""
        if export.request.invoice_number != self._restated:
            return
        with self._lock:
            is_news = export.request.kind not in self._delivered
            self._delivered.add(export.request.kind)
            is_complete = is_news and len(self._delivered) == len(KINDS)
        rows = self._rows_of(export.request)
        if is_complete and rows is not None:
            self._writer.submit(self._rows.document, rows).add_done_callback(
                lambda done: self._on_restated(done.result())
            )

    def _rows_of(self, request: ExportRequest) -> Rows | None:
        """The rows that a request gets at this moment, if there are any."""
        return self._billed(request) if request.invoice_number else self._unbilled(request)

    def _billed(self, request: ExportRequest) -> Rows | None:
        """The rows of an invoice; None for one that is unknown, not there yet, or none of Graph's."""
        number = request.invoice_number
        document = next((document for document in self._partner.documents if document.number == number), None)
        if document is None or not self._is_listed(number):
            return None
        is_restated = number == self._restated and request.kind in self._delivered
        return Rows(document.month, document.currency.code, number, version=2 if is_restated else 1)

    def _unbilled(self, request: ExportRequest) -> Rows | None:
        """The rows of the open month, or of the month before it while its invoice is not there."""
        documents = [
            document
            for document in self._partner.documents
            if document.currency.code == request.currency and not document.amends
        ]
        if not documents:
            return None
        if request.period == "current":
            return Rows(self._partner.scenario.open_month, request.currency)
        last = documents[-1]
        return None if self._is_listed(last.number) else Rows(last.month, request.currency)

    def _export(self, request: ExportRequest, rows: Rows) -> Export | None:
        """Write the rows and offer their files."""
        files = self._rows.files(rows, request.kind)
        if not files:
            return None
        files = self._rewritten(request, files)
        directory = self._directory(request, rows)
        offered = {file.name[file.name.index("part-") :]: file for file in files}
        self._blobs.add(directory, offered)
        return Export(
            request=request,
            directory=directory,
            e_tag=_e_tag(files),
            created_at=_created_at(rows),
            partition_type="Default" if len(files) == 1 else "ItemCount",
            blob_names=tuple(offered),
        )

    def _rewritten(self, request: ExportRequest, files: Sequence[Path]) -> list[Path]:
        """The files with the columns that the request and the faults ask for."""
        changes = []
        if request.attribute_set == "basic" and request.kind == "usage":
            changes.append(("basic", basic))
        if self._faults.is_on("schema-drift"):
            changes.append(("drifted", drifted))
        for name, change in changes:
            folder = files[0].parent / name
            folder.mkdir(exist_ok=True)
            for file in files:
                rewrite(file, folder / file.name, change)
            files = [folder / file.name for file in files]
        return list(files)

    def _directory(self, request: ExportRequest, rows: Rows) -> str:
        kind = f"{'billed' if rows.number else 'unbilled'}{request.kind}"
        version = f"{_created_at(rows):%Y%m%d}{rows.version}"
        which = f"InvoiceId={rows.number}" if rows.number else f"Currency={rows.currency}"
        return (
            f"{kind}/v1/PartnerTenantId={self._partner.scenario.partner_id}/BillingMonth={rows.month.replace('-', '')}/"
            f"{which}/InvoiceVersion={version}/Fragment={request.attribute_set}/PartitionType=default"
        )


def _created_at(rows: Rows) -> datetime:
    """When rows were made: a week into the month after theirs, a restated version a day later, unbilled ones before."""
    month = shift(rows.month, 1) if rows.number else rows.month
    day = first_day(month) + READY_ON + timedelta(days=rows.version - 1)
    return datetime.combine(day, READY_AT)


def _e_tag(files: Sequence[Path]) -> str:
    """A short text that is the same for the same rows only."""
    content = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                content.update(chunk)
    return base64.urlsafe_b64encode(content.digest()).decode()[:E_TAG_CHARACTERS]
