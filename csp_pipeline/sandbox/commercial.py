"""The partner's own commercial terms of the scenario, as the CSV files of `commercial/`.

Every table is written, the unused ones with their header only. What the terms are is decided in `parts`.
"""

from __future__ import annotations

import csv
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.sandbox.catalogue import PARTNER_DOMAIN
from csp_pipeline.sandbox.facts import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from csp_pipeline.sandbox.facts import Account, ContractLine, SeatChange
    from csp_pipeline.sandbox.scenario import Scenario

Cell = str | int | Decimal | date | None

COLUMNS = {
    "accounts": "account_id name country_code currency tax_id tax_rate_id payment_terms_days credit_limit_amount"
    " credit_hold billing_email service_email salesperson_id accounting_system",
    "account_tenants": "account_id customer_id",
    "contract_lines": "contract_line_id account_id customer_id subscription_id entitlement_id product_id sku_id"
    " description pricing_model unit_price currency markup_percent cost_basis discount_percent quantity_source quantity"
    " billing_cycle billing_timing anchor_day proration tax_category starts_on ends_on bundle_id cost_source unit_cost"
    " minimum_amount maximum_amount discount_amount discount_ends_on trial_ends_on",
    "subscription_links": "from_subscription_id to_subscription_id valid_from reason confirmed",
    "account_resellers": "account_id reseller_mpn_id",
    "price_tiers": "contract_line_id from_quantity unit_price flat_amount package_size",
    "bundles": "bundle_id name unit_price currency",
    "tax_rates": "tax_rate_id tax_category rate_percent valid_from valid_to",
    "exchange_rates": "rate_month from_currency to_currency rate source",
    "commission_plans": "salesperson_id basis rate_percent valid_from valid_to",
    "payments": "payment_id account_id invoice_number paid_on amount currency",
    "license_change_requests": "request_id account_id customer_id subscription_id requested_at requested_by channel"
    " operation product_id sku_id new_quantity",
    "resolutions": "service_month account_id subscription_id cause decided_by decided_at decision note amount",
    "provider_disputes": "provider invoice_number customer_id line_id amount currency case_number opened_on state note",
    "agreement_acceptances": "customer_id first_name last_name email phone_number accepted_at confirmed",
    "seat_limits": "product_id sku_id minimum_quantity maximum_quantity",
}
CHANNELS = ("portal", "api", "manual")


def write_all(scenario: Scenario, changes: Sequence[SeatChange], folder: Path) -> None:
    """Write every commercial table of a scenario as `<table>.csv`."""
    rows: dict[str, list[Sequence[Cell]]] = {
        "accounts": [_account(account, number) for number, account in enumerate(scenario.accounts)],
        "account_tenants": list(scenario.tenants),
        "contract_lines": [_contract_line(line) for line in scenario.contract_lines],
        "subscription_links": [
            (link.from_subscription_id, link.to_subscription_id, link.valid_from, link.reason, "true")
            for link in scenario.links
        ],
        "account_resellers": list(scenario.resellers),
        "tax_rates": _tax_rates(scenario),
        "exchange_rates": _exchange_rates(scenario),
        "commission_plans": [("S-1", "margin", Decimal(6), scenario.before(12, 1), None)],
        "license_change_requests": [
            _request(change, number) for number, change in enumerate(changes) if change.customer.account_id
        ],
    }
    for table, columns in COLUMNS.items():
        _write(folder / f"{table}.csv", columns.split(), rows.get(table, []))


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([_text(cell) for cell in row])


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Decimal):
        return plain(cell)
    return cell.isoformat() if isinstance(cell, date) else str(cell)


def _account(account: Account, number: int) -> Sequence[Cell]:
    slug = account.account_id.lower()
    return (
        account.account_id,
        account.name,
        account.country,
        account.currency,
        _tax_id(account.country, number),
        account.tax_rate_id,
        account.payment_terms_days,
        Decimal(50_000),
        "false",
        f"billing@{slug}.example.com",
        f"service@{slug}.example.com",
        "S-1" if number % 2 else "S-2",
        "",
    )


def _tax_id(country: str, number: int) -> str:
    """A made-up tax id with the check digit that those of the country have; of a country not listed, as in Germany.

    Source: ISO 7064 modulus 11,10 (Germany); weights 1 and 2 from the right, modulus 9 (corporate numbers of Japan).
    """
    digits = f"{10_020_030 + number * 7_919:08d}"
    if country == "JP":
        digits = f"0100{digits}"
        weighed = sum(int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
        return f"{9 - weighed % 9}{digits}"
    check = 5
    for digit in digits:
        check = ((check or 10) * 2 % 11 + int(digit)) % 10
    return f"{country}{digits}{(1 - (check or 10) * 2 % 11) % 10}"


def _contract_line(line: ContractLine) -> Sequence[Cell]:
    return (
        line.contract_line_id,
        line.account_id,
        line.customer_id,
        line.subscription_id,
        line.entitlement_id,
        line.product_id,
        line.sku_id,
        line.description,
        line.pricing_model,
        line.unit_price,
        line.currency,
        line.markup_percent,
        line.cost_basis,
        line.discount_percent,
        line.quantity_source,
        line.quantity,
        line.billing_cycle,
        line.billing_timing,
        line.anchor_day,
        line.proration,
        line.tax_category,
        line.starts_on,
        line.ends_on,
        "",
        line.cost_source,
        line.unit_cost,
        *("",) * 5,
    )


def _tax_rates(scenario: Scenario) -> list[Sequence[Cell]]:
    rates = {
        f"{currency.country}-standard": (currency.tax_percent if currency.tax_mode != "none" else Decimal(0))
        for currency in scenario.currencies
    }
    return [(rate_id, "standard", percent, date(2020, 1, 1), None) for rate_id, percent in sorted(rates.items())]


def _exchange_rates(scenario: Scenario) -> list[Sequence[Cell]]:
    """Rates of every month from each provider currency to each other currency that an account has."""
    billed = sorted({account.currency for account in scenario.accounts})
    return [
        (month, provider.code, currency, scenario.rate(provider.code, currency, month), "treasury")
        for month in scenario.months
        for provider in scenario.currencies
        for currency in billed
        if currency != provider.code
    ]


def _request(change: SeatChange, number: int) -> Sequence[Cell]:
    """The request behind a change; cancellations and purchases are operations of their own."""
    operation = "change_quantity"
    if not change.quantity_before or not change.quantity_after:
        operation = "purchase" if change.quantity_after else "cancel"
    requested_at = change.changed_at - timedelta(minutes=11 + number % 40)
    return (
        f"R-{number + 1:04d}",
        change.customer.account_id,
        change.customer.customer_id,
        change.subscription_id,
        requested_at.isoformat(timespec="seconds") + "Z",
        f"{change.actor.partition('@')[0]}@{PARTNER_DOMAIN}",
        CHANNELS[number % len(CHANNELS)],
        operation,
        "",
        "",
        change.quantity_after,
    )
