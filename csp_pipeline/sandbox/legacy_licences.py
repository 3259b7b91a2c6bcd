"""What Microsoft charges for legacy licences on its D invoices.

The published rules: a cycle runs from the anniversary day of the subscription to the day before the next one, and is
charged at its start; a change is a refund of the old total and a charge of the new total for the days left, change day
included; a line is rounded half up at full precision. `Amount` is at list price, the discount is the partner's margin.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline.sandbox.dates import anchored, days_between, month_of, shift
from csp_pipeline.sandbox.facts import SeatChange, new_id, round_fraction
from csp_pipeline.sandbox.provider_documents import OtherLine

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from datetime import date

    from csp_pipeline.sandbox.facts import SeatEvent
    from csp_pipeline.sandbox.legacy_facts import LegacyLicences

MARGIN = Fraction(15, 100)
CYCLE, NEW_CYCLE = "Cycle fee", "New purchase cycle fee"
CHANGED, CANCELLED = "Cycle instance prorate", "Cancel instance prorate"
LOG_WORDS = {CANCELLED: "cancelled"}


def licence_lines(held: LegacyLicences, start: date, end: date) -> list[OtherLine]:
    """The charges of a subscription that fall into the billing period from `start` to `end`, both included."""
    lines = []
    for first, last in _cycles(held, end):
        quantity = held.quantity_on(first) if first > held.starts_on else held.quantity
        if first >= start and quantity:
            is_first = held.is_new and first == held.starts_on
            lines.append(_line(held, NEW_CYCLE if is_first else CYCLE, quantity, (first, last), first))
        for event in held.events:
            if start <= event.on <= end and first <= event.on <= last:
                lines += _change(held, event, (first, last))
    return lines


def _cycles(held: LegacyLicences, until: date) -> Iterator[tuple[date, date]]:
    month = month_of(held.starts_on)
    while (first := anchored(month, held.starts_on.day)) <= until:
        month = shift(month, 1)
        yield first, anchored(month, held.starts_on.day) - timedelta(days=1)


def _change(held: LegacyLicences, event: SeatEvent, cycle: tuple[date, date]) -> Iterator[OtherLine]:
    for quantity in (-held.quantity_on(event.on), event.quantity_after):
        if quantity:
            yield _line(held, event.charge_type, quantity, cycle, event.on)


def _line(held: LegacyLicences, charge_type: str, quantity: int, cycle: tuple[date, date], start: date) -> OtherLine:
    """A charge from a day to the end of its cycle."""
    unit, (first, last) = held.customer.currency.minor_unit, cycle
    price = Fraction(held.price) * Fraction(days_between(start, last), days_between(first, last))
    amount = round_fraction(price * quantity, unit)
    return OtherLine(
        customer=held.customer,
        subscription_id=held.subscription_id,
        product_id=held.licence.product_id,
        sku_id="",
        product_name=held.licence.name,
        charge_type=charge_type,
        charge_start_on=start,
        charge_end_on=last,
        unit_price=round_fraction(price, unit),
        quantity=Decimal(quantity),
        list_amount=amount,
        subtotal=amount - round_fraction(Fraction(amount) * MARGIN, unit),
    )


def legacy_change_log(held: LegacyLicences, source: random.Random) -> list[SeatChange]:
    """The rows of the licence change log for a subscription, oldest first; what was bought in time begins from 0."""
    rows = []
    if held.is_new:
        rows.append(_logged(held, datetime.combine(held.starts_on, time()), "created", (0, held.quantity), source))
    for event in held.events:
        at = datetime.combine(event.on, time(event.hour, source.randrange(60), source.randrange(60)))
        word = LOG_WORDS.get(event.charge_type, "quantity_changed")
        rows.append(_logged(held, at, word, (held.quantity_on(event.on), event.quantity_after), source))
    return rows


def _logged(
    held: LegacyLicences, at: datetime, event: str, quantities: tuple[int, int], source: random.Random
) -> SeatChange:
    actor = f"admin@{held.customer.domain}"
    return SeatChange(new_id(source), held.customer, held.subscription_id, at, event, *quantities, actor)
