"""Pieces of provider cost, contract lines and shared facts, as tests of reconciliation need them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from csp_pipeline.domain.agreed_prices import Contract
from csp_pipeline.domain.books import Books
from csp_pipeline.domain.conversions import ExchangeRates
from csp_pipeline.domain.revenue_vs_cost import MICROSOFT, CostPiece

CYCLE = (date(2026, 9, 1), date(2026, 9, 30))


def piece(
    line_id: str, product_id: str = "P1", amount: str = "40", quantity: str = "10", **others: object
) -> CostPiece:
    fields: dict[str, object] = {
        "line_ids": (line_id,), "account_id": "A1", "contract_line_id": "L1", "customer_id": "c1",
        "subscription_id": "s1", "product_id": product_id, "sku_id": "0001", "product_name": "Seat",
        "product_family": "licence",
        "is_consumption": False, "is_credit": False, "charge_type": "cyclecharge", "start": CYCLE[0], "end": CYCLE[1],
        "amount": Decimal(amount), "currency": "EUR", "billing_month": "2026-09", "quantity": Decimal(quantity),
        "unit_price": Decimal(4), "fx_rate": Decimal(1), "billing_frequency": "Monthly", "subscription_starts_on": None,
    }  # fmt: skip
    return CostPiece(**(fields | others))  # type: ignore[arg-type]


def contract(**others: object) -> Contract:
    fields: dict[str, object] = {
        "contract_line_id": "L1", "account_id": "A1", "customer_id": "c1", "subscription_id": "s1", "product_id": None,
        "sku_id": None, "description": None, "pricing_model": "per_unit", "unit_price": Decimal(12), "currency": "EUR",
        "markup_percent": Decimal(0), "discount_percent": Decimal(0), "months": 1, "is_prorated": True,
        "starts_on": date(2026, 1, 1), "ends_on": None, "cost_source": "provider", "cost_basis": "net",
        "unit_cost": None,
    }  # fmt: skip
    return Contract(**(fields | others))  # type: ignore[arg-type]


def books(**others: object) -> Books:
    fields: dict[str, object] = {
        "contracts": {"L1": contract()}, "contract_pieces": {}, "cycles": {}, "changes": {}, "subscriptions": {},
        "loaded": {(MICROSOFT, "EUR"): ("2026-07", "2026-09")}, "main_sources": {("A1", False): (MICROSOFT, "EUR")},
        "decimals": {"EUR": 2}, "rates": ExchangeRates(()), "gross_credit": {}, "drafted_through": "2026-09",
        "billing_starts_on": date(2026, 7, 1),
    }  # fmt: skip
    return Books(**(fields | others))  # type: ignore[arg-type]
