"""A service month cut where anything begins or ends, and each piece summed under the cause that its days prove.

What belongs here: comparing provider lines, our lines and our cycle day by day. What the sums mean is `differences`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from csp_pipeline.domain.calendar import ONE_DAY, first_day_of, last_day_of
from csp_pipeline.domain.counterparts import units_elsewhere
from csp_pipeline.domain.difference_facts import OwnCycle, ProviderLine, RevenueLine, SeatFacts, covers, fraction_units
from csp_pipeline.domain.pending_changes import PendingChanges
from csp_pipeline.domain.recognition import UNITS_PER_ONE, units_between

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date


@dataclass(slots=True)
class Tally:
    """Sums over the segments of a month, in exact fractions of a currency unit or in units."""

    period_units: int = 0
    period_quantity: Fraction = Fraction(0)
    expired_units: int = 0
    early_units: int = 0
    timing_in_cycles: Fraction = Fraction(0)
    proration: Fraction = Fraction(0)
    price_version: Fraction = Fraction(0)
    quantity_amount: Fraction = Fraction(0)
    elsewhere_units: dict[str, int] = field(default_factory=dict)
    elsewhere_quantity: dict[str, Fraction] = field(default_factory=dict)
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
    for other in facts.counterparts:
        spans += [*other.provider_lines, *other.revenue_lines, *other.cycles]
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
        is_open = not _lacks_its_base(facts, costs)
        cause = _segment_cause(facts, first, cycle, has_cost=bool(costs)) if is_open else "period"
        difference = sum(units_between(line.units, line.start, line.end, first, after) for line in revenues) - sum(
            units_between(line.expected_units, line.start, line.end, first, after) for line in costs
        )
        segment = _Segment(cycle, revenues, costs, first, (after - first).days, difference, after == until, is_open)
        cause = _take_segment(facts, tally, segment, cause, pending)
        if segment.is_last:
            tally.quantity_cause = cause
    return tally


def _take_segment(
    facts: SeatFacts, tally: Tally, segment: _Segment, cause: str | None, pending: PendingChanges
) -> str | None:
    """Give a segment to other rows, to the cause of all its days, or compare its days; returns its quantity's cause."""
    moved = _take_elsewhere(facts, tally, segment, cause, pending)
    left = segment.difference - moved.units
    if moved.is_whole:
        return None
    if moved.is_undrafted:
        cause = "period"
    elif moved.quantity and cause == "contract_expired":
        tally.quantity_amount += Fraction(left, UNITS_PER_ONE)
        return None
    has_changes = segment.has_base and bool(segment.revenues) and bool(segment.costs) and moved.quantity >= 0
    if cause == "period" and has_changes and segment.cycle is not None:
        _take_base(tally, segment, segment.cycle, moved.quantity)
        return None
    if cause == "period":
        tally.period_units += left
    elif cause == "contract_expired":
        tally.expired_units += left
    elif cause == "unbilled_cost":
        tally.early_units += left
    elif segment.cycle is not None:
        _compare_days(tally, segment, segment.cycle, pending, moved.quantity)
    return cause


def _take_base(tally: Tally, segment: _Segment, cycle: OwnCycle, moved: Fraction) -> None:
    """Changes are charged in a cycle that is not yet, or not by us: its own seats wait, changes meet changes."""
    after = segment.first + ONE_DAY * segment.days
    base = [line for line in segment.costs if not _is_change_in(cycle, line)]
    units = sum(units_between(line.expected_units, line.start, line.end, segment.first, after) for line in base)
    tally.period_units -= units
    if segment.is_last:
        tally.period_quantity = -sum((Fraction(line.quantity) for line in base), Fraction(0))
    changes = [line for line in segment.costs if line not in base]
    others = replace(segment, costs=changes, difference=segment.difference + units)
    _compare_days(tally, others, cycle, PendingChanges(), moved)


def _is_change_in(cycle: OwnCycle, line: ProviderLine) -> bool:
    """Whether a line of the provider changes its own cycle, on a day after ours began."""
    return line.cycle_start is not None and line.start > line.cycle_start and line.start > cycle.start


@dataclass(frozen=True, slots=True)
class _Segment:
    """Days on which nothing changes, with the lines of both sides that cover them.

    Attributes:
        has_base: whether what the provider's changes change is on a document that is loaded.
    """

    cycle: OwnCycle | None
    revenues: Sequence[RevenueLine]
    costs: Sequence[ProviderLine]
    first: date
    days: int
    difference: int
    is_last: bool
    has_base: bool = True

    @property
    def ours(self) -> Fraction:
        """The quantity we charge."""
        return sum((Fraction(line.quantity) for line in self.revenues), Fraction(0))

    @property
    def provider(self) -> Fraction:
        """The quantity that the provider charges."""
        return sum((Fraction(line.quantity) for line in self.costs), Fraction(0))

    @property
    def expected(self) -> Fraction:
        """What the provider's lines are worth on one of the days."""
        return sum((Fraction(line.quantity) * line.daily_price for line in self.costs), Fraction(0))

    @property
    def expected_at_our_version(self) -> Fraction:
        """The same at the version of the price that our cycle has, over the provider's days."""
        if self.cycle is None or self.cycle.monthly_price is None:
            return self.expected
        return sum(
            (
                Fraction(line.quantity) * line.daily_price * self.cycle.monthly_price / line.monthly_price
                if line.monthly_price
                else Fraction(line.quantity) * line.daily_price
                for line in self.costs
            ),
            Fraction(0),
        )


@dataclass(frozen=True, slots=True)
class _Moved:
    """What other rows explain of a segment: units of money and the signed quantity; whether that is all of it."""

    units: int = 0
    quantity: Fraction = Fraction(0)
    is_whole: bool = False
    is_undrafted: bool = False


def _take_elsewhere(
    facts: SeatFacts, tally: Tally, segment: _Segment, cause: str | None, pending: PendingChanges
) -> _Moved:
    """Take the part of a segment whose other side stands on another row: a version of the price, or a successor.

    Days that have their other side there lack no document, so this comes before `period`. Pending changes have no other
    side yet: what they are worth is `timing`.
    """
    others = facts.counterparts
    if not others:
        return _Moved()
    waiting = _charged_since(segment, pending)
    surplus = segment.ours - waiting - segment.provider
    found = units_elsewhere(surplus, others, segment.first)
    through = facts.documents.drafted_through
    is_undrafted = cause == "contract_expired" and any(one.is_undrafted(segment.first, through) for one in others)
    if not found:
        return _Moved(is_undrafted=is_undrafted)
    quantity = sum(found.values(), Fraction(0))
    is_whole = quantity == surplus and not (segment.ours and segment.provider) and len(found) == 1
    units = dict[str, int]()
    if is_whole:
        worth = _worth_of_waiting(segment, waiting)
        tally.timing_in_cycles += worth
        units = dict.fromkeys(found, segment.difference - fraction_units(worth))
    for name, part in found.items():
        tally.elsewhere_units[name] = tally.elsewhere_units.get(name, 0) + units.setdefault(
            name, fraction_units(_worth(segment, part))
        )
        if segment.is_last:
            tally.elsewhere_quantity[name] = tally.elsewhere_quantity.get(name, Fraction(0)) + part
    tally.has_cost = tally.has_cost or surplus > 0
    tally.has_revenue = tally.has_revenue or surplus < 0
    return _Moved(sum(units.values()), quantity, is_whole, is_undrafted)


def _charged_since(segment: _Segment, pending: PendingChanges) -> Fraction:
    """The pending changes that our cycle of a segment charges from its beginning."""
    if segment.cycle is None or not segment.revenues:
        return Fraction(0)
    start = segment.cycle.start
    return sum((Fraction(change.delta) for change in pending.changes if change.changed_on < start), Fraction(0))


def _worth_of_waiting(segment: _Segment, waiting: Fraction) -> Fraction:
    """What units of pending changes are worth over a segment."""
    return waiting * segment.cycle.daily_price * segment.days if segment.cycle is not None else Fraction(0)


def _worth(segment: _Segment, quantity: Fraction) -> Fraction:
    """What a surplus of units is worth over a segment: at our price where we charge them, else by the provider's."""
    ours, provider = _taken(segment, quantity)
    our_price = segment.cycle.daily_price if segment.cycle is not None else Fraction(0)
    expected_price = segment.expected / segment.provider if segment.provider else Fraction(0)
    return (ours * our_price - provider * expected_price) * segment.days


def _taken(segment: _Segment, quantity: Fraction) -> tuple[Fraction, Fraction]:
    """The units of ours and of the provider's that a surplus takes: its own first, then those the other took back."""
    if quantity > 0:
        ours = min(quantity, max(segment.ours, Fraction(0))) if segment.provider else quantity
        return ours, ours - quantity
    provider = min(-quantity, max(segment.provider, Fraction(0))) if segment.ours else -quantity
    return quantity + provider, provider


def _compare_days(tally: Tally, segment: _Segment, cycle: OwnCycle, pending: PendingChanges, moved: Fraction) -> None:
    """Compare both sides of a segment: seats in common differ by their day prices, the others are one side's own.

    Seats in common that are charged at another version of the price than the provider's line implies differ by that
    first; by their days after it.
    """
    days = segment.days
    provider, expected = segment.provider, segment.expected
    taken_of_ours, taken_of_provider = _taken(segment, moved)
    ours = segment.ours - taken_of_ours
    if taken_of_provider and provider:
        expected -= taken_of_provider * expected / provider
        provider -= taken_of_provider
    waiting = _charged_since(segment, pending)
    tally.timing_in_cycles += _worth_of_waiting(segment, waiting)
    ours -= waiting
    provider_price = expected / provider if provider else cycle.daily_price
    common = _in_common(ours, provider)
    our_version = segment.expected_at_our_version / segment.provider if segment.provider else provider_price
    tally.price_version += common * (our_version - provider_price) * days
    tally.proration += common * (cycle.daily_price - our_version) * days
    tally.quantity_amount += ((ours - common) * cycle.daily_price - expected + common * provider_price) * days


def _in_common(ours: Fraction, provider: Fraction) -> Fraction:
    """The units that both sides charge, or that both take back."""
    if ours < 0 and provider < 0:
        return max(ours, provider)
    return max(min(ours, provider), Fraction(0))


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
