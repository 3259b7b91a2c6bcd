"""Cycles in which a price changes, as components join and leave a bundle: charged together, agreed on as a whole."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline_tests.steps.billing_case import Case, billing_case
from csp_pipeline_tests.steps.issuing_case import issue_month

if TYPE_CHECKING:
    from pathlib import Path

TERMS = (
    "contract_line_id,account_id,customer_id,pricing_model,unit_price,currency,quantity,bundle_id,minimum_amount,"
    "maximum_amount,billing_timing,billing_cycle,anchor_day,starts_on,ends_on"
)
YEAR = "{},A1,c1,per_unit,1,EUR,1,B1,,,{},annual,1,{},"
MONTHS = [f"2026-{number:02d}" for number in range(1, 8)]


def bundle(case: Case, price: str, *components: str) -> None:
    """A bundle at a price with these components."""
    case.terms("bundles", "bundle_id,name,unit_price,currency", f"B1,Starter,{price},EUR")
    case.terms("contract_lines", TERMS, *components)


def charged(case: Case, month: str) -> list[tuple[str, str, str, str]]:
    """Contract line, kind, first day and amount of a month's lines."""
    rows = case.con.execute(
        """
        SELECT contract_line_id, charge_kind, CAST(service_start_on AS VARCHAR),
            CAST(CAST(net_amount AS DECIMAL(18, 2)) AS VARCHAR)
        FROM billing.invoice_lines WHERE billing_month = ? ORDER BY line_number
        """,
        [month],
    )
    return rows.fetchall()


def invoice_months(case: Case, contract_line_id: str) -> list[tuple[str, str]]:
    """First day and invoice month of each piece of a contract line's first cycle."""
    rows = case.con.execute(
        "SELECT CAST(cycle_start_on AS VARCHAR), invoice_month FROM billing.cycles "
        "WHERE contract_line_id = ? AND full_cycle_start_on = '2026-01-01' ORDER BY cycle_start_on",
        [contract_line_id],
    )
    return rows.fetchall()


def test_a_year_in_advance_is_charged_whole_though_a_component_joins_in_july(tmp_path: Path) -> None:
    """1,200.00 over two, from 15 July over three: 195 days at 600.00 and 170 at 400.00, all on January's invoice."""
    with billing_case(tmp_path) as case:
        years = [YEAR.format(name, "advance", "2026-01-01") for name in ("L1", "L2")]
        bundle(case, "1200", *years, YEAR.format("L3", "advance", "2026-07-15"))
        for months in (MONTHS[:1], MONTHS):
            case.draft(*months)
            assert charged(case, "2026-01") == [
                (name, "recurring", start, amount)
                for name in ("L1", "L2")
                for start, amount in (("2026-01-01", "320.55"), ("2026-07-15", "186.30"))
            ]
        assert [charged(case, month) for month in MONTHS[1:5]] == [[]] * 4
        assert [line[0] for line in charged(case, "2026-06")] == ["L3"]
        assert invoice_months(case, "L1") == [("2026-01-01", "2026-01"), ("2026-07-15", "2026-01")]


def test_a_year_that_was_issued_is_not_refunded_when_a_component_will_join(tmp_path: Path) -> None:
    """Only the price of the days from 15 July is corrected, at once; no day ends and is charged again later."""
    with billing_case(tmp_path) as case:
        years = [YEAR.format(name, "advance", "2026-01-01") for name in ("L1", "L2")]
        bundle(case, "1200", *years)
        case.draft("2026-01")
        issue_month(case, "2026-01")
        bundle(case, "1200", *years, YEAR.format("L3", "advance", "2026-07-15"))
        corrected = [
            (name, kind, "2026-07-15", amount)
            for name in ("L1", "L2")
            for kind, amount in (("correction", "-279.45"), ("recurring", "186.30"))
        ]
        case.draft(*MONTHS[:2])
        assert charged(case, "2026-02") == corrected
        issue_month(case, "2026-02")
        case.draft(*MONTHS)
        assert [line[0] for month in MONTHS[2:] for line in charged(case, month)] == ["L3"]


def test_a_year_in_arrears_is_charged_when_it_is_over(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        years = [YEAR.format(name, "arrears", "2026-01-01") for name in ("L1", "L2")]
        bundle(case, "1200", years[0], years[1] + "2026-07-14")
        case.draft(*MONTHS, "2026-12")
        assert [line[0] for month in MONTHS for line in charged(case, month)] == ["L2"]
        assert charged(case, "2026-12") == [
            ("L1", "recurring", "2026-01-01", "320.55"),
            ("L1", "recurring", "2026-07-15", "558.90"),
        ]


def test_a_year_from_before_billing_began_counts_as_issued_with_all_its_pieces(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        years = [YEAR.format(name, "advance", "2025-10-01") for name in ("L1", "L2")]
        bundle(case, "1200", years[0], years[1] + "2026-03-31")
        case.draft(*MONTHS)
        assert [charged(case, month) for month in MONTHS] == [[]] * len(MONTHS)


def test_agreements_look_at_the_whole_of_a_cycle_in_which_the_price_changes(tmp_path: Path) -> None:
    """Ten units at 15.00 for 15 days and 30.00 for 16 days of January are 227.42: over 160.00, under 250.00."""
    month = "{},A1,c1,per_unit,1,EUR,10,B1,{},{},arrears,monthly,1,2026-01-01,{}"
    with billing_case(tmp_path) as case:

        def agreed(least: str, most: str) -> list[tuple[str, str, str, str]]:
            bundle(case, "30", month.format("L1", least, most, ""), month.format("L2", "", "", "2026-01-15"))
            case.draft("2026-01")
            return [line for line in charged(case, "2026-01") if line[:2] != ("L1", "recurring") and line[0] == "L1"]

        assert agreed("160", "250") == []
        assert agreed("250", "") == [("L1", "minimum", "2026-01-01", "22.58")]
        assert agreed("", "200") == [("L1", "discount", "2026-01-01", "-27.42")]
        ends = case.con.execute(
            "SELECT service_end_on - service_start_on + 1 FROM billing.invoice_lines WHERE charge_kind = 'discount'"
        )
        assert ends.fetchall() == [(31,)]


def test_the_discount_of_a_cycle_holds_for_all_its_pieces(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        years = [YEAR.format(name, "advance", "2026-01-01") for name in ("L1", "L2")]
        case.terms("bundles", "bundle_id,name,unit_price,currency", "B1,Starter,1200,EUR")
        discounted = f"{TERMS},discount_percent,discount_ends_on"
        case.terms("contract_lines", discounted, f"{years[0]},10,2026-03-31", f"{years[1]}2026-07-14,,")
        case.draft("2026-01")
        found = [Decimal(line[3]) for line in charged(case, "2026-01") if line[0] == "L1"]
        assert found == [Decimal("288.49"), Decimal("503.01")]
