"""The legacy and distributor documents of the made-up partner alone, and their cost without anything else.

What belongs here: the files as text that tests change, cut and repeat, and the steps from them to `cost`; no terms, no
drafts, no usage of new commerce, so that a test can take them in many times.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from csp_pipeline.sandbox.distributor import write_distributor
from csp_pipeline.sandbox.headers import invoice_headers
from csp_pipeline.sandbox.legacy_wire import write_legacy
from csp_pipeline.sandbox.partner import Arguments, build_partner
from csp_pipeline.sandbox.partner_center import write_collection
from csp_pipeline.steps import cost, ingest
from csp_pipeline.storage.home import Home
from csp_pipeline.storage.warehouse import writing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import duckdb

HEADERS = "invoices.json"
Files = dict[str, str]


@dataclass(frozen=True)
class Made:
    """The files by name, and the numbers of the documents of each kind in the order of months."""

    files: Files
    legacy: tuple[str, ...]
    distributors: tuple[str, ...]


@cache
def made(currency: str = "EUR", first_month: str = "2026-07") -> Made:
    """The documents through September 2026 in one currency, one file each; legacy licences and usage in two."""
    partner = build_partner(Arguments(usage_rows=0, months=(first_month, "2026-09"), currencies=(currency,)))
    with TemporaryDirectory() as folder:
        for legacy in partner.legacy_documents:
            write_legacy(partner.scenario, legacy, Path(folder))
        for invoice in partner.distributor_documents:
            write_distributor(invoice, Path(folder))
        write_collection(Path(folder) / HEADERS, "/invoices", invoice_headers((), partner.legacy_documents))
        files = {path.name: path.read_bytes().decode("utf-8-sig") for path in sorted(Path(folder).iterdir())}
    return Made(
        files,
        tuple(document.number for document in partner.legacy_documents),
        tuple(document.number for document in partner.distributor_documents),
    )


@contextmanager
def cost_of(folder: Path, *scans: Mapping[str, str]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Take in files, scan by scan, and fill `cost`.

    Args:
        folder: an empty folder that becomes the home.
        scans: files by name; each scan finds those of its own.

    Yields:
        A connection to the warehouse.
    """
    home = Home(folder).create()
    for files in scans:
        for name, text in files.items():
            (home.inbox / name).write_bytes(text.encode())
        ingest.land_and_stage(home, on_progress=lambda _: None)
    with writing(home) as con:
        ingest.load_file_catalogue(con, home)
        ingest.create_staged_views(con, home)
        cost.build_invoices(con, home)
        partitions = con.execute("SELECT DISTINCT billing_month, currency FROM cost.invoices ORDER BY ALL").fetchall()
        for month, currency in partitions:
            cost.build_cost_partition(con, home, month, currency)
        yield con
