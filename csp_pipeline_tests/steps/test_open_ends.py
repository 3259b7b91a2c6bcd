"""Charges whose end the provider writes as the end of time, as it does where something has none."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline_tests.product import rows_of, warehouse_of
from csp_pipeline_tests.reference.scenario_files import OTHER_SEATS
from csp_pipeline_tests.reference.scenarios import JANUARY, seat_partner

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("end", ["9999-12-31", "9999-11-30T23:59:59Z"])
def test_a_charge_without_end_counts_in_the_month_of_its_start(end: str, tmp_path: Path) -> None:
    """A perpetual licence: one-time, no contract line; healthy seats beside it."""
    partner = seat_partner()
    once = {"BillingFrequency": "OneTime", "ChargeType": "new", "SubscriptionId": OTHER_SEATS, "ProductId": "PERPETUAL"}
    partner.line(JANUARY, "2026-01-20", end, 1, 500, **once)
    partner.write(tmp_path)
    with warehouse_of(tmp_path, through_month="2026-02", looks_over_cost=False) as con:
        rows = rows_of(
            con,
            "SELECT service_month, cost_amount FROM reconciliation.revenue_vs_cost WHERE product_id = 'PERPETUAL'",
        )
        assert rows == [{"service_month": "2026-01", "cost_amount": Decimal(500)}]
