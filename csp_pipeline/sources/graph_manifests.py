"""What Microsoft Graph says about a billing export: the request, the operation that makes it, and its manifest.

What belongs here: the values and how they are read from Graph's JSON, in all documented variants. Calls belong to
`graph_exports`, the bytes of the blobs to `blobs`. The folder of a manifest and its token open the files to anybody, so
both are secrets and never show in a `repr` or in an error's sentence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from pydantic import SecretStr

from csp_pipeline.errors import CspError
from csp_pipeline.sources.provider_errors import without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

ExportKind = Literal["usage", "reconciliation"]
BillingPeriod = Literal["current", "last"]
BILLING_PATH = "/v1.0/reports/partners/billing"
NO_DATA_CODE = "5000"
_FIRST_YEAR = 2000
_PACKED_LINES = ("compressedjsonlines", "compressedjson")
_SUCCEEDED = ("succeeded", "completed")


class ExportError(CspError):
    """One export could not be made or fetched; other documents go on."""


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What to export: the billed rows of an invoice, or the unbilled rows of a currency and period.

    Attributes:
        kind: daily rated usage or reconciliation lines.
        invoice_number: a G number; blank for unbilled rows.
        currency: ISO 4217, for unbilled rows only.
        period: the open month or the one before it, for unbilled rows only.
    """

    kind: ExportKind
    invoice_number: str = ""
    currency: str = ""
    period: BillingPeriod = "current"

    def __post_init__(self) -> None:
        if bool(self.invoice_number) == bool(self.currency):
            raise ValueError("an export is asked for either by invoice number or by currency and period")

    @property
    def resource(self) -> str:
        """The part of the path that names the export, such as `usage/billed`."""
        return f"{self.kind}/{'billed' if self.invoice_number else 'unbilled'}"

    @property
    def scope(self) -> str:
        """The document or the open month asked for: an invoice number, or currency and period."""
        return self.invoice_number or f"{self.currency}|{self.period}"

    @property
    def path(self) -> str:
        """Where the export is asked for."""
        return f"{BILLING_PATH}/{self.resource}/export"

    @property
    def body(self) -> dict[str, str]:
        """The JSON of the request; the basic attributes would lack the earned credit, tags and meters."""
        if self.invoice_number:
            return {"invoiceId": self.invoice_number, "attributeSet": "full"}
        return {"currencyCode": self.currency, "billingPeriod": self.period, "attributeSet": "full"}

    def __str__(self) -> str:
        return f"the export {self.resource} of {self.scope.replace('|', ', period ')}"


@dataclass(frozen=True, slots=True)
class Operation:
    """An export that Graph has accepted; the location is the only handle to it."""

    request: ExportRequest
    location: str


@dataclass(frozen=True, slots=True)
class NoData:
    """Graph has no rows for the request; what that means is for the caller to decide."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Blob:
    """One file of an export: its name below the export's folder, and the partition it holds."""

    name: str
    partition_value: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of an export as they are at one version.

    Attributes:
        request: what was asked for.
        id: the manifest's id.
        e_tag: the version of the rows.
        created_at: when the rows were made (UTC), None when Graph does not say.
        partition_type: how the rows are spread over the blobs.
        blobs: the files, in Graph's order.
        root_directory: the folder of the files.
        sas_token: the query that opens the folder for some hours.
        location: where Graph can be asked for the manifest again.
    """

    request: ExportRequest
    id: str
    e_tag: str
    created_at: datetime | None
    partition_type: str
    blobs: tuple[Blob, ...]
    root_directory: SecretStr = field(repr=False)
    sas_token: SecretStr = field(repr=False)
    location: str


class FailedExportError(ExportError):
    """Graph accepted the export and could not make it."""


class RestatedExportError(ExportError):
    """The rows changed while they were being fetched; what was fetched belongs to the version before.

    Attributes:
        manifest: the version that holds now.
    """

    def __init__(self, manifest: Manifest) -> None:
        super().__init__(f"{manifest.request} was restated while it was being fetched; run again for the new version")
        self.manifest = manifest


@dataclass(frozen=True, slots=True)
class Running:
    """The export is not ready yet."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Graph could not make the export, for another reason than that there are no rows."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ManifestLink:
    """The export is ready; its manifest is to be fetched."""

    location: str


def read_operation(request: ExportRequest, content: object) -> Running | Failed | NoData | ManifestLink | Manifest:
    """What the answer to a poll means.

    An unknown status without result or error counts as running: Graph reserves one for states to come.

    Args:
        request: what was asked for.
        content: the parsed JSON of the operation.

    Returns:
        The state of the export; a manifest when the answer holds it whole.

    Raises:
        ExportError: when the answer is no operation, or says that it succeeded without saying where the files are.
    """
    operation = _record(request, content, "operation")
    kind = _text(operation, "@odata.type").lower()
    status = _text(operation, "status").lower()
    error = operation.get("error")
    if error or status == "failed" or kind.endswith("failedoperation"):
        return _failure(error if isinstance(error, dict) else {})
    located = operation.get("resourceLocation")
    link = _text(operation, "resourceLocation@odata.navigationLink")
    if isinstance(located, str):
        link = located
    elif isinstance(located, dict):
        link = link or f"{BILLING_PATH}/manifests/{_text(located, 'id')}"
        if located.get("rootDirectory"):
            return read_manifest(request, located, link)
    if link:
        return ManifestLink(link if "://" in link or link.startswith("/") else f"/v1.0/{link}")
    if status in _SUCCEEDED or kind.endswith("exportsuccessoperation"):
        raise ExportError(f"{request} succeeded, but Graph does not say where its files are; run again later")
    return Running()


def read_manifest(request: ExportRequest, content: object, location: str) -> Manifest:
    """The manifest in an answer of Graph.

    Args:
        request: what was asked for.
        content: the parsed JSON of the manifest.
        location: where it was fetched or can be fetched again.

    Returns:
        The manifest; names and hosts are not judged here.

    Raises:
        ExportError: when a field is missing, the form of the files is unknown, or the count of files is another than
            the manifest states.
    """
    manifest = _record(request, content, "manifest")
    blobs = manifest.get("blobs")
    absent = [name for name in ("eTag", "rootDirectory", "sasToken") if not manifest.get(name)]
    if absent or not isinstance(blobs, list):
        lacking = ", ".join([*absent, *(() if isinstance(blobs, list) else ("blobs",))])
        raise ExportError(f"the manifest of {request} lacks {lacking}; run again later")
    form = _text(manifest, "dataFormat")
    if form and form.lower() not in _PACKED_LINES:
        raise ExportError(f"{request} comes as {form}; only compressed JSON lines are read")
    stated = _text(manifest, "blobCount")
    if stated and stated != str(len(blobs)):
        raise ExportError(f"the manifest of {request} states {stated} files and names {len(blobs)}; run again later")
    return Manifest(
        request=request,
        id=_text(manifest, "id"),
        e_tag=_text(manifest, "eTag"),
        created_at=_created_at(request, _text(manifest, "createdDateTime")),
        partition_type=_text(manifest, "partitionType"),
        blobs=tuple(_blob(request, blob) for blob in blobs),
        root_directory=SecretStr(_text(manifest, "rootDirectory")),
        sas_token=SecretStr(_text(manifest, "sasToken").lstrip("?")),
        location=location,
    )


def _failure(error: Mapping[str, object]) -> Failed | NoData:
    code, message = (without_secrets(_text(error, name)) for name in ("code", "message"))
    return NoData(code, message) if code == NO_DATA_CODE else Failed(code, message)


def _blob(request: ExportRequest, content: object) -> Blob:
    blob = _record(request, content, "blob")
    return Blob(_text(blob, "name"), _text(blob, "partitionValue"))


def _created_at(request: ExportRequest, written: str) -> datetime | None:
    """A point in time as Graph writes it: with or without zone, with up to seven decimals; year 1 means none."""
    if not written:
        return None
    try:
        created_at = datetime.fromisoformat(written)
    except ValueError as reason:
        raise ExportError(f"the manifest of {request} has {written!r} as date of creation; run again later") from reason
    if created_at.year < _FIRST_YEAR:
        return None
    return created_at.astimezone(UTC) if created_at.tzinfo else created_at.replace(tzinfo=UTC)


def _record(request: ExportRequest, content: object, what: str) -> dict[str, object]:
    if not isinstance(content, dict):
        raise ExportError(f"expected the {what} of {request} as a JSON object, found something else; run again later")
    return content


def _text(record: Mapping[str, object], name: str) -> str:
    value = record.get(name)
    return "" if value is None else str(value)
