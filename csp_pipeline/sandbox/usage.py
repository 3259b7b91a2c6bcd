"""Daily rated usage, and the invoice lines that Microsoft makes of it.

Quantities are integers in millionths, pricing amounts in 1E-14 US dollars, billing amounts in 1E-10 of the billing
currency: every digit is exact. One line per product, SKU, meter and credit percentage:
`Subtotal = trunc(trunc2(sum of pricing amounts) x FX)` to the minor unit of the billing currency.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from csp_pipeline.sandbox.azure import CREDIT_PERCENT
from csp_pipeline.sandbox.catalogue import EARNED_CREDIT_TEXT, MICROSOFT, PARTNER_NAME
from csp_pipeline.sandbox.dates import each_day, first_day, last_day
from csp_pipeline.sandbox.facts import ReconLine, divide_half_away, truncate
from csp_pipeline.sandbox.wire import USAGE_COLUMNS, VARYING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from csp_pipeline.sandbox.azure import AzurePlan, Resource
    from csp_pipeline.sandbox.catalogue import Meter
    from csp_pipeline.sandbox.wire import Value, WireForm

QUANTITY_SCALE, PRICING_SCALE, BILLING_SCALE, FX_SCALE = 6, 14, 10, 9


@dataclass(frozen=True)
class InvoiceContext:
    """What all rows of one invoice share; an open month has no number and ends at its last known day.

    Attributes:
        ends_on: Last day of the last billed month of the scenario.
        open_until: Last known day of an open month, until which live those that lived on `ends_on`.
    """

    number: str
    partner_id: str
    first_month: str
    ends_on: date
    fx: Decimal
    fx_on: date
    open_until: date | None = None

    def last_day_of(self, resource: Resource) -> date:
        """The last day on which a resource has usage."""
        first = resource.first_on or first_day(self.first_month)
        last = first + timedelta(days=resource.days - 1)
        return self.open_until if self.open_until and last >= self.ends_on else last


@dataclass
class UsageGroup:
    """The usage rows behind one invoice line, summed."""

    meter: Meter
    region: tuple[str, str]
    credit_percent: int
    quantity: int = 0
    pricing: int = 0
    net: int = 0
    net_by_entitlement: dict[str, int] = field(default_factory=dict)

    def add(self, entitlement_id: str, quantity: int, pricing: int, net: int) -> None:
        """Add the sums of some rows."""
        self.quantity += quantity
        self.pricing += pricing
        self.net += net
        _add(self.net_by_entitlement, entitlement_id, net)


@dataclass
class PlanMonth:
    """What a plan used in a month, with its earned credit rounded row by row (units of 1E-10)."""

    plan: AzurePlan
    month: str
    groups: dict[tuple[str, int], UsageGroup] = field(default_factory=dict)
    rows: int = 0
    net: dict[str, int] = field(default_factory=dict)
    earned: dict[str, int] = field(default_factory=dict)
    forgone: dict[str, int] = field(default_factory=dict)
    lines: list[tuple[ReconLine, UsageGroup]] = field(default_factory=list)

    def add(self, entitlement_id: str, net: int, earned: int, forgone: int) -> None:
        """Add the sums of some rows of an entitlement."""
        _add(self.net, entitlement_id, net)
        _add(self.earned, entitlement_id, earned)
        _add(self.forgone, entitlement_id, forgone)

    def billed_by_entitlement(self) -> dict[str, Fraction]:
        """Each entitlement's share of the billed lines, in proportion to its net usage of the line's group."""
        shares: dict[str, Fraction] = {}
        for line, group in self.lines:
            for entitlement_id, net in group.net_by_entitlement.items():
                if group.net:
                    share = Fraction(line.subtotal) * net / group.net
                    shares[entitlement_id] = shares.get(entitlement_id, Fraction(0)) + share
        return shares


def _add(sums: dict[str, int], key: str, amount: int) -> None:
    sums[key] = sums.get(key, 0) + amount


def write_usage(
    plan: AzurePlan, month: str, invoice: InvoiceContext, form: WireForm, write: Callable[[str], None]
) -> PlanMonth:
    """Write the daily rated usage of a plan for a month, a resource at a time.

    Args:
        plan: The plan with its resources.
        month: The billing month.
        invoice: Number, exchange rate and days of the scenario.
        form: The wire form of the invoice's files.
        write: Takes the rows of one resource as text.

    Returns:
        The sums of the rows and the invoice lines they make.
    """
    summed = PlanMonth(plan, month)
    days = [(on, form.day(on)) for on in each_day(month)]
    for resource in plan.resources:
        last = invoice.last_day_of(resource)
        alive = [
            (on, text) for on, text in days if on <= last and (resource.first_on is None or on >= resource.first_on)
        ]
        if alive:
            write(_resource_rows(resource, alive, invoice, form, summed))
    summed.lines = [(_usage_line(plan, month, invoice, group), group) for _, group in sorted(summed.groups.items())]
    return summed


@dataclass(frozen=True)
class _Batch:
    """Days of a resource with the same credit, and the %-format of their rows."""

    resource: Resource
    credit_percent: int
    days: list[tuple[date, str]]
    template: str
    group: UsageGroup


def _resource_rows(
    resource: Resource, days: list[tuple[date, str]], invoice: InvoiceContext, form: WireForm, summed: PlanMonth
) -> str:
    by_percent: dict[int, list[tuple[date, str]]] = {}
    for on, text in days:
        by_percent.setdefault(resource.credit_percent(on), []).append((on, text))
    rows: list[str] = []
    for percent, its_days in by_percent.items():
        template = form.template(USAGE_COLUMNS, _usage_values(summed, resource, percent, invoice), VARYING)
        batch = _Batch(resource, percent, its_days, template, _group_of(summed, resource, percent))
        rows += _day_rows(batch, int(invoice.fx.scaleb(FX_SCALE)), form, summed)
    return "".join(rows)


def _day_rows(batch: _Batch, fx: int, form: WireForm, summed: PlanMonth) -> list[str]:
    """The rows of a batch, added to the sums on the way; `fx` is in units of 1E-9."""
    resource, percent, number = batch.resource, batch.credit_percent, form.number
    price = 0 if resource.is_free else resource.meter.price * (100 - percent)
    divisor = 10 ** (PRICING_SCALE + FX_SCALE - BILLING_SCALE)
    spread = 0 if resource.meter.is_steady else resource.day_quantity // 3
    rows: list[str] = []
    quantities = pricings = nets = earned = forgone = 0
    for on, day in batch.days:
        noise = ((on.toordinal() * 1_103_515_245 + resource.seed) * 2_654_435_761 >> 7) & 0xFFFFF
        quantity = resource.day_quantity + (spread * noise >> 20)
        pricing = quantity * price
        net = (2 * pricing * fx + divisor) // (2 * divisor)
        quantities += quantity
        pricings += pricing
        nets += net
        if percent:
            earned += divide_half_away(net * percent, 100 - percent)
        elif resource.is_eligible:
            forgone += divide_half_away(net * CREDIT_PERCENT, 100)
        amounts = (number(net, BILLING_SCALE), number(pricing, PRICING_SCALE))
        rows.append(batch.template % (day, number(quantity, QUANTITY_SCALE), *amounts))
    batch.group.add(resource.entitlement.entitlement_id, quantities, pricings, nets)
    summed.add(resource.entitlement.entitlement_id, nets, earned, forgone)
    summed.rows += len(rows)
    return rows


def _group_of(summed: PlanMonth, resource: Resource, percent: int) -> UsageGroup:
    region = resource.entitlement.region
    key = (f"{resource.meter.product_id}/{resource.meter.sku_id}/{meter_id(resource.meter, region)}", percent)
    if key not in summed.groups:
        summed.groups[key] = UsageGroup(resource.meter, region, percent)
    return summed.groups[key]


def meter_id(meter: Meter, region: tuple[str, str]) -> str:
    """A GUID for a Microsoft meter of a region; the publisher's short text for a marketplace meter."""
    if meter.publisher_name != MICROSOFT:
        return meter.key
    return str(uuid5(NAMESPACE_URL, f"meter/{meter.key}/{region[1]}"))


def _usage_values(summed: PlanMonth, resource: Resource, percent: int, invoice: InvoiceContext) -> dict[str, Value]:
    plan, meter, customer = summed.plan, resource.meter, summed.plan.customer
    list_price = Decimal(meter.price).scaleb(-QUANTITY_SCALE)
    effective = Decimal(0) if resource.is_free else list_price * (100 - percent) / 100
    credit_type = "Partner Earned Credit Applied" if percent else "Credit Not Applied"
    if resource.benefit == "azure_credit":
        credit_type = "Azure Credit Applied"
    benefit_type = {"savings_plan": "SavingsPlan", "payg_remainder": "Charge"}.get(resource.benefit, "")
    return {
        "PartnerId": invoice.partner_id,
        "PartnerName": PARTNER_NAME,
        "CustomerId": customer.customer_id,
        "CustomerName": customer.name,
        "CustomerDomainName": customer.domain,
        "CustomerCountry": customer.country,
        "MpnId": customer.mpn_id,
        "Tier2MpnId": customer.reseller_mpn_id if invoice.number else "",
        "InvoiceNumber": invoice.number,
        "ProductId": meter.product_id,
        "SkuId": meter.sku_id,
        "AvailabilityId": f"{meter.product_id[:-2]}AV",
        "SkuName": meter.product_name,
        "ProductName": meter.product_name,
        "PublisherName": meter.publisher_name,
        "PublisherId": meter.publisher_id,
        "SubscriptionDescription": "Azure plan",
        "SubscriptionId": plan.subscription_id,
        "ChargeStartDate": first_day(summed.month),
        "ChargeEndDate": last_day(summed.month),
        "MeterType": f"{meter.unit} - {meter.name}",
        "MeterCategory": meter.category,
        "MeterId": meter_id(meter, resource.entitlement.region),
        "MeterSubCategory": meter.sub_category,
        "MeterName": meter.name,
        "MeterRegion": resource.entitlement.region[0],
        "Unit": meter.unit,
        "ResourceLocation": resource.entitlement.region[1],
        "ConsumedService": meter.service,
        "ResourceGroup": resource.group,
        "ResourceURI": resource.uri,
        "ChargeType": "new" if invoice.number else "",
        "UnitPrice": list_price,
        "UnitType": meter.unit,
        "BillingCurrency": customer.currency.code,
        "PricingCurrency": "USD",
        "Tags": resource.tags,
        "AdditionalInfo": resource.additional_info,
        "EffectiveUnitPrice": effective,
        "PCToBCExchangeRate": invoice.fx,
        "PCToBCExchangeRateDate": invoice.fx_on,
        "EntitlementId": resource.entitlement.entitlement_id,
        "EntitlementDescription": resource.entitlement.name,
        "PartnerEarnedCreditPercentage": Decimal(percent) if percent or resource.is_eligible else None,
        "CreditPercentage": Decimal(100 if resource.benefit == "azure_credit" else 0),
        "CreditType": credit_type,
        "BenefitOrderId": resource.benefit_order_id if resource.benefit == "savings_plan" else "",
        "BenefitId": resource.benefit_order_id[::-1][:8] if resource.benefit == "savings_plan" else "",
        "BenefitType": benefit_type,
    }


def _usage_line(plan: AzurePlan, month: str, invoice: InvoiceContext, group: UsageGroup) -> ReconLine:
    meter, currency = group.meter, plan.customer.currency
    cents = Decimal(group.pricing // 10 ** (PRICING_SCALE - 2)).scaleb(-2)
    quantity = Decimal(group.quantity).scaleb(-QUANTITY_SCALE)
    effective = Decimal(group.pricing).scaleb(-PRICING_SCALE) / quantity
    return ReconLine(
        customer=plan.customer,
        billing_month=month,
        product_id=meter.product_id,
        sku_id=meter.sku_id,
        availability_id=f"{meter.product_id[:-2]}AV",
        product_name=meter.product_name,
        sku_name=meter.product_name,
        publisher_name=meter.publisher_name,
        publisher_id=meter.publisher_id,
        category="Azure" if meter.publisher_name == MICROSOFT else "Marketplace",
        charge_type="new",
        unit_price=Decimal(meter.price).scaleb(-QUANTITY_SCALE),
        effective_unit_price=truncate(effective, Decimal("1E-15")),
        quantity=quantity,
        subtotal=truncate(cents * invoice.fx, currency.minor_unit),
        subscription_id=plan.subscription_id,
        order_id=plan.order_id,
        order_on=plan.starts_on,
        charge_start_on=first_day(month),
        charge_end_on=last_day(month),
        subscription_start_on=plan.starts_on,
        subscription_end_on=None,
        term_text="",
        billing_frequency="",
        unit_type=meter.unit,
        pricing_currency="USD",
        fx=invoice.fx,
        price_adjustments=(EARNED_CREDIT_TEXT,) if group.credit_percent else (),
        meter_description=" - ".join(
            part for part in (meter.category, meter.sub_category, meter.name, group.region[0]) if part
        ),
        subscription_text="Azure plan",
    )
