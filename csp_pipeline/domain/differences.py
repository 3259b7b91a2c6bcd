"""Why revenue differs from what the provider's lines say it should be: a difference split into parts with causes.

What belongs here: the ordered causes and the arithmetic by day that gives each its part, for one row (a contract
line or an unmatched cost key in one service month). Reading facts and building rows does not.

The month is cut into segments in which nothing changes: the provider's lines, our lines and our cycle. In each,
revenue and expected revenue are recognised by day; the causes are tried in order and each takes what it can prove.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction

from csp_pipeline.domain.calendar import ONE_DAY, first_day_of, last_day_of, month_of, shift_month
from csp_pipeline.domain.recognition import UNITS_PER_ONE, units_between

ORDER = (
    "unmapped_customer",
    "replaced_subscription",
    "credit",
    "timing",
    "period",
    "price_version",
    "proration",
    "fx_rate",
    "rounding",
    "unbilled_cost",
    "revenue_without_cost",
    "contract_expired",
    "quantity_mismatch",
    "unexplained",
)
NOISE_UNITS = 100
"""What splitting amounts by day can leave over in a month, in units of 1E-10; it is no rounding of a document."""

NEEDS_A_PERSON = frozenset(
    {"unmapped_customer", "unbilled_cost", "revenue_without_cost", "contract_expired", "quantity_mismatch", "unexplained"}
)


@dataclass(frozen=True, slots=True)
class ProviderLine:
    """A provider's seat line as the expected revenue sees it.

    Attributes:
        expected_units: quantity x selling price x months x charge days / cycle days, in units of 1E-10, whole period.
        daily_price: the selling price per seat and day that this line implies.
    """

    line_id: str
    start: date
    end: date
    quantity: Decimal
    expected_units: int
    daily_price: Fraction
    subscription_starts_on: date | None = None
    cycle_start: date | None = None


@dataclass(frozen=True, slots=True)
class RevenueLine:
    """One of our charges: its net amount in units of 1E-10 over its service period (end inclusive)."""

    key: str
    kind: str
    start: date
    end: date
    quantity: Decimal
    units: int


@dataclass(frozen=True, slots=True)
class OwnCycle:
    """A cycle of a contract line, clipped to it (end inclusive), with the price of one seat and day."""

    start: date
    end: date
    invoice_month: str
    counts_as_issued: bool
    full_days: int
    daily_price: Fraction


@dataclass(frozen=True, slots=True)
class SeatChange:
    """A change of a subscription's quantity in the change log."""

    change_id: str
    changed_on: date
    delta: Decimal
    is_on_provider_line: bool
    is_purchase: bool = False


@dataclass(frozen=True, slots=True)
class Documents:
    """Which documents are loaded: the comparison of periods looks at these, never at the clock.

    Attributes:
        first_loaded_month: the first billing month of this provider and currency with files.
        last_loaded_month: the last one; None when there is none.
        drafted_through: the last month whose invoices are drafted.
        billing_starts_on: charges whose service starts earlier count as issued.
    """

    first_loaded_month: str | None
    last_loaded_month: str | None
    drafted_through: str
    billing_starts_on: date


@dataclass(frozen=True, slots=True)
class SeatFacts:
    """Everything known of one contract line priced per unit, in one service month."""

    month: str
    provider_lines: Sequence[ProviderLine]
    revenue_lines: Sequence[RevenueLine]
    cycles: Sequence[OwnCycle]
    changes: Sequence[SeatChange]
    starts_on: date
    ends_on: date | None
    has_proration: bool
    quantity_difference: Decimal | None
    difference_units: int
    minor_unit: Decimal
    documents: Documents
    first_provider_line: ProviderLine | None = None
    last_provider_start: date | None = None
    prepaid_since: date | None = None
    quantity_in_log: Decimal | None = None


@dataclass(slots=True)
class Part:
    """A part of a difference: units of 1E-10, quantity (None where not compared) and the rows that prove it."""

    cause: str
    units: int
    quantity: Decimal | None
    evidence: list[tuple[str, str]] = field(default_factory=list)
    expected_on_month: str | None = None


@dataclass(slots=True)
class _Tally:
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


def fraction_units(amount: Fraction) -> int:
    """An exact fraction of a currency unit in whole units of 1E-10, rounded half away from zero."""
    scaled = abs(amount) * UNITS_PER_ONE
    units = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return units if amount >= 0 else -units


def covers(line: ProviderLine | RevenueLine | OwnCycle, day: date) -> bool:
    """Whether a line's or cycle's period contains a day."""
    return line.start <= day <= line.end


def net_quantity(lines: Iterable[ProviderLine | RevenueLine], day: date) -> Decimal:
    """The signed sum of quantities of the lines whose period contains a day."""
    return sum((line.quantity for line in lines if covers(line, day)), Decimal(0))


def explain_seats(facts: SeatFacts) -> list[Part]:
    """Split the difference of one per-unit contract line in one month into parts.

    Args:
        facts: the row and what lies behind it.

    Returns:
        The parts with an amount or a quantity, in the order of the causes. Units sum to `difference_units` and
        quantities to `quantity_difference` exactly.
    """
    pending = _pending(facts)
    tally = _tally(facts, pending)
    timing = _timing_part(facts, pending, tally.timing_in_cycles)
    left_units = facts.difference_units
    left_quantity = facts.quantity_difference if facts.quantity_difference is not None else Decimal(0)
    parts: list[Part] = []

    def take(cause: str, units: int, quantity: Decimal = Decimal(0)) -> None:
        nonlocal left_units, left_quantity
        if units or quantity:
            parts.append(Part(cause, units, quantity, _evidence(cause, facts)))
            left_units -= units
            left_quantity -= quantity

    if timing is not None:
        parts.append(timing)
        left_units -= timing.units
        left_quantity -= timing.quantity or Decimal(0)
    take("period", tally.period_units, left_quantity if tally.quantity_cause == "period" else Decimal(0))
    if tally.has_cost and tally.has_revenue:
        left_normal = left_units - tally.expired_units - tally.early_units
        _take_both_sides(facts, tally, left_normal, left_quantity, take)
    take("unbilled_cost", tally.early_units, left_quantity if tally.quantity_cause == "unbilled_cost" else Decimal(0))
    take(
        "contract_expired",
        tally.expired_units,
        left_quantity if tally.quantity_cause == "contract_expired" else Decimal(0),
    )
    take(_single_side(tally), left_units, left_quantity)
    return _merged(parts, facts.quantity_difference is not None)


def _take_both_sides(
    facts: SeatFacts, tally: _Tally, left_units: int, left_quantity: Decimal, take: Callable[..., None]
) -> None:
    """Proration, rounding and quantity where both sides have lines in the month."""
    quantity_here = left_quantity if tally.quantity_cause is None else Decimal(0)
    is_agreed = not facts.has_proration and _log_agrees(facts)
    prorated = tally.proration
    mismatch = tally.quantity_amount
    if quantity_here == 0 or is_agreed:
        prorated, mismatch = prorated + mismatch, Fraction(0)
    proration_units, mismatch_units = fraction_units(prorated), fraction_units(mismatch)
    take("proration", proration_units, quantity_here if is_agreed else Decimal(0))
    rest = left_units - proration_units - mismatch_units
    if abs(rest) < int(facts.minor_unit * UNITS_PER_ONE) * max(len(facts.revenue_lines), 1):
        if mismatch_units:
            mismatch_units += rest
        else:
            take("rounding", rest)
        rest = 0
    take("quantity_mismatch", mismatch_units, Decimal(0) if is_agreed else quantity_here)
    take("unexplained", rest)


def _single_side(tally: _Tally) -> str:
    """The kind of what is left when only one side has lines in the month."""
    if tally.has_cost and not tally.has_revenue:
        return "unbilled_cost"
    return "revenue_without_cost" if tally.has_revenue and not tally.has_cost else "unexplained"


def _log_agrees(facts: SeatFacts) -> bool:
    """Whether the change log's quantity at the month's end is the provider's (a contract without proration lags)."""
    last = last_day_of(facts.month)
    return facts.quantity_in_log is not None and facts.quantity_in_log == net_quantity(facts.provider_lines, last)


@dataclass(frozen=True, slots=True)
class _Pending:
    """Changes that the provider has yet to bill, and our lines that already charge them."""

    changes: tuple[SeatChange, ...] = ()
    lines: tuple[RevenueLine, ...] = ()

    @property
    def quantity(self) -> Decimal:
        """Net quantity of the changes."""
        return sum((change.delta for change in self.changes), Decimal(0))


def _pending(facts: SeatFacts) -> _Pending:
    """The changes after the provider's last charge that no provider line carries and no loaded invoice should.

    Of several, the longest run of the latest whose sum fits into the quantity difference counts.
    """
    last_loaded, difference = facts.documents.last_loaded_month, facts.quantity_difference
    if last_loaded is None or not difference:
        return _Pending()
    candidates = [
        change
        for change in facts.changes
        if change.changed_on <= last_day_of(facts.month)
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
            return _Pending(tuple(run), lines)
    return _Pending()


def _timing_part(facts: SeatFacts, pending: _Pending, in_cycles: Fraction) -> Part | None:
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


def _segments(facts: SeatFacts) -> list[tuple[date, date]]:
    """Cut the month where anything begins or ends; pairs of first day and the day after the last."""
    since, until = first_day_of(facts.month), last_day_of(facts.month) + ONE_DAY
    cuts = {since, until, facts.starts_on, facts.documents.billing_starts_on}
    if facts.ends_on is not None:
        cuts.add(facts.ends_on + ONE_DAY)
    for span in (*facts.provider_lines, *facts.revenue_lines, *facts.cycles):
        cuts.update((span.start, span.end + ONE_DAY))
    if facts.first_provider_line is not None:
        cuts.add(facts.first_provider_line.start)
    inside = sorted(cut for cut in cuts if since <= cut <= until)
    return list(zip(inside, inside[1:], strict=False))


def _tally(facts: SeatFacts, pending: _Pending) -> _Tally:
    """Sum every segment under the cause that its days prove."""
    tally = _Tally(has_cost=bool(facts.provider_lines))
    others = [line for line in facts.revenue_lines if line not in pending.lines]
    tally.has_revenue = bool(facts.revenue_lines)
    until = last_day_of(facts.month) + ONE_DAY
    for first, after in _segments(facts):
        costs = [line for line in facts.provider_lines if covers(line, first)]
        revenues = [line for line in others if covers(line, first)]
        if not costs and not revenues:
            continue
        cycle = next((cycle for cycle in facts.cycles if covers(cycle, first)), None)
        cause = "period" if _lacks_its_base(facts, costs) else _segment_cause(facts, first, bool(costs), cycle)
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
            _compare_days(tally, cycle, revenues, costs, pending, (after - first).days)
        if after == until:
            tally.quantity_cause = cause
    return tally


def _compare_days(
    tally: _Tally,
    cycle: OwnCycle,
    revenues: Sequence[RevenueLine],
    costs: Sequence[ProviderLine],
    pending: _Pending,
    days: int,
) -> None:
    """Compare both sides of a segment: seats in common differ by their day prices, the others are one side's own."""
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
    """Seat changes of a cycle that began before the first loaded document: what they change stands on an earlier one."""
    if not costs or facts.documents.first_loaded_month is None:
        return False
    opening = first_day_of(facts.documents.first_loaded_month)
    return all(
        line.cycle_start is not None and line.cycle_start < opening and line.start > line.cycle_start for line in costs
    )


def _segment_cause(facts: SeatFacts, day: date, has_cost: bool, cycle: OwnCycle | None) -> str | None:
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


def _evidence(cause: str, facts: SeatFacts) -> list[tuple[str, str]]:
    """The rows behind a part: the provider's lines, ours, or both."""
    costs = [("cost.invoice_lines", line.line_id) for line in facts.provider_lines]
    revenues = [("billing.invoice_lines", line.key) for line in facts.revenue_lines]
    if cause in {"unbilled_cost", "contract_expired"}:
        return costs
    return revenues if cause in {"revenue_without_cost", "rounding"} else costs + revenues


def _merged(parts: list[Part], has_quantity: bool) -> list[Part]:
    """One part per cause, in the order of the causes; empty parts dropped, noise of the split by day with the largest."""
    merged: dict[str, Part] = {}
    for part in parts:
        known = merged.get(part.cause)
        if known is None:
            merged[part.cause] = part
        else:
            known.units += part.units
            known.quantity = (known.quantity or Decimal(0)) + (part.quantity or Decimal(0))
    kept = [part for part in merged.values() if part.units or part.quantity]
    named = [part for part in kept if part.cause != "rounding"]
    rounding = merged.get("rounding")
    if named and rounding is not None and 0 < abs(rounding.units) <= NOISE_UNITS:
        max(named, key=lambda part: abs(part.units)).units += rounding.units
        kept.remove(rounding)
    for part in kept:
        part.quantity = part.quantity if has_quantity else None
    return sorted(kept, key=lambda part: ORDER.index(part.cause))
