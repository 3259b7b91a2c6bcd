"""A cent that does not belong: the invoice it is planted in is unproven by exactly that much, the others stay proven.

One partner whose nine invoices of new commerce carry them all, one to an invoice; what each must leave over is worked
out here, from the rows as text. Legacy and distributor documents are in `steps/test_planted_documents`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from csp_pipeline.sandbox.generate import generate
from csp_pipeline_tests.end_to_end.provider_files import ProviderFiles, Row
from csp_pipeline_tests.product import rows_of, warehouse_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from csp_pipeline_tests.conftest import Once

pytestmark = pytest.mark.long  # models/test_invoice_proof.py plants each of them in every run of the tests

RECONCILIATION, USAGE = "reconciliation", "dailyratedusage"
CENT = Decimal("0.01")
TEN_DECIMALS = Decimal("1E-10")
GROUP = ("CustomerId", "SubscriptionId", "ProductId", "SkuId", "MeterId", "PartnerEarnedCreditPercentage")


@dataclass(frozen=True)
class Planted:
    """What was planted in which invoice, and what has to come of it.

    Attributes:
        number: the invoice.
        unexplained: the amount that must be left over.
        file, rows: where `cost.unexplained_rows` has to point, at one of these; empty where only the header is off.
        meter_id: the meter it has to name where the row is a group of usage.
    """

    number: str
    unexplained: str
    file: str | None = None
    rows: Sequence[int] = ()
    meter_id: str | None = None


@dataclass(frozen=True)
class Case:
    """The partner with everything planted, and what came of it."""

    planted: dict[str, Planted]
    proofs: dict[str, dict[str, Any]]
    found: dict[str, list[dict[str, Any]]]
    contradictions: dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def case(once: Once) -> Case:
    folder = once("planted", _plant_and_take_in)
    planted = json.loads((folder / "planted.json").read_text("utf-8"), parse_float=Decimal)
    with duckdb.connect(str(folder / "home" / "warehouse.duckdb"), read_only=True) as connection:
        proofs = {row["invoice_number"]: row for row in rows_of(connection, "SELECT * FROM cost.invoice_proof")}
        found = defaultdict(list)
        for row in rows_of(connection, "SELECT * FROM cost.unexplained_rows"):
            found[row["invoice_number"]].append(row)
        contradictions = defaultdict(list)
        for row in rows_of(connection, "SELECT * FROM cost.contradictions"):
            contradictions[row["invoice_number"]].append(row)
    named = {name: Planted(**one) for name, one in planted.items()}
    return Case(named, proofs, dict(found), dict(contradictions))


def _plant_and_take_in(folder: Path) -> None:
    generate(folder / "made", usage_rows=3_000)
    files = ProviderFiles.read(folder / "made")
    euro, dollar, yen = _numbers(files, "EUR"), _numbers(files, "USD"), _numbers(files, "JPY")
    planted = {
        "header cent": _header(files, euro[0], CENT),
        "header yen": _header(files, yen[0], Decimal(1)),
        "usage cent": _usage_cent(files, dollar[0]),
        "usage missing": _usage_missing(files, dollar[1]),
        "usage doubled": _usage_doubled(files, dollar[2]),
        "seat line doubled": _line_doubled(files, euro[1], in_usage=False),
        "usage line doubled": _line_doubled(files, euro[2], in_usage=True),
        "seat line cent": _seat_cent(files, yen[1]),
    }
    with warehouse_of(files.write(folder / "home")):
        kept = {name: asdict(one) for name, one in planted.items()}
        (folder / "planted.json").write_text(json.dumps(kept, default=str), "utf-8")


@pytest.mark.parametrize(
    "name",
    [
        "header cent", "header yen", "usage cent", "usage missing", "usage doubled", "seat line doubled",
        "usage line doubled", "seat line cent",
    ],
)  # fmt: skip
def test_the_invoice_is_unproven_by_exactly_what_was_planted(name: str, case: Case) -> None:
    planted = case.planted[name]
    proof = case.proofs[planted.number]
    assert proof["proof_state"] == "unproven"
    assert proof["unexplained_amount"] == Decimal(planted.unexplained)


def test_every_other_invoice_stays_proven(case: Case) -> None:
    touched = {planted.number for planted in case.planted.values()}
    others = {number: proof for number, proof in case.proofs.items() if number not in touched}
    assert len(others) == len(case.proofs) - len(case.planted) >= 2
    assert {proof["proof_state"] for proof in others.values()} == {"proven"}
    assert set(case.found) <= touched
    assert set(case.contradictions) <= touched


@pytest.mark.parametrize("name", ["usage cent", "usage missing", "usage doubled", "usage line doubled"])
def test_the_unexplained_rows_point_at_what_was_planted(name: str, case: Case) -> None:
    planted = case.planted[name]
    rows = case.found[planted.number]
    assert {(planted.file, row) for row in planted.rows} & {(row["source_file"], row["source_row"]) for row in rows}
    assert planted.meter_id is None or any(planted.meter_id in row["reason"] for row in rows)


@pytest.mark.parametrize("name", ["header cent", "header yen", "seat line doubled", "usage line doubled"])
def test_a_gap_to_the_header_is_listed_with_the_lines_that_would_close_it(name: str, case: Case) -> None:
    planted = case.planted[name]
    rows = case.contradictions[planted.number]
    (document,) = [row for row in rows if row["reason"].startswith("header_differs")]
    assert abs(document["amount"]) == Decimal(planted.unexplained)
    places = {(row["source_file"], row["source_row"]) for row in rows if row["is_header_gap"]}
    assert {(planted.file, row) for row in planted.rows} <= places


def test_a_seat_line_off_by_a_yen_is_located_by_its_price(case: Case) -> None:
    planted = case.planted["seat line cent"]
    rows = [row for row in case.contradictions[planted.number] if row["line_id"] is not None]
    assert [(row["source_file"], row["source_row"], row["amount"]) for row in rows] == [
        (planted.file, planted.rows[0], 1)
    ]


def test_the_unexplained_rows_of_an_invoice_sum_to_its_usage_gap(case: Case) -> None:
    for number, proof in case.proofs.items():
        gap = sum((row["amount"] for row in case.found.get(number, [])), Decimal(0))
        assert gap.quantize(TEN_DECIMALS, ROUND_HALF_UP) == proof["usage_gap_amount"], number


@pytest.mark.parametrize("name", ["header cent", "header yen", "seat line doubled", "seat line cent"])
def test_what_is_off_in_the_header_alone_leaves_no_usage_gap(name: str, case: Case) -> None:
    proof = case.proofs[case.planted[name].number]
    assert proof["usage_gap_amount"] == 0
    assert abs(proof["header_gap_amount"]) == Decimal(case.planted[name].unexplained)


def _numbers(files: ProviderFiles, currency: str) -> list[str]:
    return sorted(
        number
        for (kind, number), rows in files.documents.items()
        if kind == RECONCILIATION and rows[0]["Currency"] == currency
    )


def _header(files: ProviderFiles, number: str, more: Decimal) -> Planted:
    """A header that states more; where the document bears tax beside its lines, that tax is no longer told from it."""
    path = files.folder / "inbox" / "invoices.json"
    headers = json.loads(path.read_text("utf-8"), parse_float=str, parse_int=str)
    (header,) = [header for header in headers["items"] if header["id"] == number]
    total = Decimal(header["totalCharges"])
    text = path.read_text("utf-8")
    at = text.index(f'"{number}"')
    before = f'"totalCharges": {header["totalCharges"]}'
    assert text.count(before, at) >= 1
    path.write_text(text[:at] + text[at:].replace(before, f'"totalCharges": {total + more}', 1), "utf-8")
    lines = files.documents[RECONCILIATION, number]
    return Planted(number, str(total + more - _sum(lines, "Total")))


def _usage_cent(files: ProviderFiles, number: str) -> Planted:
    """A cent on a row, whose price stays: off is the row's distance from pricing amount x FX."""
    rows = files.documents[USAGE, number]
    index = _dearest(rows)
    row = rows[index]
    net = Decimal(row["BillingPreTaxTotal"]) + CENT
    rows[index] = {**row, "BillingPreTaxTotal": f"{net:f}"}
    priced = Decimal(row["PricingPreTaxTotal"]) * Decimal(row["PCToBCExchangeRate"])
    unexplained = abs(net - priced).quantize(TEN_DECIMALS, ROUND_HALF_UP)
    return Planted(number, str(unexplained), f"{number}_{USAGE}.csv", (index + 1,))


def _usage_missing(files: ProviderFiles, number: str) -> Planted:
    """A row that did not come: its line and the usage left of its meter are what remains."""
    rows = files.documents[USAGE, number]
    taken = rows.pop(_dearest(rows))
    left = _alike(rows, taken)
    return _line_against_usage(files, number, [*left, taken], left)


def _usage_doubled(files: ProviderFiles, number: str) -> Planted:
    """A row that came twice: its line and all usage of its meter are what remains."""
    rows = files.documents[USAGE, number]
    row = rows[_dearest(rows)]
    before = _alike(rows, row)
    rows.append(row)
    return _line_against_usage(files, number, before, [*before, row])


def _line_against_usage(files: ProviderFiles, number: str, sent: list[Row], found: list[Row]) -> Planted:
    """The line billed for the usage that was sent, against the usage that is found."""
    quantity = _sum(sent, "Quantity")
    lines = files.documents[RECONCILIATION, number]
    (index,) = [
        index
        for index, line in enumerate(lines)
        if all(line[name] == sent[0][name] for name in GROUP[:4]) and Decimal(line["BillableQuantity"]) == quantity
    ]
    unexplained = abs(Decimal(lines[index]["Subtotal"]) - _sum(found, "BillingPreTaxTotal"))
    return Planted(
        number,
        str(unexplained.quantize(TEN_DECIMALS, ROUND_HALF_UP)),
        f"{number}_{RECONCILIATION}.csv",
        (index + 1,),
        sent[0]["MeterId"],
    )


def _line_doubled(files: ProviderFiles, number: str, *, in_usage: bool) -> Planted:
    """A line that stands in the file twice, either of which is too much: the header is short of its total."""
    lines = files.documents[RECONCILIATION, number]
    used = {tuple(row[name] for name in GROUP[:4]) for row in files.documents[USAGE, number]}
    index, line = max(
        (
            (index, line)
            for index, line in enumerate(lines)
            if (tuple(line[n] for n in GROUP[:4]) in used) is in_usage and line["PublisherName"].startswith("Microsoft")
        ),
        key=lambda one: Decimal(one[1]["Total"]),
    )
    lines.insert(index + 1, line)
    twins = (index + 1, index + 2)
    return Planted(number, line["Total"], f"{number}_{RECONCILIATION}.csv", twins)


def _seat_cent(files: ProviderFiles, number: str) -> Planted:
    """A minor unit more on a seat line, which no published rule gives for its price and quantity."""
    lines = files.documents[RECONCILIATION, number]
    used = {tuple(row[name] for name in GROUP[:4]) for row in files.documents[USAGE, number]}
    index, line = next(
        (index, line)
        for index, line in enumerate(lines)
        if tuple(line[name] for name in GROUP[:4]) not in used and Decimal(line["Subtotal"]) > 0
        if Decimal(line["BillableQuantity"]) > 1
    )
    lines[index] = {**line, **{name: str(Decimal(line[name]) + 1) for name in ("Subtotal", "Total")}}
    headers = json.loads((files.folder / "inbox" / "invoices.json").read_text("utf-8"), parse_float=Decimal)
    (total,) = [Decimal(header["totalCharges"]) for header in headers["items"] if header["id"] == number]
    unexplained = abs(total - _sum(lines, "Total"))
    return Planted(number, str(unexplained), f"{number}_{RECONCILIATION}.csv", (index + 1,))


def _dearest(rows: list[Row]) -> int:
    """The row with earned credit that costs most: its meter is one of many of its Azure plan."""
    earned = [index for index, row in enumerate(rows) if Decimal(row["PartnerEarnedCreditPercentage"] or 0)]
    return max(earned, key=lambda index: Decimal(rows[index]["BillingPreTaxTotal"]))


def _alike(rows: Iterable[Row], like: Row) -> list[Row]:
    return [row for row in rows if all(row[name] == like[name] for name in GROUP)]


def _sum(rows: Iterable[Row], name: str) -> Decimal:
    return sum((Decimal(row[name]) for row in rows), Decimal(0))
