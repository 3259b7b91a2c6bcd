"""What is wrong in the inbox and the terms is told in one clear sentence each, and stops nothing else.

All of it lies in one home beside a healthy partner of two months, so that each also shows that the rest goes on.
"""

from __future__ import annotations

import csv
import gzip
import json
import shutil
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from csp_pipeline_tests.end_to_end.command import NEEDS_A_PERSON, invoked
from csp_pipeline_tests.end_to_end.conftest import Finished, finished, run_and_keep
from csp_pipeline_tests.end_to_end.contents import differing, published
from csp_pipeline_tests.end_to_end.provider_files import COLUMNS, ProviderFiles, csv_bytes, put
from csp_pipeline_tests.product import rows_of

if TYPE_CHECKING:
    from pathlib import Path

    from csp_pipeline_tests.conftest import Once

RECONCILIATION, USAGE = "reconciliation", "dailyratedusage"
STRANGER = {"CustomerId": "c0c0c0c0-0000-4000-8000-00000000ffff", "CustomerName": "A stranger"}
"""A tenant of no account: what comes of the bad files touches no healthy account."""
REFUSED = {
    "photo.csv": ("found a JPEG picture", "put the exported file itself in the inbox"),
    "empty.csv": ("found an empty file", "export it again"),
    "truncated.csv.gz": ("the gzip file ends too early", "fetch it again"),
    "header_only.csv": ("expected rows below the header, found none", "export the file again"),
    "bars.csv": ("expected a comma between columns, found a vertical bar", "export the file again with commas"),
    "semicolons.csv": ("expected a comma between columns, found a semicolon", "export the file again with commas"),
}
IN_PART = {
    "unreadable.csv": ("2 of 3 rows", "row 2, Subtotal = 'twelve' (expected a number like 1234.56)"),
    "two_currencies.csv": ("1 of 3 rows", "invoice G099000004 is in EUR, this row in USD; an invoice has one currency"),
}


@pytest.fixture(scope="module")
def bad(small: ProviderFiles, once: Once) -> Finished:
    def make(folder: Path) -> None:
        home = small.write(folder / "home")
        shutil.copy(small.folder / "expected.json", home)
        _put_bad_files(small, home)
        _add_bad_terms(home / "commercial")
        run_and_keep(invoked, home)

    return finished(once("bad-input", make))


def _put_bad_files(files: ProviderFiles, home: Path) -> None:
    number = max(number for _, number in files.documents)
    lines = [{**line, **STRANGER} for line in files.documents[RECONCILIATION, number][:3]]
    usage = [{**row, **STRANGER, "InvoiceNumber": "G099000001"} for row in files.documents[USAGE, number]]
    packed = gzip.compress(csv_bytes(COLUMNS[USAGE], usage))
    table = csv_bytes(COLUMNS[RECONCILIATION], [{**line, "InvoiceNumber": "G099000002"} for line in lines])
    inbox = home / "inbox"
    (inbox / "photo.csv").write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256)) * 20)
    (inbox / "empty.csv").write_bytes(b"")
    (inbox / "truncated.csv.gz").write_bytes(packed[: len(packed) // 2])
    (inbox / "header_only.csv").write_bytes(csv_bytes(COLUMNS[RECONCILIATION], []))
    (inbox / "bars.csv").write_bytes(table.replace(b",", b"|"))
    (inbox / "semicolons.csv").write_bytes(table.replace(b",", b";"))
    numbers = ({}, {"Subtotal": "twelve"}, {"Total": "1O.5"})
    unreadable = [{**line, "InvoiceNumber": "G099000003", **cell} for line, cell in zip(lines, numbers, strict=True)]
    put(home, "unreadable", RECONCILIATION, unreadable)
    currencies = ("EUR", "EUR", "USD")
    mixed = [{**line, "InvoiceNumber": "G099000004", "Currency": c} for line, c in zip(lines, currencies, strict=True)]
    put(home, "two_currencies", RECONCILIATION, mixed)


def _add_bad_terms(commercial: Path) -> None:
    """An account without tenants, a contract line that ends before it starts, and an optional table that is missing."""
    _append(commercial / "accounts.csv", account_id="A-9999", name="Without tenants")
    _append(commercial / "contract_lines.csv", contract_line_id="CL-9999", starts_on="2026-08-01", ends_on="2026-07-01")
    (commercial / "price_tiers.csv").unlink()


def _append(path: Path, **values: str) -> None:
    """Add a row like the first one of a table, with some other values."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows([*rows, {**rows[0], **values}])


def _sentences(summary: dict[str, Any], *parts: str) -> list[str]:
    """What the summary tells a person, or in passing, that holds all of these parts."""
    told = [*summary["needs_a_person"], *(notice["message"] for notice in summary["notices"])]
    return [sentence for sentence in told if all(part in sentence for part in parts)]


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_file_that_is_not_what_it_claims_is_refused_whole_in_one_sentence(name: str, bad: Finished) -> None:
    (sentence,) = [reason for reason in bad.summary["needs_a_person"] if name in reason]
    assert sentence.startswith(f"{name}: ")
    assert all(part in sentence for part in REFUSED[name])
    (file,) = [file for file in bad.summary["files"] if file["source_file"] == name]
    assert (file["status"], file["rows_staged"]) == ("refused", None)


@pytest.mark.parametrize("name", sorted(IN_PART))
def test_rows_that_cannot_be_used_are_told_with_file_row_column_value_and_reason(name: str, bad: Finished) -> None:
    (sentence,) = [reason for reason in bad.summary["needs_a_person"] if name in reason]
    assert sentence.startswith(f"{name}: ")
    assert all(part in sentence for part in IN_PART[name])
    assert sentence.endswith("put it in the inbox again.")


def test_every_quarantined_row_is_listed(bad: Finished) -> None:
    names = ("source_file", "source_row", "column_name", "value")
    assert [tuple(row[name] for name in names) for row in bad.summary["quarantine"]] == [
        ("two_currencies.csv", 3, "Currency", "USD"),
        ("unreadable.csv", 2, "Subtotal", "twelve"),
        ("unreadable.csv", 3, "Total", "1O.5"),
    ]


def test_rows_in_are_rows_staged_and_rows_quarantined(bad: Finished) -> None:
    taken = [file for file in bad.summary["files"] if file["status"] == "staged"]
    assert {file["source_file"] for file in taken} >= {"unreadable.csv", "two_currencies.csv"}
    assert all(file["rows_total"] == file["rows_staged"] + file["rows_quarantined"] for file in taken)
    assert sum(file["rows_quarantined"] for file in taken) == 3


@pytest.mark.parametrize(
    "parts",
    [
        ("accounts.csv", "A-9999", "has no tenant in account_tenants"),
        ("contract_lines.csv", "line", "column ends_on", "2026-07-01", "before starts_on 2026-08-01", "is not used"),
        ("price_tiers is missing", "it counts as empty"),
    ],
    ids=["account without tenants", "contract line that ends before it starts", "missing optional table"],
)
def test_what_is_wrong_in_the_terms_is_told_in_one_sentence(parts: tuple[str, ...], bad: Finished) -> None:
    assert len(_sentences(bad.summary, *parts)) >= 1
    assert len({sentence.removeprefix("Commercial terms: ") for sentence in _sentences(bad.summary, *parts)}) == 1


def test_the_rest_of_the_month_is_processed_and_published(bad: Finished) -> None:
    assert bad.exit_code == NEEDS_A_PERSON
    states = {row["invoice_number"]: row["proof_state"] for row in bad.summary["invoices"]}
    assert {states.pop("G099000003"), states.pop("G099000004")} == {"incomplete"}
    assert set(states) == {row["invoice_number"] for row in bad.expected["invoices"]}
    assert set(states.values()) == {"proven"}
    with duckdb.connect(str(bad.home / "published" / "csp.duckdb"), read_only=True) as connection:
        drafts = rows_of(connection, "SELECT account_id, billing_month, currency, net_amount FROM billing.invoices")
    assert {tuple(row.values())[:3]: row["net_amount"] for row in drafts} == {
        (row["account_id"], row["billing_month"], row["currency"]): Decimal(row["net_amount"])
        for row in bad.expected["drafts"]
    }


@pytest.mark.long
def test_rebuild_gives_the_same_rows_with_what_was_refused_and_quarantined(bad: Finished, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(bad.home, home)
    before = published(home)
    ran = invoked(home, "rebuild")
    assert ran.returncode == NEEDS_A_PERSON, ran.stderr
    assert differing(before, published(home)) == []


@pytest.mark.long
def test_without_a_required_table_cost_is_published_without_drafts(bad: Finished, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(bad.home, home)
    (home / "commercial" / "contract_lines.csv").unlink()
    ran = invoked(home, "run", "--json")
    assert ran.returncode == NEEDS_A_PERSON, ran.stderr
    summary = json.loads(ran.stdout)
    assert summary["drafts"] == []
    assert summary["invoices"] == bad.summary["invoices"]
    (sentence,) = [reason for reason in summary["needs_a_person"] if "contract_lines" in reason]
    assert "is missing; no invoice can be drafted without it" in sentence
    with duckdb.connect(str(home / "published" / "csp.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM billing.invoices").fetchone() == (0,)
