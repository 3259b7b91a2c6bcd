"""Landing: every byte received, kept unchanged under its SHA-256, and a manifest per scan that found something new.

What belongs here: content addressing and the manifests. How bytes come in belongs to `sources` and `arrivals`, what
they mean to `formats`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO, Literal
from uuid import uuid4

from csp_pipeline.errors import InputFileError
from csp_pipeline.storage.durable import UNFINISHED, sync, write_text
from csp_pipeline.storage.origin import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from csp_pipeline.storage.home import Home

Status = Literal["staged", "refused", "unrecognised", "archive", "known", "kept"]
_BLOCK = 1 << 20
_DOCUMENT_MAGIC = b"%PDF-"
_OF_FETCHED = ("origin", "delivery", "same_as")


@dataclass(frozen=True, slots=True)
class LandedFile:
    """A file as a manifest lists it; members of an archive are files of their own, named `archive/member`.

    Attributes:
        origin: where it was fetched from; None for a file of the inbox.
        delivery: the number of the delivery it came with; 0 for a file of the inbox.
        same_as: for a file of status `known`, the SHA-256 of the staged file that holds the same text.
    """

    name: str
    sha256: str
    size: int
    kind: str | None = None
    status: Status = "staged"
    message: str = ""
    origin: Origin | None = None
    delivery: int = 0
    same_as: str = ""

    def settled(self, status: Status, kind: str | None, message: str, same_as: str = "") -> LandedFile:
        """The same file once it is known what became of it."""
        return replace(self, status=status, kind=kind, message=message, same_as=same_as)

    def stored(self) -> dict[str, object]:
        """As a manifest keeps it; its origin stands with the delivery."""
        told = asdict(replace(self, origin=None))
        return {name: value for name, value in told.items() if name not in _OF_FETCHED or value}


@dataclass(frozen=True, slots=True)
class ListedDelivery:
    """A delivery that a scan took up, remembered even if it held no file."""

    number: int
    origin: Origin


@dataclass(frozen=True, slots=True)
class Scan:
    """A look for files that found something new: those of the inbox are versions of the same moment.

    Attributes:
        layouts: the layout by which each distributor's invoice was read, both as SHA-256; the layout is landed too. Of
            several scans that name one for a file the latest counts.
    """

    number: int
    scanned_at: datetime
    files: tuple[LandedFile, ...]
    deliveries: tuple[ListedDelivery, ...] = ()
    layouts: Mapping[str, str] = field(default_factory=dict)


def file_path(home: Home, sha256: str) -> Path:
    """Where the bytes with this hash are kept."""
    return home.landing / "files" / sha256


def is_document(home: Home, sha256: str) -> bool:
    """Whether a landed file is a document for people (PDF), by its first bytes; there are no rows to read in it."""
    with file_path(home, sha256).open("rb") as file:
        return file.read(len(_DOCUMENT_MAGIC)) == _DOCUMENT_MAGIC


def digest(path: Path) -> str:
    """The SHA-256 of a file, streaming."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def land(
    home: Home, stream: BinaryIO, name: str, *, at_most: int | None = None, origin: Origin | None = None
) -> LandedFile:
    """Keep a stream's bytes under their hash.

    Args:
        home: the folders.
        stream: the bytes.
        name: what the file is called in manifests and messages.
        at_most: refuse more bytes than this (what an archive or a service says about the file).
        origin: where the file was fetched from, if it was.

    Returns:
        The file as landed; the same content is kept once.

    Raises:
        InputFileError: when the stream is longer than `at_most`.
    """
    hashed = hashlib.sha256()
    size = 0
    incoming = home.landing / "files" / f"{UNFINISHED}{uuid4().hex}"
    incoming.parent.mkdir(parents=True, exist_ok=True)
    try:
        with incoming.open("wb") as copy:
            while block := stream.read(_BLOCK):
                size += len(block)
                if at_most is not None and size > at_most:
                    raise InputFileError(f"{name} is longer than the {at_most} bytes that were stated; fetch it again")
                hashed.update(block)
                copy.write(block)
        sync(incoming)
        incoming.replace(file_path(home, hashed.hexdigest()))
        sync(incoming.parent)
    finally:
        incoming.unlink(missing_ok=True)
    return LandedFile(name, hashed.hexdigest(), size, origin=origin)


def read_scans(home: Home) -> list[Scan]:
    """Every manifest, in the order of the scans."""
    folder = home.landing / "scans"
    found = sorted(folder.glob("*.json")) if folder.is_dir() else []
    return [_scan(json.loads(path.read_text("utf-8"))) for path in found]


def _scan(stored: Mapping[str, Any]) -> Scan:
    origins = {one["delivery"]: Origin.from_stored(one["origin"]) for one in stored.get("deliveries", ())}
    files = tuple(LandedFile(**file, origin=origins.get(file.get("delivery", 0))) for file in stored["files"])
    deliveries = tuple(ListedDelivery(number, origin) for number, origin in origins.items())
    scanned_at = datetime.fromisoformat(stored["scanned_at"])
    return Scan(stored["scan_number"], scanned_at, files, deliveries, stored.get("layouts", {}))


def layouts_used(scans: Iterable[Scan]) -> dict[str, str]:
    """The layout by which each distributor's invoice is read, both as SHA-256."""
    return {file: layout for scan in scans for file, layout in scan.layouts.items()}


def land_layout(home: Home, source: bytes) -> str:
    """Keep the layout of a distributor's invoices; returns its SHA-256."""
    return land(home, BytesIO(source), "layout").sha256


def read_layout(home: Home, sha256: str) -> bytes:
    """A layout that was kept.

    Raises:
        InputFileError: it is not there any more, or not as it was.
    """
    path = file_path(home, sha256)
    if not path.is_file() or digest(path) != sha256:
        raise InputFileError(
            f"expected the layout it was read by in landing/files/{sha256}, found it missing or changed; restore "
            "it, or run `csp-pipeline rebuild --present-layouts`"
        )
    return path.read_bytes()


def write_scan(
    home: Home,
    number: int,
    files: Sequence[LandedFile],
    deliveries: Sequence[ListedDelivery] = (),
    layouts: Mapping[str, str] | None = None,
) -> Scan:
    """Write the manifest of a scan; with it, its files count as ingested and its deliveries as taken up.

    Args:
        home: the folders.
        number: the scan's number, one more than the last.
        files: what was landed and what became of it.
        deliveries: the deliveries among whose files these are.
        layouts: the layout by which each distributor's invoice was read.

    Returns:
        The scan as written.
    """
    now = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
    scan = Scan(number, now, tuple(files), tuple(deliveries), layouts or {})
    stored: dict[str, object] = {
        "scan_number": scan.number,
        "scanned_at": scan.scanned_at.isoformat(),
        "files": [file.stored() for file in scan.files],
    }
    if deliveries:
        stored["deliveries"] = [{"delivery": one.number, "origin": one.origin.stored()} for one in deliveries]
    if layouts:
        stored["layouts"] = dict(sorted(layouts.items()))
    text = json.dumps(stored, indent=1, ensure_ascii=False) + "\n"
    write_text(home.landing / "scans" / f"{number:06d}.json", text)
    return scan
