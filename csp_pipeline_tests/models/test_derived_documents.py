"""A void note without a file is derived: what it voids, with the opposite sign, proved against its own header."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from csp_pipeline.storage.home import Home
from csp_pipeline_tests.models.staged_rows import header, line, open_partner, seats, usage

if TYPE_CHECKING:
    from csp_pipeline_tests.models.staged_rows import Row, StagedPartner

NOTE = "G9"
PROOFS = "SELECT * FROM cost.invoice_proof ORDER BY invoice_number"
SUMS = """
    SELECT count(*) AS lines, sum(subtotal_amount) AS subtotal, sum(tax_amount) AS tax, sum(total_amount) AS total,
        sum(billable_quantity) AS quantity, sum(billable_quantity_sent) AS sent
    FROM cost.invoice_lines
"""


def void(total: str | None, **more: object) -> Row:
    """A void note of G1, as nested in it: without a billing period of its own."""
    own: Row = {
        "invoice_number": NOTE,
        "document_type": "void_note",
        "amends_of": "g1",
        "invoice_date": "2026-10-20",
        "billing_period_start_date": None,
        "billing_period_end_date": None,
    }
    return header(total, **(own | more))


def voided_month(partner: StagedPartner, note: Row) -> StagedPartner:
    """Consumption of 9.99, ten seats taxed at 20 %, and a wiped seat line that counts negatively."""
    return partner.stage(
        daily_usage=[usage("9.9987", quantity="3")],
        reconciliation=[
            line("9.99", billable_quantity="3"),
            seats("100", tax_total="20", total="120"),
            seats("-40", tax_total="-8", total="-48", billable_quantity="4"),
            seats("0", effective_unit_price="2", billable_quantity="7"),
        ],
        invoice_headers=[header("81.99"), note],
    ).build()


def test_a_void_note_without_a_file_reverses_the_document_it_voids(partner: StagedPartner) -> None:
    voided_month(partner, void("-81.99"))
    states = partner.rows(
        """SELECT invoice_number, state, reverses_invoice_number, billing_month, currency, total_amount, has_files
        FROM cost.invoices ORDER BY invoice_number"""
    )
    assert [tuple(row.values()) for row in states] == [
        ("G1", "voided", None, "2026-09", "EUR", Decimal("81.99"), True),
        (NOTE, "derived", "G1", "2026-09", "EUR", Decimal("-81.99"), False),
    ]
    assert partner.only(SUMS) == {"lines": 8, "subtotal": 0, "tax": 0, "total": 0, "quantity": 0, "sent": 0}
    derived = partner.rows("SELECT * FROM cost.invoice_lines WHERE is_derived ORDER BY source_row")
    assert [(row["subtotal_amount"], row["billable_quantity"]) for row in derived] == [
        (Decimal("-9.99"), -3),
        (-100, -10),
        (40, 4),
        (0, -7),
    ]
    assert {(row["invoice_number"], row["source_file"]) for row in derived} == {(NOTE, "recon.csv")}
    assert partner.only("SELECT count(DISTINCT line_id) AS ids FROM cost.invoice_lines")["ids"] == 8


def test_its_usage_and_what_is_carried_down_are_reversed_too(partner: StagedPartner) -> None:
    voided_month(partner, void("-81.99"))
    sums = partner.only(
        "SELECT sum(net_amount) AS net, sum(pec_amount) AS pec, sum(pricing_amount) AS priced FROM cost.daily_usage"
    )
    assert sums == {"net": 0, "pec": 0, "priced": 0}
    carried = partner.rows(
        """SELECT invoice_number, part.entitlement_id, part.billed_amount
        FROM cost.line_allocations AS part INNER JOIN cost.invoice_lines USING (line_id) ORDER BY invoice_number"""
    )
    assert [tuple(row.values()) for row in carried] == [
        ("G1", "ent-1", Decimal("9.99")),
        (NOTE, "ent-1", Decimal("-9.99")),
    ]


def test_it_is_proved_against_its_own_header(partner: StagedPartner) -> None:
    voided_month(partner, void("-81.98"))
    original, note = partner.rows(PROOFS)
    assert (original["proof_state"], original["matched_lines_percent"]) == ("proven", 100)
    assert (note["proof_state"], note["header_gap_amount"], note["usage_gap_amount"]) == (
        "unproven", Decimal("0.01"), 0,
    )  # fmt: skip
    assert (original["rounding_amount"], note["rounding_amount"]) == (Decimal("-0.0087"), Decimal("0.0087"))
    assert note["matched_lines_percent"] == 100


def test_a_void_note_of_another_month_carries_its_lines_there(partner: StagedPartner) -> None:
    voided_month(partner, void("-81.99", billing_period_start_date="2026-10-01")).build("2026-10")
    months = partner.rows(
        "SELECT billing_month, sum(subtotal_amount) AS amount FROM cost.invoice_lines GROUP BY ALL ORDER BY ALL"
    )
    assert [tuple(row.values()) for row in months] == [("2026-09", Decimal("69.99")), ("2026-10", Decimal("-69.99"))]


def test_a_void_note_with_a_file_is_what_its_file_says(partner: StagedPartner) -> None:
    partner.stage(
        reconciliation=[seats("100"), seats("-90", invoice_number=NOTE, file_sha256="n")],
        invoice_headers=[header("100"), void("-90")],
    ).build()
    states = partner.rows("SELECT state, reverses_invoice_number FROM cost.invoices ORDER BY invoice_number")
    assert [tuple(row.values()) for row in states] == [("voided", None), ("billed", None)]
    assert partner.only(SUMS)["subtotal"] == 10


def test_a_void_note_with_a_file_of_usage_alone_reverses_the_lines(partner: StagedPartner) -> None:
    partner.stage(
        daily_usage=[
            usage("9.999", quantity="3"),
            usage("-9.999", quantity="-3", invoice_number=NOTE, file_sha256="n"),
        ],
        reconciliation=[line("9.99", billable_quantity="3"), seats("100")],
        invoice_headers=[header("109.99"), void("-109.99")],
    ).build()
    flags = partner.only("SELECT state, are_lines_derived, is_usage_derived FROM cost.invoices WHERE state <> 'voided'")
    assert flags == {"state": "derived", "are_lines_derived": True, "is_usage_derived": False}
    assert partner.only(SUMS)["subtotal"] == 0
    assert partner.only("SELECT count(*) AS n, sum(net_amount) AS net FROM cost.daily_usage") == {"n": 2, "net": 0}
    assert {row["proof_state"] for row in partner.rows(PROOFS)} == {"proven"}


def test_a_void_note_with_a_file_of_lines_alone_reverses_the_usage(partner: StagedPartner) -> None:
    partner.stage(
        daily_usage=[usage("9.999", quantity="3")],
        reconciliation=[
            line("9.99", billable_quantity="3"),
            line("-9.99", billable_quantity="-3", invoice_number=NOTE, file_sha256="n"),
        ],
        invoice_headers=[header("9.99"), void("-9.99")],
    ).build()
    flags = partner.only("SELECT state, are_lines_derived, is_usage_derived FROM cost.invoices WHERE state <> 'voided'")
    assert flags == {"state": "billed", "are_lines_derived": False, "is_usage_derived": True}
    assert partner.only(SUMS)["lines"] == 2
    assert partner.only("SELECT count(*) AS n, sum(net_amount) AS net FROM cost.daily_usage") == {"n": 2, "net": 0}
    assert {row["proof_state"] for row in partner.rows(PROOFS)} == {"proven"}


def test_nothing_is_derived_from_a_document_without_files_or_from_a_credit_note(partner: StagedPartner) -> None:
    unknown = void("-5", amends_of="G404")
    credit = void("-8", invoice_number="G8", document_type="adjustment_note")
    partner.stage(reconciliation=[seats("100")], invoice_headers=[header("100"), unknown, credit]).build()
    proofs = {row["invoice_number"]: (row["proof_state"], row["unexplained_amount"]) for row in partner.rows(PROOFS)}
    # neither has a billing period or lines: they stand in the month of their date
    partner.build("2026-10")
    proofs |= {row["invoice_number"]: (row["proof_state"], row["unexplained_amount"]) for row in partner.rows(PROOFS)}
    assert proofs == {"G1": ("proven", 0), NOTE: ("unproven", 5), "G8": ("unproven", 8)}


def test_a_credit_note_without_usage_stands_with_its_lines_alone(partner: StagedPartner) -> None:
    credit = line("-3.10", invoice_number="G8", billable_quantity="-1", file_sha256="c")
    partner.stage(
        daily_usage=[usage("9.999", quantity="3")],
        reconciliation=[line("9.99", billable_quantity="3"), credit],
        invoice_headers=[
            header("9.99"),
            header("-3.10", invoice_number="G8", document_type="adjustment_note", amends_of="G1"),
        ],
    ).build()
    proofs = partner.rows(PROOFS)
    assert [(row["proof_state"], row["not_in_daily_usage_amount"]) for row in proofs] == [
        ("proven", 0),
        ("proven", Decimal("-3.10")),
    ]


@settings(max_examples=5)
@given(
    nets=st.lists(st.decimals("-50", "50", places=10), min_size=1, max_size=4),
    subtotals=st.lists(st.decimals("-500", "500", places=2), min_size=1, max_size=4),
)
def test_a_document_and_its_derived_void_add_up_to_nothing(nets: list[Decimal], subtotals: list[Decimal]) -> None:
    partner = open_partner(Home(Path("unused")))
    partner.stage(
        daily_usage=[usage(str(net), quantity=str(place), meter_id=f"m{place}") for place, net in enumerate(nets, 1)],
        reconciliation=[line(str(amount), billable_quantity=str(place)) for place, amount in enumerate(subtotals, 1)],
        invoice_headers=[header("1"), void("-1")],
    ).build()
    for table, amount in {
        "invoice_lines": "subtotal_amount",
        "daily_usage": "net_amount",
        "line_allocations": "billed_amount",
        "invoice_proof": "rounding_amount",
        "usage_groups": "pec_amount",
    }.items():
        assert partner.only(f"SELECT coalesce(sum({amount}), 0) AS amount FROM cost.{table}")["amount"] == 0, table
    assert partner.only("SELECT sum(usage_gap_amount) AS gap FROM cost.invoice_proof")["gap"] == 0
    partner.close()
