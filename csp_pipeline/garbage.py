"""Looking for cycles of objects later, where there are none and looking takes a part of the time."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def collected_later() -> Iterator[None]:
    """Let the search for cycles wait until the work is done; also a decorator.

    It begins anew after every so many new objects and goes over all that live: a third of the time where a million
    frozen values are made, a twentieth where files are staged. Whatever has no cycle goes as soon as it is not needed.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
