"""Staging: one typed Parquet file per landed file, with a sidecar that is written last and makes it count.

What belongs here: the way from a landed file to Parquet, sidecar and quarantine list, batch by batch on two threads.
What a value means belongs to `formats`; which file is current to `file_catalogue`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter, deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from csp_pipeline.errors import InputFileError
from csp_pipeline.formats.buffers import Buffers
from csp_pipeline.formats.casting import ROW, Reject, TypedBatch, schema_of
from csp_pipeline.formats.distributor import mapping_in, read_mappings
from csp_pipeline.formats.distributor_rows import is_workbook, open_workbook
from csp_pipeline.formats.open_month import BILLED_OF, OPEN_OF
from csp_pipeline.formats.opening import open_rows
from csp_pipeline.formats.recognition import UnrecognisedFileError
from csp_pipeline.formats.schema import check, import_models
from csp_pipeline.formats.unpacking import in_words, open_text
from csp_pipeline.garbage import collected_later
from csp_pipeline.storage import quarantine
from csp_pipeline.storage.durable import durable, write_text
from csp_pipeline.storage.landing import file_path, land_layout, read_layout
from csp_pipeline.storage.staged_sums import Sums, sums_of
from csp_pipeline.storage.unnamed_documents import name_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    from csp_pipeline.formats.columns import WireFormat
    from csp_pipeline.formats.distributor import InvoiceMapping
    from csp_pipeline.formats.opening import Rows
    from csp_pipeline.storage.home import Home
    from csp_pipeline.storage.landing import LandedFile

WORKERS = 2
_ROW_GROUP = 65_536
_NOTICES = {
    "rounded": "{count} figures had more than 18 decimals and were rounded half away from zero",
    "short_sku": "{count} rows have a SKU id like '1' where '0001' was sent: a spreadsheet took leading zeros away",
    "zero_price": "{count} rows have prices of 0 beside an amount that is not 0: a spreadsheet may have cut the prices",
}
_UNKNOWN_SHOWN = 8
_TEXT = pa.dictionary(pa.int32(), pa.string())
_SHIPPED_PROVIDERS = Path(__file__).parents[2] / "data" / "providers"
"""The layouts a checkout comes with; they stand in for a home that has none of its own."""


@dataclass(slots=True)
class _Prepared:
    """A batch ready to be written."""

    sound: pa.Table
    rejects: list[Reject]
    rows: int
    noticed: Counter[str]
    sums: Sums


@dataclass(slots=True)
class _Tally:
    """What a file adds up to so far."""

    rows: int = 0
    staged: int = 0
    rejects: list[Reject] = field(default_factory=list)
    noticed: Counter[str] = field(default_factory=Counter)
    sums: Sums = field(default_factory=Sums)

    def add(self, batch: _Prepared) -> None:
        self.rows += batch.rows
        self.staged += batch.sound.num_rows
        self.rejects += batch.rejects
        self.noticed += batch.noticed
        self.sums.add(batch.sums)


def parquet_path(home: Home, kind: str, sha256: str) -> Path:
    """Where the typed rows of a file are."""
    return home.staging / kind / f"{sha256}.parquet"


def sidecar_path(home: Home, kind: str, sha256: str) -> Path:
    """Where it is said what the typed rows of a file add up to."""
    return home.staging / kind / f"{sha256}.json"


def quarantine_path(home: Home, sha256: str) -> Path:
    """Where the rows of a file that could not be read are listed."""
    return home.quarantine / f"{sha256}.csv"


def read_sidecars(home: Home) -> dict[str, dict[str, object]]:
    """Every sidecar by the hash of its file: the files whose staging is complete."""
    found = sorted(home.staging.glob("*/*.json")) if home.staging.is_dir() else []
    return {path.stem: json.loads(path.read_text("utf-8")) for path in found}


@dataclass(frozen=True, slots=True)
class Workers:
    """What the files that are staged at once share: the threads that type batches, and memory."""

    pool: ThreadPoolExecutor
    buffers: Buffers


@contextmanager
def workers() -> Iterator[Workers]:
    """The workers of one scan; what checks need is imported meanwhile."""
    with collected_later(), ThreadPoolExecutor(WORKERS, thread_name_prefix="staging") as pool:
        pool.submit(import_models)
        yield Workers(pool, Buffers())


def stage(
    home: Home,
    file: LandedFile,
    shared: Workers,
    currencies: Mapping[str, str] | None = None,
    layout: str | None = None,
) -> dict[str, object]:
    """Read a landed file into staging.

    Args:
        home: the folders.
        file: the file; its bytes are in landing.
        shared: threads that type its batches, and memory, from `workers`.
        currencies: the currency of an invoice, for invoices found in more than one; other rows are put aside.
        layout: the landed layout (SHA-256) by which a distributor's invoice is read; None is one of the folder's.

    Returns:
        The sidecar: kind, rows, sums per invoice and a message; of a distributor's invoice the landed layout too.

    Raises:
        UnrecognisedFileError: when the file is of no kind this version reads.
        InputFileError: when the file is refused whole.
    """
    mappings, problems = _layouts(home, layout)
    with _opened(home, file, shared.buffers, mappings, problems) as rows:
        tally = _Tally()
        works = (_Preparing(rows, work, currencies or {}, place == 0) for place, work in enumerate(rows.batches()))
        prepared = _in_order(works, shared.pool)
        first = next(prepared, None)
        wire_format = rows.wire_format
        used = next((mapping for mapping in mappings if mapping.wire_format is wire_format), None)
        batches = chain([first] if first else [], prepared)
        with durable(parquet_path(home, wire_format.kind, file.sha256)) as unfinished:
            with closing(prepared), _writer(unfinished, wire_format) as writer:
                output = _Output(wire_format, file, writer)
                _write_all(output, batches, tally, by_batch=rows.is_numbered_by_batch)
            if not tally.rows and not rows.may_be_empty:
                raise InputFileError("expected rows below the header, found none; export the file again")
            tally.rejects = quarantine.name_invoices(tally.rejects, sorted(tally.sums.invoices))
            quarantine.write(quarantine_path(home, file.sha256), file.name, tally.rejects)
    sidecar = _sidecar(wire_format, file, tally, rows.unknown)
    if used is not None:
        sidecar["layout"] = land_layout(home, used.source)
    write_text(
        sidecar_path(home, wire_format.kind, file.sha256), json.dumps(sidecar, indent=1, ensure_ascii=False) + "\n"
    )
    return sidecar


def _layouts(home: Home, layout: str | None) -> tuple[list[InvoiceMapping], list[str]]:
    """The one layout that a file was read by, else those of the folder, read each time as a user may add one."""
    if layout is not None:
        return [mapping_in(read_layout(home, layout))], []
    return read_mappings(home.providers if home.providers.is_dir() else _SHIPPED_PROVIDERS)


@contextmanager
def _opened(
    home: Home, file: LandedFile, buffers: Buffers, mappings: Sequence[InvoiceMapping], problems: Sequence[str]
) -> Iterator[Rows]:
    """The rows of a landed file.

    Raises:
        UnrecognisedFileError: it is of no kind this version reads, and perhaps a layout could not be read.
        InputFileError: when the file is refused whole.
    """
    path = file_path(home, file.sha256)
    try:
        if is_workbook(path):
            yield open_workbook(path, mappings)
            return
        with open_text(path) as stream, in_words():
            yield open_rows(stream, mappings, buffers)
    except UnrecognisedFileError as reason:
        told = f"; {'; '.join(problems)}" if problems else ""
        raise UnrecognisedFileError(f"{reason}{told}") from reason


def discard(home: Home, kind: str, sha256: str) -> None:
    """Take a file out of staging; the sidecar goes first, so that it never stands for less than all rows."""
    for path in (sidecar_path(home, kind, sha256), parquet_path(home, kind, sha256), quarantine_path(home, sha256)):
        path.unlink(missing_ok=True)


def unpacked_digest(home: Home, sha256: str) -> str:
    """The SHA-256 of a landed file's text, however it is packed."""
    path = file_path(home, sha256)
    if is_workbook(path):
        return sha256
    hashed = hashlib.sha256()
    with open_text(path) as stream:
        while block := stream.read(1 << 20):
            hashed.update(block)
    return hashed.hexdigest()


def clear(home: Home) -> None:
    """Delete everything that can be made again from landing."""
    for folder in (home.staging, home.quarantine):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)


@dataclass(slots=True)
class _Preparing:
    """A batch to be typed, parted and summed, on a worker thread."""

    rows: Rows
    work: Callable[[], TypedBatch]
    currencies: Mapping[str, str]
    is_first: bool

    def __call__(self) -> _Prepared:
        batch = self.work()
        if self.is_first:
            _tell_open_month(self.rows, batch)
        wire_format = self.rows.wire_format
        name_rows(wire_format, batch)
        quarantine.reject_billed(wire_format, batch)
        quarantine.reject_other_currencies(wire_format, batch, self.currencies)
        sound, aside, rejects = quarantine.split(wire_format, batch)
        sums = sums_of(wire_format, sound, aside)
        return _Prepared(sound, rejects, batch.rows, batch.noticed, sums)


def _in_order(works: Iterator[_Preparing], pool: ThreadPoolExecutor) -> Generator[_Prepared]:
    """Do the works on the threads of a pool, a few ahead, and give the results in order.

    The second is begun when the first is done, which tells whether the file is of an open month; it is read meanwhile.
    """
    waiting: deque[Future[_Prepared]] = deque()
    try:
        for place, work in enumerate(works):
            if place == 1:
                wait(waiting)
            waiting.append(pool.submit(work))
            if len(waiting) > WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for left in waiting:
            left.cancel()
        wait(waiting)


def _writer(path: Path, wire_format: WireFormat) -> pq.ParquetWriter:
    typed = schema_of(wire_format)
    constants = [pa.field(name, pa.string()) for name in ("source_file", "file_sha256")]
    fields = [*list(typed)[:-1], *constants, typed.field(ROW)]
    schema = pa.schema([field.with_type(_TEXT) if field.type == pa.string() else field for field in fields])
    texts = [column.name for column in schema if not pa.types.is_decimal(column.type) and column.name != ROW]
    summed = [name for name in (wire_format.invoice, wire_format.currency) if name]
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=texts,
        write_statistics=[*summed, ROW],
        store_schema=False,
    )


@dataclass(slots=True)
class _Output:
    """Where the sound rows of a file go: checked against the model of their kind, a row group at a time."""

    wire_format: WireFormat
    file: LandedFile
    writer: pq.ParquetWriter

    def write(self, held: list[pa.Table]) -> None:
        table = pa.concat_tables([_encoded(table) for table in held]).unify_dictionaries()
        if not table.num_rows:
            return
        check(self.wire_format, table)
        place = pa.nulls(table.num_rows, pa.int32()).fill_null(0)
        constants = (self.file.name, self.file.sha256)
        named = [pa.DictionaryArray.from_arrays(place, pa.array([value])) for value in constants]
        whole = pa.Table.from_arrays([*table.columns[:-1], *named, table.columns[-1]], schema=self.writer.schema)
        self.writer.write_table(whole, row_group_size=2 * _ROW_GROUP)


def _encoded(table: pa.Table) -> pa.Table:
    """The table with every text as a dictionary, which is how Parquet keeps it."""
    columns = [column.dictionary_encode() if column.type == pa.string() else column for column in table.columns]
    return pa.Table.from_arrays(columns, names=table.column_names)


def _write_all(output: _Output, batches: Iterable[_Prepared], tally: _Tally, *, by_batch: bool) -> None:
    held: list[pa.Table] = []
    for prepared in batches:
        batch = _moved(prepared, tally.rows) if by_batch and tally.rows else prepared
        tally.add(batch)
        held.append(batch.sound)
        if sum(table.num_rows for table in held) >= _ROW_GROUP:
            output.write(held)
            held = []
    if held:
        output.write(held)


def _moved(batch: _Prepared, by: int) -> _Prepared:
    """The batch with rows numbered within the file instead of within the batch."""
    numbers = pc.add(batch.sound[ROW], pa.scalar(by, pa.int64()))
    batch.sound = batch.sound.set_column(batch.sound.num_columns - 1, ROW, numbers)
    batch.rejects = [replace(reject, row=reject.row + by) for reject in batch.rejects]
    return batch


def _tell_open_month(rows: Rows, batch: TypedBatch) -> None:
    """A file whose first rows name no invoice is of an open month: from here on it is read as that."""
    billed = rows.wire_format
    if billed.kind not in OPEN_OF or billed.invoice is None or not batch.table.num_rows:
        return
    if batch.table[billed.invoice].null_count == batch.table.num_rows:
        portal = billed.column[billed.invoice].portal
        batch.rejects = [one for one in batch.rejects if (one.column, one.value) != (portal, None)]
        rows.wire_format = OPEN_OF[billed.kind]


def _sidecar(wire_format: WireFormat, file: LandedFile, tally: _Tally, unknown: tuple[str, ...]) -> dict[str, object]:
    without_invoice = tally.sums.count_rejected(tally.rejects)
    quarantined = len({reject.row for reject in tally.rejects})
    return {
        "file_sha256": file.sha256,
        "source_file": file.name,
        "kind": wire_format.kind,
        "rows_total": tally.rows,
        "rows_staged": tally.staged,
        "rows_quarantined": quarantined,
        "rows_without_invoice": without_invoice if wire_format.invoice else 0,
        "message": _message(tally, quarantined, unknown),
        "invoices": [sums.stored(invoice) for invoice, sums in sorted(tally.sums.invoices.items())],
        **({"open_months": tally.sums.stored_months()} if wire_format.kind in BILLED_OF else {}),
    }


def _message(tally: _Tally, quarantined: int, unknown: tuple[str, ...]) -> str:
    parts = []
    if quarantined:
        parts.append(f"{quarantined} of {tally.rows} rows could not be read and are in quarantine")
    parts += [text.format(count=tally.noticed[what]) for what, text in _NOTICES.items() if tally.noticed[what]]
    if unknown:
        more = f" and {len(unknown) - _UNKNOWN_SHOWN} more" if len(unknown) > _UNKNOWN_SHOWN else ""
        parts.append(f"unknown columns were ignored: {', '.join(unknown[:_UNKNOWN_SHOWN])}{more}")
    return "; ".join(parts)
