"""The leak hunters on generated partners: silent at a healthy one, each planted leak found with its money."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.sandbox.generate import generate
from csp_pipeline.storage.warehouse import replace_rows
from csp_pipeline_tests.product import rows_of, warehouse_of

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any


def leaks(folder: Path, planted: str, seed: int, **options: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    generate(folder, months=("2026-07", "2026-09"), seed=seed, planted=planted, **options)
    with warehouse_of(folder) as con:
        table = load_catalogue()["reconciliation.leaks"]
        replace_rows(con, table, table.select() or "")
        return rows_of(con, "SELECT * FROM reconciliation.leaks ORDER BY currency, rank")


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 8))])
def test_a_healthy_partner_has_no_leaks(seed: int, tmp_path: Path) -> None:
    """Six ordinary customers with Azure, seats in advance and in arrears from any day of the month."""
    assert leaks(tmp_path, "none", seed, customers=6, usage_rows=900, currencies=("EUR", "USD")) == []


@pytest.mark.long
def test_causes_that_need_nobody_are_no_leaks(tmp_path: Path) -> None:
    """Timing, periods, versions, other rhythms, rates, credits, own work, replaced subscriptions."""
    quiet = (
        "timing,timing_of_fewer,timing_settled,period,period_prepaid,price_version,proration,fx_rate,rounding,credit,"
        "own_service,replaced_subscription,timing+price_version,timing+proration,period+price_version,"
        "price_version+proration,replaced_subscription+proration,replaced_subscription+timing"
    )
    assert leaks(tmp_path, quiet, 1, usage_rows=0, currencies=("EUR",)) == []


def test_each_planted_leak_is_found_with_the_money_of_the_last_month(tmp_path: Path) -> None:
    names = (
        "unbilled_cost,revenue_without_cost,contract_expired,unmapped_customer,price_version+contract_expired,"
        "negative_margin,free_contract,suspended,flat_fee_expired,lost_credit"
    )
    found = leaks(tmp_path, names, 1, usage_rows=2_000, currencies=("EUR",))
    expected = json.loads((tmp_path / "expected.json").read_text("utf-8"))
    worth = {
        ("unbilled_cost" if row["cause"] == "unmapped_customer" else row["cause"], row["subscription_id"]): abs(
            Decimal(row["amount"])
        )
        for row in expected["planted"]
        if row["service_month"] == "2026-09" and row["cause"] != "rounding"
    }
    lost = {(row["kind"], row["subscription_id"].lower()): row["monthly_amount"] for row in expected["planted_leaks"]}
    worth |= {key: Decimal(amount) for key, amount in lost.items() if amount is not None}
    by_usage = {key for key, amount in lost.items() if amount is None}
    assert {
        (row["kind"], row["subscription_id"].lower()): row["monthly_amount"]
        for row in found
        if (row["kind"], row["subscription_id"].lower()) not in by_usage
    } == worth
    assert len(found) == len(worth) + len(by_usage)
    assert all(row["monthly_amount"] > 0 for row in found)
