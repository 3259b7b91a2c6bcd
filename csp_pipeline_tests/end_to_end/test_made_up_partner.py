"""The partner of `make run`: every invoice is proven, and everything planted in it is found with cause and amount."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from csp_pipeline_tests.end_to_end.command import NEEDS_A_PERSON
from csp_pipeline_tests.product import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from csp_pipeline_tests.end_to_end.conftest import Finished

WHERE = ("cause", "service_month", "account_id", "customer_id", "subscription_id", "contract_line_id", "currency")


@pytest.fixture
def warehouse(done: Finished) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published copy, as a BI tool opens it."""
    with duckdb.connect(str(done.home / "published" / "csp.duckdb"), read_only=True) as connection:
        yield connection


def test_every_invoice_is_proven_with_every_line_matched(done: Finished) -> None:
    assert done.exit_code == NEEDS_A_PERSON
    assert {row["proof_state"] for row in done.summary["invoices"]} == {"proven"}
    assert {Decimal(row["matched_lines_percent"]) for row in done.summary["invoices"]} == {Decimal(100)}
    assert not any(Decimal(row["unexplained_amount"]) for row in done.summary["invoices"])
    assert not any(reason.startswith("Invoice") for reason in done.summary["needs_a_person"])


def test_every_invoice_has_the_figures_it_was_made_with(done: Finished) -> None:
    found = {row["invoice_number"]: row for row in done.summary["invoices"]}
    assert set(found) == {row["invoice_number"] for row in done.expected["invoices"]}
    for made in done.expected["invoices"]:
        row = found[made["invoice_number"]]
        shared = sorted(name for name in made if name in row)
        assert len(shared) >= 10
        assert {name: _plain(row[name]) for name in shared} == {name: _plain(made[name]) for name in shared}


def test_every_line_follows_a_published_rounding_rule(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = warehouse.execute(
        "SELECT rule, sum(reproduced_lines), sum(reproduced_usage_lines), sum(line_count), sum(usage_line_count) "
        "FROM cost.rounding_rules WHERE rule IN ('usage', 'none') GROUP BY rule"
    ).fetchall()
    rules = {rule: counts for rule, *counts in found}
    assert rules["none"][0] == 0 < rules["none"][2]
    assert rules["usage"][1] == rules["usage"][3] > 0


def test_every_planted_anomaly_is_found_with_cause_amount_and_evidence(
    done: Finished, warehouse: duckdb.DuckDBPyConnection
) -> None:
    tolerance = Decimal(done.expected["planted_amount_tolerance"])
    differences = rows_of(warehouse, "SELECT * FROM reconciliation.differences")
    assert len(done.expected["planted"]) >= 20
    for planted in done.expected["planted"]:
        found = [row for row in differences if all(_is_like(row[name], planted[name]) for name in WHERE)]
        assert found, planted
        amount = sum((row["amount"] for row in found), Decimal(0))
        assert abs(amount - Decimal(planted["amount"])) <= tolerance, (planted, found)
        if planted["quantity"] is not None:
            assert sum(row["quantity"] or 0 for row in found) == planted["quantity"], (planted, found)
        assert all(row["expected_on_month"] == planted["expected_on_month"] for row in found), (planted, found)
        assert all(row["evidence"] not in (None, "[]") and row["explanation"] for row in found), (planted, found)


def test_nothing_that_needs_a_person_is_there_beside_what_was_planted(
    done: Finished, warehouse: duckdb.DuckDBPyConnection
) -> None:
    planted = {(row["cause"], row["subscription_id"], row["service_month"]) for row in done.expected["planted"]}
    starred = rows_of(
        warehouse,
        "SELECT cause, subscription_id, service_month FROM reconciliation.differences WHERE cause IN "
        "('unmapped_customer', 'unbilled_cost', 'revenue_without_cost', 'contract_expired', 'quantity_mismatch', "
        "'unexplained')",
    )
    assert {tuple(row.values()) for row in starred} <= planted
    assert "unexplained" not in {row["cause"] for row in starred}


def test_cost_revenue_and_drafts_sum_to_what_was_made(done: Finished, warehouse: duckdb.DuckDBPyConnection) -> None:
    revenue = rows_of(warehouse, "SELECT currency, sum(net_amount) AS amount FROM billing.invoice_lines GROUP BY ALL")
    assert _sums(revenue) == {key: Decimal(value) for key, value in done.expected["revenue_by_currency"].items()}
    cost = rows_of(
        warehouse,
        "SELECT currency, sum(subtotal_amount) AS amount FROM cost.invoice_lines WHERE NOT is_estimate GROUP BY ALL",
    )
    assert _sums(cost) == {key: Decimal(value) for key, value in done.expected["cost_by_currency"].items()}
    drafts = rows_of(warehouse, "SELECT account_id, billing_month, currency, net_amount FROM billing.invoices")
    assert {tuple(row.values())[:3]: row["net_amount"] for row in drafts} == {
        (row["account_id"], row["billing_month"], row["currency"]): Decimal(row["net_amount"])
        for row in done.expected["drafts"]
    }


def test_rows_published_are_the_rows_received(done: Finished, warehouse: duckdb.DuckDBPyConnection) -> None:
    for kind, table in (("reconciliation", "cost.invoice_lines"), ("daily_usage", "cost.daily_usage")):
        billed = warehouse.execute(f"SELECT count(*) FROM {table} WHERE NOT is_estimate").fetchone()
        assert billed == (done.expected["rows"][kind],)
    files = [row for row in done.summary["files"] if row["status"] == "staged"]
    assert all(row["rows_total"] == row["rows_staged"] and not row["rows_quarantined"] for row in files)


def _is_like(found: object, planted: object) -> bool:
    """Ids are the same in any case."""
    return str(found).lower() == str(planted).lower()


def _plain(value: str | int | None) -> object:
    """Amounts as numbers, whatever zeros they end in; words as they are."""
    try:
        return value if value is None else Decimal(value)
    except InvalidOperation:
        return value


def _sums(rows: list[dict[str, Any]]) -> dict[str, Decimal]:
    return {row["currency"]: row["amount"] for row in rows}
