"""The proof by customer: who is proven, who is not, and that the customers of a document make its proof."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csp_pipeline.storage.home import Home
from csp_pipeline_tests.models.staged_rows import header, line, open_partner, seats, usage

if TYPE_CHECKING:
    from csp_pipeline_tests.models.staged_rows import Row, StagedPartner

CUSTOMERS = "SELECT * FROM cost.customer_proof ORDER BY customer_id NULLS FIRST"
AMOUNTS = (
    "lines_amount", "lines_tax_amount", "subtotal_amount", "daily_usage_amount", "not_in_daily_usage_amount",
    "rounding_amount", "bounded_amount", "usage_gap_amount", "lines_in_daily_usage", "matched_lines",
)  # fmt: skip


def test_a_gap_stands_with_the_customer_whose_usage_it_is(partner: StagedPartner) -> None:
    other = {"customer_id": "tenant-b", "subscription_id": "plan-b"}
    partner.stage(
        daily_usage=[usage("6.009"), usage("4.01", pricing_pre_tax_total="4.00", **other)],
        reconciliation=[line("6"), seats("50", tax_total="5", total="55"), line("4", **other)],
        invoice_headers=[header("65")],
    ).build()
    one, two = partner.rows(CUSTOMERS)
    assert (one["customer_id"], one["proof_state"], one["usage_gap_amount"]) == ("tenant-a", "proven", 0)
    assert (one["lines_amount"], one["lines_tax_amount"], one["not_in_daily_usage_amount"]) == (61, 5, 50)
    assert one["rounding_amount"] == Decimal("-0.009")
    assert (two["customer_id"], two["proof_state"], two["usage_gap_amount"]) == (
        "tenant-b", "unproven", Decimal("-0.01"),
    )  # fmt: skip
    assert (two["lines_in_daily_usage"], two["matched_lines"]) == (1, 1)


def test_spellings_of_a_tenant_are_one_customer_and_lines_without_one_are_told_apart(partner: StagedPartner) -> None:
    partner.stage(
        daily_usage=[usage("6", customer_id="TENANT-A")],
        reconciliation=[line("6"), seats("1", customer_id=None), seats("2", customer_id=" ")],
        invoice_headers=[header("9")],
    ).build()
    assert [(row["customer_id"], row["lines_amount"]) for row in partner.rows(CUSTOMERS)] == [
        (" ", 3),
        ("TENANT-A", 6),
    ]
    assert partner.only("SELECT proof_state FROM cost.invoice_proof")["proof_state"] == "proven"


def test_a_customer_within_the_bound_is_bounded(partner: StagedPartner) -> None:
    partner.stage(
        daily_usage=[usage("6")],
        reconciliation=[line("6.01", billable_quantity="7"), seats("2", customer_id="tenant-b")],
        invoice_headers=[header("8.01")],
    ).build()
    assert [row["proof_state"] for row in partner.rows(CUSTOMERS)] == ["bounded", "proven"]


@pytest.mark.parametrize("digits", ["0.00000000004", "0.00000000005", "0.00000000009"])
def test_a_gap_beyond_the_tenth_decimal_is_rounded_once_over_all_customers(partner: StagedPartner, digits: str) -> None:
    """Three customers each off by less than 1E-10: what the document rounds to is given to one or two of them."""
    names = ("a", "b", "c")
    partner.stage(
        daily_usage=[
            usage(str(6 + Decimal(digits)), quantity="2", customer_id=name, subscription_id=name) for name in names
        ],
        reconciliation=[line("6.03", billable_quantity="1", customer_id=name, subscription_id=name) for name in names],
        invoice_headers=[header("18.09")],
    ).build()
    gap = (3 * (Decimal("0.03") - Decimal(digits))).quantize(Decimal("1E-10"), ROUND_HALF_UP)
    assert partner.only("SELECT usage_gap_amount FROM cost.invoice_proof")["usage_gap_amount"] == gap
    parts = [Decimal(str(row["usage_gap_amount"])) for row in partner.rows(CUSTOMERS)]
    assert sum(parts) == gap
    assert all(abs(part - Decimal("0.03") + Decimal(digits)) < Decimal("1E-10") for part in parts)


@st.composite
def months(draw: st.DrawFn) -> tuple[list[Row], list[Row]]:
    """Usage and lines of up to three customers, with prices in another currency, that match or do not."""
    rows: list[Row] = []
    lines: list[Row] = []
    rate = draw(st.sampled_from(["1", "0.846202666", "149.87654321", "0.000001"]))
    for place in range(draw(st.integers(1, 4))):
        customer = draw(st.sampled_from(["a", "b", "c"]))
        own: Row = {"customer_id": customer, "subscription_id": customer, "pc_to_bc_exchange_rate": rate}
        priced = draw(st.decimals("-99", "99", places=11))
        off = draw(st.sampled_from(["0", "0.0000009", "0.01", "-0.00000000007"]))
        net = (priced * Decimal(rate)).quantize(Decimal("1E-12")) + Decimal(off)
        rows.append(
            usage(str(net), pricing_pre_tax_total=str(priced), quantity=str(place), meter_id=f"m{place}", **own)
        )
        lines.append(
            line(
                str(draw(st.decimals("-99", "99", places=2))),
                billable_quantity=str(place if draw(st.booleans()) else 77),
                **own,
            )
        )
    return rows, lines


@settings(max_examples=6)
@given(months())
def test_the_customers_of_a_document_sum_to_its_proof(month: tuple[list[Row], list[Row]]) -> None:
    partner = open_partner(Home(Path("unused")))
    rows, lines = month
    partner.stage(daily_usage=rows, reconciliation=lines, invoice_headers=[header("1")]).build()
    sums = partner.only(f"SELECT {', '.join(f'sum({name}) AS {name}' for name in AMOUNTS)} FROM cost.customer_proof")
    assert sums == partner.only(f"SELECT {', '.join(AMOUNTS)} FROM cost.invoice_proof")
    off = """SELECT abs(coalesce(sum(amount), 0) - $gap) AS amount FROM cost.unexplained_rows"""
    row = partner.con.execute(off, {"gap": sums["usage_gap_amount"]}).fetchone()
    assert row is not None
    assert row[0] < Decimal("1E-9")
    partner.close()
