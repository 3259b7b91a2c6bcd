"""The reference against numbers derived by hand; each docstring holds the derivation."""

# ruff: noqa: PLR0913, PLR0917 - a rule's inputs are named one by one
from __future__ import annotations

import csv
import gzip
import json
import zipfile
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from csp_pipeline_tests.reference import compute, scenarios, scenarios_charges, scenarios_more
from csp_pipeline_tests.reference.amounts import allocate, as_decimal, parse_number
from csp_pipeline_tests.reference.days import anchored, parse_day
from csp_pipeline_tests.reference.scenario_files import ENTITLEMENT_A, ENTITLEMENT_B

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Tables = dict[str, list[dict[str, Any]]]
ROWS, PARTS = "reconciliation.revenue_vs_cost", "reconciliation.differences"


def run(scenario: Callable[[Path], str], folder: Path) -> Tables:
    month = scenario(folder)
    return compute(folder / "inbox", folder / "commercial", through_month=month)


def parts(tables: Tables, month: str) -> list[tuple[str, Decimal, Decimal]]:
    return [(p["cause"], p["amount"], p["quantity"]) for p in tables[PARTS] if p["service_month"] == month]


def row(tables: Tables, month: str, contract_line_id: str | None) -> dict[str, Any]:
    (found,) = [r for r in tables[ROWS] if r["service_month"] == month and r["contract_line_id"] == contract_line_id]
    return found


def figures(record: dict[str, Any], *names: str) -> list[Any]:
    return [record[name] for name in names]


def d(*texts: str) -> list[Decimal]:
    return [Decimal(text) for text in texts]


ALL = (*scenarios.SCENARIOS, *scenarios_more.MORE, *scenarios_more.OPEN, *scenarios_charges.CHARGES)


@pytest.mark.parametrize("scenario", ALL, ids=lambda s: s.__name__)
def test_identities_hold_to_the_last_digit(scenario: Callable[[Path], str], tmp_path: Path) -> None:
    """Parts sum to differences, recognised amounts to billed ones, carried amounts to Azure plan lines."""
    tables = run(scenario, tmp_path)
    lines, rows = tables["cost.invoice_lines"], tables[ROWS]
    assert sum(r["cost_original_amount"] for r in rows) == sum(line["subtotal_amount"] for line in lines)
    assert sum(r["revenue_amount"] for r in rows) == sum(c["net_amount"] for c in tables["billing.invoice_lines"])
    assert sum(r["difference_amount"] for r in rows if r["cause"] != "own_service") == sum(
        p["amount"] for p in tables[PARTS]
    )
    assert sum(r["quantity_difference"] or 0 for r in rows) == sum(p["quantity"] for p in tables[PARTS])
    azure = [line for line in lines if line["product_family"] == "azure_plan"]
    carried = sum(r["billed_amount"] for r in tables["cost.azure_plan_costs"])
    assert carried == sum(line["subtotal_amount"] for line in azure)
    assert not any(p["cause"] == "unexplained" for p in tables[PARTS])


def test_healthy_seats_match(tmp_path: Path) -> None:
    """10 x 12 = 120 a month against 10 x 10 = 100; tax 19 % of 120 = 22.80; margin 20 / 120 = 16.6667 %."""
    tables = run(scenarios.seats_in_arrears, tmp_path)
    assert [figures(i, "billing_month", "net_amount", "tax_amount") for i in tables["billing.invoices"]] == [
        ["2026-01", *d("120", "22.80")],
        ["2026-02", *d("120", "22.80")],
    ]
    january = row(tables, "2026-01", "L1")
    assert figures(january, "revenue_amount", "cost_amount", "selling_price", "provider_price") == d(
        "120", "100", "12", "10"
    )
    assert figures(january, "margin_percent", "status", "cause") == [Decimal("16.6667"), "matched", None]
    assert not tables[PARTS]


def test_advance_bills_the_first_month_and_the_next(tmp_path: Path) -> None:
    """January's document holds the cycles of January (the first month) and February, February's that of March.

    March has no provider document yet: its 120 and 10 seats are period.
    """
    tables = run(scenarios.seats_in_advance, tmp_path)
    assert [i["net_amount"] for i in tables["billing.invoices"]] == d("240", "120")
    assert row(tables, "2026-02", "L1")["status"] == "matched"
    assert parts(tables, "2026-03") == [("period", *d("120", "10"))]
    assert row(tables, "2026-03", "L1")["status"] == "explained"


def test_mid_cycle_add_is_prorated_and_rounds(tmp_path: Path) -> None:
    """January 16 to 31 are 16 of 31 days: 3 x 12 x 16/31 = 18.58064... -> 18.58; 120 + 18.58 = 138.58.

    Expected: 120 - 61.9354838710 + 80.5161290323 = 138.5806451613; the difference -0.0006451613 is rounding.
    Seats on January 31: ours 10 + 3, the provider's 10 - 10 + 13.
    """
    tables = run(scenarios.mid_cycle_seat_add, tmp_path)
    charges = tables["billing.invoice_lines"]
    assert [c["net_amount"] for c in charges] == d("120", "18.58", "156")
    assert figures(charges[1], "charge_kind", "service_start_on", "service_end_on", "quantity") == [
        "change",
        date(2026, 1, 16),
        date(2026, 1, 31),
        3,
    ]
    january = row(tables, "2026-01", "L1")
    assert figures(january, "billed_quantity", "provider_quantity", "status") == [13, 13, "matched"]
    assert parts(tables, "2026-01") == [("rounding", *d("-0.0006451613", "0"))]


def test_proration_none_counts_from_the_next_cycle(tmp_path: Path) -> None:
    """January stays at 120; what the provider prorated (3 x 12 x 16/31) and the 3 seats are proration."""
    tables = run(scenarios.proration_none, tmp_path)
    assert [c["net_amount"] for c in tables["billing.invoice_lines"]] == d("120", "156")
    assert parts(tables, "2026-01") == [("proration", *d("-18.5806451613", "-3"))]


def test_cycle_from_the_17th_meets_calendar_months(tmp_path: Path) -> None:
    """Ours: 310 a calendar month. Expected from lines: 310 over Jan 17 - Feb 16 (31 days) and Feb 17 - Mar 16 (28).

    January: expected 310 x 15/31 = 150; days 1 to 16 belong to a cycle that began on December 17, before the first
    loaded month: 310 x 16/31 = 160 is period.
    February: expected 160 + 132.8571428576 (12 days of 310/28, of which the first 8 have one unit more); ours 310.
    Days 1 to 16 cost us 1/31 and are billed at 1/28: 160 x (31/28 - 1) = 17.142857... is proration.
    March: the 177.1428571424 of days 1 to 16 meet a cycle whose document is not drafted.
    """
    tables = run(scenarios.cycle_from_the_17th, tmp_path)
    assert parts(tables, "2026-01") == [("period", *d("160", "0"))]
    assert row(tables, "2026-02", "L1")["expected_revenue_amount"] == Decimal("292.8571428576")
    assert parts(tables, "2026-02") == [("proration", *d("17.1428571424", "0"))]
    assert parts(tables, "2026-03") == [("period", *d("-177.1428571424", "0"))]


def test_anchor_31_clamps_to_february(tmp_path: Path) -> None:
    """Cycles Jan 31 - Feb 27 (28 days) and Feb 28 - Mar 30 (31 days), 280 each, on February's and March's document.

    January has 280/28 = 10; February 270 + the first day of 280/31 = 9.0322580645 plus one unit; March the rest.
    """
    tables = run(scenarios.anchor_31, tmp_path)
    own = [c for c in tables["billing.invoice_lines"] if c["contract_line_id"] == "OWN"]
    assert [figures(c, "billing_month", "service_start_on", "service_end_on", "net_amount") for c in own] == [
        ["2026-02", date(2026, 1, 31), date(2026, 2, 27), 280],
        ["2026-03", date(2026, 2, 28), date(2026, 3, 30), 280],
    ]
    months = ("2026-01", "2026-02", "2026-03")
    assert [row(tables, m, "OWN")["revenue_amount"] for m in months] == d("10", "279.0322580646", "270.9677419354")


def test_annual_prepaid_meets_monthly_billing(tmp_path: Path) -> None:
    """1200 over 365 days; expected 10 x 13 x 12 = 1560 over the same days.

    A day is 1560/365 = 4.2739726027 and the first 145 days one unit more. January expects 31 x 4.2739726028 =
    132.4931506868 against 130: -2.4931506868 proration; February 28 days, 119.6712328784: +10.3287671216; March is
    not drafted yet: -132.4931506868 and 10 seats are period.
    """
    tables = run(scenarios.annual_prepaid, tmp_path)
    assert row(tables, "2026-01", "L1")["provider_price"] == 10
    assert parts(tables, "2026-01") == [("proration", *d("-2.4931506868", "0"))]
    assert parts(tables, "2026-02") == [("proration", *d("10.3287671216", "0"))]
    assert parts(tables, "2026-03") == [("period", *d("-132.4931506868", "-10"))]


def test_cost_plus_by_entitlement_in_another_currency(tmp_path: Path) -> None:
    """A: 60 USD x 0.9 x 1.10 = 59.40 EUR. B: gross 34 + 34 x 15/85 = 40 USD, x 0.9 x 1.05 = 37.80 EUR.

    Converted cost: 94 x 0.9 = 84.60, of which 54 and 30.60.
    """
    tables = run(scenarios.cost_plus_by_entitlement, tmp_path)
    assert [c["net_amount"] for c in tables["billing.invoice_lines"]] == d("59.40", "37.80")
    by_entitlement = {r["entitlement_id"]: r for r in tables["cost.azure_plan_costs"]}
    names = ("net_amount", "pec_amount", "gross_amount", "pec_forgone_amount", "billed_amount")
    assert figures(by_entitlement[ENTITLEMENT_A], *names) == d("60", "0", "60", "9", "60")
    assert figures(by_entitlement[ENTITLEMENT_B], *names) == d("34", "6", "40", "0", "34")
    first, second = tables[ROWS]
    assert [first["cost_amount"], second["cost_amount"]] == d("54", "30.6")
    assert figures(first, "fx_rate", "fx_rate_on", "fx_source", "status") == [
        Decimal("0.9"),
        date(2026, 1, 1),
        "bank",
        "matched",
    ]


def test_yen_have_no_cents(tmp_path: Path) -> None:
    """3 x 1234 = 3702; 1 x 1234 x 21/31 = 835.9... -> 836; tax 10 % of 4538 = 453.8 -> 454.

    Expected 3702 - 2507.8064516129 + 3343.7419354839 = 4537.9354838710: 0.0645161290 is rounding.
    """
    tables = run(scenarios.yen_account, tmp_path)
    assert figures(tables["billing.invoices"][0], "net_amount", "tax_amount") == d("4538", "454")
    assert parts(tables, "2026-01") == [("rounding", *d("0.0645161290", "0"))]


def test_lost_credit_is_found(tmp_path: Path) -> None:
    """8.5 x 15/85 = 1.5 on two days; 10 x 15 % = 1.5 forgone on the third, the day on which access was lost."""
    tables = run(scenarios.earned_credit_lost, tmp_path)
    credit = tables["cost.partner_earned_credit"]
    assert [figures(c, "eligible_amount", "earned_amount", "forgone_amount") for c in credit] == [
        d("8.5", "1.5", "0"),
        d("8.5", "1.5", "0"),
        d("10", "0", "1.5"),
    ]
    assert {c["access_lost_on"] for c in credit} == {date(2026, 1, 3)}
    (cost,) = tables["cost.azure_plan_costs"]
    assert figures(cost, "net_amount", "pec_amount", "gross_amount", "billed_amount") == d("27", "3", "30", "27")


@pytest.mark.parametrize(
    ("scenario", "cause", "amount", "quantity", "status"),
    [
        (scenarios.unmapped_tenant, "unmapped_customer", "-50", "-5", "action_needed"),
        (scenarios.one_off_credit, "credit", "25", "0", "explained"),
        (scenarios.unbilled_cost, "unbilled_cost", "-50", "-5", "action_needed"),
        (scenarios.revenue_without_cost, "revenue_without_cost", "60", "5", "action_needed"),
        (scenarios.timing, "timing", "9.29", "2", "explained"),
        (scenarios.quantity_mismatch, "quantity_mismatch", "9.29", "2", "action_needed"),
    ],
)
def test_one_cause_takes_the_whole(
    scenario: Callable[[Path], str], cause: str, amount: str, quantity: str, status: str, tmp_path: Path
) -> None:
    """Cost 5 x 10 without contract is -50; credit -25 gives +25; 5 x 12 without cost is 60.

    Two seats from January 20 are 12 of 31 days: 2 x 12 x 12/31 = 9.29032... -> 9.29.
    """
    tables = run(scenario, tmp_path)
    assert parts(tables, "2026-01") == [(cause, *d(amount, quantity))]
    assert [r["status"] for r in tables[ROWS] if r["service_month"] == "2026-01" and r["cause"] == cause] == [status]


def test_timing_names_the_month_it_must_come(tmp_path: Path) -> None:
    """A change of January is expected on February's invoice; once that came without it, both months are mismatches."""
    waiting = run(scenarios.timing, tmp_path / "waiting")
    assert [p["expected_on_month"] for p in waiting[PARTS]] == ["2026-02"]
    late = run(scenarios.quantity_mismatch, tmp_path / "late")
    assert parts(late, "2026-02") == [("quantity_mismatch", *d("24", "2"))]


def test_own_service_by_the_quarter(tmp_path: Path) -> None:
    """Jan 10 - Jan 31 are 22 of the 92 days from November 1: 2 x 90 x 22/92 x 0.9 = 38.7391... -> 38.74 in January.

    The quarter from February 1 ends on May 1: 2 x 90 x 0.9 = 162 on April's document.
    """
    tables = run(scenarios.own_service, tmp_path)
    own = [c for c in tables["billing.invoice_lines"] if c["contract_line_id"] == "OWN"]
    assert [figures(c, "billing_month", "net_amount") for c in own] == [
        ["2026-01", Decimal("38.74")],
        ["2026-04", Decimal("162.00")],
    ]
    assert {figures(r, "status", "cause")[1] for r in tables[ROWS] if r["contract_line_id"] == "OWN"} == {"own_service"}


def test_savings_plan_is_recognised_by_day(tmp_path: Path) -> None:
    """365 for 365 days is 1 a day: January 31 x 1.1 = 34.10, February 30.80; March is not drafted: -34.10 period."""
    tables = run(scenarios.savings_plan, tmp_path)
    assert [c["net_amount"] for c in tables["billing.invoice_lines"]] == d("34.10", "30.80")
    assert [line["product_family"] for line in tables["cost.invoice_lines"]] == ["savings_plan"]
    assert parts(tables, "2026-03") == [("period", *d("-34.1", "0"))]


def test_marketplace_metered_is_in_daily_usage(tmp_path: Path) -> None:
    """Metered consumption has usage rows, so it is of the Azure plan and without credit; the seat is not."""
    tables = run(scenarios.marketplace, tmp_path)
    lines = [figures(line, "product_family", "is_in_daily_usage") for line in tables["cost.invoice_lines"]]
    assert lines == [["azure_plan", True], ["marketplace", False]]
    assert tables["cost.azure_plan_costs"][0]["pec_forgone_amount"] == 0
    (proof,) = tables["cost.invoice_proof"]
    assert figures(proof, "not_in_daily_usage_amount", "proof_state") == [30, "proven"]


@pytest.mark.parametrize(
    ("scenario", "names", "values", "state"),
    [
        (scenarios.tax_on_document_only, ("document_tax_amount", "unexplained_amount"), ("19", "0"), "proven"),
        (scenarios.cent_in_header, ("document_tax_amount", "unexplained_amount"), ("0", "0.01"), "unproven"),
        (scenarios.usage_row_doubled, ("usage_gap_amount", "unexplained_amount"), ("-40", "40"), "unproven"),
        (
            scenarios.rounding_and_bounds,
            ("rounding_amount", "bounded_amount", "matched_lines_percent"),
            ("-0.0151", "-0.0045", "50"),
            "bounded",
        ),
    ],
)
def test_proof(
    scenario: Callable[[Path], str], names: tuple[str, ...], values: tuple[str, ...], state: str, tmp_path: Path
) -> None:
    """119 - 100 is 19 % of 100; 0.01 is no rate of 100.

    100 - 140 = -40: the quantities 100 and 140 do not match, and -40 is more than 0.01 + 0.01.
    Matched: trunc(33.33 x 0.9 = 29.997) = 29.99, less usage 30.0051 (33.339 x 0.9) = -0.0151. Not matched (4 is not 3):
    9.00 - 9.0045 = -0.0045, within 0.01 x 0.9 + 0.01.
    """
    (proof,) = run(scenario, tmp_path)["cost.invoice_proof"]
    assert figures(proof, *names) == d(*values)
    assert proof["proof_state"] == state


def test_other_file_forms_give_the_same(tmp_path: Path) -> None:
    """CSV with BOM, CRLF, apostrophes and US dates in a zip, and JSON lines with API names in gzip, change nothing."""
    first = run(scenarios.cost_plus_by_entitlement, tmp_path)
    inbox = tmp_path / "inbox"
    recon, usage = inbox / "recon_G202601-1.csv", inbox / "usage_G202601-1.csv"
    text = recon.read_text().replace("2026-01-31", "1/31/2026 23:59").replace(",60,", ",'6.0E1,")
    recon.unlink()
    with zipfile.ZipFile(inbox / "recon.zip", "w") as archive:
        archive.writestr("inside/recon.csv", "\ufeff" + text.replace("\r\n", "\n").replace("\n", "\r\n"))
    rows = list(csv.DictReader(usage.read_text().splitlines()))
    usage.unlink()
    with gzip.open(inbox / "usage.json.gz", "wt") as stream:
        for record in rows:
            renamed = {key[0].lower() + key[1:]: value for key, value in record.items()}
            percent = renamed.pop("partnerEarnedCreditPercentage")
            for name in ("quantity", "billingPreTaxTotal"):
                renamed[name] = float(renamed[name])
            renamed["rateOfPartnerEarnedCredit"] = 0.15 if percent == "15" else 0
            stream.write(json.dumps(renamed) + "\n")
    again = compute(inbox, tmp_path / "commercial", through_month="2026-01")
    for table in ("billing.invoice_lines", "cost.azure_plan_costs", ROWS, "cost.invoice_proof"):
        assert again[table] == first[table]


def test_allocation_and_rounding() -> None:
    """1 over 3 equal parts: the odd unit goes to the first; halves go away from zero; signs are kept."""
    assert allocate(Decimal(1), [1, 1, 1]) == d("0.3333333334", "0.3333333333", "0.3333333333")
    assert allocate(Decimal(-1), [1, 1, 1]) == d("-0.3333333334", "-0.3333333333", "-0.3333333333")
    assert sum(allocate(Decimal("10.01"), [3, -1, 5])) == Decimal("10.01")
    assert allocate(Decimal(2), [0, 0]) == d("1", "1")
    assert [as_decimal(Decimal(t), 2) for t in ("2.325", "-2.325")] == d("2.33", "-2.33")
    assert [parse_number(t) for t in ("'7.1E-05", "0E-20", " ")] == [Decimal("0.000071"), Decimal(0), None]
    assert [parse_day(t) for t in ("1/2/2026 23:59", "2026-01-02T23:59:59.123Z", "2026-01-02T23:30:00-02:00")] == [
        date(2026, 1, 2),
        date(2026, 1, 2),
        date(2026, 1, 3),
    ]
    assert anchored(date(2026, 1, 31), 1, 31) == date(2026, 2, 28)
