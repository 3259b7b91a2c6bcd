"""The proof on data as awkward as the real: doubled quantities, partial matches, blank and zero prices and rates."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline_tests.models.staged_rows import header, line, seats, usage

if TYPE_CHECKING:
    from csp_pipeline_tests.models.staged_rows import Row, StagedPartner

PROOF = "SELECT * FROM cost.invoice_proof"
PAIRS = """
    SELECT meter_id, subtotal_amount
    FROM cost.usage_groups INNER JOIN cost.invoice_lines USING (line_id) ORDER BY meter_id
"""


def proof_of(partner: StagedPartner, rows: list[Row], lines: list[Row], total: str, **more: str) -> Row:
    partner.stage(daily_usage=rows, reconciliation=lines, invoice_headers=[header(total, **more)]).build()
    return partner.only(PROOF)


def listed(partner: StagedPartner) -> Decimal:
    """What the unexplained rows sum to."""
    row = partner.con.execute("SELECT coalesce(sum(amount), 0) FROM cost.unexplained_rows").fetchone()
    assert row is not None
    return Decimal(row[0])


def test_more_lines_than_groups_of_a_quantity_leave_one_line_over(partner: StagedPartner) -> None:
    """Three lines of 744 hours, two meters: two match by their amounts, the third is compared alone."""
    proof = proof_of(
        partner,
        [usage(f"{n}.004", meter_id=f"m{n}", meter_name=None, quantity="744") for n in (1, 2)],
        [line(f"{n}", billable_quantity="744") for n in (1, 3, 2)],
        "6",
    )
    assert [tuple(row.values()) for row in partner.rows(PAIRS)] == [("m1", 1), ("m2", 2)]
    assert (proof["matched_lines_percent"], proof["usage_gap_amount"], listed(partner)) == (
        Decimal("66.6667"), 3, 3,
    )  # fmt: skip


def test_one_line_for_two_meters_is_compared_with_both_and_bounded(partner: StagedPartner) -> None:
    proof = proof_of(
        partner,
        [usage("1.005", meter_id="m1", quantity="2"), usage("2.006", meter_id="m2", quantity="3")],
        [line("3.01", billable_quantity="5")],
        "3.01",
    )
    assert (proof["proof_state"], proof["bounded_amount"], proof["matched_lines_percent"]) == (
        "bounded", Decimal("-0.001"), 0,
    )  # fmt: skip
    assert listed(partner) == 0


def test_two_lines_for_one_meter_are_compared_together_with_twice_the_bound(partner: StagedPartner) -> None:
    lines = [line("1.50", billable_quantity="2"), line("1.54", billable_quantity="3")]
    proof = proof_of(partner, [usage("3", quantity="5")], lines, "3.04")
    assert (proof["proof_state"], proof["bounded_amount"]) == ("bounded", Decimal("0.04"))
    lines[1] = line("1.55", billable_quantity="3")
    proof = proof_of(partner, [usage("3", quantity="5")], lines, "3.05")
    assert (proof["usage_gap_amount"], listed(partner)) == (Decimal("0.05"), Decimal("0.05"))


@pytest.mark.parametrize("place", [1, 2])
def test_of_services_that_share_price_and_quantity_the_description_finds_the_one_with_the_cent(
    partner: StagedPartner, place: int
) -> None:
    names = {1: "D2s v3", 2: "E2s v3"}
    lines = [
        line("10.01" if number == place else "10.00", billable_quantity="744", meter_description=f"Virtual {name}")
        for number, name in names.items()
    ]
    rows = [usage("10", meter_id=f"m{number}", meter_name=name, quantity="744") for number, name in names.items()]
    proof = proof_of(partner, rows, lines, "20.01")
    assert proof["usage_gap_amount"] == Decimal("0.01")
    found = partner.only("SELECT source_row, amount, reason FROM cost.unexplained_rows")
    assert tuple(found.values()) == (place, Decimal("0.01"), "line_differs_from_published_formula")


def test_negative_usage_is_truncated_towards_zero_like_positive(partner: StagedPartner) -> None:
    proof = proof_of(
        partner,
        [usage("-4.0199", quantity="-3"), usage("-1", quantity="-1")],
        [line("-5.01", billable_quantity="4")],  # the wire's +4 counts as -4
        "-5.01",
    )
    assert (proof["proof_state"], proof["matched_lines_percent"]) == ("proven", 100)
    assert proof["rounding_amount"] == Decimal("0.0099")


@pytest.mark.parametrize("rate", ["0", "0.000000000000000001"])
def test_a_rate_of_nothing_leaves_the_whole_line_unexplained_and_located(partner: StagedPartner, rate: str) -> None:
    proof = proof_of(
        partner,
        [usage("10", pc_to_bc_exchange_rate=rate)],
        [line("10", pc_to_bc_exchange_rate=rate)],
        "10",
    )
    # the line is 10 above its formula of 0, the usage row 10 above its price: 0 is left over between them
    assert proof["usage_gap_amount"] == listed(partner).quantize(Decimal("1E-10")) == 0
    reasons = [row["reason"] for row in partner.rows("SELECT reason FROM cost.unexplained_rows ORDER BY reason")]
    assert reasons == ["line_differs_from_published_formula", "usage_row_differs_from_its_price"]


def test_a_missing_rate_is_one(partner: StagedPartner) -> None:
    blank = {"pc_to_bc_exchange_rate": None, "pricing_currency": None}
    proof = proof_of(partner, [usage("10.009", **blank)], [line("10", **blank)], "10")
    assert (proof["proof_state"], proof["rounding_amount"]) == ("proven", Decimal("-0.009"))


@pytest.mark.parametrize("priced", [[None, None], ["6", None]], ids=["none has a price", "one has none"])
def test_a_missing_pricing_amount_is_nothing_and_is_located(partner: StagedPartner, priced: list[str | None]) -> None:
    rows = [usage("6", pricing_pre_tax_total=priced[0]), usage("4", pricing_pre_tax_total=priced[1])]
    proof = proof_of(partner, rows, [line("10", billable_quantity="2")], "10")
    assert proof["usage_gap_amount"] == listed(partner) == 0
    missing = {number for number, price in enumerate(priced, 1) if price is None}
    found = partner.rows("SELECT source_row FROM cost.usage_row_gaps")
    assert {row["source_row"] for row in found} == missing
    formula = partner.only("SELECT formula_amount FROM cost.proof_parts")["formula_amount"]
    assert formula == sum(Decimal(price) for price in priced if price)


def test_blank_credit_percentages_match_lines_that_name_no_credit(partner: StagedPartner) -> None:
    proof = proof_of(
        partner,
        [usage("6", partner_earned_credit_percentage=None), usage("4", partner_earned_credit_percentage="0")],
        [line("10", billable_quantity="2", price_adjustment_description="")],
        "10",
    )
    assert (proof["proof_state"], proof["matched_lines_percent"]) == ("proven", 100)


@pytest.mark.parametrize(
    "adjustments",
    [
        '["10% Promotion","15.0% Partner earned credit for services managed"]',
        '["Earned credit","15 % Earned Credit for services managed"]',
        "['5% Promotion', '15% partner earned credit']",
        "15% Partner Earned Credit",
    ],
)
def test_the_credit_of_a_line_is_the_number_in_the_entry_that_names_it(
    partner: StagedPartner, adjustments: str
) -> None:
    proof = proof_of(partner, [usage("6")], [line("6", price_adjustment_description=adjustments)], "6")
    assert proof["matched_lines_percent"] == 100


def test_a_credit_is_not_in_daily_usage_though_usage_has_its_keys(partner: StagedPartner) -> None:
    credit = line("-2", charge_type="customerCredit", credit_reason_code="SLA")
    proof = proof_of(partner, [usage("6")], [line("6"), credit], "4")
    assert (proof["not_in_daily_usage_amount"], proof["proof_state"]) == (-2, "proven")


def test_spellings_of_ids_do_not_part_lines_from_their_usage(partner: StagedPartner) -> None:
    rows = [
        usage("6", customer_id="ORG:TENANT-A", subscription_id="PLAN-A", meter_id="METER-1"),
        usage("4", subscription_id=" plan-a ", product_id="dzh318z0bps6"),
    ]
    proof = proof_of(partner, rows, [line("10", billable_quantity="2")], "10")
    assert (proof["proof_state"], proof["matched_lines_percent"]) == ("proven", 100)


def test_a_document_tax_of_yen_is_inferred_to_the_whole_yen(partner: StagedPartner) -> None:
    yen = {"currency": "JPY", "pricing_currency": "JPY"}
    partner.stage(reconciliation=[seats("1005", **yen)], invoice_headers=[header("1106", currency_code="JPY")]).build(
        currency="JPY"
    )
    proof = partner.only(PROOF)  # 10 % of 1005 are 100.5, rounded away from zero: 101
    assert (proof["document_tax_amount"], proof["is_document_tax_inferred"], proof["proof_state"]) == (
        101, True, "proven",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("total", "lines", "tax"),
    [
        ("-119", [seats("-100")], "-19"),  # a credit note's tax is negative
        ("119", [seats("100"), seats("0", tax_total=None)], "19"),
        ("119", [seats("100", tax_total="1", total="101"), seats("0", tax_total="-1", total="-1")], "0"),
        ("102.5", [seats("100")], "0"),  # 2.5 % is below the range
        ("130.5", [seats("100")], "0"),  # 30.5 % is above
    ],
)
def test_document_tax_is_inferred_only_where_no_line_has_tax_and_a_rate_gives_it(
    partner: StagedPartner, total: str, lines: list[Row], tax: str
) -> None:
    proof = proof_of(partner, [], lines, total)
    assert proof["document_tax_amount"] == Decimal(tax)
    assert proof["is_document_tax_inferred"] is (tax != "0")


def test_the_quarantined_rows_of_a_voided_document_make_its_derived_note_incomplete_too(
    partner: StagedPartner,
) -> None:
    partner.quarantined = {"G1": 1}
    note = header("-6", invoice_number="G9", document_type="void_note", amends_of="G1")
    partner.stage(daily_usage=[usage("6")], reconciliation=[line("6")], invoice_headers=[header("6"), note]).build()
    assert {row["proof_state"] for row in partner.rows(PROOF)} == {"incomplete"}
