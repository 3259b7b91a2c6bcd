"""Writing files so that they are either whole or not there: a temporary name, fsync, rename, fsync of the folder."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNFINISHED = ".unfinished-"


@contextmanager
def durable(path: Path) -> Iterator[Path]:
    """A temporary path that becomes `path` when the block ends well, and vanishes when it does not.

    Args:
        path: where the finished file shall be; its folder is made.

    Yields:
        The path to write to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{UNFINISHED}{uuid4().hex}")
    try:
        yield unfinished
        sync(unfinished)
        unfinished.replace(path)
        sync(path.parent)
    finally:
        unfinished.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a small text file durably."""
    with durable(path) as unfinished:
        unfinished.write_text(text, "utf-8", newline="\n")


def sync(path: Path) -> None:
    """Ask the system to put a file or folder on the disk; folders cannot be synced everywhere."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_unfinished(folder: Path) -> None:
    """Remove what a killed process left half written in a folder and those below it."""
    if folder.is_dir():
        for left in folder.rglob(f"{UNFINISHED}*"):
            left.unlink(missing_ok=True)
