"""What the bytes of a file are: gzip or plain, UTF-8 or UTF-16, text or something that only has the name of a table.

What belongs here: one stream of UTF-8 text without a byte order mark, or the sentence why there is none. Archives with
members (zip) belong to `sources.inbox`.
"""

from __future__ import annotations

import codecs
import io
import re
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from csp_pipeline.errors import InputFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_BINARY = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG": "a PNG picture",
    b"GIF8": "a GIF picture",
    b"%PDF": "a PDF document",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word document",
    b"PAR1": "a Parquet file",
    b"SQLite": "a SQLite database",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"Rar!": "a RAR archive",
}
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_SNIFFED = 65536
_PIECE = 1 << 20
_SNIFFED_LINE = 4096
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1f]")


class _Recoded(io.RawIOBase):
    """A stream of UTF-16 as UTF-8."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast("bytearray", buffer))
        while not self._left:
            chunk = self._stream.read(_SNIFFED)
            self._left = self._decoder.decode(chunk, final=not chunk).encode()
            if not chunk:
                break
        taken, self._left = self._left[: len(view)], self._left[len(view) :]
        view[: len(taken)] = taken
        return len(taken)


@contextmanager
def open_text(path: Path) -> Iterator[BinaryIO]:
    """Open a landed file as UTF-8 text, unpacked, without byte order mark.

    Yields:
        A stream of bytes; reading it may raise what `in_words` explains.

    Raises:
        InputFileError: when the file is empty, is no text, or its packing is damaged.
    """
    with path.open("rb") as file, in_words():
        packed = file.read(2) == GZIP_MAGIC
        file.seek(0)
        stream = _Gunzipped(file) if packed else cast("io.RawIOBase", file)
        buffered = io.BufferedReader(stream, buffer_size=_SNIFFED)
        start = buffered.peek(_SNIFFED)
        if not start.strip(codecs.BOM_UTF8 + b" \t\r\n"):
            raise InputFileError("expected rows, found an empty file; export it again")
        encoding = next((name for mark, name in _UTF16.items() if start.startswith(mark)), None)
        if encoding:
            buffered.read(2)
            yield io.BufferedReader(_Recoded(cast("BinaryIO", buffered), encoding), buffer_size=_SNIFFED)
            return
        _refuse_binary(start)
        if start.startswith(codecs.BOM_UTF8):
            buffered.read(3)
        yield cast("BinaryIO", buffered)


@contextmanager
def in_words() -> Iterator[None]:
    """Turn what a damaged gzip file raises into one sentence.

    Raises:
        InputFileError: with that sentence.
    """
    from isal import isal_zlib  # noqa: PLC0415  (only packed files need it)

    damage = (zlib.error, cast("type[Exception]", isal_zlib.error), OSError)
    try:
        yield
    except EOFError as reason:
        raise InputFileError("the gzip file ends too early (a broken download?); fetch it again") from reason
    except damage as reason:
        if isinstance(reason, OSError) and reason.errno is not None:
            raise
        raise InputFileError(f"the gzip file is damaged ({reason}); fetch it again") from reason


class _Gunzipped(io.RawIOBase):
    """A stream of gzip, unpacked straight into the buffer that is given, while other threads run.

    The reader beneath isal's file object is asked itself: the file object unpacks elsewhere and copies.
    """

    def __init__(self, file: BinaryIO) -> None:
        from isal import igzip  # noqa: PLC0415  (only packed files need it)

        self._reader = igzip._GzipReader(file, igzip.READ_BUFFER_SIZE)  # type: ignore[attr-defined]  # noqa: SLF001

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        return int(self._reader.readinto(memoryview(cast("bytearray", buffer))[:_PIECE]))


def _refuse_binary(start: bytes) -> None:
    for magic, what in _BINARY.items():
        if start.startswith(magic):
            raise InputFileError(f"expected a table as text, found {what}; put the exported file itself in the inbox")
    line = start.split(b"\n", 1)[0][:_SNIFFED_LINE]
    if b"\0" in start or _CONTROLS.search(line):
        raise InputFileError("expected a table as text, found binary data; put the exported file itself in the inbox")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start.split(b"\n", 1)[0] if b"\n" in start else start)
    except UnicodeDecodeError as reason:
        raise InputFileError(
            f"expected UTF-8 text, found another encoding at byte {reason.start}; save the file as CSV UTF-8"
        ) from reason
