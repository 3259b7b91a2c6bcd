"""What changed on provider documents, by customer, and what was known on a day."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.steps.cost_overviews import build_cost_overviews
from csp_pipeline_tests.models.staged_rows import header, seats

if TYPE_CHECKING:
    from csp_pipeline.settings import Settings
    from csp_pipeline_tests.models.staged_rows import Row, StagedPartner

COLUMNS = """
change_kind, original_invoice_number, invoice_number, customer_id, subtotal_before_amount, subtotal_after_amount,
difference_amount
"""
MARGIN = """
INSERT INTO reconciliation.revenue_vs_cost BY NAME
SELECT '2026-09' AS service_month, 'TENANT-A' AS customer_id, ? AS currency, 'EUR' AS cost_currency,
    50 AS margin_amount, 110 AS cost_original_amount, CAST(? AS DECIMAL(38, 18)) AS fx_rate
"""


def version(number: int, subtotal: str, customer: str = "tenant-a", **more: object) -> Row:
    """A seat line of a version of G1."""
    row: Row = {"version_number": number, "customer_id": customer, "source_file": f"v{number}.csv"}
    return seats(subtotal, **{**row, "file_sha256": f"v{number}", **more})


def restated(partner: StagedPartner, settings: Settings, columns: str = COLUMNS) -> list[tuple[object, ...]]:
    build_cost_overviews(partner.con, settings)
    return [tuple(row.values()) for row in partner.rows(f"SELECT {columns} FROM cost.restatements ORDER BY ALL")]


def two_versions(partner: StagedPartner) -> StagedPartner:
    versions = [
        version(1, "100"),
        version(1, "40", "tenant-b"),
        version(1, "7", "tenant-c"),
        version(2, "110"),
        version(2, "40", "tenant-b"),
        version(2, "5", "tenant-d"),
    ]
    current = [row for row in versions if row["version_number"] == 2]
    return partner.stage(reconciliation=current, reconciliation_versions=versions).build()


def test_a_new_version_shows_each_customer_whose_amount_changed(partner: StagedPartner, settings: Settings) -> None:
    found = restated(two_versions(partner), settings)
    assert found == [
        ("new_version", "G1", "G1", "tenant-a", 100, 110, 10),
        ("new_version", "G1", "G1", "tenant-c", 7, 0, -7),
        ("new_version", "G1", "G1", "tenant-d", 0, 5, 5),
    ]
    told = restated(
        partner,
        settings,
        "DISTINCT CAST(effective_before_at AS DATE), CAST(effective_after_at AS DATE), files_before, files_after",
    )
    assert told == [(date(2026, 10, 1), date(2026, 10, 2), "v1.csv", "v2.csv")]


def test_what_was_known_on_a_day_is_a_plain_condition(partner: StagedPartner) -> None:
    two_versions(partner)
    known = """
        SELECT sum(subtotal_amount) AS subtotal_amount FROM cost.invoice_versions
        WHERE effective_at <= CAST(? AS TIMESTAMP) AND (superseded_at IS NULL OR superseded_at > CAST(? AS TIMESTAMP))
    """
    days = {
        "2026-09-30": None,
        "2026-10-01 12:00": Decimal(147),
        "2026-10-02": Decimal(155),
        "2027-01-01": Decimal(155),
    }
    found = {day: partner.con.execute(known, [day, day]).fetchone() for day in days}
    assert found == {day: (amount,) for day, amount in days.items()}


@pytest.mark.parametrize(
    ("currency", "rate", "effect"), [("EUR", None, "-10"), ("USD", "1.1", "-11"), ("USD", None, None)]
)
def test_a_change_of_cost_takes_from_margin_in_the_currency_it_is_sold_in(
    partner: StagedPartner, settings: Settings, currency: str, rate: str | None, effect: str | None
) -> None:
    partner.con.execute(MARGIN, [currency, rate])
    two_versions(partner)
    build_cost_overviews(partner.con, settings)
    found = partner.rows(
        "SELECT customer_id, margin_currency, margin_amount, margin_effect_amount FROM cost.restatements ORDER BY ALL"
    )
    expected = (currency, Decimal(50), effect if effect is None else Decimal(effect))
    assert [tuple(row.values()) for row in found] == [
        ("tenant-a", *expected),
        ("tenant-c", None, None, None),
        ("tenant-d", None, None, None),
    ]


def test_a_void_and_its_replacement_are_told_one_after_the_other(partner: StagedPartner, settings: Settings) -> None:
    def amending(number: str, kind: str) -> Row:
        return header(None, invoice_number=number, document_type=kind, amends_of="G1", invoice_date="2026-10-20")

    partner.stage(
        invoice_headers=[header("100"), amending("G2", "invoice"), amending("G3", "void_note")],
        reconciliation=[
            seats("100"),
            seats("120", invoice_number="G2", file_sha256="r2"),
            seats("-100", invoice_number="G3", file_sha256="r3"),
        ],
    ).build()
    assert restated(partner, settings) == [
        ("replacement", "G1", "G2", "tenant-a", 0, 120, 120),
        ("void", "G1", "G3", "tenant-a", 100, 0, -100),
    ]


def test_a_credit_note_adds_to_the_document_it_amends(partner: StagedPartner, settings: Settings) -> None:
    note = header(None, invoice_number="G2", document_type="adjustment_note", amends_of="g1")
    credit = seats("-8", invoice_number="G2", file_sha256="r2")
    partner.stage(invoice_headers=[header("100"), note], reconciliation=[seats("100"), credit]).build()
    assert restated(partner, settings) == [("credit_note", "G1", "G2", "tenant-a", 100, 92, -8)]


def test_documents_known_once_are_no_restatement(partner: StagedPartner, settings: Settings) -> None:
    partner.stage(invoice_headers=[header("100")], reconciliation=[seats("100")]).build()
    assert restated(partner, settings) == []
