"""The ledger: what was issued or sent to somebody, as append-only batches, each carrying the hash of the one before it.

A batch is one file of JSON lines: a header (number, kind, time, the previous batch's SHA-256), the records, and a last
line with the SHA-256 of every byte before it. The rename of the finished file is the moment at which a batch counts; a
file half written by a killed process has another name and never does. `head.json` names the last batch, so that a
batch missing at the end is noticed too; it is written after the batch and may be one behind after a kill.

What belongs here: files, order and hashes. What a record says is known by whoever writes its kind of batch. Amounts are
text in records: a float is refused. Whoever appends holds the lock of the home (`warehouse.exclusive`).
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from csp_pipeline.errors import CspError
from csp_pipeline.storage.durable import durable, remove_unfinished, write_text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

FIRST_PREVIOUS = "0" * 64
"""What stands for the previous hash in the first batch."""
HEAD = "head.json"
_NAME = re.compile(r"(\d{8})\.([a-z_]+)\.jsonl")
_RESTORE = "restore the folder from a backup (`csp-pipeline ledger backup` writes them); nothing was changed"

PROVISIONING, ALERTS = "provisioning", "alerts"
"""Kinds of batches that change no amount: what was sent to a provider, and what was told to people."""

_LAST_LINE = 80
Record = dict[str, Any]


class LedgerDamagedError(CspError):
    """The ledger is not what was written: the sentence says which batch, what is wrong and what to do."""


@dataclass(frozen=True)
class Batch:
    """A batch that counts.

    Attributes:
        number: from 1, without gaps.
        kind: what its records are, for instance `issue`.
        recorded_at: UTC, ISO 8601.
        sha256: over the header, in which the previous batch's stands, and the records.
    """

    number: int
    kind: str
    recorded_at: str
    previous_sha256: str
    sha256: str
    records: tuple[Record, ...]

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{self.number:08d}.{self.kind}.jsonl"


def read_batches(folder: Path) -> list[Batch]:
    """Read and verify every batch, in order.

    Args:
        folder: `home.ledger`; one that does not exist is an empty ledger.

    Raises:
        LedgerDamagedError: a batch is missing, was changed, or does not follow the one before it.
    """
    batches: list[Batch] = []
    previous = FIRST_PREVIOUS
    for number, (path, kind) in enumerate(_files(folder), start=1):
        batch = _read(path, kind, number)
        if batch.previous_sha256 != previous:
            raise _damaged(path, "it does not carry the hash of the batch before it, which was replaced or changed")
        previous = batch.sha256
        batches.append(batch)
    _compare_with_head(folder, batches)
    return batches


def append(
    folder: Path,
    kind: str,
    records: Iterable[Mapping[str, Any]],
    recorded_at: datetime,
    *,
    at: Callable[[str], None] = lambda _: None,
) -> Batch:
    """Write a batch after the last one; it counts as a whole or not at all, whenever the process is killed.

    Args:
        folder: `home.ledger`.
        kind: lower case letters and underscores.
        records: mappings of JSON values; amounts as text.
        recorded_at: an aware time.
        at: told a sentence before the batch counts and after it.

    Raises:
        LedgerDamagedError: the ledger so far is damaged; nothing is written then.
        TypeError: a record holds a float or something that JSON does not know.
    """
    batches = read_batches(folder)
    remove_unfinished(folder)
    number = len(batches) + 1
    previous = batches[-1].sha256 if batches else FIRST_PREVIOUS
    kept = [dict(record) for record in records]
    header = {
        "batch": number,
        "kind": kind,
        "previous_sha256": previous,
        "recorded_at": recorded_at.isoformat(timespec="seconds"),
        "records": len(kept),
    }
    body = "".join(f"{canonical(line)}\n" for line in (header, *kept)).encode()
    sha256 = hashlib.sha256(body).hexdigest()
    batch = Batch(number, kind, header["recorded_at"], previous, sha256, tuple(kept))  # type: ignore[arg-type]
    with durable(folder / batch.name) as unfinished:
        unfinished.write_bytes(body + f"{canonical({'sha256': sha256})}\n".encode())
        at(f"Batch {number} of the ledger is written and does not count yet.")
    at(f"Batch {number} of the ledger counts.")
    note_head(folder, batch)
    return batch


def catch_up_head(folder: Path) -> None:
    """Name the last batch in the head, which a process killed right after the batch counted did not come to do.

    Raises:
        LedgerDamagedError: the ledger is damaged; nothing is written then.
    """
    batches = read_batches(folder)
    if batches:
        note_head(folder, batches[-1])


def note_head(folder: Path, batch: Batch) -> None:
    """Write down which batch is the last, so that its loss is noticed."""
    text = canonical({"batch": batch.number, "sha256": batch.sha256})
    path = folder / HEAD
    if not path.is_file() or path.read_text("utf-8") != text:
        write_text(path, text)


def head_of(folder: Path) -> str:
    """The names, sizes and times of the ledger's files as one text: what changes when a batch is added or touched."""
    return repr([(path.name, (found := path.stat()).st_size, found.st_mtime_ns) for path, _ in _files(folder)])


def last_hash(folder: Path, *, without: Collection[str] = (), only: Collection[str] = ()) -> str:
    """The last line of the last batch as it stands, unverified: what a fingerprint needs; empty when there is none.

    Args:
        folder: `home.ledger`.
        without: kinds of batches that do not count.
        only: when given, the kinds that count.
    """
    files = [(path, kind) for path, kind in _files(folder) if kind not in without and (not only or kind in only)]
    if not files:
        return ""
    with files[-1][0].open("rb") as file:
        file.seek(max(0, files[-1][0].stat().st_size - _LAST_LINE))
        return file.read().decode("utf-8", "replace")


def canonical(record: Mapping[str, Any]) -> str:
    """A record as one line of JSON, its keys in order.

    Raises:
        TypeError: a value is a float (amounts are text) or not JSON.
    """
    _refuse_floats(record)
    return json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _refuse_floats(value: object) -> None:
    if isinstance(value, float):
        raise TypeError(f"An amount in the ledger is text, the float {value} was given.")
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    for child in children:
        _refuse_floats(child)


def _files(folder: Path) -> list[tuple[Path, str]]:
    """The files of batches with their kind, by name; other files, such as unfinished ones, are none."""
    found = [(path, _NAME.fullmatch(path.name)) for path in folder.glob("*.jsonl")] if folder.is_dir() else []
    return sorted((path, match[2]) for path, match in found if match is not None)


def _read(path: Path, kind: str, number: int) -> Batch:
    content = path.read_bytes()
    body, newline, last = content.removesuffix(b"\n").rpartition(b"\n")
    sha256 = hashlib.sha256(body + newline).hexdigest()
    if not path.name.startswith(f"{number:08d}."):
        raise _damaged(path, f"batch {number} was expected here, so a batch is missing or there twice")
    if last != canonical({"sha256": sha256}).encode():
        raise _damaged(path, "its content does not give the hash in its last line, so it was changed or cut")
    header, *records = (json.loads(line) for line in body.split(b"\n"))
    if (header["batch"], header["kind"], header["records"]) != (number, kind, len(records)):
        raise _damaged(path, "its header and its name or its records do not agree, so it was renamed or put together")
    return Batch(number, kind, header["recorded_at"], header["previous_sha256"], sha256, tuple(records))


def _compare_with_head(folder: Path, batches: list[Batch]) -> None:
    """The head names a batch that is there: the last one, or the one before if the process was killed between."""
    path = folder / HEAD
    if not path.is_file():
        return
    try:
        head = json.loads(path.read_text("utf-8"))
        number, sha256 = int(head["batch"]), str(head["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, "it cannot be read") from error
    if number > len(batches):
        raise _damaged(path, f"it names batch {number}, but the last one here is {len(batches)}: a batch is missing")
    if number < 1 or batches[number - 1].sha256 != sha256:
        raise _damaged(path, f"it names another content of batch {number} than is here, so a batch was replaced")


def _damaged(path: Path, what: str) -> LedgerDamagedError:
    return LedgerDamagedError(f"The ledger is damaged at {path}: {what}; {_RESTORE}.")
