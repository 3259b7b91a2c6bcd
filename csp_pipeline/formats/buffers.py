"""Memory for chunks of text that is used again: fresh memory takes longer to get than to fill."""

from __future__ import annotations

from collections import deque

import numpy as np

_ROUND = 1 << 20


class Buffers:
    """Buffers that are not needed any more, for whoever needs one next, on whichever thread."""

    def __init__(self) -> None:
        """Begin without any."""
        self._spare: deque[memoryview] = deque()

    def take(self, size: int) -> memoryview:
        """A buffer of at least a size in bytes, used or new; what it holds is left over."""
        while True:
            try:
                buffer = self._spare.pop()
            except IndexError:
                return np.empty(-(-size // _ROUND) * _ROUND, np.uint8).data
            if len(buffer) >= size:
                return buffer

    def give(self, buffer: memoryview) -> None:
        """Give a buffer back; nothing may look into it any more."""
        self._spare.append(buffer)
