"""Landing: every byte received, kept unchanged under its SHA-256, and a manifest per scan that found something new.

What belongs here: content addressing and the manifests. How bytes come in belongs to `sources`, what they mean to
`formats`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, Literal
from uuid import uuid4

from csp_pipeline.errors import InputFileError
from csp_pipeline.storage.durable import UNFINISHED, sync, write_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from csp_pipeline.storage.home import Home

Status = Literal["staged", "refused", "unrecognised", "archive", "known"]
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class LandedFile:
    """A file as a manifest lists it; members of an archive are files of their own, named `archive/member`."""

    name: str
    sha256: str
    size: int
    kind: str | None = None
    status: Status = "staged"
    message: str = ""

    def settled(self, status: Status, kind: str | None, message: str) -> LandedFile:
        """The same file once it is known what became of it."""
        return replace(self, status=status, kind=kind, message=message)


@dataclass(frozen=True, slots=True)
class Scan:
    """A look into the inbox that found something new: its files are versions of the same moment."""

    number: int
    scanned_at: datetime
    files: tuple[LandedFile, ...]


def file_path(home: Home, sha256: str) -> Path:
    """Where the bytes with this hash are kept."""
    return home.landing / "files" / sha256


def digest(path: Path) -> str:
    """The SHA-256 of a file, streaming."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def land(home: Home, stream: BinaryIO, name: str, *, at_most: int | None = None) -> LandedFile:
    """Keep a stream's bytes under their hash.

    Args:
        home: the folders.
        stream: the bytes.
        name: what the file is called in manifests and messages.
        at_most: refuse more bytes than this (what an archive says about a member).

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
                    raise InputFileError(
                        f"{name} unpacks to more bytes than the archive states; fetch the archive again"
                    )
                hashed.update(block)
                copy.write(block)
        sync(incoming)
        incoming.replace(file_path(home, hashed.hexdigest()))
        sync(incoming.parent)
    finally:
        incoming.unlink(missing_ok=True)
    return LandedFile(name, hashed.hexdigest(), size)


def read_scans(home: Home) -> list[Scan]:
    """Every manifest, in the order of the scans."""
    folder = home.landing / "scans"
    scans = []
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        stored = json.loads(path.read_text("utf-8"))
        files = tuple(LandedFile(**file) for file in stored["files"])
        scans.append(Scan(stored["scan_number"], datetime.fromisoformat(stored["scanned_at"]), files))
    return scans


def write_scan(home: Home, number: int, files: Sequence[LandedFile]) -> Scan:
    """Write the manifest of a scan; with it, its files count as ingested.

    Args:
        home: the folders.
        number: the scan's number, one more than the last.
        files: what was landed and what became of it.

    Returns:
        The scan as written.
    """
    scan = Scan(number, datetime.now(UTC).replace(microsecond=0, tzinfo=None), tuple(files))
    stored = {
        "scan_number": scan.number,
        "scanned_at": scan.scanned_at.isoformat(),
        "files": [asdict(file) for file in scan.files],
    }
    text = json.dumps(stored, indent=1, ensure_ascii=False) + "\n"
    write_text(home.landing / "scans" / f"{number:06d}.json", text)
    return scan
