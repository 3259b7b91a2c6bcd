"""Draft invoices made from terms and facts in a real warehouse."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from csp_pipeline_tests.steps.billing_case import Case, billing_case

LINES = (
    "contract_line_id,account_id,customer_id,subscription_id,entitlement_id,product_id,sku_id,pricing_model,unit_price,"
    "currency,markup_percent,cost_basis,quantity,billing_timing,anchor_day,proration,starts_on,ends_on,cost_source"
)


def bases(case: Case) -> dict[str, str]:
    rows = case.con.execute(
        "SELECT service_month, CAST(base_amount AS DECIMAL(18,4)) FROM billing.cost_bases ORDER BY 1"
    ).fetchall()
    return {month: str(amount) for month, amount in rows}


def matches(case: Case) -> dict[str, str | None]:
    rows = case.con.execute(
        "SELECT line_id || coalesce(':' || entitlement_id, ''), contract_line_id FROM billing.cost_matches"
    ).fetchall()
    return dict(rows)


def test_seats_are_charged_in_arrears_with_changes_by_day(tmp_path: Path) -> None:
    """Microsoft's Contoso, March 2022, 12.00 a seat (worked examples NCE-104, NCE-105)."""
    with billing_case(tmp_path, date(2022, 3, 1)) as case:
        case.terms("contract_lines", LINES, "L1,A1,c1,S1,,,,per_unit,12,EUR,,,,arrears,5,,2022-03-05,,")
        case.seats(
            "s1",
            ("2022-03-05 00:00", 0, 10),
            ("2022-03-10 09:00", 10, 30),
            ("2022-03-10 10:00", 30, 35),
            ("2022-03-12", 35, 10),
        )
        case.draft("2022-03", "2022-04")
        assert case.lines("2022-03") == [
            ("change", "2022-03-10", "2022-04-04", 25.0, "251.61"),
            ("change", "2022-03-12", "2022-04-04", -25.0, "-232.26"),
        ]
        assert case.lines("2022-04") == [("recurring", "2022-03-05", "2022-04-04", 10.0, "120.00")]


def test_changes_of_one_instant_follow_each_other(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, "L1,A1,c1,s1,,,,per_unit,31,EUR,,,,arrears,1,,2026-01-01,,")
        case.seats("s1", ("2026-01-02", 12, 15), ("2026-01-02", 10, 12))
        case.draft("2026-01")
        assert case.lines("2026-01") == [
            ("recurring", "2026-01-01", "2026-01-31", 10.0, "310.00"),
            ("change", "2026-01-02", "2026-01-31", 5.0, "150.00"),
        ]


def test_a_line_without_subscription_charges_those_with_its_product_that_nobody_names(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            LINES,
            "L1,A1,c1,,,P1,0001,per_unit,1,EUR,,,,arrears,1,,2026-03-01,,",
            "L2,A1,c1,s3,,,,per_unit,1,EUR,,,,arrears,1,,2026-03-01,,",
        )
        for name, quantity in (("s1", 2), ("s2", 3), ("s3", 50)):
            row = {
                "customer_id": "c1",
                "subscription_id": name,
                "product_id": "p1",
                "sku_id": "0001",
                "quantity": quantity,
                "snapshot_on": "2026-04-02",
            }
            case.facts("partner_center.subscriptions", row)
        case.draft("2026-03")
        assert [line[3] for line in case.lines("2026-03")] == [5.0, 50.0]


def test_own_services_are_billed_for_an_account_without_tenants(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("account_tenants", "account_id,customer_id")
        case.terms(
            "contract_lines",
            LINES,
            "L1,A1,,,,,,flat,99.99,EUR,,,,advance,,,2026-01-15,,own",
            "L2,A1,,,,,,per_unit,10,EUR,,,3,arrears,,,2026-01-01,,none",
        )
        case.draft("2026-01")
        assert case.lines("2026-01") == [
            ("recurring", "2026-01-15", "2026-02-14", 1.0, "99.99"),
            ("recurring", "2026-02-15", "2026-03-14", 1.0, "99.99"),
            ("recurring", "2026-01-01", "2026-01-31", 3.0, "30.00"),
        ]


def test_cost_goes_to_the_most_specific_line_and_to_one_only(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            LINES,
            "L1,A1,c1,,,,,cost_plus,,EUR,,,,,,,2026-01-01,,",
            "L2,A1,c1,,,P1,,cost_plus,,EUR,,,,,,,2026-01-01,,",
            "L3,A1,c1,,,P1,0002,cost_plus,,EUR,,,,,,,2026-01-01,,",
            "L4,A1,c1,s4,,,,cost_plus,,EUR,,,,,,,2026-01-01,,",
            "L5,A1,c1,,e5,,,cost_plus,,EUR,,,,,,,2026-01-01,,",
            "L6,A1,c1,,,P9,,per_unit,1,EUR,,,,,,,2026-01-01,,own",
        )
        for line_id, keys in {
            "any": {"product_id": "P7"},
            "product": {"product_id": "p1", "sku_id": "0001"},
            "sku": {"product_id": "P1", "sku_id": "0002"},
            "subscription": {"product_id": "P1", "sku_id": "0002", "subscription_id": "S4"},
            "own": {"product_id": "P9"},
            "stranger": {"customer_id": "c9"},
            "prefixed": {"customer_id": "org:C1", "product_id": "P1"},
        }.items():
            case.cost(line_id, "10", "2026-03-01", "2026-03-31", **keys)
        case.cost("azure", "10", "2026-03-01", "2026-03-31", product_family="azure_plan", subscription_id="s4")
        for entitlement, amount in (("E5", "7"), ("e6", "2"), (None, "1")):
            row = {
                "billing_month": "2026-03",
                "currency": "EUR",
                "line_id": "azure",
                "customer_id": "c1",
                "entitlement_id": entitlement,
                "billed_amount": amount,
            }
            case.facts("cost.line_allocations", row)
        case.draft("2026-03")
        assert matches(case) == {
            "any": "L1",
            "product": "L2",
            "sku": "L3",
            "subscription": "L4",
            "own": "L1",
            "stranger": None,
            "prefixed": "L2",
            "azure:E5": "L5",
            "azure:e6": "L4",
            "azure": "L4",
        }
        amounts = dict(
            case.con.execute("SELECT contract_line_id, CAST(base_amount AS DOUBLE) FROM billing.cost_bases").fetchall()
        )
        assert amounts == {"L1": 20.0, "L2": 20.0, "L3": 10.0, "L4": 13.0, "L5": 7.0}


def test_of_two_lines_for_the_same_cost_the_one_that_is_active_takes_it(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            LINES,
            "L1,A1,c1,s1,,,,cost_plus,,EUR,,,,,,,2026-01-01,2026-02-28,",
            "L2,A1,c1,s1,,,,cost_plus,,EUR,,,,,,,2026-03-01,,",
        )
        case.cost("feb", "10", "2026-02-01", "2026-02-28", subscription_id="s1")
        case.cost("mar", "20", "2026-03-01", "2026-03-31", subscription_id="s1")
        case.draft("2026-02", "2026-03")
        assert matches(case) == {"feb": "L1", "mar": "L2"}


def test_the_cost_of_a_year_is_charged_month_by_month_to_the_last_unit(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, "L1,A1,c1,,,,,cost_plus,,EUR,,,,,,,2026-01-01,,")
        case.cost("year", "-1000.01", "2026-01-17", "2027-01-16")
        case.draft("2026-01", "2026-02")
        found = bases(case)
        assert len(found) == 13
        assert found["2026-02"] == "-76.7131"
        total = case.con.execute("SELECT sum(base_amount) FROM billing.cost_bases").fetchone()
        assert total == (Decimal("-1000.01"),)
        assert case.lines("2026-02") == [("usage", "2026-02-01", "2026-02-28", None, "-76.71")]


def test_gross_adds_the_earned_credit_of_the_same_scope(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, "L1,A1,c1,,e1,,,cost_plus,,EUR,10,gross,,,,,2026-01-01,,")
        keys = {
            "customer_id": "c1",
            "subscription_id": "az",
            "product_id": "P",
            "sku_id": "1",
            "billing_month": "2026-03",
            "currency": "EUR",
        }
        case.cost(
            "azure",
            "100",
            "2026-03-01",
            "2026-03-31",
            product_family="azure_plan",
            subscription_id="az",
            product_id="P",
            sku_id="1",
        )
        for entitlement, amount in (("e1", "85"), ("e2", "15")):
            case.facts(
                "cost.line_allocations",
                {**keys, "line_id": "azure", "entitlement_id": entitlement, "billed_amount": amount},
            )
            case.facts(
                "cost.daily_usage",
                {
                    **keys,
                    "entitlement_id": entitlement,
                    "usage_on": "2026-03-04",
                    "pec_amount": "15",
                    "is_estimate": "false",
                },
            )
        case.draft("2026-03")
        assert case.lines("2026-03") == [("usage", "2026-03-01", "2026-03-31", None, "110.00")]


@pytest.mark.parametrize(
    ("rate", "amount"),
    [("2026-03,USD,EUR,0.91,ecb", "91.00"), ("2026-03,EUR,USD,1.1,ecb", "90.91"), ("2026-02,USD,EUR,0.91,ecb", None)],
)
def test_cost_in_another_currency_takes_the_rate_of_its_month_or_is_refused(
    tmp_path: Path, rate: str, amount: str | None
) -> None:
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            LINES,
            "L1,A1,c1,,,,,cost_plus,,EUR,,,,,,,2026-01-01,,",
            "L2,A1,,,,,,flat,5,EUR,,,,arrears,,,2026-03-01,,own",
        )
        case.terms("exchange_rates", "rate_month,from_currency,to_currency,rate,source", rate)
        case.cost("x1", "100", "2026-03-01", "2026-03-31", currency="USD")
        report = case.draft("2026-03")
        charged = [line[4] for line in case.lines("2026-03") if line[0] == "usage"]
        assert charged == ([] if amount is None else [amount])
        assert len(case.lines("2026-03")) == 1 + len(charged)
        assert [n.severity for n in report.notices] == (["refused"] if amount is None else [])
        if amount is None:
            assert "no rate of 2026-03 between USD and EUR" in report.notices[0].message


def test_billing_begins_with_the_first_provider_invoice_unless_it_is_set(tmp_path: Path) -> None:
    with billing_case(tmp_path, None) as case:
        case.terms("contract_lines", LINES, "L1,A1,,,,,,flat,1,EUR,,,,arrears,,,2025-01-01,,own")
        assert case.draft("2026-01").billing_starts_on is None
        case.facts(
            "cost.invoices",
            {"invoice_number": "G2", "billing_month": "2026-03"},
            {"invoice_number": "G1", "billing_month": "2026-02"},
        )
        report = case.draft("2026-01", "2026-02", "2026-03")
        assert report.billing_starts_on == date(2026, 2, 1)
        assert report.invoices == {"2026-01": 0, "2026-02": 1, "2026-03": 1}


def test_cycles_say_which_invoice_charges_them(tmp_path: Path) -> None:
    with billing_case(tmp_path, date(2026, 2, 1)) as case:
        case.terms("contract_lines", LINES, "L1,A1,,,,,,flat,1,EUR,,,,advance,17,,2026-01-20,2026-03-20,own")
        case.draft("2026-02")
        rows = case.con.execute(
            """
            SELECT
                CAST(cycle_start_on AS VARCHAR), CAST(cycle_end_on AS VARCHAR), CAST(full_cycle_start_on AS VARCHAR),
                CAST(full_cycle_end_on AS VARCHAR), full_cycle_days, invoice_month, counts_as_issued
            FROM billing.cycles
            ORDER BY cycle_start_on
            """
        ).fetchall()
        assert rows == [
            ("2026-01-20", "2026-02-16", "2026-01-17", "2026-02-16", 31, "2026-02", True),
            ("2026-02-17", "2026-03-16", "2026-02-17", "2026-03-16", 28, "2026-02", False),
            ("2026-03-17", "2026-03-20", "2026-03-17", "2026-04-16", 31, "2026-02", False),
        ]


def test_documents_are_one_per_account_month_and_currency_with_tax_per_category(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("accounts", "account_id,name,currency,tax_rate_id", "A1,Contoso,EUR,DE")
        case.terms(
            "contract_lines",
            "contract_line_id,account_id,pricing_model,unit_price,currency,billing_timing,tax_category,starts_on,cost_source",
            "L3,A1,flat,0.05,EUR,arrears,standard,2026-01-01,own",
            "L1,A1,flat,0.05,EUR,arrears,standard,2026-01-01,own",
            "L2,A1,flat,10,EUR,arrears,reduced,2026-01-01,own",
            "L4,A1,flat,1000,JPY,arrears,standard,2026-01-01,own",
        )
        case.terms(
            "tax_rates",
            "tax_rate_id,tax_category,rate_percent,valid_from,valid_to",
            "DE,standard,16,,2026-01-30",
            "DE,standard,19,2026-01-31,",
            "DE,reduced,7,,",
        )
        case.draft("2026-01")
        documents = case.con.execute(
            """
            SELECT
                currency, CAST(net_amount AS DOUBLE), CAST(tax_amount AS DOUBLE), CAST(gross_amount AS DOUBLE), state,
                invoice_number, due_on
            FROM billing.invoices
            ORDER BY 1
            """
        ).fetchall()
        assert documents == [
            ("EUR", 10.1, 0.72, 10.82, "draft", None, None),
            ("JPY", 1000.0, 190.0, 1190.0, "draft", None, None),
        ]
        numbered = case.con.execute(
            """
            SELECT line_number, contract_line_id, tax_percent
            FROM billing.invoice_lines
            WHERE currency = 'EUR'
            ORDER BY 1
            """
        ).fetchall()
        assert numbered == [(1, "L1", Decimal(19)), (2, "L2", Decimal(7)), (3, "L3", Decimal(19))]


def test_the_same_facts_give_the_same_bytes_and_other_facts_others(tmp_path: Path) -> None:
    hashes = "SELECT invoice_id, content_sha256 FROM billing.invoices ORDER BY ALL"
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            LINES,
            "L1,A1,,,,,,flat,5,EUR,,,,arrears,,,2026-01-01,,own",
            "L2,A1,,,,,,flat,6,EUR,,,,arrears,,,2026-01-01,,own",
        )
        case.draft("2026-01")
        first = case.con.execute(hashes).fetchall()
        case.terms(
            "contract_lines",
            LINES,
            "L2,A1,,,,,,flat,6.00,EUR,,,,arrears,,,2026-01-01,,own",
            "L1,A1,,,,,,flat,5,EUR,,,,arrears,,,2026-01-01,,own",
        )
        case.draft("2026-01")
        assert case.con.execute(hashes).fetchall() == first
        case.terms(
            "contract_lines",
            LINES,
            "L1,A1,,,,,,flat,5.01,EUR,,,,arrears,,,2026-01-01,,own",
            "L2,A1,,,,,,flat,6,EUR,,,,arrears,,,2026-01-01,,own",
        )
        case.draft("2026-01")
        ((invoice_id, content),) = case.con.execute(hashes).fetchall()
        assert invoice_id == first[0][0]
        assert content != first[0][1]


def test_a_month_is_drafted_without_touching_the_others(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, "L1,A1,,,,,,flat,5,EUR,,,,arrears,,,2026-01-01,,own")
        case.draft("2026-01", "2026-02")
        case.terms("contract_lines", LINES, "L1,A1,,,,,,flat,7,EUR,,,,arrears,,,2026-01-01,,own")
        case.draft("2026-02")
        assert [case.lines(month)[0][4] for month in ("2026-01", "2026-02")] == ["5.00", "7.00"]


def test_without_a_required_table_nothing_is_drafted(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, "L1,A1,,,,,,flat,5,EUR,,,,arrears,,,2026-01-01,,own")
        (case.folder / "account_tenants.csv").unlink()
        report = case.draft("2026-01")
        assert report.missing == ("account_tenants",)
        assert report.invoices == {"2026-01": 0}


def test_a_quantity_that_nobody_knows_is_told(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, "L1,A1,c1,s9,,,,per_unit,5,EUR,,,,arrears,,,2026-01-01,,")
        report = case.draft("2026-01")
        assert [n.message for n in report.notices] == [
            "Contract line L1: no quantity of subscription s9 is known, so nothing is charged."
        ]
        assert case.con.execute("SELECT count(*) FROM billing.notices").fetchone() == (1,)


def test_a_tax_rate_that_no_longer_holds_is_named_and_not_silently_zero(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("accounts", "account_id,name,currency,tax_rate_id", "A1,Contoso,EUR,DE")
        case.terms("tax_rates", "tax_rate_id,tax_category,rate_percent,valid_from,valid_to", "DE,,19,,2025-12-31")
        case.terms("contract_lines", LINES, "L1,A1,,,,,,flat,100,EUR,,,,arrears,,,2026-01-01,,own")
        case.draft("2026-01")
        found = case.con.execute("SELECT billing_month, severity, message FROM billing.notices").fetchall()
        assert [(month, severity) for month, severity, _ in found] == [("2026-01", "refused")]
        assert "tax rate DE has no percentage" in found[0][2]
