"""What Microsoft charges for a classic Azure subscription on its D invoices, and what it consumed each day.

The published rule: a charge per resource and billing cycle, list price x (consumed - included) quantity, rounded half
up. The days carry no money and sum to the consumed quantity. Quantities are integers in thousandths of a unit.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline.sandbox.dates import days_between
from csp_pipeline.sandbox.facts import round_away, round_fraction
from csp_pipeline.sandbox.legacy_facts import AZURE_OFFER_ID, AZURE_OFFER_NAME, LEGACY_METERS
from csp_pipeline.sandbox.provider_documents import OtherLine

if TYPE_CHECKING:
    from csp_pipeline.sandbox.legacy_facts import LegacyAzure, LegacyMeter

SKU = "7UD-00001"
CURRENT, LAST = "Assess usage fee for current cycle", "Assess usage fee when cancel"
PRICE_QUANTUM = Decimal("0.0001")
THOUSANDTHS = 3


@dataclass(frozen=True)
class AzureCharge(OtherLine):
    """A charge for a resource; its quantity is what exceeds the included one."""

    meter: LegacyMeter
    consumed: Decimal
    included: Decimal


@dataclass(frozen=True)
class AzureDay:
    """What a resource consumed on a day of a charge."""

    charge: AzureCharge
    used_on: date
    quantity: Decimal


def azure_charges(held: LegacyAzure, start: date, end: date) -> tuple[list[AzureCharge], list[AzureDay]]:
    """The charges and the days of a subscription in the billing period from `start` to `end`, both included."""
    is_last = held.moves_on is not None and start <= held.moves_on <= end
    if held.moves_on is not None:
        end = min(end, held.moves_on - timedelta(days=1))
    charges, days = [], []
    for meter in LEGACY_METERS if end >= start else ():
        used = _used(held, meter, start, end)
        charge = _charge(held, meter, sum(used.values()), (start, end), LAST if is_last else CURRENT)
        charges.append(charge)
        days += [AzureDay(charge, on, _units(quantity)) for on, quantity in used.items()]
    return charges, days


def _used(held: LegacyAzure, meter: LegacyMeter, start: date, end: date) -> dict[date, int]:
    source = random.Random(f"{held.subscription_id}/{meter.resource_guid}/{start}")  # noqa: S311  (a scenario, not a secret)
    typical = meter.day_quantity * held.scale
    spread = 0 if meter.day_quantity % 1000 == 0 else typical // 3
    return {
        start + timedelta(days=number): typical + (source.randrange(spread) if spread else 0)
        for number in range(days_between(start, end))
    }


def _charge(
    held: LegacyAzure, meter: LegacyMeter, consumed: int, period: tuple[date, date], charge_type: str
) -> AzureCharge:
    currency = held.customer.currency
    price = round_away(meter.list_price * currency.per_usd, PRICE_QUANTUM)
    charged = _units(max(0, consumed - meter.included))
    amount = round_fraction(Fraction(price) * Fraction(charged), currency.minor_unit)
    return AzureCharge(
        customer=held.customer,
        subscription_id=held.subscription_id,
        product_id=AZURE_OFFER_ID,
        sku_id=SKU,
        product_name=AZURE_OFFER_NAME,
        charge_type=charge_type,
        charge_start_on=period[0],
        charge_end_on=period[1],
        unit_price=price,
        quantity=charged,
        list_amount=amount,
        subtotal=amount,
        meter=meter,
        consumed=_units(consumed),
        included=_units(min(meter.included, consumed)),
    )


def _units(thousandths: int) -> Decimal:
    return Decimal(thousandths).scaleb(-THOUSANDTHS)
