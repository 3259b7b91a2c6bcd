"""Ingest: what is new in the inbox, and what was fetched, is landed and staged; what is known is only listed again.

What belongs here: the order of the work and what is told about it. A file that is refused never stops another one.
"""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from csp_pipeline.errors import InputFileError
from csp_pipeline.formats.distributor_rows import is_workbook
from csp_pipeline.formats.recognition import UnrecognisedFileError
from csp_pipeline.sources.inbox import InboxFile, is_archive, look, take, take_members
from csp_pipeline.storage.arrivals import forget_arrivals, is_repeated, read_arrivals
from csp_pipeline.storage.durable import remove_unfinished
from csp_pipeline.storage.file_catalogue import create_staged_views, load_file_catalogue
from csp_pipeline.storage.landing import (
    LandedFile,
    ListedDelivery,
    file_path,
    is_document,
    layouts_used,
    read_scans,
    write_scan,
)
from csp_pipeline.storage.staging import clear, discard, read_sidecars, stage, unpacked_digest, workers
from csp_pipeline.storage.versions import number_key
from csp_pipeline.storage.warehouse import exclusive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from csp_pipeline.storage.arrivals import Arrival
    from csp_pipeline.storage.home import Home
    from csp_pipeline.storage.landing import Scan, Status
    from csp_pipeline.storage.staging import Workers

_FILES_AT_ONCE = 2
_TOLD_BY_CONTENT = ("kind", "rows_total", "rows_quarantined", "invoices", "open_months")
__all__ = ["IngestReport", "IngestedFile", "create_staged_views", "land_and_stage", "load_file_catalogue", "restage"]


@dataclass(frozen=True, slots=True)
class IngestedFile:
    """What became of a file: `status` as in `meta.files`, row counts, and a sentence if there is one."""

    name: str
    sha256: str
    kind: str | None
    status: str
    rows_total: int
    rows_staged: int
    rows_quarantined: int
    message: str


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What a look into the inbox, and at what was fetched, found.

    Attributes:
        scan_number: the manifest written, or None when nothing was new.
        files: what was new, archives and their members included.
        unchanged: how many files of the inbox, or fetched, were known by their content.
        waiting: known files still in the inbox that were refused or not recognised, with their sentence.
    """

    scan_number: int | None
    files: tuple[IngestedFile, ...]
    unchanged: int
    waiting: tuple[IngestedFile, ...]


def _silent(_message: str) -> None:
    return


def land_and_stage(home: Home, *, on_progress: Callable[[str], None] = _silent) -> IngestReport:
    """Land and stage every file of the inbox whose content is new, and take up every complete delivery.

    Args:
        home: the folders.
        on_progress: told one sentence per file.

    Returns:
        What was found. Run again without news, it writes nothing.
    """
    with exclusive(home, on_wait=on_progress):
        for folder in (home.landing, home.staging, home.quarantine):
            remove_unfinished(folder)
        scans = read_scans(home)
        ingested = {file.sha256: file for scan in reversed(scans) for file in scan.files}
        _discard_unlisted(home, ingested)
        _restore(home, ingested.values(), on_progress)
        found, arrivals = look(home), _arrived(home, scans)
        taken = _take_up(home, arrivals, _by_content(home, ingested))
        known = {*ingested, *(one.file.sha256 for one in taken)}
        new = [file for file in found if file.sha256 not in known]
        settled = _stage_scan(home, [*taken, *_land(home, new, known)], on_progress)
        recorded = [one.file for one in settled if one.file.sha256]
        number = None
        if recorded or arrivals:
            number = (scans[-1].number if scans else 0) + 1
            listed = [ListedDelivery(arrival.number, arrival.origin) for arrival in arrivals]
            write_scan(home, number, recorded, listed, _layouts(settled))
            forget_arrivals(home, [arrival.number for arrival in arrivals])
        return IngestReport(
            number,
            tuple(one.told() for one in settled if one.first is None),
            len(found) - len(new) + sum(one.first is not None for one in settled),
            tuple(_waiting(found, ingested)),
        )


def restage(home: Home, *, on_progress: Callable[[str], None] = _silent, keeps_layouts: bool = True) -> IngestReport:
    """Delete staging and make it again from landing, scan by scan; manifests stay as they are.

    A distributor's invoice that is read for the first time, or by another layout than before, is put into a manifest
    of its own with that layout, so that the next time gives the same rows.

    Args:
        home: the folders.
        on_progress: told one sentence per file.
        keeps_layouts: whether a distributor's invoice is read by the layout it was read by before; otherwise by those
            that are in the folder now.

    Returns:
        What became of each file; the same rows as before, and files that an earlier version could not read.
    """
    with exclusive(home, on_wait=on_progress):
        clear(home)
        scans = read_scans(home)
        known_layouts = layouts_used(scans)
        told: list[IngestedFile] = []
        layouts: dict[str, str] = {}
        firsts: dict[str, _Settled] = {}
        for scan in scans:
            again = []
            for file in scan.files:
                if file.status not in ("archive", "known"):
                    layout = known_layouts.get(file.sha256) if keeps_layouts else None
                    again.append(_Settled(file, first=firsts.get(file.sha256), layout=layout))
                    firsts.setdefault(file.sha256, again[-1])
            settled = _stage_scan(home, again, on_progress)
            told += [one.told() for one in settled if one.first is None]
            layouts |= _layouts(settled)
        news = {file: layout for file, layout in layouts.items() if known_layouts.get(file) != layout}
        if news:
            write_scan(home, scans[-1].number + 1, (), layouts=news)
        return IngestReport(scans[-1].number if scans else None, tuple(told), 0, ())


@dataclass(slots=True)
class _Settled:
    """A file on its way: what a manifest will say of it, and its sidecar once it is staged.

    Attributes:
        first: where the same content was met before; what becomes of it becomes of this one too.
        layout: the landed layout by which a distributor's invoice was read before.
    """

    file: LandedFile
    sidecar: Mapping[str, object] = field(default_factory=dict)
    is_settled: bool = False
    first: _Settled | None = None
    layout: str | None = None

    def settle(self, status: Status, message: str, kind: str | None = None, same_as: str = "") -> None:
        self.file = self.file.settled(status, kind, message, same_as)
        self.is_settled = True

    def follow(self, first: _Settled) -> None:
        self.settle(first.file.status, first.file.message, first.file.kind, first.file.same_as)
        self.sidecar = first.sidecar

    def told(self) -> IngestedFile:
        counts = [int(str(self.sidecar.get(name, 0))) for name in ("rows_total", "rows_staged", "rows_quarantined")]
        file = self.file
        return IngestedFile(
            file.name, file.sha256, file.kind, file.status, counts[0], counts[1], counts[2], file.message
        )


def _land(home: Home, new: Sequence[InboxFile], known: set[str]) -> list[_Settled]:
    """Land files and the members of archives; the same content counts once."""
    landed: list[_Settled] = []
    for file in new:
        if file.sha256 in known:
            continue
        one = _Settled(LandedFile(file.name, "", 0))
        landed.append(one)
        try:
            one.file = take(home, file)
            known.add(file.sha256)
            if not _has_members(home, one.file):
                continue
            members = take_members(home, one.file)
        except InputFileError as refusal:
            one.settle("refused", str(refusal))
            continue
        fresh = {member.sha256: member for member in reversed(members) if member.sha256 not in known}
        landed += [_Settled(member) for member in members if fresh.get(member.sha256) is member]
        known.update(fresh)
        one.settle("archive", f"{len(members)} files, {len(members) - len(fresh)} of them known")
    return landed


def _has_members(home: Home, file: LandedFile) -> bool:
    """Whether a landed file is an archive of files; a workbook is one file, although it is packed like an archive."""
    return is_archive(home, file) and not is_workbook(file_path(home, file.sha256))


def _arrived(home: Home, scans: Sequence[Scan]) -> list[Arrival]:
    """The deliveries that say something new; the others, and those a killed run left behind, are forgotten."""
    listed = [one.number for scan in scans for one in scan.deliveries]
    news: list[Arrival] = []
    repeated = []
    for arrival in read_arrivals(home):
        if is_repeated(arrival, scans) and all(arrival.origin.asked != earlier.origin.asked for earlier in news):
            repeated.append(arrival.number)
        else:
            news.append(arrival)
    forget_arrivals(home, [*listed, *repeated])
    return news


def _by_content(home: Home, ingested: Mapping[str, LandedFile]) -> dict[str, _Settled]:
    """What is known of each content from the manifests."""
    sidecars = read_sidecars(home)
    known = {sha256: _Settled(file, sidecars.get(sha256, {}), is_settled=True) for sha256, file in ingested.items()}
    for one in known.values():
        if one.sidecar:
            one.settle("staged", str(one.sidecar["message"]), str(one.sidecar["kind"]))
    return known


def _take_up(home: Home, arrivals: Iterable[Arrival], known: dict[str, _Settled]) -> list[_Settled]:
    """The files of complete deliveries and the members of archives among them; known content is listed again."""
    taken: list[_Settled] = []
    for arrival in arrivals:
        for landed in arrival.files:
            file = replace(landed, delivery=arrival.number)
            one = _Settled(file, first=known.get(file.sha256))
            taken.append(one)
            known.setdefault(file.sha256, one)
            if not _has_members(home, file):
                continue
            try:
                members = take_members(home, file)
            except InputFileError as refusal:
                one.settle("refused", str(refusal))
                continue
            one.settle("archive", f"{len(members)} files")
            for member in members:
                held = _Settled(replace(member, origin=file.origin, delivery=file.delivery))
                held.first = known.get(member.sha256)
                taken.append(held)
                known.setdefault(member.sha256, held)
    return taken


def _stage_scan(home: Home, landed: Sequence[_Settled], on_progress: Callable[[str], None]) -> list[_Settled]:
    """Stage the files of one scan; they are parts of one version, so an invoice has one currency across them."""
    earlier = {_likeness(sidecar): sha256 for sha256, sidecar in read_sidecars(home).items()}
    new = [one for one in landed if one.first is None]
    with workers() as shared:
        for one in _side_by_side(home, new, shared):
            _discard_repeated(home, one, earlier)
            on_progress(_sentence(one.told()))
        for one in landed:
            if one.first is not None:
                one.follow(one.first)
        expected = _expected_currencies(one.sidecar for one in landed)
        for one in new:
            mixed = {invoice: currency for (kind, invoice), currency in expected.items() if kind == one.file.kind}
            if any(_has_other(one.sidecar, invoice, currency) for invoice, currency in mixed.items()):
                _stage_one(home, one, shared, mixed)
                on_progress(_sentence(one.told()))
    return list(landed)


def _side_by_side(home: Home, new: Sequence[_Settled], shared: Workers) -> Iterator[_Settled]:
    """Stage what is not settled yet and give all back in order: one file is opened while another one is written."""
    with ThreadPoolExecutor(_FILES_AT_ONCE, thread_name_prefix="file") as files:
        begun = [None if one.is_settled else files.submit(_stage_one, home, one, shared, {}) for one in new]
        try:
            for one, future in zip(new, begun, strict=True):
                if future is not None:
                    future.result()
                yield one
        finally:
            files.shutdown(cancel_futures=True)


def _layouts(settled: Iterable[_Settled]) -> dict[str, str]:
    """The layout by which each distributor's invoice was read, both as SHA-256."""
    return {
        one.file.sha256: str(one.sidecar["layout"])
        for one in settled
        if one.first is None and one.file.status == "staged" and "layout" in one.sidecar
    }


def _stage_one(home: Home, one: _Settled, shared: Workers, currencies: Mapping[str, str]) -> None:
    if one.file.origin is not None and is_document(home, one.file.sha256):
        one.settle("kept", "")
        return
    try:
        one.sidecar = stage(home, one.file, shared, currencies, one.layout)
    except UnrecognisedFileError as reason:
        one.settle("unrecognised", str(reason))
    except InputFileError as refusal:
        one.settle("refused", str(refusal))
    else:
        one.settle("staged", str(one.sidecar["message"]), str(one.sidecar["kind"]))


def _discard_repeated(home: Home, one: _Settled, earlier: dict[str, str]) -> None:
    """The same rows packed in another way (once plain, once in gzip) are the same content and count once."""
    if one.file.status != "staged":
        return
    same = earlier.setdefault(_likeness(one.sidecar), one.file.sha256)
    if same == one.file.sha256 or unpacked_digest(home, same) != unpacked_digest(home, one.file.sha256):
        return
    discard(home, str(one.sidecar["kind"]), one.file.sha256)
    told = f"it holds the same as the file with SHA-256 {same}, which is ingested"
    one.settle("known", told, one.file.kind, same)
    one.sidecar = {}


def _likeness(sidecar: Mapping[str, object]) -> str:
    """What two files of the same content have in common without reading them again."""
    return json.dumps([sidecar.get(name) for name in _TOLD_BY_CONTENT])


def _invoices(sidecar: Mapping[str, object]) -> Iterable[Mapping[str, object]]:
    held = sidecar.get("invoices")
    return held if isinstance(held, list) else ()


def _expected_currencies(sidecars: Iterable[Mapping[str, object]]) -> dict[tuple[str, str], str]:
    """The currency of most rows of each (kind, invoice) that has more than one, ties to the first by name."""
    rows: dict[tuple[str, str], Counter[str]] = {}
    for sidecar in sidecars:
        for invoice in _invoices(sidecar):
            counted = invoice["currencies"]
            key = (str(sidecar["kind"]), number_key(invoice))
            rows.setdefault(key, Counter()).update(counted if isinstance(counted, dict) else {})
    return {key: min(most, key=lambda one: (-most[one], one)) for key, most in rows.items() if len(most) > 1}


def _has_other(sidecar: Mapping[str, object], invoice: str, currency: str) -> bool:
    held = [one["currencies"] for one in _invoices(sidecar) if number_key(one) == invoice]
    return any(other != currency for told in held if isinstance(told, dict) for other in told)


def _restore(home: Home, ingested: Iterable[LandedFile], on_progress: Callable[[str], None]) -> None:
    """Stage again what a manifest says is staged but whose sidecar is gone."""
    sidecars = read_sidecars(home)
    if any(file.status == "staged" and file.sha256 not in sidecars for file in ingested):
        restage(home, on_progress=on_progress)


def _discard_unlisted(home: Home, ingested: Mapping[str, LandedFile]) -> None:
    """Take out what a killed run staged before its manifest was written: no scan lists it, so it was not ingested."""
    for sha256, sidecar in read_sidecars(home).items():
        if sha256 not in ingested:
            discard(home, str(sidecar["kind"]), sha256)


def _waiting(found: Iterable[InboxFile], ingested: Mapping[str, LandedFile]) -> Iterable[IngestedFile]:
    for file in found:
        known = ingested.get(file.sha256)
        if known is not None and known.status in ("refused", "unrecognised"):
            yield IngestedFile(file.name, known.sha256, known.kind, known.status, 0, 0, 0, known.message)


def _sentence(file: IngestedFile) -> str:
    if file.status == "kept":
        return f"{file.name}: kept as it is"
    if file.status == "staged":
        said = f"{file.name}: {file.kind}, {file.rows_staged} rows"
        return f"{said}; {file.message}" if file.message else said
    return f"{file.name}: {file.status}: {file.message}"
