"""What changed on provider documents, by customer, and what was known on a day."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.steps.cost_overviews import build_cost_overviews
from csp_pipeline_tests.models.staged_rows import header, line, line_version, seats, usage

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


def restated(partner: StagedPartner, settings: Settings, columns: str = COLUMNS) -> list[tuple[object, ...]]:
    build_cost_overviews(partner.con, settings)
    return [tuple(row.values()) for row in partner.rows(f"SELECT {columns} FROM cost.restatements ORDER BY ALL")]


def two_versions(partner: StagedPartner) -> StagedPartner:
    first = [seats("100"), seats("40", customer_id="tenant-b"), seats("7", customer_id="tenant-c")]
    second = [seats("110"), seats("40", customer_id="tenant-b"), seats("5", customer_id="tenant-d")]
    versions = [*(line_version(row, 1) for row in first), *(line_version(row, 2) for row in second)]
    return partner.stage(reconciliation=second, line_versions=versions).build()


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
    assert told == [(date(2026, 10, 1), date(2026, 10, 2), "reconciliation-v1.csv", "reconciliation-v2.csv")]


def known(partner: StagedPartner, day: str, more: str = "TRUE") -> Decimal | None:
    """What the lines of the documents summed to, as known at the end of a day."""
    row = partner.con.execute(
        f"SELECT sum(subtotal_amount) FROM cost.known_on(?) WHERE {more}", [date.fromisoformat(day)]
    ).fetchone()
    return None if row is None else row[0]


def test_what_was_known_on_a_day_is_asked_by_document_and_by_customer(partner: StagedPartner) -> None:
    two_versions(partner)
    asked = {day: known(partner, day, "invoice_number = 'G1'") for day in ("2026-09-30", "2026-10-01", "2026-10-02")}
    assert asked == {"2026-09-30": None, "2026-10-01": Decimal(147), "2026-10-02": Decimal(155)}
    assert known(partner, "2026-10-01", "customer_id = 'tenant-c'") == Decimal(7)
    assert known(partner, "2027-01-01", "customer_id = 'tenant-c'") is None


def test_an_earlier_version_that_arrives_late_is_not_known_before_it_came(partner: StagedPartner) -> None:
    two_versions(partner)
    partner.con.execute("UPDATE meta.document_versions SET known_at = '2026-10-09' WHERE version_number = 1")
    partner.build()
    assert (known(partner, "2026-10-01"), known(partner, "2026-10-02"), known(partner, "2026-10-09")) == (
        None,
        Decimal(155),
        Decimal(155),
    )


def test_usage_that_is_sent_again_is_a_restatement_without_a_change_of_cost(
    partner: StagedPartner, settings: Settings
) -> None:
    earlier: Row = {
        "kind": "daily_usage",
        "invoice_number": "G1",
        "version_number": 1,
        "customer_id": "tenant-a",
        "net": "7",
    }
    partner.stage(
        daily_usage=[usage("9.5", quantity="3"), usage("0.4", quantity="1")],
        reconciliation=[line("9.90", billable_quantity="4")],
        usage_versions=[earlier],
    ).build()
    build_cost_overviews(partner.con, settings)
    found = partner.only("SELECT * FROM cost.restatements")
    assert (found["source_kind"], found["difference_amount"], found["usage_difference_amount"]) == (
        "daily_usage", 0, Decimal("2.9"),
    )  # fmt: skip
    assert (found["version_before"], found["version_after"]) == (1, 2)
    assert (found["lines_before"], found["lines_after"]) == (1, 2)
    asked = "SELECT sum(usage_amount) AS usage, sum(subtotal_amount) AS cost FROM cost.known_on(DATE '2026-10-02')"
    assert partner.only(asked) == {"usage": Decimal("9.9"), "cost": Decimal("9.90")}


def test_a_legacy_document_that_is_sent_again_is_a_restatement(partner: StagedPartner, settings: Settings) -> None:
    charge: Row = {
        "invoice_number": "D1",
        "customer_id": "tenant-a",
        "subtotal": "42",
        "total_for_customer": "42",
        "currency": "EUR",
        "charge_start_date": "2026-09-01",
        "syndication_partner_subscription_number": "sub",
        "quantity": "2",
        "unit_price": "21",
        "amount": "42",
        "total_other_discount": "0",
    }
    told: Row = {"kind": "legacy_licence", "invoice_number": "D1", "customer_id": "tenant-a"}
    partner.stage(
        invoice_headers=[header("42", invoice_number="D1")],
        legacy_licence=[charge],
        line_versions=[
            told | {"version_number": 1, "subtotal": "40", "total": "40"},
            told | {"version_number": 2, "subtotal": "42", "total": "42"},
        ],
    ).build()
    found = restated(partner, settings, f"source_kind, {COLUMNS}")
    assert found == [("legacy_licence", "new_version", "D1", "D1", "tenant-a", 40, 42, 2)]


def test_documents_of_two_providers_with_one_number_are_told_apart(partner: StagedPartner, settings: Settings) -> None:
    shared: Row = {"kind": "distributor_sample", "invoice_number": "G1", "customer_id": "tenant-a"}
    bought: Row = {
        "provider": "sample",
        "invoice_number": "G1",
        "customer_id": "tenant-a",
        "extended_price": "6",
        "total_amount": "6",
        "quantity": "1",
        "unit_price": "6",
        "currency": "EUR",
    }
    sold = seats("100")
    partner.stage(
        reconciliation=[sold],
        distributor_invoice=[bought],
        invoice_headers=[header("100")],
        line_versions=[
            line_version(sold),
            shared | {"version_number": 1, "subtotal": "5", "total": "5"},
            shared | {"version_number": 2, "subtotal": "6", "total": "6"},
        ],
    )
    partner.con.execute(
        """INSERT INTO meta.file_invoices BY NAME SELECT 'distributor_sample' AS kind, 'G1' AS invoice_number,
        'd' AS file_sha256, 'EUR' AS currency, '2026-09' AS lines_month, 1 AS rows_staged, 0 AS rows_quarantined,
        6 AS amount_staged, 6 AS total_staged, TRUE AS is_current"""
    )
    partner.build()
    columns = "provider, change_kind, subtotal_before_amount, subtotal_after_amount"
    assert restated(partner, settings, columns) == [("sample", "new_version", 5, 6)]
    owed = partner.rows("SELECT total_amount FROM cost.payables ORDER BY total_amount")
    assert [row["total_amount"] for row in owed] == [6, 100]


def test_a_derived_void_tells_what_was_known_of_the_document_from_its_header_on(
    partner: StagedPartner, settings: Settings
) -> None:
    note = header("-110", invoice_number="G9", document_type="void_note", amends_of="G1")
    partner.stage(
        invoice_headers=[header("110"), note],
        reconciliation=[seats("110")],
        line_versions=[line_version(seats("100"), 1), line_version(seats("110"), 2)],
    )
    partner.con.execute(
        """UPDATE meta.document_versions SET known_at = '2026-10-05', effective_at = '2026-10-05'
        WHERE kind = 'invoice_headers'"""
    )
    partner.build()
    days = ("2026-10-01", "2026-10-02", "2026-10-05")
    assert [known(partner, day) for day in days] == [Decimal(100), Decimal(110), 0]
    assert restated(partner, settings) == [
        ("new_version", "G1", "G1", "tenant-a", 100, 110, 10),
        ("void", "G1", "G9", "tenant-a", 110, 0, -110),
    ]


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
