"""What the files hold, row by row, with received values as they were sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date, datetime
    from decimal import Decimal


@dataclass(frozen=True)
class UsageRow:
    """One daily rated usage row (received values, never rounded)."""

    source_file: str
    source_row: int
    invoice_number: str
    customer_id: str
    subscription_id: str
    product_id: str
    sku_id: str
    entitlement_id: str
    resource_group: str
    resource_id: str
    meter_id: str
    meter_category: str
    meter_name: str
    usage_on: date
    quantity: Decimal
    unit_price: Decimal | None
    effective_unit_price: Decimal | None
    net_amount: Decimal
    currency: str
    pricing_amount: Decimal
    pricing_currency: str
    fx_rate: Decimal | None
    pec_percent: Decimal
    credit_type: str
    benefit_type: str
    additional_info: str
    publisher_name: str
    tags: str

    @property
    def product_key(self) -> tuple[str, str, str, str]:
        """Customer, subscription, product and SKU."""
        return (self.customer_id, self.subscription_id, self.product_id, self.sku_id)


@dataclass(frozen=True)
class CostLine:
    """One line of a provider document; ``quantity`` is signed, the end of a charge inclusive.

    ``kind`` is recon, legacy_licence, legacy_usage or distributor; ``own_formula`` is what a legacy line's own figures
    make of its subtotal, before rounding.
    """

    source_file: str
    source_row: int
    invoice_number: str
    customer_id: str
    customer_name: str
    subscription_id: str
    product_id: str
    sku_id: str
    product_name: str
    sku_name: str
    publisher_name: str
    product_category: str
    charge_type: str
    charge_start_on: date | None
    charge_end_on: date | None
    order_id: str
    order_on: date | None
    term: str
    billing_frequency: str
    subscription_starts_on: date | None
    subscription_ends_on: date | None
    meter_description: str
    reservation_order_id: str
    credit_reason_code: str
    price_adjustment: str
    reference_id: str
    promotion_id: str
    mpn_id: str
    reseller_mpn_id: str
    unit_price: Decimal | None
    effective_unit_price: Decimal | None
    received_quantity: Decimal
    quantity: Decimal
    subtotal: Decimal
    tax: Decimal
    total: Decimal
    currency: str
    pricing_currency: str
    fx_rate: Decimal | None
    fx_rate_on: date | None
    provider: str = "microsoft"
    kind: str = "recon"
    own_formula: Decimal | None = None

    @property
    def line_id(self) -> tuple[str, int]:
        """File and row."""
        return (self.source_file, self.source_row)

    @property
    def product_key(self) -> tuple[str, str, str, str]:
        """Customer, subscription, product and SKU."""
        return (self.customer_id, self.subscription_id, self.product_id, self.sku_id)


@dataclass(frozen=True)
class Header:
    """One provider invoice header of ``invoices.json``, or what a distributor states on each line of an invoice."""

    invoice_number: str
    document_type: str
    amends: str
    issued_on: date | None
    period_start: date | None
    currency: str
    total: Decimal
    stated_tax: Decimal | None
    period_end: date | None = None
    provider: str = "microsoft"


@dataclass(frozen=True)
class Change:
    """One licence change."""

    change_id: str
    customer_id: str
    subscription_id: str
    changed_at: datetime
    before: Decimal
    after: Decimal
    source: str


@dataclass(frozen=True)
class Snapshot:
    """What Partner Center says now about a subscription."""

    customer_id: str
    subscription_id: str
    quantity: Decimal
    started_on: date | None
    ends_on: date | None
    billing_cycle: str


@dataclass
class Inbox:
    """Everything an inbox folder holds."""

    lines: list[CostLine] = field(default_factory=list)
    usage: list[UsageRow] = field(default_factory=list)
    headers: list[Header] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    domains: dict[str, str] = field(default_factory=dict)
    """Customer by domain."""
    unread: list[str] = field(default_factory=list)
