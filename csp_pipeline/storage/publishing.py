"""The published copy: a finished file takes the place of the old one in one step.

What belongs here: copying a closed DuckDB file so that readers see the old copy or the new one and nothing between,
even when the process is killed. What is in the file, and whether it may be published, is decided before.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def swap(source: Path, published: Path) -> None:
    """Copy a file beside `published`, make sure it is on disk, and rename it into place.

    Readers that have the old copy open keep reading the old copy. A copy left unfinished by a killed process is
    overwritten by the next.

    Args:
        source: the closed file to publish.
        published: the name that readers open.
    """
    published.parent.mkdir(parents=True, exist_ok=True)
    unfinished = published.with_name(f"{published.name}.tmp")
    shutil.copyfile(source, unfinished)
    with unfinished.open("rb+") as copy:
        os.fsync(copy.fileno())
    unfinished.replace(published)
    _sync_folder(published.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut; Windows has no such call and needs none."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
