"""Header, lines, usage and predicted rounding; what is left over is unexplained."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline_tests.models.staged_rows import header, line, seats, usage

if TYPE_CHECKING:
    from csp_pipeline_tests.models.staged_rows import Row, StagedPartner

PROOF = "SELECT * FROM cost.invoice_proof"
FX = {"pricing_currency": "USD", "pc_to_bc_exchange_rate": "0.846202666"}


def _noisy_month() -> tuple[list[Row], list[Row]]:
    """Two meters priced in dollars, usage rounded to ten decimals with noise in the tenth."""
    rows = [
        usage("1.0435931212", pricing_pre_tax_total="1.233265624", quantity="1.5", **FX),
        usage("2.3079151301", pricing_pre_tax_total="2.727378888", quantity="2.25", usage_date="2026-09-02", **FX),
        usage(
            "7.7707333333", pricing_pre_tax_total="9.183064", quantity="744", meter_id="meter-2", meter_name="E4", **FX
        ),
    ]
    # 3.960644512 -> 3.96 x 0.846202666 = 3.35096... -> 3.35; 9.183064 -> 9.18 x 0.846202666 = 7.768... -> 7.76
    lines = [line("3.35", billable_quantity="3.75", **FX), line("7.76", billable_quantity="744", **FX)]
    return rows, lines


def _exact(row: Row, fx: str) -> Row:
    net = (Decimal(str(row["pricing_pre_tax_total"])) * Decimal(fx)).quantize(Decimal("1E-10"))
    return row | {"billing_pre_tax_total": str(net + Decimal("1E-10"))}


def test_noise_in_the_tenth_decimal_of_usage_leaves_nothing_unexplained(partner: StagedPartner) -> None:
    rows, lines = _noisy_month()
    rows = [_exact(row, "0.846202666") for row in rows]
    proof = partner.stage(daily_usage=rows, reconciliation=lines, invoice_headers=[header("11.11")]).build().only(PROOF)
    assert proof["proof_state"] == "proven"
    assert proof["unexplained_amount"] == 0
    assert proof["matched_lines_percent"] == Decimal("100.0000")
    nets = sum(Decimal(str(row["billing_pre_tax_total"])) for row in rows)
    assert proof["rounding_amount"] == Decimal("11.11") - nets


def test_a_line_is_truncated_twice_as_published(partner: StagedPartner) -> None:
    # PEC-03: 0.868 x 0.85 x 555.950039 = 410.1799387742 -> 410.17
    # kvamseek/partner-center@85eb3c40 azure-plan-billing.md:169
    proof = (
        partner.stage(
            daily_usage=[usage("410.17993877420", quantity="555.950039")],
            reconciliation=[line("410.17", billable_quantity="555.950039")],
            invoice_headers=[header("410.17")],
        )
        .build()
        .only(PROOF)
    )
    assert proof["rounding_amount"] == Decimal("-0.0099387742")
    assert proof["proof_state"] == "proven"


def test_a_cent_in_the_header_is_unexplained_by_a_cent(partner: StagedPartner) -> None:
    proof = (
        partner.stage(daily_usage=[usage("10")], reconciliation=[line("10.00")], invoice_headers=[header("10.01")])
        .build()
        .only(PROOF)
    )
    assert (proof["header_gap_amount"], proof["usage_gap_amount"]) == (Decimal("0.01"), 0)
    assert (proof["unexplained_amount"], proof["proof_state"]) == (Decimal("0.01"), "unproven")


def test_a_usage_row_that_differs_from_its_price_is_unexplained_and_listed(partner: StagedPartner) -> None:
    partner.stage(
        daily_usage=[usage("6.00"), usage("4.01", pricing_pre_tax_total="4.00")],
        reconciliation=[line("10.00", billable_quantity="2")],
        invoice_headers=[header("10.00")],
    ).build()
    assert partner.only(PROOF)["usage_gap_amount"] == Decimal("-0.01")
    found = partner.only("SELECT source_file, source_row, amount, reason FROM cost.unexplained_rows")
    assert (found["source_file"], found["source_row"], found["amount"]) == ("usage.csv", 2, Decimal("-0.01"))


@pytest.mark.parametrize(("shift", "state"), [("0.000001", "proven"), ("0.0000010000000001", "unproven")])
def test_a_millionth_is_noise_and_a_little_more_is_not(partner: StagedPartner, shift: str, state: str) -> None:
    net = str(Decimal(10) + Decimal(shift))
    partner.stage(
        daily_usage=[usage(net, pricing_pre_tax_total="10")],
        reconciliation=[line("10")],
        invoice_headers=[header("10")],
    ).build()
    proof = partner.only(PROOF)
    assert proof["proof_state"] == state
    assert proof["unexplained_amount"] == (0 if state == "proven" else Decimal(shift).quantize(Decimal("1E-10")))


def test_the_unexplained_rows_of_an_invoice_sum_to_its_usage_gap(partner: StagedPartner) -> None:
    partner.stage(
        daily_usage=[
            usage("6.00"),
            usage("4.01", pricing_pre_tax_total="4.00"),
            usage("3", meter_id="m2", quantity="9"),
        ],
        reconciliation=[line("9.95", billable_quantity="2"), line("7", billable_quantity="77")],
        invoice_headers=[header("16.95")],
    ).build()
    proof = partner.only(PROOF)
    total = partner.only("SELECT sum(amount) AS amount FROM cost.unexplained_rows")["amount"]
    assert total == proof["usage_gap_amount"] == Decimal("3.94")


def test_a_missing_usage_row_leaves_its_line_unmatched_and_unexplained(partner: StagedPartner) -> None:
    partner.stage(
        daily_usage=[usage("6"), usage("4", meter_id="m2", quantity="5")],
        reconciliation=[line("9", billable_quantity="2"), line("4", billable_quantity="5")],
        invoice_headers=[header("13")],
    ).build()
    proof = partner.only(PROOF)
    assert (proof["unexplained_amount"], proof["matched_lines_percent"]) == (Decimal(3), Decimal("50.0000"))


def test_a_doubled_line_is_unexplained_by_its_amount(partner: StagedPartner) -> None:
    partner.stage(
        daily_usage=[usage("6")], reconciliation=[line("6"), line("6")], invoice_headers=[header("6")]
    ).build()
    proof = partner.only(PROOF)
    assert (proof["header_gap_amount"], proof["usage_gap_amount"], proof["unexplained_amount"]) == (-6, 6, 6)


@pytest.mark.parametrize(("subtotal", "state", "bounded"), [("6.02", "bounded", "0.02"), ("6.03", "unproven", "0")])
def test_an_unmatched_residual_is_bounded_up_to_a_cent_and_a_minor_unit(
    partner: StagedPartner, subtotal: str, state: str, bounded: str
) -> None:
    partner.stage(
        daily_usage=[usage("6")],
        reconciliation=[line(subtotal, billable_quantity="2")],
        invoice_headers=[header(subtotal)],
    ).build()
    proof = partner.only(PROOF)
    assert (proof["proof_state"], proof["bounded_amount"]) == (state, Decimal(bounded))


def test_seats_are_not_in_daily_usage_and_need_none(partner: StagedPartner) -> None:
    partner.stage(reconciliation=[seats("100.80")], invoice_headers=[header("100.80")]).build()
    proof = partner.only(PROOF)
    assert (proof["not_in_daily_usage_amount"], proof["matched_lines_percent"]) == (Decimal("100.80"), None)
    assert proof["proof_state"] == "proven"


def test_yen_are_truncated_to_whole_yen(partner: StagedPartner) -> None:
    yen = {"pricing_currency": "USD", "pc_to_bc_exchange_rate": "149.87654321"}
    net = str((Decimal("1234.567891") * Decimal("149.87654321")).quantize(Decimal("1E-10")))
    partner.stage(
        daily_usage=[usage(net, pricing_pre_tax_total="1234.567891", billing_currency="JPY", **yen)],
        reconciliation=[line("185031", currency="JPY", **yen)],  # 1234.56 x 149.87654321 = 185,031.58...
        invoice_headers=[header("185031", currency_code="JPY")],
    ).build(currency="JPY")
    assert partner.only(PROOF)["proof_state"] == "proven"


def test_a_tax_the_header_states_makes_document_tax(partner: StagedPartner) -> None:
    # 10 % on 9.75 and 10.25: the lines' .98 + 1.03 = 2.01, the invoice 2.00; kvamseek/partner-center@85eb3c40
    partner.stage(
        reconciliation=[
            seats("9.75", tax_total="0.98", total="10.73"),
            seats("10.25", tax_total="1.03", total="11.28"),
        ],
        invoice_headers=[header("22.00", tax_total="2.00")],
    ).build()
    proof = partner.only(PROOF)
    assert (proof["document_tax_amount"], proof["proof_state"]) == (Decimal("-0.01"), "proven")


def test_without_a_stated_tax_a_cent_between_line_taxes_and_header_stays_unexplained(partner: StagedPartner) -> None:
    partner.stage(
        reconciliation=[
            seats("9.75", tax_total="0.98", total="10.73"),
            seats("10.25", tax_total="1.03", total="11.28"),
        ],
        invoice_headers=[header("22.00")],
    ).build()
    proof = partner.only(PROOF)
    assert (proof["document_tax_amount"], proof["unexplained_amount"]) == (0, Decimal("0.01"))


@pytest.mark.parametrize(
    ("total", "tax", "percent"), [("119.00", "19", "19"), ("108.50", "8.5", "8.5"), ("107.69", "7.69", "7.69")]
)
def test_a_document_tax_is_inferred_from_a_known_rate_or_a_half_percent(
    partner: StagedPartner, total: str, tax: str, percent: str
) -> None:
    partner.con.execute("INSERT INTO reference.tax_rates BY NAME SELECT 'ch' AS tax_rate_id, 7.69 AS rate_percent")
    partner.stage(reconciliation=[seats("100.00")], invoice_headers=[header(total)]).build()
    proof = partner.only(PROOF)
    assert (proof["document_tax_amount"], proof["is_document_tax_inferred"]) == (Decimal(tax), True)
    assert (proof["document_tax_percent"], proof["proof_state"]) == (Decimal(percent), "proven")


def test_a_difference_that_no_rate_explains_is_not_called_tax(partner: StagedPartner) -> None:
    partner.stage(reconciliation=[seats("100.00")], invoice_headers=[header("117.31")]).build()
    proof = partner.only(PROOF)
    assert (proof["document_tax_amount"], proof["unexplained_amount"]) == (0, Decimal("17.31"))


def test_an_invoice_without_header_is_unproven(partner: StagedPartner) -> None:
    partner.stage(reconciliation=[seats("100.00")]).build()
    proof = partner.only(PROOF)
    assert (proof["header_amount"], proof["header_gap_amount"], proof["proof_state"]) == (None, None, "unproven")


def test_a_header_without_files_is_unproven_for_its_whole_amount(partner: StagedPartner) -> None:
    partner.stage(invoice_headers=[header("55.50")]).build()
    proof = partner.only(PROOF)
    assert (proof["unexplained_amount"], proof["proof_state"]) == (Decimal("55.50"), "unproven")


def test_quarantined_rows_make_an_invoice_incomplete(partner: StagedPartner) -> None:
    partner.quarantined = {"G1": 1}
    partner.stage(daily_usage=[usage("6")], reconciliation=[line("6")], invoice_headers=[header("6")]).build()
    assert partner.only(PROOF)["proof_state"] == "incomplete"


def test_an_error_in_one_invoice_leaves_the_others_proven(partner: StagedPartner) -> None:
    partner.stage(
        daily_usage=[usage("6"), usage("6", invoice_number="G2")],
        reconciliation=[line("6"), line("6", invoice_number="G2")],
        invoice_headers=[header("6"), header("7", invoice_number="G2")],
    ).build()
    states = {row["invoice_number"]: row["proof_state"] for row in partner.rows(PROOF)}
    assert states == {"G1": "proven", "G2": "unproven"}


def test_of_meters_with_equal_quantities_the_description_chooses(partner: StagedPartner) -> None:
    partner.stage(
        daily_usage=[
            usage("10", meter_id="m-a", meter_name="D2s v3", quantity="744"),
            usage("99", meter_id="m-b", meter_name="D2s v3 Low Priority", quantity="744"),
        ],
        reconciliation=[
            line("99", billable_quantity="744", meter_description="Virtual Machines - D2s v3 Low Priority"),
            line("10", billable_quantity="744", meter_description="Virtual Machines - D2s v3"),
        ],
        invoice_headers=[header("109")],
    ).build()
    found = partner.rows(
        """SELECT meter_id, subtotal_amount FROM cost.usage_groups
        INNER JOIN cost.invoice_lines USING (line_id) ORDER BY meter_id"""
    )
    assert [(row["meter_id"], row["subtotal_amount"]) for row in found] == [("m-a", 10), ("m-b", 99)]


def test_without_description_every_equal_group_still_gets_its_own_line(partner: StagedPartner) -> None:
    partner.stage(
        daily_usage=[usage(f"{n}.004", meter_id=f"m{n}", meter_name=None, quantity="744") for n in range(1, 6)],
        reconciliation=[line(f"{n}.00", billable_quantity="744") for n in (3, 1, 5, 2, 4)],
        invoice_headers=[header("15")],
    ).build()
    proof = partner.only(PROOF)
    assert (proof["matched_lines_percent"], proof["proof_state"]) == (Decimal(100), "proven")
    assert not partner.rows(
        """SELECT 1 FROM cost.usage_groups INNER JOIN cost.invoice_lines USING (line_id)
        WHERE trunc(net_amount) <> subtotal_amount"""
    )


def test_a_line_with_another_credit_percentage_does_not_match(partner: StagedPartner) -> None:
    partner.stage(
        daily_usage=[usage("6")],
        reconciliation=[line("6", price_adjustment_description=None)],
        invoice_headers=[header("6")],
    ).build()
    assert partner.only(PROOF)["matched_lines_percent"] == 0
