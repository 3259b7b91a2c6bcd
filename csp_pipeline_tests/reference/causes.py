"""Why revenue and expected revenue differ, for one contract line and month.

The causes take their parts in order, each from what the one before left; parts sum exactly to the difference.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline_tests.reference.amounts import ZERO, minor_unit, round_finest
from csp_pipeline_tests.reference.charges import Charge, Drafting, cycle_of
from csp_pipeline_tests.reference.days import first_day, last_day
from csp_pipeline_tests.reference.elsewhere import REPLACED, VERSION, Moved, Other, move
from csp_pipeline_tests.reference.expected import Day, SeatLine, days_of
from csp_pipeline_tests.reference.price_versions import price_versions
from csp_pipeline_tests.reference.recognition import FREQUENCIES, cycle_around
from csp_pipeline_tests.reference.timing import timing

if TYPE_CHECKING:
    from datetime import date

    from csp_pipeline_tests.reference.commercial import ContractLine
    from csp_pipeline_tests.reference.costs_to_contracts import Atom
    from csp_pipeline_tests.reference.received import Snapshot
    from csp_pipeline_tests.reference.seats import SeatHistory

NOISE = Decimal("0.00000001")
"""Below this a remainder is the last unit of a largest-remainder split, not money."""
STARRED = frozenset(
    {
        "unmapped_customer",
        "unbilled_cost",
        "revenue_without_cost",
        "contract_expired",
        "quantity_mismatch",
        "unexplained",
    }
)
"""Causes that need a person until they are accepted."""


@dataclass(frozen=True)
class Part:
    """One row of reconciliation.differences."""

    cause: str
    amount: Decimal
    quantity: Decimal
    expected_on_month: str | None = None


@dataclass
class Left:
    """What no cause has taken yet."""

    amount: Decimal
    quantity: Decimal
    parts: list[Part] = field(default_factory=list)

    def take(self, cause: str, amount: Decimal, quantity: Decimal = ZERO, month: str | None = None) -> None:
        """Give a part to a cause; a part of nothing is no row."""
        if amount != 0 or quantity != 0:
            self.parts.append(Part(cause, amount, quantity, month))
            self.amount -= amount
            self.quantity -= quantity


@dataclass(frozen=True)
class Loaded:
    """First and last loaded billing month of the provider in one currency."""

    first: str
    last: str

    def holds(self, month: str) -> bool:
        """Whether the provider's document of the month is loaded."""
        return bool(self.first) and self.first <= month <= self.last


@dataclass
class ContractMonth:
    """All that is known about one contract line in one service month."""

    month: str
    contract: ContractLine
    charges: list[Charge]
    atoms: list[Atom]
    seats: list[SeatLine]
    all_atoms: list[Atom]
    history: SeatHistory | None
    snapshot: Snapshot | None
    loaded: Loaded
    drafting: Drafting
    difference: Decimal
    quantity_difference: Decimal
    others: list[Other] = field(default_factory=list)
    fx_moved: Fraction = Fraction(0)

    @property
    def last_day(self) -> date:
        """The day on which quantities are compared."""
        return last_day(self.month)


def find_causes(row: ContractMonth) -> list[Part]:
    """Rule 10.6 for a row with a contract line whose cost comes from a provider."""
    left = Left(row.difference, row.quantity_difference)
    if row.contract.pricing_model == "cost_plus":
        _cost_plus_causes(row, left)
        return left.parts
    if row.contract.pricing_model == "flat" and left.amount == 0:
        return left.parts
    replaced = move(days_of(row.month, row.charges, row.seats, row.atoms), row.others, row.last_day)
    _take_moved(left, replaced, REPLACED)
    timed = timing(row, left, is_compared=bool(row.atoms or replaced.days))
    charges = [timed.get(id(charge), charge) for charge in row.charges]
    charges = [charge for charge in charges if charge is not None]
    days = days_of(row.month, charges, row.seats, row.atoms)
    moved = move(days, row.others, row.last_day)
    revenue_days = {day for charge in row.charges for day in days if charge.start <= day < charge.end}
    period_days = _period(row, left, days, revenue_days, round_finest(moved.quantities.get(VERSION, Fraction(0))))
    rest = {day: entry for day, entry in days.items() if day not in period_days}
    _take_moved(left, moved, VERSION)
    versions = price_versions(row.contract, row.seats, rest)
    _proration(row, left, rest, versions)
    _rounding(row, left)
    _kinds(row, left, rest, moved)
    left.take("unexplained", left.amount, left.quantity)
    return _without_noise(left.parts)


def _without_noise(parts: list[Part]) -> list[Part]:
    """Give the last units of splits by day to the largest part; they are no part of their own."""
    noise = [part for part in parts if abs(part.amount) <= NOISE and not part.quantity]
    named = [part for part in parts if part not in noise]
    if noise and not named:
        total = sum((part.amount for part in noise), ZERO)
        return [Part("rounding", total, ZERO)] if total else []
    if not noise:
        return parts
    largest = max(named, key=lambda part: abs(part.amount))
    whole = replace(largest, amount=largest.amount + sum((part.amount for part in noise), ZERO))
    return [whole if part is largest else part for part in named]


def _take_moved(left: Left, moved: Moved, cause: str) -> None:
    """The part of one cause of what stands on other rows."""
    amount, quantity = moved.amounts.get(cause, Fraction(0)), moved.quantities.get(cause, Fraction(0))
    left.take(cause, round_finest(amount), round_finest(quantity))


def _cost_plus_causes(row: ContractMonth, left: Left) -> None:
    undrafted = row.month > row.drafting.through_month or first_day(row.month) < row.drafting.starts_on
    beyond = bool(row.charges) and not row.atoms and row.month > row.loaded.last
    if beyond or (not row.charges and undrafted):
        left.take("period", left.amount)
    else:
        if row.charges:
            left.take("fx_rate", round_finest(row.fx_moved))
        _rounding(row, left)
    if not row.charges:
        left.take("contract_expired" if _is_expired(row) else "unbilled_cost", left.amount)
    elif not row.atoms:
        left.take("revenue_without_cost", left.amount)
    left.take("unexplained", left.amount, left.quantity)


def _period(
    row: ContractMonth, left: Left, days: dict[date, Day], revenue_days: set[date], version: Decimal
) -> set[date]:
    """Rule 10.7: days that one side's documents do not reach; the version's quantity is another cause's.

    Where changes are charged in a cycle that is not, only the cycle's own seats wait; changes meet changes.
    """
    quantity = ZERO
    amount = ZERO
    found: set[date] = set()
    for day, entry in days.items():
        has_revenue = day in revenue_days
        if has_revenue and not entry.has_cost:
            if row.month > row.loaded.last or _is_in_earlier_prepaid_term(row, day):
                amount += entry.billed_recognised
                found.add(day)
        elif entry.has_cost and not entry.has_revenue and _is_not_drafted(row, day):
            amount -= entry.expected_recognised
            found.add(day)
        elif entry.has_cost and _is_not_drafted(row, day):
            for seat in _own_seats_of_cycle(row, day):
                amount -= seat.recognised.get(day, ZERO)
                quantity -= seat.quantity if day == row.last_day else ZERO
                entry.take_off(seat, day)
    left.take("period", amount, left.quantity - version if row.last_day in found else quantity)
    return found


def _own_seats_of_cycle(row: ContractMonth, day: date) -> list[SeatLine]:
    """The provider's lines that our cycle begins with: those of a whole cycle of its own, and changes before ours."""
    cycle = cycle_of(row.contract, day)
    covering = [seat for seat in row.seats if seat.covers(day)]
    return [seat for seat in covering if not seat.is_change or (cycle is not None and seat.atom.start <= cycle.start)]


def _is_not_drafted(row: ContractMonth, day: date) -> bool:
    cycle = cycle_of(row.contract, day)
    if cycle is None:
        is_over = row.contract.ends_on is not None and day > row.contract.ends_on
        is_to_come = is_over and any(other.is_undrafted(day, row.drafting) for other in row.others)
        return day < row.drafting.starts_on or is_to_come
    return not row.drafting.is_drafted(row.contract, cycle)


def _is_in_earlier_prepaid_term(row: ContractMonth, day: date) -> bool:
    """Whether the provider's cycle of this day began before its first loaded document."""
    if not row.loaded.first:
        return False
    first = first_day(row.loaded.first)
    terms: list[tuple[date, str]] = [
        (atom.line.subscription_starts_on, atom.line.billing_frequency.casefold())
        for atom in row.all_atoms
        if atom.line.subscription_starts_on is not None
    ]
    now = row.snapshot
    if now is not None and now.started_on is not None and (now.ends_on is None or now.ends_on >= day):
        terms.append((now.started_on, now.billing_cycle))
    return any(
        start <= day and frequency in FREQUENCIES and cycle_around(day, start, FREQUENCIES[frequency])[0] < first
        for start, frequency in terms
    )


def _proration(row: ContractMonth, left: Left, days: dict[date, Day], versions: Fraction) -> None:
    """Other prices, then other day counts, for the quantity both sides have; and what ``proration none`` leaves out."""
    amount = sum((entry.proration for entry in days.values()), Fraction(0)) - versions
    quantity = Fraction(0)
    for day, entry in days.items():
        agreed = _agreed_difference(row, day, entry)
        amount += agreed * (entry.billed_price if agreed > 0 else entry.expected_price)
        if day == row.last_day:
            quantity = agreed
    changed, part = round_finest(versions), round_finest(amount)
    if part == 0 and changed != 0 and abs(left.amount - changed) < NOISE * (len(row.charges) + len(row.seats)):
        changed = left.amount
    left.take("price_version", changed)
    if part != 0 and abs(left.amount - part) < NOISE * (len(row.charges) + len(row.seats)):
        part = left.amount
    left.take("proration", part, _within(round_finest(quantity), left.quantity))


def _agreed_difference(row: ContractMonth, day: date, entry: Day) -> Fraction:
    """The part of (billed - provider) that is (billed - actual): what counts only from the next cycle."""
    if row.history is None or row.contract.proration != "none" or not row.contract.is_in_force(day, day):
        return Fraction(0)
    actual = Fraction(row.history.end_of(day))
    difference = entry.billed_quantity - entry.provider_quantity
    agreed = entry.billed_quantity - actual
    if difference * agreed <= 0:
        return Fraction(0)
    return min(difference, agreed) if difference > 0 else max(difference, agreed)


def _within(part: Decimal, whole: Decimal) -> Decimal:
    if part * whole <= 0:
        return ZERO
    return min(part, whole) if whole > 0 else max(part, whole)


def _rounding_limit(row: ContractMonth) -> Decimal:
    return minor_unit(row.contract.currency) * len(row.charges)


def _rounding(row: ContractMonth, left: Left) -> None:
    """All that is left, when it is below one minor unit per revenue line."""
    noise = ZERO if left.quantity else NOISE
    if abs(left.amount) < max(_rounding_limit(row), noise):
        left.take("rounding", left.amount)


def _whole(row: ContractMonth, left: Left, part: Decimal) -> Decimal:
    """All that is left, when only rounding lies between it and the part."""
    return left.amount if abs(left.amount - part) < max(_rounding_limit(row), NOISE * (len(row.seats) + 1)) else part


def _exactly(row: ContractMonth, left: Left, part: Decimal) -> Decimal:
    """A part known by its days, with the last units of the splits by day where nothing else is left."""
    return left.amount if abs(left.amount - part) < NOISE * (len(row.charges) + len(row.seats)) else part


def _is_expired(row: ContractMonth) -> bool:
    return row.contract.ends_on is not None and row.contract.ends_on < first_day(row.month)


def _kinds(row: ContractMonth, left: Left, days: dict[date, Day], moved: Moved) -> None:
    """Rule 10.6: by kind, what one side has alone, what an ended contract leaves, and other quantities."""
    if not row.atoms and not moved.days:
        left.take("revenue_without_cost", left.amount, left.quantity)
        return
    ends_on = row.contract.ends_on
    if ends_on is not None:
        ended = [
            day for day, entry in days.items() if day > ends_on and not entry.has_revenue and day not in moved.days
        ]
        after = [days[day].expected_recognised for day in ended]
        quantity = left.quantity if row.last_day in ended else ZERO
        if after or quantity:
            left.take("contract_expired", _exactly(row, left, -sum(after, ZERO)), quantity)
        days = {day: entry for day, entry in days.items() if day <= ends_on or day in moved.days}
    if not row.charges and not moved.days:
        left.take("unbilled_cost", left.amount, left.quantity)
        return
    before = [entry.expected_recognised for day, entry in days.items() if day < row.contract.starts_on]
    if before:
        quantity = left.quantity if row.last_day < row.contract.starts_on else ZERO
        left.take("unbilled_cost", _exactly(row, left, -sum(before, ZERO)), quantity)
        days = {day: entry for day, entry in days.items() if day >= row.contract.starts_on}
    amount = round_finest(sum((entry.quantity_part for entry in days.values()), Fraction(0)))
    for day, entry in days.items():
        agreed = _agreed_difference(row, day, entry)
        amount -= round_finest(agreed * (entry.billed_price if agreed > 0 else entry.expected_price))
    if any(entry.billed_quantity != entry.provider_quantity for entry in days.values()) or left.quantity != 0:
        left.take("quantity_mismatch", _whole(row, left, amount), left.quantity)
    _rounding(row, left)
