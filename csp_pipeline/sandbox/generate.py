"""Write a made-up partner as inbox files, commercial terms, `expected.json` and `scenario.json`.

The one public entry of the generator. Everything is written to a folder beside the result first and moved at the end,
so a run that was killed leaves nothing that looks finished.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from csp_pipeline.errors import UsageError
from csp_pipeline.sandbox import commercial, partner_center, planted_cases
from csp_pipeline.sandbox.catalogue import CURRENCIES
from csp_pipeline.sandbox.dates import months_through
from csp_pipeline.sandbox.distributor import write_distributor
from csp_pipeline.sandbox.documents import write_document
from csp_pipeline.sandbox.expected import write_expected
from csp_pipeline.sandbox.headers import invoice_headers
from csp_pipeline.sandbox.legacy_wire import write_legacy
from csp_pipeline.sandbox.partner import SCENARIO_FILE, Arguments, build_partner, write_arguments

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

EXPECTED_FILE = "expected.json"
PARTIAL_FOLDER = ".generate-partial"
MONTH_PATTERN = re.compile(r"20\d\d-(0[1-9]|1[0-2])")
MONTHS_AT_MOST = 24
ORDINARY_CUSTOMERS = 14


@dataclass(frozen=True)
class GenerateReport:
    """What was written where."""

    out: Path
    files: tuple[str, ...]
    invoices: int
    reconciliation_lines: int
    usage_rows: int
    planted: int


def generate(  # noqa: PLR0913  (each argument is one choice with a default)
    out: Path,
    *,
    customers: int | None = None,
    usage_rows: int = 20_000,
    months: tuple[str, str] = ("2026-07", "2026-09"),
    currencies: Sequence[str] = ("EUR", "USD", "JPY"),
    seed: int = 1,
    planted: str | None = None,
) -> GenerateReport:
    """Write a seeded scenario in Microsoft's formats; the same arguments give the same bytes.

    Args:
        out: Folder that gets `inbox/`, `commercial/` (the layout of CSP_HOME), `expected.json` and `scenario.json`.
        customers: Customer tenants; the first fourteen carry the special cases and planted anomalies. By default
            fourteen, or one for each planted case.
        usage_rows: Daily rated usage rows, all months together.
        months: First and last billing month, `YYYY-MM`.
        currencies: Billing currencies; each has one invoice of new commerce a month.
        seed: Draws identifiers and quantities.
        planted: Instead of these, planted differences by name (`planted_cases`), one customer each, in a partner that
            has no others: `all`, `none`, or names with commas between. Further customers are ordinary.

    Returns:
        Counts and file names.

    Raises:
        UsageError: An argument makes no sense, or `out` already holds files.
    """
    cases = None if planted is None else planted_cases.named(planted)
    customers = customers or (ORDINARY_CUSTOMERS if not cases else max(len(cases), len(currencies)))
    _check(out, customers, usage_rows, months, currencies)
    _check_cases(cases or (), customers, months)
    unfinished = out / PARTIAL_FOLDER
    if unfinished.exists():
        shutil.rmtree(unfinished)
    for folder in ("inbox", "commercial"):
        (unfinished / folder).mkdir(parents=True)
    arguments = Arguments(customers, usage_rows, months, tuple(currencies), seed, cases)
    partner = build_partner(arguments)
    scenario, changes = partner.scenario, partner.changes
    for document in partner.documents + partner.open_documents:
        write_document(scenario, document, partner.seat_lines, unfinished / "inbox")
    for legacy in partner.legacy_documents:
        write_legacy(scenario, legacy, unfinished / "inbox")
    for invoice in partner.distributor_documents:
        write_distributor(invoice, unfinished / "inbox")
    documents = partner.billed_documents
    headers = invoice_headers(documents, partner.legacy_documents)
    partner_center.write_all(scenario, headers, changes, unfinished / "inbox")
    commercial.write_all(scenario, changes, unfinished / "commercial")
    differences = write_expected(partner, unfinished / EXPECTED_FILE)
    write_arguments(arguments, unfinished / SCENARIO_FILE)
    return GenerateReport(
        out=out,
        files=_move_into_place(unfinished, out),
        invoices=len(partner.provider_documents),
        reconciliation_lines=sum(len(document.lines) for document in documents),
        usage_rows=sum(document.usage_rows for document in documents),
        planted=differences,
    )


def _check(out: Path, customers: int, usage_rows: int, months: tuple[str, str], currencies: Sequence[str]) -> None:
    first, last = months
    for month in months:
        if not MONTH_PATTERN.fullmatch(month):
            raise UsageError(f"the months must be given as YYYY-MM..YYYY-MM, but {month!r} is not a month")
    if first > last:
        raise UsageError(f"the first month {first} is after the last month {last}: give the earlier one first")
    if (int(last[:4]) - int(first[:4])) * 12 + int(last[5:]) - int(first[5:]) >= MONTHS_AT_MOST:
        raise UsageError(f"{first}..{last} is more than {MONTHS_AT_MOST} months: give a shorter span")
    _check_currencies(currencies)
    if customers < len(currencies):
        raise UsageError(
            f"{customers} customers cannot fill invoices in {len(currencies)} currencies: give at least as many"
        )
    if usage_rows < 0:
        raise UsageError(f"the number of usage rows must not be negative, but it is {usage_rows}")
    taken = [path for name in ("inbox", "commercial") if (path := out / name).is_dir() and any(path.iterdir())]
    taken += [path for name in (EXPECTED_FILE, SCENARIO_FILE) if (path := out / name).exists()]
    if taken or (out.exists() and not out.is_dir()):
        found = taken[0] if taken else out
        raise UsageError(
            f"{found} already exists: generate writes into an empty folder only, so choose another or remove it"
        )


def _check_cases(cases: Sequence[str], customers: int, months: tuple[str, str]) -> None:
    if not cases:
        return
    if customers < len(cases):
        raise UsageError(f"{len(cases)} planted cases need a customer each, but there are {customers}: give more")
    least, most = planted_cases.MONTHS_AT_LEAST, planted_cases.MONTHS_AT_MOST
    if not least <= len(months_through(*months)) <= most:
        raise UsageError(
            f"planted cases need {least} to {most} months, but {months[0]}..{months[1]} is not: give another span"
        )


def _check_currencies(currencies: Sequence[str]) -> None:
    if not currencies:
        raise UsageError("no currency was given: name at least one, such as EUR")
    for code in currencies:
        if code not in CURRENCIES:
            raise UsageError(f"unknown currency {code!r}: choose from {', '.join(sorted(CURRENCIES))}")
    if len(set(currencies)) < len(currencies):
        raise UsageError(f"a currency is named twice in {','.join(currencies)}: name each one once")


def _move_into_place(unfinished: Path, out: Path) -> tuple[str, ...]:
    """Rename whole folders, the inbox last: until it is there, nobody takes the partner for complete."""
    written = sorted(path.relative_to(unfinished).as_posix() for path in unfinished.rglob("*") if path.is_file())
    for name in (EXPECTED_FILE, SCENARIO_FILE):
        (unfinished / name).replace(out / name)
    for folder in ("commercial", "inbox"):
        if (out / folder).exists():
            (out / folder).rmdir()
        (unfinished / folder).rename(out / folder)
    unfinished.rmdir()
    return tuple(written)
