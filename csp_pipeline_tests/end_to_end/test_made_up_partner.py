"""The partner of `make run`: every invoice is proven, and everything planted in it is found with cause and amount."""

from __future__ import annotations

from datetime import timedelta
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
    matched = {row["matched_lines_percent"] for row in done.summary["invoices"] if Decimal(row["daily_usage_amount"])}
    assert {Decimal(percent) for percent in matched} == {Decimal(100)}
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


def test_every_product_family_provider_and_kind_of_document_is_there(
    done: Finished, warehouse: duckdb.DuckDBPyConnection
) -> None:
    def distinct(column: str, table: str) -> set[object]:
        return {row[0] for row in warehouse.execute(f"SELECT DISTINCT {column} FROM {table}").fetchall()}

    assert distinct("product_family", "cost.invoice_lines") == {
        "licence", "azure_plan", "azure_legacy", "reservation", "savings_plan", "software", "marketplace",
    }  # fmt: skip
    assert distinct("provider", "cost.invoices") == {"microsoft", "td_synnex", "generic"}
    assert distinct("document_type", "cost.invoices WHERE provider = 'microsoft'") == {"invoice", "adjustment_note"}
    assert len(done.expected["invoices"]) == len(rows_of(warehouse, "SELECT * FROM cost.invoices"))


def test_the_move_to_the_azure_plan_shows_once_without_gap_or_overlap(warehouse: duckdb.DuckDBPyConnection) -> None:
    """The customer's line takes legacy cost through the day before and the plan's from then on, and nothing is open."""
    ((moved, moved_on),) = warehouse.execute(
        "SELECT from_subscription_id, valid_from FROM reference.subscription_links"
    ).fetchall()
    ((last, families),) = warehouse.execute(
        "SELECT max(line.charge_end_on) FILTER (WHERE product_family = 'azure_legacy'), "
        "list(DISTINCT product_family ORDER BY product_family) FROM billing.cost_matches "
        "JOIN cost.invoice_lines AS line USING (line_id) "
        "JOIN reference.contract_lines AS contract USING (contract_line_id) "
        "WHERE contract.subscription_id = ?",
        [moved],
    ).fetchall()
    assert (moved_on - last, families) == (timedelta(days=1), ["azure_legacy", "azure_plan"])
    ((first,),) = warehouse.execute(
        "SELECT min(usage_on) FROM cost.daily_usage WHERE entitlement_id = ?", [moved]
    ).fetchall()
    assert first == moved_on
    rows = rows_of(
        warehouse,
        f"SELECT service_month, revenue_amount, cost_amount, status FROM reconciliation.revenue_vs_cost "
        f"WHERE subscription_id = '{moved}' ORDER BY service_month",
    )
    assert [row["service_month"] for row in rows] == ["2026-07", "2026-08", "2026-09"]
    assert {row["status"] for row in rows} == {"matched"}
    assert all(row["revenue_amount"] > row["cost_amount"] > 0 for row in rows)


def test_a_reseller_is_billed_for_the_tenant_that_only_its_number_tells(warehouse: duckdb.DuckDBPyConnection) -> None:
    (row,) = rows_of(warehouse, "SELECT account_id, reseller_mpn_id FROM reference.account_resellers")
    rows = rows_of(
        warehouse,
        f"SELECT status, cost_amount FROM reconciliation.revenue_vs_cost WHERE account_id = '{row['account_id']}'",
    )
    assert len(rows) == 3
    assert {one["status"] for one in rows} == {"matched"}
    cost = rows_of(
        warehouse,
        "SELECT sum(subtotal_amount) AS amount FROM cost.invoice_lines "
        f"WHERE NOT is_estimate AND reseller_mpn_id = '{row['reseller_mpn_id']}'",
    )
    assert sum(one["cost_amount"] for one in rows) == cost[0]["amount"] > 0
    notices = warehouse.execute("SELECT message FROM reference.notices WHERE severity <> 'info'").fetchall()
    assert not any("no provider cost reaches" in message for (message,) in notices)


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
    rows = done.expected["rows"]
    lines = dict(
        warehouse.execute(
            "SELECT source_kind, count(*) FROM cost.invoice_lines WHERE NOT is_estimate GROUP BY ALL"
        ).fetchall()
    )
    kinds = {"reconciliation": "reconciliation", "legacy_licence": "legacy_licence", "legacy_usage": "legacy_usage"}
    kinds |= {"distributor_invoice": "distributor"}
    assert lines == {kind: rows[made] for kind, made in kinds.items()}
    for made, table in (
        ("daily_usage", "daily_usage WHERE NOT is_estimate"),
        ("legacy_daily_usage", "legacy_usage_days"),
    ):
        assert warehouse.execute(f"SELECT count(*) FROM cost.{table}").fetchone() == (rows[made],)
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
