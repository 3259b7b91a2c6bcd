"""Seat changes that we charge already and the provider has yet to bill: the cause `timing`.

What belongs here: which changes of the log are pending, and what our lines for them recognise in a month.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.domain.calendar import ONE_DAY, first_day_of, last_day_of, month_of, shift_month
from csp_pipeline.domain.difference_facts import Part, RevenueLine, SeatChange, SeatFacts, fraction_units
from csp_pipeline.domain.recognition import units_between

if TYPE_CHECKING:
    from datetime import date
    from fractions import Fraction


@dataclass(frozen=True, slots=True)
class PendingChanges:
    """Changes that the provider has yet to bill, and our lines that already charge them."""

    changes: tuple[SeatChange, ...] = ()
    lines: tuple[RevenueLine, ...] = ()

    @property
    def quantity(self) -> Decimal:
        """Net quantity of the changes."""
        return sum((change.delta for change in self.changes), Decimal(0))


def pending_changes(facts: SeatFacts) -> PendingChanges:
    """The changes after the provider's last charge that no provider line carries and no loaded invoice should.

    Those before the contract line are no business of its; one that is over has no quantity at the month's end.
    Of several, the longest run of the latest whose sum fits into the quantity difference counts.
    """
    last_loaded, difference = facts.documents.last_loaded_month, facts.quantity_difference
    is_over = facts.ends_on is not None and facts.ends_on < last_day_of(facts.month)
    if last_loaded is None or not difference or is_over:
        return PendingChanges()
    candidates = [
        change
        for change in facts.changes
        if facts.starts_on <= change.changed_on <= last_day_of(facts.month)
        and (facts.last_provider_start is None or change.changed_on > facts.last_provider_start)
        and not change.is_on_provider_line
        and _next_month(change.changed_on) > last_loaded
    ]
    for first in range(len(candidates)):
        run = candidates[first:]
        quantity = sum((change.delta for change in run), Decimal(0))
        if quantity * difference > 0 and abs(quantity) <= abs(difference):
            days = {change.changed_on for change in run}
            begun = {change.changed_on for change in run if change.is_purchase}
            lines = tuple(
                line
                for line in facts.revenue_lines
                if (line.kind == "change" and line.start in days) or (line.kind == "recurring" and line.start in begun)
            )
            return PendingChanges(tuple(run), lines)
    return PendingChanges()


def timing_part(facts: SeatFacts, pending: PendingChanges, in_cycles: Fraction) -> Part | None:
    """The part of the pending changes: what our lines for them recognise in the month."""
    if not pending.changes:
        return None
    since, until = first_day_of(facts.month), last_day_of(facts.month) + ONE_DAY
    evidence = [("partner_center.subscription_changes", change.change_id) for change in pending.changes]
    return Part(
        "timing",
        sum(units_between(line.units, line.start, line.end, since, until) for line in pending.lines)
        + fraction_units(in_cycles),
        pending.quantity,
        evidence + [("billing.invoice_lines", line.key) for line in pending.lines],
        max(_next_month(change.changed_on) for change in pending.changes),
    )


def _next_month(day: date) -> str:
    return shift_month(month_of(day), 1)
