"""Files as they arrive: plain CSV, gzip of several members, a zip, blobs of gzipped JSON lines.

Each container takes text and writes bytes as it goes, so a month of any size passes through bounded memory; the same
text always gives the same bytes (no time stamps inside archives).
"""

from __future__ import annotations

import zipfile
from typing import IO, TYPE_CHECKING, Protocol
from uuid import NAMESPACE_URL, uuid5

from isal import igzip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from csp_pipeline.sandbox.wire import WireForm

MEMBER_CHARACTERS = 4_000_000
ZIP_TIME = (2026, 1, 1, 0, 0, 0)


class RowFile(Protocol):
    """Takes rows as text until it is closed."""

    def write(self, text: str) -> None:
        """Add text: one or several whole rows."""

    def close(self) -> None:
        """Finish the file."""


class PlainFile:
    """Text as it is, in UTF-8."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("wb", buffering=1 << 20)

    def write(self, text: str) -> None:
        """Add text."""
        self._stream.write(text.encode())

    def close(self) -> None:
        """Finish the file."""
        self._stream.close()


class GzipMembers:
    """A gzip file of several members, one for every few megabytes of text."""

    def __init__(self, path: Path, member_characters: int = MEMBER_CHARACTERS) -> None:
        self._stream = path.open("wb")
        self._parts: list[str] = []
        self._size = 0
        self._limit = member_characters

    def write(self, text: str) -> None:
        """Add text; a full member is compressed and written."""
        self._parts.append(text)
        self._size += len(text)
        if self._size >= self._limit:
            self._flush()

    def close(self) -> None:
        """Finish the file with its last member."""
        self._flush()
        self._stream.close()

    def _flush(self) -> None:
        if self._parts:
            self._stream.write(igzip.compress("".join(self._parts).encode(), 1, mtime=0))
        self._parts, self._size = [], 0


class ZipMember:
    """One CSV inside a zip archive of its own."""

    def __init__(self, path: Path, member_name: str) -> None:
        self._archive = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        information = zipfile.ZipInfo(member_name, ZIP_TIME)
        information.compress_type = zipfile.ZIP_DEFLATED
        self._member: IO[bytes] = self._archive.open(information, "w", force_zip64=True)

    def write(self, text: str) -> None:
        """Add text."""
        self._member.write(text.encode())

    def close(self) -> None:
        """Finish the member and the archive."""
        self._member.close()
        self._archive.close()


class Blobs:
    """Several `part-….json.gz` blobs, each of about so many rows, as an export operation hands them out."""

    def __init__(self, folder: Path, name: str, blob_rows: int) -> None:
        self._folder, self._name, self._blob_rows = folder, name, max(1, blob_rows)
        self._rows = self._number = 0
        self._blob: GzipMembers | None = None

    def write(self, text: str) -> None:
        """Add rows; a full blob is closed and the next one begun."""
        if not text:
            return
        if self._blob is None or self._rows >= self._blob_rows:
            self.close()
            self._blob = GzipMembers(self._path())
            self._rows, self._number = 0, self._number + 1
        self._blob.write(text)
        self._rows += text.count("\n")

    def close(self) -> None:
        """Finish the last blob."""
        if self._blob is not None:
            self._blob.close()

    def _path(self) -> Path:
        part = uuid5(NAMESPACE_URL, f"{self._name}/{self._number}")
        return self._folder / f"{self._name}-part-{self._number:05d}-{part}.c000.json.gz"


class Headed:
    """Rows below a header; without any row there is no file, as nobody exports an empty one."""

    def __init__(self, header: str, opened: Callable[[], RowFile]) -> None:
        self._header, self._opened = header, opened
        self._rows: RowFile | None = None

    def write(self, text: str) -> None:
        """Add rows; the first ones open the file and put the header above them."""
        if not text:
            return
        if self._rows is None:
            self._rows = self._opened()
            self._rows.write(self._header)
        self._rows.write(text)

    def close(self) -> None:
        """Finish the file, if there is one."""
        if self._rows is not None:
            self._rows.close()


def open_rows(folder: Path, name: str, form: WireForm, columns: Sequence[str], blob_rows: int) -> RowFile:
    """The file or files in which a form delivers rows of these columns; the name has no ending."""
    return Headed(form.header(columns), lambda: _container(folder, name, form, blob_rows))


def _container(folder: Path, name: str, form: WireForm, blob_rows: int) -> RowFile:
    if form.container == "csv":
        return PlainFile(folder / f"{name}.csv")
    if form.container == "gzip":
        return GzipMembers(folder / f"{name}.csv.gz")
    if form.container == "zip":
        return ZipMember(folder / f"{name}.zip", f"{name}.csv")
    return Blobs(folder, name, blob_rows)
