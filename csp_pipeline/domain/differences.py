"""Why revenue differs from what the provider's lines say it should be: a difference split into parts with causes.

What belongs here: the order in which the causes take their parts of one contract line's month. The comparison by day is
`month_segments`, changes that the provider has yet to bill are `pending_changes`, the values are `difference_facts`.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline.domain.calendar import first_day_of, last_day_of
from csp_pipeline.domain.difference_facts import ORDER, Part, SeatFacts, fraction_units, from_fraction, net_quantity
from csp_pipeline.domain.month_segments import Tally, tally_month
from csp_pipeline.domain.pending_changes import pending_changes, timing_part
from csp_pipeline.domain.recognition import UNITS_PER_ONE

if TYPE_CHECKING:
    from collections.abc import Callable

NOISE_UNITS = 100
"""What splitting amounts by day can leave over in a month, in units of 1E-10; it is no rounding of a document."""


def explain_seats(facts: SeatFacts) -> list[Part]:
    """Split the difference of one per-unit contract line in one month into parts.

    Args:
        facts: the row and what lies behind it.

    Returns:
        The parts with an amount or a quantity, in the order of the causes. Units sum to `difference_units` and
        quantities to `quantity_difference` exactly.
    """
    pending = pending_changes(facts)
    tally = tally_month(facts, pending)
    if pending.changes and tally.elsewhere_quantity.get("replaced_subscription"):
        pending = pending_changes(_without_replaced(facts, tally))
        tally = tally_month(facts, pending)
    timing = timing_part(facts, pending, tally.timing_in_cycles)
    left_units = facts.difference_units
    left_quantity = facts.quantity_difference if facts.quantity_difference is not None else Decimal(0)
    parts: list[Part] = []

    def take(cause: str, units: int, quantity: Decimal = Decimal(0)) -> None:
        nonlocal left_units, left_quantity
        if units or quantity:
            parts.append(Part(cause, units, quantity, _evidence(cause, facts)))
            left_units -= units
            left_quantity -= quantity

    def compared(quantity: Fraction) -> Decimal:
        return Decimal(0) if facts.quantity_difference is None else from_fraction(quantity)

    def elsewhere(cause: str) -> Decimal:
        return compared(tally.elsewhere_quantity.get(cause, Fraction(0)))

    take(
        "replaced_subscription",
        tally.elsewhere_units.get("replaced_subscription", 0),
        elsewhere("replaced_subscription"),
    )
    if timing is not None:
        parts.append(timing)
        left_units -= timing.units
        left_quantity -= timing.quantity or Decimal(0)
    version = elsewhere("price_version")
    is_period = tally.quantity_cause == "period"
    take("period", tally.period_units, left_quantity - version if is_period else compared(tally.period_quantity))
    take("price_version", tally.elsewhere_units.get("price_version", 0), version)
    if tally.has_cost and tally.has_revenue:
        left_normal = left_units - tally.expired_units - tally.early_units
        _take_both_sides(facts, tally, left_normal, left_quantity, take)
    if not left_quantity and _is_rounding(facts, left_units):
        take("rounding", left_units)
    else:
        is_early, is_expired = (tally.quantity_cause == cause for cause in ("unbilled_cost", "contract_expired"))
        take("unbilled_cost", tally.early_units, left_quantity if is_early else Decimal(0))
        take("contract_expired", tally.expired_units, left_quantity if is_expired else Decimal(0))
        take(_single_side(tally), left_units, left_quantity)
    return _merged(parts, has_quantity=facts.quantity_difference is not None)


def _take_both_sides(
    facts: SeatFacts, tally: Tally, left_units: int, left_quantity: Decimal, take: Callable[..., None]
) -> None:
    """Proration, rounding and quantity where both sides have lines in the month."""
    quantity_here = left_quantity if tally.quantity_cause is None else Decimal(0)
    is_agreed = not facts.has_proration and _log_agrees(facts)
    prorated = tally.proration
    version_units = fraction_units(tally.price_version)
    take("price_version", version_units)
    left_units -= version_units
    mismatch = tally.quantity_amount
    if is_agreed:
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


def _without_replaced(facts: SeatFacts, tally: Tally) -> SeatFacts:
    """The facts with what a replaced subscription explains taken off the quantity that changes can explain."""
    replaced = from_fraction(tally.elsewhere_quantity["replaced_subscription"])
    return replace(facts, quantity_difference=(facts.quantity_difference or Decimal(0)) - replaced)


def _is_rounding(facts: SeatFacts, units: int) -> bool:
    """Whether an amount is below one minor unit per revenue line, or the noise of splits by day where there is none."""
    return abs(units) < max(int(facts.minor_unit * UNITS_PER_ONE) * len(facts.revenue_lines), NOISE_UNITS)


def _single_side(tally: Tally) -> str:
    """The kind of what is left when only one side has lines in the month."""
    if tally.has_cost and not tally.has_revenue:
        return "unbilled_cost"
    return "revenue_without_cost" if tally.has_revenue and not tally.has_cost else "unexplained"


def _log_agrees(facts: SeatFacts) -> bool:
    """Whether the change log's quantity at the month's end is the provider's (a contract without proration lags)."""
    last = last_day_of(facts.month)
    return facts.quantity_in_log is not None and facts.quantity_in_log == net_quantity(facts.provider_lines, last)


def _evidence(cause: str, facts: SeatFacts) -> list[tuple[str, str]]:
    """The rows behind a part: the provider's lines, ours, or both."""
    costs = [("cost.invoice_lines", line.line_id) for line in facts.provider_lines]
    revenues = [("billing.invoice_lines", line.key) for line in facts.revenue_lines]
    if cause in {"price_version", "replaced_subscription"}:
        proofs = [proof for other in facts.counterparts if other.cause == cause for proof in other.proof]
        own = [("reference.contract_lines", facts.contract_line_id)] if cause == "price_version" else []
        return own + list(dict.fromkeys(proofs)) + costs + revenues + _on_other_rows(cause, facts)
    if cause in {"unbilled_cost", "contract_expired"}:
        return costs
    return revenues if cause in {"revenue_without_cost", "rounding"} else costs + revenues


def _on_other_rows(cause: str, facts: SeatFacts) -> list[tuple[str, str]]:
    """The lines of the rows on which the other side stands, as far as they reach into the month."""
    since, last = first_day_of(facts.month), last_day_of(facts.month)
    others = [other for other in facts.counterparts if other.cause == cause]
    costs = [line for other in others for line in other.provider_lines if line.start <= last and line.end >= since]
    revenues = [line for other in others for line in other.revenue_lines if line.start <= last and line.end >= since]
    return [("cost.invoice_lines", line.line_id) for line in costs] + [
        ("billing.invoice_lines", line.key) for line in revenues
    ]


def _merged(parts: list[Part], *, has_quantity: bool) -> list[Part]:
    """One part per cause, in the order of the causes; no empty parts, noise of the split by day with the largest."""
    merged: dict[str, Part] = {}
    for part in parts:
        known = merged.get(part.cause)
        if known is None:
            merged[part.cause] = part
        else:
            known.units += part.units
            known.quantity = (known.quantity or Decimal(0)) + (part.quantity or Decimal(0))
    kept = [part for part in merged.values() if part.units or part.quantity]
    noise = [part for part in kept if abs(part.units) <= NOISE_UNITS and not part.quantity]
    total = sum(part.units for part in noise)
    if noise and len(noise) == len(kept):
        kept = [replace(noise[0], cause="rounding", units=total)] if total else []
    elif noise:
        kept = [part for part in kept if part not in noise]
        max(kept, key=lambda part: abs(part.units)).units += total
    for part in kept:
        part.quantity = part.quantity if has_quantity else None
    return sorted(kept, key=lambda part: ORDER.index(part.cause))
