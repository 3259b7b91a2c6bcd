"""What Microsoft charges for subscriptions by the seat: cycles, prorated changes, refunds, conversions.

The published rules: a cycle runs from the anchor day to the day before the next one; a change is a refund of the old
total and a charge of the new total for the days left, change day included, sharing one ReferenceId; a change of
billing plan refunds whole months; `Subtotal = ROUNDDOWN(EffectiveUnitPrice x FX) x BillableQuantity`. What the
partner bills for it is in `drafts`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.sandbox.catalogue import MICROSOFT
from csp_pipeline.sandbox.dates import anchored, days_between, month_of, shift
from csp_pipeline.sandbox.facts import ReconLine, SeatChange, Seats, new_id, truncate

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence

    from csp_pipeline.sandbox.catalogue import Licence
    from csp_pipeline.sandbox.facts import SeatEvent

PRICE_QUANTUM = Decimal("1E-12")
TERM_TEXT = {"P1M": "One-Month commitment", "P1Y": "One-Year commitment", "P3Y": "Three-Year commitment"}
TERM_MONTHS = {"P1M": 1, "P1Y": 12, "P3Y": 36}
JSON_REFERENCES_FROM = date(2026, 6, 15)
PLAIN_REFERENCES = 0.4


@dataclass(frozen=True)
class Cycle:
    """One charge cycle; `full_start_on` is earlier than `start_on` where a subscription joined inside it."""

    start_on: date
    end_on: date
    full_start_on: date
    term_start_on: date
    term_end_on: date

    @property
    def full_days(self) -> int:
        """Days of the full cycle."""
        return days_between(self.full_start_on, self.end_on)


@dataclass(frozen=True)
class SeatCharge:
    """One charge before it becomes a line per product; a refund has a negative quantity."""

    cycle: Cycle
    start_on: date
    quantity: int
    charge_type: str
    billing_month: str
    reference_id: str


def cycles_of(seats: Seats, until: date) -> Iterator[Cycle]:
    """The charge cycles of a subscription that start on or before `until`, the earliest first."""
    number = 0
    while True:
        start, after = _cycle_start(seats, number), _cycle_start(seats, number + 1)
        if start > until or (seats.ends_on and start > seats.ends_on):
            return
        end = after - timedelta(days=1)
        if end >= seats.first_charge_on:
            term_months = TERM_MONTHS[seats.term]
            first = number * seats.cycle_months // term_months * term_months // seats.cycle_months
            last = first + term_months // seats.cycle_months
            yield Cycle(
                start_on=max(start, seats.first_charge_on),
                end_on=end,
                full_start_on=start,
                term_start_on=_cycle_start(seats, first),
                term_end_on=_cycle_start(seats, last) - timedelta(days=1),
            )
        number += 1


def _cycle_start(seats: Seats, number: int) -> date:
    return anchored(shift(month_of(seats.starts_on), number * seats.cycle_months), seats.starts_on.day)


def provider_lines(
    seats: Seats, months: Sequence[str], fx_of: Callable[[str], Decimal], source: random.Random
) -> list[ReconLine]:
    """The reconciliation lines of one subscription on the invoices of `months`.

    Args:
        seats: The subscription.
        months: The billing months for which there are invoices.
        fx_of: The rate from US dollars to the billing currency in a month.
        source: Seeded source of the identifiers.

    Returns:
        One line per product and charge, in order of charge start.
    """
    return [
        line_of(seats, charge, licence, price, fx_of)
        for charge in charges_of(seats, anchored(months[-1], 31), source)
        if charge.billing_month in months
        for licence, price in seats.parts
    ]


def charges_of(seats: Seats, until: date, source: random.Random) -> Iterator[SeatCharge]:
    """The charges of all cycles that start on or before `until`, whichever invoice they are on."""
    for cycle in cycles_of(seats, until):
        quantity = seats.charged_quantity_on(cycle.start_on)
        if quantity:
            charge_type = _cycle_type(seats, cycle)
            month = month_of(cycle.start_on)
            is_first = cycle.start_on == seats.first_charge_on
            reference = (is_first and seats.first_reference_id) or _reference(cycle.start_on, source)
            yield SeatCharge(cycle, cycle.start_on, quantity, charge_type, month, reference)
        for event in seats.events:
            if cycle.start_on <= event.on <= cycle.end_on and not event.is_missed:
                yield from _event_charges(seats, cycle, event, source)


def _event_charges(seats: Seats, cycle: Cycle, event: SeatEvent, source: random.Random) -> Iterator[SeatCharge]:
    """The refund of the old total and the charge of the new one, for the rest of the cycle."""
    billed = month_of(event.on) if event.billed_month is None else event.billed_month
    reference = event.reference_id or _reference(event.on, source)
    for quantity in (-seats.charged_quantity_on(event.on), event.quantity_after):
        if quantity:
            yield SeatCharge(cycle, event.on, quantity, event.charge_type, billed, reference)


def _cycle_type(seats: Seats, cycle: Cycle) -> str:
    if cycle.start_on == seats.first_charge_on:
        return seats.first_type
    return seats.renewal_type if cycle.full_start_on == cycle.term_start_on else "cycleCharge"


def _reference(on: date, source: random.Random) -> str:
    reference = new_id(source)
    if on < JSON_REFERENCES_FROM or source.random() < PLAIN_REFERENCES:
        return reference
    return json.dumps({"osId": new_id(source), "id": reference, "v": "1"}, separators=(",", ":"))


def _effective_price(seats: Seats, charge: SeatCharge, price: Decimal) -> Decimal:
    cycle = charge.cycle
    if charge.charge_type == "changeBillingPlan" and seats.cycle_months > 1:
        months_left = sum(
            shift(month_of(charge.start_on), ahead) < month_of(cycle.end_on + timedelta(days=1))
            for ahead in range(seats.cycle_months)
        )
        return truncate(price * months_left / seats.cycle_months, Decimal("0.01"))
    return truncate(price * days_between(charge.start_on, cycle.end_on) / cycle.full_days, PRICE_QUANTUM)


def line_of(
    seats: Seats, charge: SeatCharge, licence: Licence, price: Decimal, fx_of: Callable[[str], Decimal]
) -> ReconLine:
    """The line of one charge for one product of a subscription, on the invoice of the charge's billing month."""
    fx = fx_of(charge.billing_month) if seats.is_usd_priced else Decimal(1)
    effective = _effective_price(seats, charge, price) * (-1 if charge.quantity < 0 else 1)
    quantity = abs(charge.quantity)
    rhythm = "monthly" if seats.cycle_months == 1 else "yearly"
    return ReconLine(
        customer=seats.customer,
        billing_month=charge.billing_month,
        product_id=licence.product_id,
        sku_id=licence.sku_id,
        availability_id=licence.availability_id,
        product_name=licence.name,
        sku_name=licence.name,
        publisher_name=licence.publisher_name,
        publisher_id=licence.publisher_id,
        category=licence.category,
        charge_type=charge.charge_type,
        unit_price=price,
        effective_unit_price=effective,
        quantity=Decimal(quantity),
        subtotal=truncate(effective * fx, seats.customer.currency.minor_unit) * quantity,
        subscription_id=seats.subscription_id,
        order_id=seats.order_id,
        order_on=charge.start_on,
        charge_start_on=charge.start_on,
        charge_end_on=charge.cycle.end_on,
        subscription_start_on=charge.cycle.term_start_on,
        subscription_end_on=charge.cycle.term_end_on,
        term_text=f"{TERM_TEXT[seats.term]} for {rhythm} billing",
        billing_frequency="Monthly" if seats.cycle_months == 1 else "Annual",
        unit_type=licence.unit_type,
        pricing_currency="USD" if seats.is_usd_priced else seats.customer.currency.code,
        fx=fx,
        reference_id=charge.reference_id,
        price_adjustments=seats.price_adjustments,
        reservation_order_id=seats.reservation_order_id,
        promotion_id=seats.promotion_id,
        qualifiers=seats.qualifiers,
        subscription_text=licence.name if licence.publisher_name != MICROSOFT else "",
    )


CHANGE_WORDS = {
    "addQuantity": "quantity_increased",
    "removeQuantity": "quantity_decreased",
    "moveQuantity": "quantity_moved",
    "cancelImmediate": "cancelled",
    "convert": "converted",
}


def change_log(seats: Seats, months: Sequence[str], source: random.Random) -> list[SeatChange]:
    """The rows of the licence change log for one subscription, oldest first.

    A subscription bought or converted within `months` begins with a row from 0, stamped midnight of its first day.
    """
    rows: list[SeatChange] = []
    first = seats.first_charge_on
    if month_of(first) >= months[0] and seats.first_type in ("new", "convert"):
        opened = datetime.combine(first, time())
        rows.append(_change(seats, opened, "created", (0, seats.quantity), source))
    for event in seats.events:
        if event.charge_type in CHANGE_WORDS:
            at = datetime.combine(event.on, time(event.hour, source.randrange(60), source.randrange(60)))
            quantities = (seats.quantity_on(event.on), event.quantity_after)
            rows.append(_change(seats, at, CHANGE_WORDS[event.charge_type], quantities, source))
    return rows


def _change(seats: Seats, at: datetime, event: str, quantities: tuple[int, int], source: random.Random) -> SeatChange:
    actor = source.choice(("admin", "portal", "api")) + "@" + seats.customer.domain
    return SeatChange(new_id(source), seats.customer, seats.subscription_id, at, event, *quantities, actor)
