"""Bytes that are no UTF-8, marked before rows are told apart, so that they cost their own row and no other.

The mark is a code point that Unicode reserves for use inside programs; no text that is sent may hold it.
"""

from __future__ import annotations

import codecs
import io
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from typing_extensions import Buffer

MARK = "\ufdd0"
_ERRORS = "csp-pipeline-mark"
_READ = 1 << 20


def _mark(reason: UnicodeError) -> tuple[str, int]:
    if not isinstance(reason, UnicodeDecodeError):
        raise reason
    return MARK, reason.end


codecs.register_error(_ERRORS, _mark)


def shown(text: str) -> str:
    """A text for people: marks as the usual replacement character."""
    return text.replace(MARK, "\ufffd")


def marked(text: memoryview) -> tuple[memoryview, bool]:
    """The text, with whatever is not UTF-8 replaced by the mark, and whether there was any."""
    ends = pa.py_buffer(np.array([0, len(text)], np.int64))
    try:
        pa.LargeStringArray.from_buffers(1, ends, pa.py_buffer(text)).validate(full=True)
    except pa.ArrowInvalid:
        return memoryview(bytes(text).decode("utf-8", errors=_ERRORS).encode("utf-8")), True
    return text, False


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class MarkedText(io.RawIOBase):
    """A stream of UTF-8 in which whatever is not UTF-8 is replaced by the mark.

    Attributes:
        has_marks: whether anything was replaced so far.
    """

    def __init__(self, stream: _Readable) -> None:
        """Read from a stream of bytes."""
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors=_ERRORS)
        self._left = memoryview(b"")
        self.has_marks = False

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Buffer) -> int:
        """Fill a buffer with sound UTF-8."""
        view = memoryview(cast("bytearray", buffer))
        while not self._left:
            block = self._stream.read(_READ)
            text = self._decoder.decode(block, final=not block)
            self.has_marks = self.has_marks or MARK in text
            self._left = memoryview(text.encode("utf-8"))
            if not block:
                break
        taken = self._left[: len(view)]
        view[: len(taken)] = taken
        self._left = self._left[len(taken) :]
        return len(taken)
