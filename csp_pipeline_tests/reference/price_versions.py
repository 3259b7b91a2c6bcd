"""A price of ours that changes inside a cycle of the provider, whose line stands on the price it began under."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline_tests.reference.charges import cycle_of

if TYPE_CHECKING:
    from datetime import date

    from csp_pipeline_tests.reference.commercial import ContractLine
    from csp_pipeline_tests.reference.expected import Day, SeatLine


def price_versions(contract: ContractLine, seats: list[SeatLine], days: dict[date, Day]) -> Fraction:
    """What the quantity both sides have differs by because our price on a day is not the one of the provider's line.

    A bundle whose shares change, or a discount that ends, inside a cycle of the provider: comes before proration, which
    compares days at one price.
    """
    if contract.tiers:
        return Fraction(0)
    total = Fraction(0)
    for day, entry in days.items():
        ours = _own_price(contract, day)
        if ours is None or not entry.common_quantity:
            continue
        at_theirs = at_ours = Fraction(0)
        for seat in seats:
            if seat.covers(day) and not contract.is_free_on(day):
                theirs = contract.at(seat.atom.start).monthly_price * contract.discount_factor(seat.atom.start)
                at_theirs += seat.exact / seat.days
                at_ours += seat.exact / seat.days * (ours / theirs if theirs else 1)
        if at_theirs:
            total += entry.common_quantity * entry.expected_price * (at_ours / at_theirs - 1)
    return total


def _own_price(contract: ContractLine, day: date) -> Fraction | None:
    """Our price per month of a unit on a day: the share of its stretch, and the discount of its cycle."""
    cycle = cycle_of(contract, day)
    if cycle is None:
        return None
    begun = max([cycle.start, *(start for start, _ in contract.steps if cycle.start < start <= day)])
    return contract.at(begun).monthly_price * contract.discount_factor(cycle.start)
