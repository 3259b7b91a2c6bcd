"""Each seat is charged once: by one contract line, and under one id of a subscription that changed its id."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from csp_pipeline_tests.steps.billing_case import Case, billing_case
from csp_pipeline_tests.steps.issuing_case import issue_month

if TYPE_CHECKING:
    from pathlib import Path

TERMS = (
    "contract_line_id,account_id,customer_id,subscription_id,product_id,sku_id,pricing_model,unit_price,currency,"
    "billing_timing,anchor_day,starts_on,ends_on"
)
LINKS = "from_subscription_id,to_subscription_id,valid_from,reason,confirmed"


def snapshot(subscription: str, product: str = "P") -> dict[str, object]:
    return {
        "customer_id": "c1",
        "subscription_id": subscription,
        "product_id": product,
        "sku_id": "1",
        "quantity": 5,
        "snapshot_on": "2026-02-20",
    }


def amounts(case: Case, *months: str) -> list[list[str]]:
    """Net amounts of each month's lines."""
    return [[line[4] for line in case.lines(month)] for month in months]


def test_seats_count_under_the_former_id_before_the_link_and_under_the_new_one_from_it(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", TERMS, "L1,A1,c1,s1,,,per_unit,10,EUR,arrears,1,2026-01-01,")
        case.terms("subscription_links", LINKS, "s1,s2,2026-02-01,conversion,true", "s2,s3,2026-03-01,conversion,true")
        case.facts("partner_center.subscriptions", snapshot("s1"), snapshot("s2"), snapshot("s3"))
        case.draft("2026-01", "2026-02", "2026-03")
        assert [line[3:] for month in ("2026-01", "2026-02", "2026-03") for line in case.lines(month)] == [
            (5.0, "50.00")
        ] * 3


def test_seats_are_charged_by_the_most_specific_contract_line_alone(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            TERMS,
            "L1,A1,c1,,P,,per_unit,9,EUR,arrears,1,2026-01-01,",
            "L2,A1,c1,,P,1,per_unit,10,EUR,arrears,1,2026-01-01,2026-01-31",
        )
        case.facts("partner_center.subscriptions", snapshot("s1"))
        case.draft("2026-01", "2026-02")
        assert case.lines("2026-01") == [("recurring", "2026-01-01", "2026-01-31", 5.0, "50.00")]
        assert case.lines("2026-02") == [("recurring", "2026-02-01", "2026-02-28", 5.0, "45.00")]


def test_a_line_by_product_charges_before_and_after_a_line_that_names_the_subscription(tmp_path: Path) -> None:
    """A line names s1 for February, another from 16 April; the line by product has the other days."""
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            TERMS,
            "L1,A1,c1,,P,,per_unit,10,EUR,arrears,1,2026-01-01,",
            "L2,A1,c1,s1,,,per_unit,12,EUR,arrears,1,2026-02-01,2026-02-28",
            "L3,A1,c1,s1,,,per_unit,12,EUR,arrears,1,2026-04-16,",
        )
        case.facts("partner_center.subscriptions", snapshot("s1"))
        case.draft("2026-01", "2026-02", "2026-03", "2026-04", "2026-05")
        assert [[line[4] for line in case.lines(f"2026-0{month}")] for month in (1, 2, 3)] == [
            ["50.00"],
            ["60.00"],
            ["50.00"],
        ]
        assert case.lines("2026-04") == [
            ("recurring", "2026-04-01", "2026-04-30", 5.0, "50.00"),
            ("change", "2026-04-16", "2026-04-30", -5.0, "-25.00"),
            ("recurring", "2026-04-16", "2026-04-30", 5.0, "30.00"),
        ]
        assert [line[4] for line in case.lines("2026-05")] == ["60.00"]


def test_seats_that_a_better_matching_line_takes_over_are_credited_where_they_were_issued(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        by_product = "L1,A1,c1,,P,,per_unit,10,EUR,arrears,1,2026-01-01,"
        case.terms("contract_lines", TERMS, by_product)
        case.facts("partner_center.subscriptions", snapshot("s1"))
        case.draft("2026-01")
        issue_month(case, "2026-01")
        for better in (
            "L2,A1,c1,,P,1,per_unit,12,EUR,arrears,1,2026-01-01,",
            "L2,A1,c1,s1,,,per_unit,12,EUR,arrears,1,2026-01-01,",
        ):
            case.terms("contract_lines", TERMS, by_product, better)
            report = case.draft("2026-01")
            assert [notice.message for notice in report.notices] == []
            assert case.lines("2026-02") == [
                ("refund", "2026-01-01", "2026-01-31", -5.0, "-50.00"),
                ("recurring", "2026-01-01", "2026-01-31", 5.0, "60.00"),
            ]


def test_seats_that_another_subscription_replaced_from_the_beginning_are_none(tmp_path: Path) -> None:
    """s2 took the place of s1 before the lines began, so the line that names s1 has none."""
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            TERMS,
            "L1,A1,c1,s1,,,per_unit,10,EUR,arrears,1,2026-01-01,",
            "L2,A1,c1,s2,,,per_unit,12,EUR,arrears,1,2026-01-01,",
        )
        case.facts("partner_center.subscriptions", snapshot("s1"), snapshot("s2"))
        case.terms("subscription_links", LINKS, "s1,s2,2025-12-01,conversion,true")
        report = case.draft("2026-01")
        assert [notice.message for notice in report.notices] == []
        assert case.lines("2026-01") == [("recurring", "2026-01-01", "2026-01-31", 5.0, "60.00")]


def test_a_link_later_than_the_end_of_the_line_that_names_the_former_takes_no_days_from_others(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            TERMS,
            "L1,A1,c1,s1,,,per_unit,10,EUR,arrears,1,2026-01-01,2026-03-31",
            "L2,A1,c1,,P,,per_unit,10,EUR,arrears,1,2026-01-01,",
        )
        case.terms("subscription_links", LINKS, "s1,s2,2026-06-01,conversion,true")
        case.facts("partner_center.subscriptions", snapshot("s1", "Q"), snapshot("s2"))
        months = ("2026-01", "2026-04", "2026-05", "2026-06")
        case.draft("2026-01", "2026-02", "2026-03", *months[1:])
        assert amounts(case, *months) == [["50.00", "50.00"], ["50.00"], ["50.00"], ["50.00"]]


def test_a_successor_passes_to_the_line_of_the_former_until_a_line_of_its_own_begins(tmp_path: Path) -> None:
    """s2 took over on 1 February; its own line begins in the middle of April and ends with May."""
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            TERMS,
            "L1,A1,c1,s1,,,per_unit,10,EUR,arrears,1,2026-01-01,",
            "L2,A1,c1,s2,,,per_unit,12,EUR,arrears,1,2026-04-16,2026-05-31",
        )
        case.terms("subscription_links", LINKS, "s1,s2,2026-02-01,conversion,true")
        case.facts("partner_center.subscriptions", snapshot("s1"), snapshot("s2"))
        months = tuple(f"2026-0{month}" for month in range(1, 7))
        case.draft(*months)
        assert amounts(case, *months) == [
            ["50.00"],
            ["50.00"],
            ["50.00"],
            ["50.00", "-25.00", "30.00"],
            ["60.00"],
            ["50.00"],
        ]


def test_a_successor_passes_to_the_nearest_former_subscription_that_a_line_names(tmp_path: Path) -> None:
    """s1, then s2, then s3: lines name the first two, so the third is of the line that names the second."""
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            TERMS,
            "L1,A1,c1,s1,,,per_unit,10,EUR,arrears,1,2026-01-01,",
            "L2,A1,c1,s2,,,per_unit,12,EUR,arrears,1,2026-01-01,",
        )
        case.terms("subscription_links", LINKS, "s1,s2,2026-01-01,conversion,true", "s2,s3,2026-02-01,conversion,true")
        case.facts("partner_center.subscriptions", snapshot("s1"), snapshot("s2"), snapshot("s3"))
        case.draft("2026-01", "2026-02")
        assert amounts(case, "2026-01", "2026-02") == [["60.00"], ["60.00"]]


def test_a_subscription_is_replaced_over_one_that_nothing_is_known_of(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", TERMS, "L1,A1,c1,s1,,,per_unit,10,EUR,arrears,1,2026-01-01,")
        case.terms("subscription_links", LINKS, "s1,s2,2026-01-15,conversion,true", "s2,s3,2026-02-01,conversion,true")
        case.facts("partner_center.subscriptions", snapshot("s1"), snapshot("s3"))
        case.draft("2026-01", "2026-02")
        assert amounts(case, "2026-01", "2026-02") == [["50.00"], ["50.00"]]


@pytest.mark.parametrize("own", ["s1,", ",P"])
def test_own_work_for_a_subscription_does_not_end_what_is_charged_for_it(tmp_path: Path, own: str) -> None:
    """The licence line by product charges s1 on, beside own work for s1 or its successor."""
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            f"{TERMS},cost_source,quantity_source",
            f"L1,A1,c1,{own},,per_unit,2,EUR,arrears,1,2026-01-01,,own,partner_center",
            "L2,A1,c1,,P,,per_unit,10,EUR,arrears,1,2026-01-01,,,",
        )
        case.terms("subscription_links", LINKS, "s1,s2,2026-02-01,conversion,true")
        case.facts("partner_center.subscriptions", snapshot("s1"), snapshot("s2", "Q"))
        case.draft("2026-01", "2026-02")
        assert [sorted(month) for month in amounts(case, "2026-01", "2026-02")] == [["10.00", "50.00"]] * 2
