"""A service month cut where anything begins or ends, and each piece summed under the cause that its days prove.

What belongs here: comparing provider lines, our lines and our cycle day by day. What the sums mean is `differences`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from csp_pipeline.domain.calendar import ONE_DAY, first_day_of, last_day_of
from csp_pipeline.domain.difference_facts import OwnCycle, ProviderLine, RevenueLine, SeatFacts, covers
from csp_pipeline.domain.recognition import units_between

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from csp_pipeline.domain.pending_changes import PendingChanges


@dataclass(slots=True)
class Tally:
    """Sums over the segments of a month, in exact fractions of a currency unit or in units."""

    period_units: int = 0
    expired_units: int = 0
    early_units: int = 0
    timing_in_cycles: Fraction = Fraction(0)
    proration: Fraction = Fraction(0)
    quantity_amount: Fraction = Fraction(0)
    quantity_cause: str | None = None
    has_cost: bool = False
    has_revenue: bool = False


def _segments(facts: SeatFacts) -> list[tuple[date, date]]:
    """Cut the month where anything begins or ends; pairs of first day and the day after the last."""
    since, until = first_day_of(facts.month), last_day_of(facts.month) + ONE_DAY
    cuts = {since, until, facts.starts_on, facts.documents.billing_starts_on}
    if facts.ends_on is not None:
        cuts.add(facts.ends_on + ONE_DAY)
    spans: list[ProviderLine | RevenueLine | OwnCycle] = [*facts.provider_lines, *facts.revenue_lines, *facts.cycles]
    for span in spans:
        cuts.update((span.start, span.end + ONE_DAY))
    if facts.first_provider_line is not None:
        cuts.add(facts.first_provider_line.start)
    inside = sorted(cut for cut in cuts if since <= cut <= until)
    return list(pairwise(inside))


def tally_month(facts: SeatFacts, pending: PendingChanges) -> Tally:
    """Sum every segment under the cause that its days prove."""
    tally = Tally(has_cost=bool(facts.provider_lines))
    others = [line for line in facts.revenue_lines if line not in pending.lines]
    tally.has_revenue = bool(facts.revenue_lines)
    until = last_day_of(facts.month) + ONE_DAY
    for first, after in _segments(facts):
        costs = [line for line in facts.provider_lines if covers(line, first)]
        revenues = [line for line in others if covers(line, first)]
        if not costs and not revenues:
            continue
        cycle = next((cycle for cycle in facts.cycles if covers(cycle, first)), None)
        cause = "period" if _lacks_its_base(facts, costs) else _segment_cause(facts, first, cycle, has_cost=bool(costs))
        difference = sum(units_between(line.units, line.start, line.end, first, after) for line in revenues) - sum(
            units_between(line.expected_units, line.start, line.end, first, after) for line in costs
        )
        if cause == "period":
            tally.period_units += difference
        elif cause == "contract_expired":
            tally.expired_units += difference
        elif cause == "unbilled_cost":
            tally.early_units += difference
        elif cycle is not None:
            _compare_days(tally, _Segment(cycle, revenues, costs, (after - first).days), pending)
        if after == until:
            tally.quantity_cause = cause
    return tally


@dataclass(frozen=True, slots=True)
class _Segment:
    """Days on which nothing changes, with the lines of both sides that cover them."""

    cycle: OwnCycle
    revenues: Sequence[RevenueLine]
    costs: Sequence[ProviderLine]
    days: int


def _compare_days(tally: Tally, segment: _Segment, pending: PendingChanges) -> None:
    """Compare both sides of a segment: seats in common differ by their day prices, the others are one side's own."""
    cycle, revenues, costs, days = segment.cycle, segment.revenues, segment.costs, segment.days
    ours = sum((Fraction(line.quantity) for line in revenues), Fraction(0))
    provider = sum((Fraction(line.quantity) for line in costs), Fraction(0))
    expected = sum((Fraction(line.quantity) * line.daily_price for line in costs), Fraction(0))
    charged_since = sum((change.delta for change in pending.changes if change.changed_on < cycle.start), Decimal(0))
    if charged_since and revenues:
        tally.timing_in_cycles += Fraction(charged_since) * cycle.daily_price * days
        ours -= Fraction(charged_since)
    provider_price = expected / provider if provider > 0 else cycle.daily_price
    common = max(min(ours, provider), Fraction(0))
    tally.proration += common * (cycle.daily_price - provider_price) * days
    tally.quantity_amount += ((ours - common) * cycle.daily_price - expected + common * provider_price) * days


def _lacks_its_base(facts: SeatFacts, costs: Sequence[ProviderLine]) -> bool:
    """Seat changes of a cycle begun before the first loaded document: what they change stands on an earlier one."""
    if not costs or facts.documents.first_loaded_month is None:
        return False
    opening = first_day_of(facts.documents.first_loaded_month)
    return all(
        line.cycle_start is not None and line.cycle_start < opening and line.start > line.cycle_start for line in costs
    )


def _segment_cause(facts: SeatFacts, day: date, cycle: OwnCycle | None, *, has_cost: bool) -> str | None:
    """The cause that takes a whole segment, or None where both sides are compared day by day."""
    documents = facts.documents
    if not has_cost:
        return "period" if _is_revenue_before_document(facts, day) else None
    if cycle is None:
        if day < documents.billing_starts_on:
            return "period"
        if facts.ends_on is not None and day > facts.ends_on:
            return "contract_expired"
        return "unbilled_cost" if day < facts.starts_on else "period"
    if cycle.counts_as_issued or day < documents.billing_starts_on or cycle.invoice_month > documents.drafted_through:
        return "period"
    return None


def _is_revenue_before_document(facts: SeatFacts, day: date) -> bool:
    """Revenue whose cost stands on a document that is not loaded: a later one, or one before the first."""
    documents = facts.documents
    if documents.last_loaded_month is None or facts.month > documents.last_loaded_month:
        return True
    if documents.first_loaded_month is None:
        return False
    opening = first_day_of(documents.first_loaded_month)
    if facts.prepaid_since is not None and facts.prepaid_since < opening:
        return True
    first = facts.first_provider_line
    if first is None or first.cycle_start is None or day >= first.start:
        return False
    existed = first.subscription_starts_on is not None and first.subscription_starts_on <= day
    cycle_days = first.end - first.cycle_start + ONE_DAY
    began = first.cycle_start if day >= first.cycle_start else first.cycle_start - cycle_days
    return existed and began < opening
