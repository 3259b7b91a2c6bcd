"""A packed file of JSON lines as it streams by: unpacked only to be checked and counted, and passed on as received.

What belongs here: the integrity of the gzip members, the bounds against files that unpack to far more than any report
does, and the count of lines. Where the bytes come from belongs to `blobs`, what the lines say to `formats`.
"""

from __future__ import annotations

import codecs
import io
import string
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from csp_pipeline.sources.graph_manifests import ExportError
from csp_pipeline.sources.provider_errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 1 << 20
_BLANK = codecs.BOM_UTF8 + string.whitespace.encode()
_LOOKED_AHEAD = 1 << 20


class BrokenBlobError(UnavailableError):
    """A file did not arrive whole and sound; fetching it again may help."""

    def __init__(self, subject: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(
            message,
            repeat="again",
            advice="It was fetched several times; run again later, files that have arrived are kept.",
            where=subject,
            retry_after=retry_after,
        )


@dataclass(frozen=True, slots=True)
class BlobLimits:
    """What a file may unpack to.

    Attributes:
        most_bytes: bytes of one file, packed or unpacked.
        highest_ratio: unpacked bytes per packed byte, once there are more than `ratio_from_bytes` of them.
        ratio_from_bytes: a small file may be packed as densely as it likes.
    """

    most_bytes: int = 64 << 30
    highest_ratio: int = 400
    ratio_from_bytes: int = 1 << 30


class PackedLines(io.RawIOBase):
    """The bytes of a gzip file as received; the end is only reached when the file is whole and sound.

    Args:
        chunks: the bytes as they come.
        subject: what they are of, for sentences.
        limits: what they may unpack to.

    Attributes:
        packed_bytes: how many bytes were received.
        unpacked_bytes: how many bytes they unpack to.
    """

    def __init__(self, chunks: Iterator[bytes], subject: str, limits: BlobLimits) -> None:
        from isal import igzip_lib  # noqa: PLC0415  (only packed files need it)

        super().__init__()
        self.packed_bytes = self.unpacked_bytes = 0
        self._line_ends = 0
        self._is_line_open = self._has_rows = False
        self._chunks = chunks
        self._subject = subject
        self._limits = limits
        self._ahead: deque[bytes] = deque()
        self._left = memoryview(b"")
        decompressor: Any = igzip_lib.IgzipDecompressor
        self._new_member = partial(decompressor, flag=igzip_lib.DECOMP_GZIP)
        self._damage = cast("type[Exception]", igzip_lib.IsalError)
        self._member = self._new_member()

    @property
    def lines(self) -> int:
        """How many lines have passed; one without its end of line counts."""
        return self._line_ends + self._is_line_open

    def has_rows(self) -> bool:
        """Whether the file holds more than blanks, by its start; nothing is lost by looking."""
        while not self._has_rows and self.packed_bytes < _LOOKED_AHEAD:
            chunk = self._received()
            if not chunk:
                return False
            self._ahead.append(chunk)
        return True

    def readable(self) -> bool:
        """The stream is there to be read."""
        return True

    def readinto(self, buffer: object) -> int:
        """Pass on the next bytes.

        Raises:
            BrokenBlobError: when the file ends early or is damaged.
            ExportError: when it is larger than it may be.
        """
        view = memoryview(cast("bytearray", buffer))
        if not self._left:
            self._left = memoryview(self._ahead.popleft() if self._ahead else self._received())
        taken, self._left = self._left[: len(view)], self._left[len(view) :]
        view[: len(taken)] = taken
        return len(taken)

    def _received(self) -> bytes:
        chunk = next((chunk for chunk in self._chunks if chunk), b"")
        if chunk:
            self.packed_bytes += len(chunk)
            self._check(chunk)
        elif not self._member.eof:
            raise BrokenBlobError(self._subject, f"it ends too early, after {self.packed_bytes} bytes")
        return chunk

    def _check(self, packed: bytes) -> None:
        while True:
            if self._member.eof:
                packed = packed.lstrip(b"\0")
                if not packed:
                    break
                self._member = self._new_member()
            try:
                unpacked = self._member.decompress(packed, _BLOCK)
            except self._damage as reason:
                raise BrokenBlobError(self._subject, f"it is no sound gzip file ({reason})") from reason
            self._count(unpacked)
            if self._member.eof:
                packed = self._member.unused_data
            elif self._member.needs_input:
                break
            else:
                packed = b""
        self._refuse_bombs()

    def _count(self, unpacked: bytes) -> None:
        if not unpacked:
            return
        self.unpacked_bytes += len(unpacked)
        self._line_ends += unpacked.count(b"\n")
        self._is_line_open = not unpacked.endswith(b"\n")
        self._has_rows = self._has_rows or bool(unpacked.strip(_BLANK))
        self._refuse_bombs()

    def _refuse_bombs(self) -> None:
        limits, unpacked = self._limits, self.unpacked_bytes
        if max(unpacked, self.packed_bytes) > limits.most_bytes:
            raise ExportError(f"{self._subject} holds more than {limits.most_bytes} bytes; it is not taken")
        if unpacked > limits.ratio_from_bytes and unpacked > limits.highest_ratio * self.packed_bytes:
            raise ExportError(
                f"{self._subject} unpacks to more than {limits.highest_ratio} times its size, as no report does; "
                "it is not taken"
            )
