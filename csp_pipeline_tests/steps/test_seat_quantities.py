"""Whose word counts for a quantity: the change log, else the snapshot, else the provider's lines."""

from pathlib import Path

import pytest

from csp_pipeline_tests.steps.billing_case import Case, billing_case
from csp_pipeline_tests.steps.issuing_case import issue_month

LINES = (
    "contract_line_id,account_id,customer_id,subscription_id,entitlement_id,product_id,sku_id,pricing_model,unit_price,"
    "currency,markup_percent,cost_basis,quantity,billing_timing,anchor_day,proration,starts_on,ends_on,cost_source"
)
SEATS = {"subscription_id": "s2", "billable_quantity": 4, "charge_type": "cycleCharge"}
OTHERS = {"subscription_id": "s9", "billable_quantity": 1}


def test_without_changes_the_snapshot_counts_and_without_it_the_providers_lines(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            LINES,
            "L1,A1,c1,s1,,,,per_unit,1,EUR,,,,arrears,1,,2026-03-01,,",
            "L2,A1,c1,s2,,,,per_unit,1,EUR,,,,arrears,1,,2026-03-01,,",
        )
        snapshot = {"customer_id": "C1", "subscription_id": "s1", "quantity": 7, "snapshot_on": "2026-04-02"}
        case.facts("partner_center.subscriptions", snapshot)
        case.cost(
            "x1", "40", "2026-03-01", "2026-03-31", subscription_id="s2", billable_quantity=4, charge_type="cycleCharge"
        )
        case.cost(
            "x2",
            "-20",
            "2026-03-16",
            "2026-03-31",
            subscription_id="s2",
            billable_quantity=-4,
            charge_type="addQuantity",
        )
        case.cost(
            "x3", "30", "2026-03-16", "2026-03-31", subscription_id="s2", billable_quantity=6, charge_type="addQuantity"
        )
        case.draft("2026-03")
        assert case.lines("2026-03") == [
            ("recurring", "2026-03-01", "2026-03-31", 7.0, "7.00"),
            ("recurring", "2026-03-01", "2026-03-31", 4.0, "4.00"),
            ("change", "2026-03-16", "2026-03-31", 2.0, "1.03"),
        ]


@pytest.mark.parametrize(
    ("proof_state", "march"), [("proven", []), ("incomplete", [("recurring", "2026-03-01", "2026-03-31", 4.0, "4.00")])]
)
def test_seats_that_the_provider_charges_no_longer_are_not_charged_either(
    tmp_path: Path, proof_state: str, march: list[tuple[object, ...]]
) -> None:
    """February's document is the last with seats; March is loaded without them, April is not loaded yet."""
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, "L1,A1,c1,s2,,,,per_unit,1,EUR,,,,arrears,1,,2026-01-01,,")
        seats = {"subscription_id": "s2", "billable_quantity": 4, "charge_type": "cycleCharge"}
        case.cost("x1", "40", "2026-01-01", "2026-01-31", **seats)
        case.cost("x2", "40", "2026-02-01", "2026-02-28", **seats)
        case.draft("2026-01", "2026-02", "2026-03")
        assert [case.lines(month)[0][3] for month in ("2026-01", "2026-02", "2026-03")] == [4.0, 4.0, 4.0]
        proof = {"invoice_number": "G2", "billing_month": "2026-03", "currency": "EUR", "proof_state": proof_state}
        case.facts("cost.invoice_proof", proof)
        case.cost("x3", "1", "2026-03-01", "2026-03-31", invoice_number="G2", subscription_id="s9", billable_quantity=1)
        case.draft("2026-01", "2026-02", "2026-03", "2026-04")
        assert [case.lines(month)[0][3] for month in ("2026-01", "2026-02")] == [4.0, 4.0]
        assert case.lines("2026-03") == march
        assert len(case.lines("2026-04")) == len(march)


def test_seats_whose_cycle_ends_inside_a_month_end_there(tmp_path: Path) -> None:
    """The cycle of 17 January ends on 16 February, and February's document has no other."""
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, "L1,A1,c1,s2,,,,per_unit,28,EUR,,,,arrears,1,,2026-02-01,,")
        seats = {"subscription_id": "s2", "billable_quantity": 1, "charge_type": "cycleCharge"}
        case.cost("x1", "40", "2026-01-17", "2026-02-16", **seats)
        case.cost("x2", "1", "2026-02-01", "2026-02-28", subscription_id="s9", billable_quantity=1)
        case.draft("2026-02", "2026-03")
        assert case.lines("2026-02") == [
            ("recurring", "2026-02-01", "2026-02-28", 1.0, "28.00"),
            ("change", "2026-02-17", "2026-02-28", -1.0, "-12.00"),
        ]
        assert case.lines("2026-03") == []


def one_line(case: Case, timing: str = "arrears") -> None:
    """A contract line of s2 from January at 10.00 a seat, and its four seats in January's document."""
    case.terms("contract_lines", LINES, f"L1,A1,c1,s2,,,,per_unit,10,EUR,,,,{timing},1,,2026-01-01,,")
    case.cost("x1", "40", "2026-01-01", "2026-01-31", **SEATS)


def document(case: Case, month: int, proof_state: str, **others: object) -> None:
    """A document of a month with seats of another subscription."""
    number, day = f"G{month}", f"2026-{month:02}-01"
    proof = {"invoice_number": number, "billing_month": day[:7], "currency": "EUR", "proof_state": proof_state}
    case.facts("cost.invoice_proof", proof)
    case.cost(f"y{month}", "1", day, f"{day[:7]}-28", invoice_number=number, **{**OTHERS, **others})


@pytest.mark.parametrize(
    ("states", "charged"),
    [
        (("proven", "proven", "incomplete"), ["40.00", None, None, None]),
        (("incomplete", "proven", "incomplete"), ["40.00", "40.00", None, None]),
        (("incomplete", "incomplete", "bounded"), ["40.00", "40.00", "40.00", None]),
    ],
)
def test_the_first_month_loaded_whole_after_the_last_covered_day_ends_the_seats(
    tmp_path: Path, states: tuple[str, ...], charged: list[str | None]
) -> None:
    """Documents of February to April without the seats, of some of which rows could not be read."""
    with billing_case(tmp_path) as case:
        one_line(case)
        for month, state in enumerate(states, 2):
            document(case, month, state)
        months = [f"2026-{month:02}" for month in range(1, 5)]
        case.draft(*months)
        assert [next((line[4] for line in case.lines(month)), None) for month in months] == charged


def test_a_month_whose_seats_could_be_of_an_unread_document_ends_none(tmp_path: Path) -> None:
    """February's second document has no line that could be read."""
    with billing_case(tmp_path) as case:
        one_line(case)
        document(case, 2, "proven")
        unread = {"invoice_number": "G9", "billing_month": "2026-02", "currency": "EUR", "proof_state": "incomplete"}
        case.facts("cost.invoice_proof", unread)
        case.draft("2026-01", "2026-02")
        assert [line[4] for line in case.lines("2026-02")] == ["40.00"]


@pytest.mark.parametrize(
    "other",
    [
        {"product_family": "azure_legacy", "source_kind": "legacy_usage"},
        {"source_kind": "legacy_licence"},
        {"provider": "dist", "source_kind": "distributor_invoice"},
        {"currency": "USD"},
        {"charge_type": "customerCredit"},
    ],
)
def test_a_document_that_would_not_have_carried_the_seats_ends_none(tmp_path: Path, other: dict[str, str]) -> None:
    with billing_case(tmp_path) as case:
        one_line(case, "advance")
        case.draft("2026-01")
        issue_month(case, "2026-01")
        case.cost("u1", "5", "2026-02-01", "2026-02-28", invoice_number="D2", **OTHERS, **other)
        case.draft("2026-01", "2026-02")
        assert not [line for line in case.lines("2026-02") if line[0] == "refund"]


def test_a_month_that_was_never_loaded_ends_no_seats(tmp_path: Path) -> None:
    """March's document has the seats again; or it has them no longer, and they end on 1 March."""
    with billing_case(tmp_path) as case:
        one_line(case)
        document(case, 3, "proven")
        months = ("2026-01", "2026-02", "2026-03")
        case.draft(*months)
        assert [[line[4] for line in case.lines(month)] for month in months] == [["40.00"], ["40.00"], []]
        case.cost("x3", "40", "2026-03-01", "2026-03-31", invoice_number="G3", **SEATS)
        case.draft(*months)
        assert [[line[4] for line in case.lines(month)] for month in months] == [["40.00"]] * 3


def test_seats_of_a_cycle_whose_next_document_is_missing_end_with_the_cycle_after_it(tmp_path: Path) -> None:
    """Until 16 February covered; February's document is missing, March's has no cycle of 17 March."""
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, "L1,A1,c1,s2,,,,per_unit,31,EUR,,,,arrears,1,,2026-03-01,,")
        case.cost("x1", "40", "2026-01-17", "2026-02-16", **{**SEATS, "billable_quantity": 1})
        document(case, 3, "proven")
        case.draft("2026-03", "2026-04")
        assert case.lines("2026-03") == [
            ("recurring", "2026-03-01", "2026-03-31", 1.0, "31.00"),
            ("change", "2026-03-17", "2026-03-31", -1.0, "-15.00"),
        ]
        assert case.lines("2026-04") == []
