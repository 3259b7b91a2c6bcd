"""The facts of a made-up partner as plain values: customers, accounts, contract lines, provider lines, seat changes.

Shapes only. `scenario` decides what happens, `seats` and `azure` what Microsoft charges for it, `drafts` what the
partner should bill for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    import random
    from datetime import date, datetime
    from fractions import Fraction

    from csp_pipeline.sandbox.azure import AzurePlan
    from csp_pipeline.sandbox.catalogue import Currency, Licence
    from csp_pipeline.sandbox.legacy_facts import LegacyAzure


def new_id(source: random.Random) -> str:
    """A GUID drawn from a seeded source."""
    return str(UUID(int=source.getrandbits(128), version=4))


def truncate(amount: Decimal, quantum: Decimal) -> Decimal:
    """Cut digits off towards zero, as Microsoft's published formulas do."""
    return amount.quantize(quantum, rounding=ROUND_DOWN)


def round_away(amount: Decimal, quantum: Decimal) -> Decimal:
    """Round half away from zero."""
    return amount.quantize(quantum, rounding=ROUND_HALF_UP)


def round_fraction(amount: Fraction, quantum: Decimal) -> Decimal:
    """Round an exact fraction half away from zero to a power of ten."""
    scale = -int(quantum.as_tuple().exponent)
    return Decimal(divide_half_away(amount.numerator * 10**scale, amount.denominator)).scaleb(-scale)


def divide_half_away(numerator: int, denominator: int) -> int:
    """Integer quotient rounded half away from zero; the denominator is positive."""
    quotient = (2 * abs(numerator) + denominator) // (2 * denominator)
    return -quotient if numerator < 0 else quotient


def plain(amount: Decimal) -> str:
    """A number as text without exponent and without trailing zeros after the point."""
    text = f"{amount:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


@dataclass(frozen=True)
class Customer:
    """A customer tenant; several may share a name, and an account may own several.

    Attributes:
        agreed_on: When the partner attested that it accepted the Microsoft Customer Agreement; None if it did not.
        has_signed_directly: Whether it accepted the agreement with Microsoft itself.
    """

    customer_id: str
    name: str
    domain: str
    currency: Currency
    account_id: str
    mpn_id: str
    reseller_mpn_id: str
    agreed_on: date | None
    has_signed_directly: bool = False

    @property
    def country(self) -> str:
        """Country code of its market."""
        return self.currency.country


@dataclass(frozen=True)
class Account:
    """Somebody the partner bills."""

    account_id: str
    name: str
    country: str
    currency: str
    tax_rate_id: str
    payment_terms_days: int


@dataclass(frozen=True)
class ContractLine:
    """One line of `commercial/contract_lines.csv`; what is not used stays None or blank."""

    contract_line_id: str
    account_id: str
    pricing_model: str
    currency: str
    starts_on: date
    description: str
    customer_id: str = ""
    subscription_id: str = ""
    entitlement_id: str = ""
    product_id: str = ""
    sku_id: str = ""
    unit_price: Decimal | None = None
    markup_percent: Decimal | None = None
    cost_basis: str = ""
    discount_percent: Decimal | None = None
    quantity_source: str = ""
    quantity: int | None = None
    billing_cycle: str = "monthly"
    billing_timing: str = "arrears"
    anchor_day: int = 1
    proration: str = "daily"
    tax_category: str = "standard"
    ends_on: date | None = None
    cost_source: str = "provider"
    unit_cost: Decimal | None = None

    @property
    def price(self) -> Decimal:
        """Its price, which every model but cost-plus has."""
        return Decimal(0) if self.unit_price is None else self.unit_price


@dataclass(frozen=True)
class ReconLine:
    """A line of a reconciliation file, in Microsoft's terms; `subtotal` is in the billing currency."""

    customer: Customer
    billing_month: str
    product_id: str
    sku_id: str
    availability_id: str
    product_name: str
    sku_name: str
    publisher_name: str
    publisher_id: str
    category: str
    charge_type: str
    unit_price: Decimal
    effective_unit_price: Decimal
    quantity: Decimal
    subtotal: Decimal
    subscription_id: str
    order_id: str
    order_on: date
    charge_start_on: date
    charge_end_on: date
    subscription_start_on: date
    subscription_end_on: date | None
    term_text: str
    billing_frequency: str
    unit_type: str
    pricing_currency: str
    fx: Decimal
    reference_id: str = ""
    price_adjustments: tuple[str, ...] = ()
    meter_description: str = ""
    reservation_order_id: str = ""
    credit_reason_code: str = ""
    promotion_id: str = ""
    qualifiers: str = ""
    subscription_text: str = ""


@dataclass(frozen=True)
class SoftwareReturn:
    """What Microsoft credits with an adjustment note: a negative line, and the month whose invoice it amends."""

    amended_month: str
    line: ReconLine


@dataclass(frozen=True)
class SubscriptionLink:
    """A row of `commercial/subscription_links.csv`: a subscription that goes on under another id."""

    from_subscription_id: str
    to_subscription_id: str
    valid_from: date
    reason: str


@dataclass(frozen=True)
class SeatChange:
    """A row of the licence change log."""

    change_id: str
    customer: Customer
    subscription_id: str
    changed_at: datetime
    event: str
    quantity_before: int
    quantity_after: int
    actor: str


@dataclass(frozen=True)
class SeatEvent:
    """Something that happens to the quantity of a subscription inside a cycle.

    Attributes:
        charge_type: Microsoft's word for it; the refund of the old total and the new total both carry it.
        billed_month: The invoice that carries its lines; None for that of its own month, blank for none so far.
        is_missed: The provider never charges it, in later cycles neither.
    """

    on: date
    charge_type: str
    quantity_after: int
    billed_month: str | None = None
    hour: int = 14
    reference_id: str = ""
    is_missed: bool = False


@dataclass
class Seats:
    """A subscription charged by cycle and unit.

    Attributes:
        parts: The products of its lines, with the list price of a unit and cycle in the pricing currency. More than
            one only where Microsoft splits a subscription over two lines (E5 with calling).
        starts_on: First day of the commitment, whose day is the anchor of all cycles.
        joined_on: First day of charges when later than `starts_on` (target of a conversion).
        ends_on: Last day charged, or None.
        cycle_months: 1 for monthly charges, 12 for a term paid at once.
        term: P1M, P1Y or P3Y.
        renewal_type: Charge type of the first cycle of a further term.
        first_type: Charge type of the first cycle.
        first_reference_id: ReferenceId of the first line, where it is shared with another subscription's.
        is_listed: Whether the subscription is in the snapshot under this record.
        is_suspended: Whether the snapshot has it as suspended; it is charged all the same.
        is_usd_priced: Priced in US dollars whatever the billing currency (reservations, marketplace).
    """

    customer: Customer
    parts: tuple[tuple[Licence, Decimal], ...]
    subscription_id: str
    order_id: str
    starts_on: date
    quantity: int
    term: str = "P1Y"
    cycle_months: int = 1
    joined_on: date | None = None
    ends_on: date | None = None
    first_type: str = "new"
    renewal_type: str = "renew"
    first_reference_id: str = ""
    is_listed: bool = True
    is_suspended: bool = False
    is_usd_priced: bool = False
    reservation_order_id: str = ""
    price_adjustments: tuple[str, ...] = ()
    qualifiers: str = ""
    promotion_id: str = ""
    events: list[SeatEvent] = field(default_factory=list)

    @property
    def licence(self) -> Licence:
        """The product that names the subscription."""
        return self.parts[0][0]

    @property
    def first_charge_on(self) -> date:
        """The first day that is charged."""
        return self.joined_on or self.starts_on

    def quantity_on(self, day: date) -> int:
        """Units at the start of a day: what was bought, after the events of earlier days."""
        quantity = self.quantity
        for event in self.events:
            if event.on < day:
                quantity = event.quantity_after
        return quantity

    def charged_quantity_on(self, day: date) -> int:
        """Units at the start of a day as the provider charges them."""
        return replace(self, events=[event for event in self.events if not event.is_missed]).quantity_on(day)

    def current_quantity(self) -> int:
        """Units after everything that happened."""
        return self.events[-1].quantity_after if self.events else self.quantity


@dataclass(frozen=True)
class Planted:
    """An anomaly put in on purpose; `anomalies` works out its months and amounts.

    Attributes:
        cause: The cause it must be given.
        contract_line: Our side of it, if it has one.
        source: The provider's side: a subscription by the seat, an Azure plan, a classic Azure subscription, a single
            line, or nothing.
    """

    cause: str
    customer: Customer
    contract_line: ContractLine | None
    source: Seats | AzurePlan | ReconLine | LegacyAzure | None

    @property
    def our_line(self) -> ContractLine:
        """Our side, which this kind of anomaly has."""
        if self.contract_line is None:
            raise LookupError(f"{self.cause} was planted without a contract line")
        return self.contract_line

    @property
    def seats(self) -> Seats:
        """The subscription by the seat, which this kind of anomaly has."""
        if not isinstance(self.source, Seats):
            raise TypeError(f"{self.cause} was planted without a subscription by the seat")
        return self.source
