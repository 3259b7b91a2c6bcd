"""Expected revenue of provider lines, and both sides of a contract line day by day."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline_tests.reference.amounts import ZERO, round_finest
from csp_pipeline_tests.reference.days import each_day, month_of
from csp_pipeline_tests.reference.recognition import ByDay, by_day, full_cycle
from csp_pipeline_tests.reference.seats import count_once

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal

    from csp_pipeline_tests.reference.charges import Charge
    from csp_pipeline_tests.reference.commercial import ContractLine
    from csp_pipeline_tests.reference.costs_to_contracts import Atom


@dataclass(frozen=True)
class SeatLine:
    """A provider line counted once with the revenue it leads to."""

    atom: Atom
    months: int
    full_days: int
    exact: Fraction
    recognised: ByDay

    @property
    def quantity(self) -> Decimal:
        """Signed quantity."""
        return self.atom.line.quantity

    @property
    def days(self) -> int:
        """Days charged."""
        return (self.atom.end - self.atom.start).days

    @property
    def is_change(self) -> bool:
        """Whether it begins inside a cycle that was charged before."""
        return self.days < self.full_days

    def covers(self, day: date) -> bool:
        """Whether the charge covers the day."""
        return self.atom.start <= day < self.atom.end


def seat_lines(contract: ContractLine, atoms: list[Atom]) -> list[SeatLine]:
    """Rule 10.3: signed quantity x selling price of the full cycle x charge days / days of the full cycle."""
    by_line = {atom.line.line_id: atom for atom in atoms if not atom.is_credit}
    result = []
    counted = list(count_once(atom.line for atom in by_line.values()))
    worth = _worth(contract, [by_line[line.line_id] for line in counted])
    for line in counted:
        atom = by_line[line.line_id]
        if all(contract.is_free_on(day) for day in each_day(atom.start, atom.end)):
            continue
        months, full_days = full_cycle(line, atom.start, atom.end)
        share = Fraction((atom.end - atom.start).days, full_days)
        exact = worth[line.line_id] / contract.months * months * share * contract.discount_factor(atom.start)
        recognised = {
            day: part
            for day, part in by_day(round_finest(exact), atom.start, atom.end).items()
            if not contract.is_free_on(day)
        }
        result.append(SeatLine(atom, months, full_days, exact, recognised))
    return result


def _worth(contract: ContractLine, atoms: list[Atom]) -> dict[str, Fraction]:
    """What each line's quantity adds, for a full cycle of ours, to the price of those before it on its first day."""
    worth: dict[str, Fraction] = {}
    before: list[Atom] = []
    for atom in sorted(atoms, key=lambda atom: (atom.start, atom.line.quantity, atom.line.line_id)):
        reached = sum((Fraction(a.line.quantity) for a in before if a.start <= atom.start < a.end), Fraction(0))
        after = reached + Fraction(atom.line.quantity)
        if contract.tiers:
            worth[atom.line.line_id] = _price(contract, after) - _price(contract, reached)
        else:
            worth[atom.line.line_id] = contract.at(atom.start).price_of(Fraction(atom.line.quantity))
        before.append(atom)
    return worth


def _price(contract: ContractLine, quantity: Fraction) -> Fraction:
    return contract.price_of(quantity) if quantity > 0 else Fraction(0)


@dataclass
class Day:
    """Both sides of a contract line on one day, exact and recognised."""

    billed_quantity: Fraction = Fraction(0)
    billed_exact: Fraction = Fraction(0)
    billed_recognised: Decimal = ZERO
    has_revenue: bool = False
    provider_quantity: Fraction = Fraction(0)
    expected_exact: Fraction = Fraction(0)
    expected_recognised: Decimal = ZERO
    has_cost: bool = False

    def take_off(self, seat: SeatLine, day: date) -> None:
        """Leave a provider line out of the day."""
        self.provider_quantity -= Fraction(seat.quantity)
        self.expected_exact -= seat.exact / seat.days
        self.expected_recognised -= seat.recognised.get(day, ZERO)

    @property
    def common_quantity(self) -> Fraction:
        """The quantity both sides agree on."""
        if self.billed_quantity > 0 and self.provider_quantity > 0:
            return min(self.billed_quantity, self.provider_quantity)
        if self.billed_quantity < 0 and self.provider_quantity < 0:
            return max(self.billed_quantity, self.provider_quantity)
        return Fraction(0)

    @property
    def billed_price(self) -> Fraction:
        """Our price of one unit for this day."""
        return self.billed_exact / self.billed_quantity if self.billed_quantity else Fraction(0)

    @property
    def expected_price(self) -> Fraction:
        """The expected price of one unit for this day, from the provider's day count."""
        return self.expected_exact / self.provider_quantity if self.provider_quantity else Fraction(0)

    @property
    def proration(self) -> Fraction:
        """What the common quantity differs by because the two cycles have other day counts."""
        return self.common_quantity * (self.billed_price - self.expected_price)

    @property
    def quantity_part(self) -> Fraction:
        """The rest: units that only one side has."""
        return self.billed_exact - self.expected_exact - self.proration


def days_of(month: str, charges: list[Charge], seats: list[SeatLine], atoms: list[Atom]) -> dict[date, Day]:
    """Each day of the month on which either side has something."""
    days: dict[date, Day] = defaultdict(Day)
    for charge in charges:
        recognised = by_day(charge.net, charge.start, charge.end)
        for day in each_day(charge.start, charge.end):
            if month_of(day) == month:
                entry = days[day]
                entry.has_revenue = True
                entry.billed_quantity += Fraction(charge.quantity or ZERO)
                entry.billed_exact += charge.exact / charge.days
                entry.billed_recognised += recognised[day]
    for seat in seats:
        for day, part in seat.recognised.items():
            if month_of(day) == month:
                entry = days[day]
                entry.provider_quantity += Fraction(seat.quantity)
                entry.expected_exact += seat.exact / seat.days
                entry.expected_recognised += part
    for atom in atoms:
        for day in each_day(atom.start, atom.end):
            if month_of(day) == month:
                days[day].has_cost = True
    return days
