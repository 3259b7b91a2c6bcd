"""The other side of a contract line's days that stands on another row: a version of its price, or a successor.

A contract line whose price changes ends, and another begins that sells the same; the provider's line stays with the
one it began under. A subscription that took the place of another has its own contract line. In both cases one row has
units on a day that the other lacks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline_tests.reference.amounts import ZERO, as_decimal
from csp_pipeline_tests.reference.charges import Charge, Drafting, cycle_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from csp_pipeline_tests.reference.commercial import Commercial, ContractLine
    from csp_pipeline_tests.reference.expected import Day, SeatLine

REPLACED, VERSION = "replaced_subscription", "price_version"


@dataclass(frozen=True)
class Other:
    """Another contract line with both sides of it, whatever the month."""

    cause: str
    contract: ContractLine
    charges: list[Charge]
    seats: list[SeatLine]

    def surplus(self, day: date) -> Fraction:
        """Units charged there on a day beyond those that the provider charges."""
        billed = sum((Fraction(c.quantity or ZERO) for c in self.charges if c.start <= day < c.end), Fraction(0))
        return billed - sum((Fraction(seat.quantity) for seat in self.seats if seat.covers(day)), Fraction(0))

    def is_undrafted(self, day: date, drafting: Drafting) -> bool:
        """Whether it charges a day on a document that is not drafted yet."""
        cycle = cycle_of(self.contract, day)
        return cycle is not None and drafting.cycle_month(self.contract, cycle) > drafting.through_month


@dataclass
class Moved:
    """What other rows explain of a row, by cause, and the days on which they do."""

    amounts: dict[str, Fraction]
    quantities: dict[str, Fraction]
    days: set[date]


def others_of(contract: ContractLine, terms: Commercial) -> Iterable[tuple[str, ContractLine]]:
    """The contract lines on which the other side of one may stand, those of replaced subscriptions first."""
    if not _is_compared(contract):
        return
    joined = {target for source, target, _ in terms.links if source == contract.subscription_id}
    joined |= {source for source, target, _ in terms.links if target == contract.subscription_id}
    alike = [
        other
        for other in terms.contract_lines
        if other.contract_line_id != contract.contract_line_id
        and _is_compared(other)
        and (other.account_id, other.currency) == (contract.account_id, contract.currency)
    ]
    for other in alike:
        if contract.subscription_id and other.subscription_id in joined:
            yield REPLACED, other
    for other in alike:
        if _sold(other) == _sold(contract) and not _share_a_day(other, contract):
            yield VERSION, other


def _is_compared(contract: ContractLine) -> bool:
    return contract.has_units and contract.cost_source not in ("own", "none")


def _sold(contract: ContractLine) -> tuple[str, ...]:
    if contract.subscription_id:
        return contract.customer_id, contract.subscription_id
    return contract.customer_id, "", contract.product_id, contract.sku_id


def _share_a_day(one: ContractLine, other: ContractLine) -> bool:
    return one.starts_on <= (other.ends_on or date.max) and other.starts_on <= (one.ends_on or date.max)


def move(days: dict[date, Day], others: list[Other], last: date) -> Moved:
    """Take off each day the units whose other side stands on another row; days with nothing else disappear."""
    moved = Moved({}, {}, set())
    for day, entry in list(days.items()):
        is_one_sided = not entry.billed_quantity or not entry.provider_quantity
        all_of_it = Fraction(entry.billed_recognised) - Fraction(entry.expected_recognised)
        found: dict[str, Fraction] = {}
        for other in others:
            surplus, opposite = entry.billed_quantity - entry.provider_quantity, other.surplus(day)
            if surplus * opposite >= 0:
                continue
            units = min(abs(surplus), abs(opposite)) * (1 if surplus > 0 else -1)
            found[other.cause] = found.get(other.cause, Fraction(0)) + _take(entry, units)
            if day == last:
                moved.quantities[other.cause] = moved.quantities.get(other.cause, Fraction(0)) + units
        if not found:
            continue
        moved.days.add(day)
        if not entry.billed_quantity and not entry.provider_quantity:
            del days[day]
            if is_one_sided and len(found) == 1:
                found = dict.fromkeys(found, all_of_it)
        for cause, amount in found.items():
            moved.amounts[cause] = moved.amounts.get(cause, Fraction(0)) + amount
    return moved


def _take(entry: Day, units: Fraction) -> Fraction:
    """Take a surplus of ours, or one of the provider's if negative: its own units, then those the other took back."""
    if units > 0:
        own = min(units, max(entry.billed_quantity, Fraction(0)))
        first = _take_ours(entry, own) if own else Fraction(0)
        return first + (_take_theirs(entry, own - units) if own < units else 0)
    own = min(-units, max(entry.provider_quantity, Fraction(0)))
    first = _take_theirs(entry, own) if own else Fraction(0)
    return first + (_take_ours(entry, units + own) if own < -units else 0)


def _take_ours(entry: Day, units: Fraction) -> Fraction:
    share = units / entry.billed_quantity
    taken = entry.billed_exact * share
    entry.billed_exact -= entry.billed_exact * share
    entry.billed_recognised -= as_decimal(taken, 18)
    entry.billed_quantity -= units
    entry.has_revenue = bool(entry.billed_quantity)
    return taken


def _take_theirs(entry: Day, units: Fraction) -> Fraction:
    share = units / entry.provider_quantity
    taken = entry.expected_exact * share
    entry.expected_exact -= entry.expected_exact * share
    entry.expected_recognised -= as_decimal(taken, 18)
    entry.provider_quantity -= units
    entry.has_cost = bool(entry.provider_quantity)
    return -taken
