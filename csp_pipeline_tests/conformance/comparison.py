"""Compares the product's tables with those of the independent reference, cell by cell.

What belongs here: which rows answer each other, and the few columns on which both may differ, each with the reason.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from csp_pipeline_tests.product import rows_of, warehouse_of
from csp_pipeline_tests.reference import compute

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date
    from pathlib import Path

Row = dict[str, Any]

KEYS: dict[str, tuple[str, ...]] = {
    "cost.invoices": ("invoice_number",),
    "cost.invoice_lines": (
        "invoice_number", "customer_id", "subscription_id", "product_id", "sku_id", "charge_type", "charge_start_on",
        "charge_end_on", "meter_description", "subtotal_amount", "pec_percent", "order_id",
    ),
    "cost.azure_plan_costs": ("billing_month", "customer_id", "subscription_id", "entitlement_id", "currency"),
    "cost.partner_earned_credit": (
        "billing_month", "usage_on", "customer_id", "entitlement_id", "resource_group", "resource_id", "currency",
    ),
    "cost.invoice_proof": ("invoice_number",),
    "billing.invoices": ("account_id", "billing_month", "currency"),
    "billing.invoice_lines": (
        "account_id", "contract_line_id", "charge_kind", "service_start_on", "service_end_on", "currency",
    ),
    "reconciliation.revenue_vs_cost": (
        "service_month", "account_id", "contract_line_id", "subscription_id", "product_id", "sku_id", "currency",
    ),
    "reconciliation.differences": (
        "service_month", "account_id", "contract_line_id", "subscription_id", "currency", "cause",
    ),
}  # fmt: skip
OWN_TO_THE_PRODUCT = frozenset(
    {
        "invoice_id", "line_id", "difference_id", "content_sha256",  # hashes of its own
        "description", "evidence", "explanation",  # words of its own
        "source_file", "source_row",  # members of archives are counted and named in another way
        "posting_month", "reseller_mpn_id",  # not in the reference
        "fx_rate",  # the product says 1 within a currency
        "customer_id",  # the product fills an account's only tenant
        "product_name", "product_family",  # the product names a row without cost by its contract line
        "partner_center_quantity",  # the product falls back to the provider's lines
        "provider_quantity", "provider_price",  # shown by the product on flat and cost-plus seats and on unmatched cost
        "billed_quantity",  # shown by the product on flat fees
        "quantity",  # of a part: the product has NULL where quantities are not compared
    }
)  # fmt: skip
COST_OF_OWN_WORK = frozenset({"cost_amount", "margin_amount", "margin_percent"})
"""The product shows quantity x unit cost of own work; the reference leaves it out."""
TOLERANCE = Decimal("1E-9")
"""Largest-remainder ties between equal usage rows may fall either way (1E-10 each)."""


def disagreements(
    folder: Path, through_month: str, billing_starts_on: date | None = None, tolerance: Decimal = TOLERANCE
) -> list[str]:
    """Run both on a folder and say where they differ.

    Args:
        folder: with `inbox/` and `commercial/`; the product works in it.
        through_month: the last month drafted.
        billing_starts_on: the setting of that name.
        tolerance: between amounts.

    Returns:
        One line per difference: table, key, column, reference, product. Empty when all is equal.
    """
    reference = compute(
        folder / "inbox", folder / "commercial", through_month=through_month, billing_starts_on=billing_starts_on
    )
    found: list[str] = []
    with warehouse_of(
        folder, through_month=through_month, billing_starts_on=billing_starts_on, looks_over_cost=False
    ) as con:
        for table, keys in KEYS.items():
            ours = rows_of(con, f"SELECT * FROM {table}")
            if table == "cost.partner_earned_credit":
                ours = [row for row in ours if row["eligible_amount"] or row["earned_amount"]]
            found += _compare(table, keys, reference[table], ours, tolerance)
    return found


def _compare(table: str, keys: tuple[str, ...], theirs: list[Row], ours: list[Row], tolerance: Decimal) -> list[str]:
    left, right = _by_key(theirs, keys), _by_key(ours, keys)
    found = []
    for key in sorted(set(left) | set(right), key=str):
        a, b = left.get(key, []), right.get(key, [])
        if len(a) != len(b):
            found.append(f"{table} {key}: {len(a)} rows in the reference, {len(b)} in the product")
        elif len(a) == 1:
            skipped = OWN_TO_THE_PRODUCT | (COST_OF_OWN_WORK if b[0].get("cause") == "own_service" else frozenset())
            found += [
                f"{table} {key} {column}: {a[0][column]} in the reference, {b[0][column]} in the product"
                for column in a[0]
                if column in b[0] and column not in skipped and not _is_same(a[0][column], b[0][column], tolerance)
            ]
    return found


def _by_key(rows: Iterable[Row], keys: tuple[str, ...]) -> dict[tuple[Any, ...], list[Row]]:
    grouped: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        grouped[tuple(_plain(row[key]) for key in keys)].append(row)
    return grouped


def _plain(value: object) -> object:
    if isinstance(value, str):
        return value.lower().removeprefix("org:")
    return value.normalize() if isinstance(value, Decimal) else value


def _is_same(a: object, b: object, tolerance: Decimal) -> bool:
    if isinstance(a, Decimal | int) and isinstance(b, Decimal | int):
        return abs(Decimal(a) - Decimal(b)) <= tolerance
    return bool(_plain(a) == _plain(b))
