"""A copy of the ledger that is known to be whole: verified before it is written and read back after.

What belongs here: making the copy, as a zip archive or a folder. Restoring one is copying its files back.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path

from csp_pipeline.errors import CspError, UsageError
from csp_pipeline.storage.durable import durable, sync
from csp_pipeline.storage.ledger import HEAD, Batch, note_head, read_batches

_ANY_TIME = (1980, 1, 1, 0, 0, 0)
"""The same ledger gives the same archive."""


def backup(ledger: Path, target: Path) -> list[Batch]:
    """Write a verified copy.

    Args:
        ledger: the folder.
        target: a name that ends in .zip for an archive, else a folder that does not exist yet or is empty.

    Returns:
        The batches that the copy holds.

    Raises:
        LedgerDamagedError: the ledger is damaged; nothing is written.
        UsageError: the ledger is empty, or something is at the target already.
        CspError: the copy, read back, is not the ledger.
    """
    batches = read_batches(ledger)
    if not batches:
        raise UsageError(f"The ledger in {ledger} is empty: there is nothing to back up before the first issue.")
    is_taken = any(target.iterdir()) if target.is_dir() else target.exists()
    if is_taken:
        raise UsageError(f"{target} exists already; name a new file or an empty folder for the copy.")
    note_head(ledger, batches[-1])
    files = [ledger / name for name in (*(batch.name for batch in batches), HEAD)]
    if target.suffix.lower() == ".zip":
        _write_archive(files, target)
        copied = _read_archive(target)
    else:
        for file in files:
            with durable(target / file.name) as unfinished:
                shutil.copyfile(file, unfinished)
        sync(target)
        copied = read_batches(target)
    if copied != batches:
        raise CspError(f"The copy in {target} is not what was read from {ledger}; look at the disk and try again.")
    return batches


def _write_archive(files: list[Path], target: Path) -> None:
    with durable(target) as unfinished, zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            entry = zipfile.ZipInfo(file.name, _ANY_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())


def _read_archive(target: Path) -> list[Batch]:
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(target) as archive:
        archive.extractall(folder)
        return read_batches(Path(folder))
