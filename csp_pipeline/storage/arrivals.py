"""Arrivals: what was fetched from a service, landed file by file, waiting for the next scan to take it up.

What belongs here: the delivery in progress, which survives a kill and goes on where it stopped, and the list of those
that are complete. Fetching belongs to `sources`; staging, and the manifest that makes files count, to `steps.ingest`.

A delivery is one small file under `landing/deliveries`, written anew with each file taken. It is removed only after a
manifest lists it, so at every moment a fetched file is known to the delivery, to a manifest, or to both. Whoever
delivers holds `warehouse.exclusive`; several threads of that process may deliver side by side.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO

from csp_pipeline.storage.durable import write_text
from csp_pipeline.storage.landing import LandedFile, file_path, land, read_scans
from csp_pipeline.storage.origin import Origin

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from csp_pipeline.storage.home import Home
    from csp_pipeline.storage.landing import Scan

__all__ = [
    "Arrival",
    "Delivery",
    "Origin",
    "delivered_files",
    "forget_arrivals",
    "is_repeated",
    "known_origins",
    "open_delivery",
    "read_arrivals",
]
_opening = Lock()


@dataclass(frozen=True, slots=True)
class Arrival:
    """A complete delivery that no scan lists yet; deliveries are numbered in the order in which they were opened."""

    origin: Origin
    files: tuple[LandedFile, ...]
    number: int


class Delivery:
    """Files of one origin on their way into landing; each counts as taken once it is recorded on the disk."""

    def __init__(self, home: Home, number: int, origin: Origin, files: dict[str, LandedFile] | None = None) -> None:
        """A delivery; `open_delivery` makes one.

        Args:
            home: the folders.
            number: the delivery's number.
            origin: where the files come from.
            files: what was taken before, by the name it was taken under.
        """
        self._home = home
        self._files = dict(files or {})
        self._lock = Lock()
        self.number = number
        self.origin = origin

    @property
    def files(self) -> tuple[LandedFile, ...]:
        """What was taken so far, by name."""
        with self._lock:
            return tuple(file for _, file in sorted(self._files.items()))

    def taken(self, name: str) -> LandedFile | None:
        """The file taken under a name, with its bytes in landing; None when it has yet to be taken."""
        with self._lock:
            file = self._files.get(name)
        return file if file is not None and file_path(self._home, file.sha256).is_file() else None

    def take(self, name: str, stream: BinaryIO, *, at_most: int | None = None) -> LandedFile:
        """Land a stream and record it; a file taken before under the same name is replaced.

        Args:
            name: what the file is called within the delivery.
            stream: the bytes, as received.
            at_most: refuse more bytes than this.

        Raises:
            InputFileError: when the stream is longer than `at_most`.
        """
        file = land(self._home, stream, f"{self.origin.place}/{name}", at_most=at_most, origin=self.origin)
        with self._lock:
            self._files[name] = file
            self._write(is_complete=False)
        return file

    def keep(self, names: Collection[str]) -> None:
        """Forget what was taken under other names than these, because the service no longer lists it."""
        with self._lock:
            kept = {name: file for name, file in self._files.items() if name in names}
            if len(kept) < len(self._files):
                self._files = kept
                self._write(is_complete=False)

    def withdraw(self) -> None:
        """Take the delivery back as if it had never been opened; what it brought stays in landing."""
        with _opening:  # nobody reads the list of deliveries meanwhile
            _path(self._home, self.number).unlink(missing_ok=True)

    def complete(self) -> None:
        """Say that everything is there: from now on the next scan takes the files up."""
        with self._lock:
            self._write(is_complete=True)

    def _write(self, *, is_complete: bool) -> None:
        stored = {
            "delivery": self.number,
            "origin": self.origin.stored(),
            "is_complete": is_complete,
            "files": {
                name: {"name": file.name, "sha256": file.sha256, "size": file.size}
                for name, file in sorted(self._files.items())
            },
        }
        text = json.dumps(stored, indent=1, ensure_ascii=False) + "\n"
        write_text(_path(self._home, self.number), text)


def open_delivery(home: Home, origin: Origin) -> Delivery:
    """Begin a delivery, or go on with one of the same origin that was not completed.

    Args:
        home: the folders.
        origin: where the files come from; an unfinished delivery of exactly this origin is resumed.
    """
    with _opening:
        found = list(_read(home))
        for delivery, is_complete in reversed(found):
            if delivery.origin == origin and not is_complete:
                return delivery
        listed = (one.number for scan in read_scans(home) for one in scan.deliveries)
        number = max([0, *listed, *(delivery.number for delivery, _ in found)]) + 1
        delivery = Delivery(home, number, origin)
        delivery._write(is_complete=False)  # noqa: SLF001  (the number is taken from now on)
        return delivery


def read_arrivals(home: Home) -> list[Arrival]:
    """Every delivery that is complete and that no scan lists yet, in the order of their numbers."""
    listed = {one.number for scan in read_scans(home) for one in scan.deliveries}
    return [
        Arrival(delivery.origin, delivery.files, delivery.number)
        for delivery, is_complete in _read(home)
        if is_complete and delivery.number not in listed
    ]


def known_origins(home: Home, resource: str) -> list[Origin]:
    """The origins of every complete delivery of a resource, those no scan lists yet included, oldest first."""
    listed = [(one.number, one.origin) for scan in read_scans(home) for one in scan.deliveries]
    found = dict([*listed, *((arrival.number, arrival.origin) for arrival in read_arrivals(home))])
    return [origin for _, origin in sorted(found.items(), key=lambda one: one[0]) if origin.resource == resource]


def delivered_files(home: Home, resource: str) -> list[LandedFile]:
    """The files of every complete delivery of a resource, those no scan lists yet included, oldest first."""
    listed = [(file.delivery, file) for scan in read_scans(home) for file in scan.files if file.origin]
    found = [*listed, *((arrival.number, file) for arrival in read_arrivals(home) for file in arrival.files)]
    return [
        file for _, file in sorted(found, key=lambda one: one[0]) if file.origin and file.origin.resource == resource
    ]


def is_repeated(arrival: Arrival, scans: Sequence[Scan]) -> bool:
    """Whether an arrival says what was listed last of what it answers, and nothing came in between.

    A manifest lists the very same already: listing it again would tell nothing new. Files that were put in the inbox
    since may have superseded it, and then it is news.

    Args:
        arrival: a complete delivery that no scan lists.
        scans: every manifest, in their order.
    """
    for scan in reversed(scans):
        answers = {one.number: one.origin for one in scan.deliveries if one.origin.asked == arrival.origin.asked}
        if answers:
            last = max(answers)
            before = [file for file in scan.files if file.delivery == last]
            unpacked = tuple(f"{file.name}/" for file in before if file.status == "archive")
            delivered = {(file.name, file.sha256) for file in before if not file.name.startswith(unpacked)}
            is_same = delivered == {(file.name, file.sha256) for file in arrival.files}
            return is_same and answers[last] == arrival.origin
        if any(file.origin is None for file in scan.files):
            return False
    return False


def forget_arrivals(home: Home, numbers: Iterable[int]) -> None:
    """Remove deliveries whose files a manifest lists; the bytes stay in landing."""
    listed = {_path(home, number) for number in numbers}
    for path in _stored(home):
        if path in listed:
            path.unlink()


def _folder(home: Home) -> Path:
    return home.landing / "deliveries"


def _path(home: Home, number: int) -> Path:
    return _folder(home) / f"{number:08d}.json"


def _stored(home: Home) -> list[Path]:
    folder = _folder(home)
    return sorted(folder.glob("[0-9]*.json")) if folder.is_dir() else []


def _read(home: Home) -> Iterable[tuple[Delivery, bool]]:
    for path in _stored(home):
        stored = json.loads(path.read_text("utf-8"))
        origin = Origin.from_stored(stored["origin"])
        files = {name: LandedFile(**file, origin=origin) for name, file in stored["files"].items()}
        yield Delivery(home, stored["delivery"], origin, files), stored["is_complete"]
