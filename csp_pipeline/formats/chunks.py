"""A stream of text in large chunks of whole rows, filled without copies into memory that is used again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterator

    from csp_pipeline.formats.buffers import Buffers

CHUNK_BYTES = 36 << 20
_SEARCHED = 1 << 16


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole rows at the start of a buffer.

    Attributes:
        size: bytes of the buffer that are theirs.
        is_cut: whether they end where a row does; else it could not be told, and the stream goes on.
        is_last: whether the stream ends here.
    """

    buffer: memoryview
    size: int
    is_cut: bool = True
    is_last: bool = False

    @property
    def rows(self) -> memoryview:
        """The text of the rows."""
        return self.buffer[: self.size]


def chunks(
    stream: BinaryIO, start: bytes, buffers: Buffers, end_of_rows: Callable[[memoryview], int | None]
) -> Iterator[Chunk]:
    """Cut a stream after whole rows; the last chunk ends where the stream does.

    Args:
        stream: what is left of the text.
        start: what was read of it before.
        buffers: where memory is taken from; whoever is done with a chunk gives its buffer back.
        end_of_rows: where the last whole row of a text ends, 0 when it has none, None when it cannot be told: then what
            was read is the last chunk. It says how long a row may be.
    """
    left = start
    while True:
        buffer = buffers.take(len(left) + CHUNK_BYTES)
        view = buffer[: len(left) + CHUNK_BYTES]
        view[: len(left)] = left
        filled = _fill(stream, view, len(left))
        is_last = filled < len(view)
        whole = filled if is_last else end_of_rows(view)
        if whole is None:
            yield Chunk(buffer, filled, is_cut=False)
            return
        left = bytes(view[whole:filled])
        if whole:
            yield Chunk(buffer, whole, is_last=is_last)
        if is_last:
            return


def last_newline(view: memoryview) -> int:
    """Where the last newline stands, -1 when there is none."""
    for end in range(len(view), 0, -_SEARCHED):
        begin = max(0, end - _SEARCHED)
        place = bytes(view[begin:end]).rfind(b"\n")
        if place >= 0:
            return begin + place
    return -1


def _fill(stream: BinaryIO, view: memoryview, filled: int) -> int:
    buffered: io.BufferedReader = stream  # type: ignore[assignment]
    while filled < len(view) and (count := buffered.readinto(view[filled:])):
        filled += count
    return filled
