"""Kill Bill's vectors: fractions of cycles, periods to charge, runs one after the other, tiers of blocks.

What belongs here: which fields of a vector go into which rule of the product. Kill Bill bills up to a target date, this
product by invoice month: a vector asks for the cycles that have begun (in advance) or ended (in arrears) on that date.
Repairs of issued items are `killbill_repair`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from csp_pipeline.domain.calendar import (
    MONTHS_PER_CYCLE,
    ONE_DAY,
    Cycle,
    CycleCalendar,
    Timing,
    month_of,
    shift_month,
)
from csp_pipeline.domain.charges import Charge, ContractLine, Window, deltas, expected_charges
from csp_pipeline.domain.money import round_half_away
from csp_pipeline.domain.proration import recurring_part
from csp_pipeline.domain.quantities import ZERO, QuantityHistory
from csp_pipeline.domain.tiers import PriceTiers, Tier
from csp_pipeline_tests.conformance.killbill_repair import check_repair
from csp_pipeline_tests.conformance.outcomes import (
    Fields,
    NotSupportedError,
    OutOfScopeError,
    Vector,
    Verdict,
    compare,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from fractions import Fraction

DECIMALS_OF_A_FRACTION = 9
LAST_DAY = date(9999, 1, 1)


def check_cycles(vector: Vector) -> Verdict:
    """Cycles to charge in advance up to the target date, or the periods themselves.

    Kill Bill rounds each fraction to nine decimals before it multiplies, this product does not: the fractions are
    rounded here, only to be compared.
    """
    try:
        cycles = _cycles(vector.input)
    except ValueError as refusal:
        if "error" not in vector.expected:
            raise
        return Verdict({"error": str(refusal)})
    if "error" in vector.expected:
        if vector.input.day("target_date") < vector.input.day("start_date"):
            raise OutOfScopeError("an invoice before the start has nothing to charge; no target date is asked for")
        return Verdict({"periods": [[str(cycle.start), str(cycle.end)] for cycle in cycles]}, ("error",))
    parts = [_nine_decimals(recurring_part(cycle, prorated=True)) for cycle in cycles]
    got = {
        "number_of_billing_cycles": sum(parts, ZERO),
        "periods": [[str(cycle.start), str(cycle.end)] for cycle in cycles],
    }
    return compare(vector.expected, {name: got[name] for name in vector.expected if name in got})


def check_life_cycle(vector: Vector) -> Verdict:
    """Invoice runs one after the other: each has only what is new since the earlier ones."""
    events: list[Fields] = []
    issued: list[Charge] = []
    got, differs = [], []
    is_in_advance = vector.input.get("billing_mode", "IN_ADVANCE") == "IN_ADVANCE"
    for number, step in enumerate(map(Fields, vector.input["steps"]), 1):
        events += map(Fields, step.get("new_events") or ())
        target = step.day("target_date")
        due = [charge for line in _phases(events, is_in_advance=is_in_advance) for charge in _due(line, target)]
        new = deltas(due, issued)
        issued += new
        expected = _of_step(step)
        found = {"amount": sum((line.net_amount for line in new), ZERO), "items": len(new)}
        got.append({name: found[name] for name in expected if name in found})
        differs += [f"step {number} {name}" for name in compare(expected, found).differs]
    return Verdict(got, tuple(differs))


def _of_step(step: Fields) -> dict[str, Any]:
    """What a step expects; no invoice is one without items."""
    expected = step["expected"]
    if expected is None or expected.get("invoice", "") is None:
        return {"amount": 0, "items": 0}
    return {name: value for name, value in expected.items() if name != "invoice"}


def check_usage_tiers(vector: Vector) -> Verdict:
    """Consumption in tiers of blocks: a tier is priced by started blocks, each tier or all by the top tier reached."""
    given = vector.input
    is_graduated = given["policy"] == "ALL_TIERS"
    if not is_graduated and given["policy"] != "TOP_TIER":
        raise NotSupportedError(f"the policy {given['policy']} is not known")
    tiers = _blocks(given["tiers"], is_graduated=is_graduated)
    units = given.number("units")
    parts = [part for part in tiers.parts(units) if part.unit_price is not None]
    amount = round_half_away(sum((part.amount for part in parts), ZERO), DECIMALS_OF_A_FRACTION)
    got: dict[str, Any] = {"tier_amounts": [part.amount for part in parts], "amount": amount}
    if "new_item" in vector.expected or "already_invoiced" in given:
        billed = (
            given.number("already_invoiced", "billed") if "already_invoiced" in given or "billed" in given else ZERO
        )
        new = deltas([_usage(amount)], [_usage(billed)] if billed else [])
        got["new_item"] = sum((line.net_amount for line in new), ZERO)
        if got["new_item"] < 0 and "error" in vector.expected:
            raise OutOfScopeError("usage that became less is credited here; Kill Bill refuses it")
    wanted = {name: value for name, value in vector.expected.items() if value is not None}
    return compare(wanted, got)


def _blocks(rows: Iterable[Mapping[str, Any]], *, is_graduated: bool) -> PriceTiers:
    """Tiers by size and number of blocks as tiers by exclusive lower bounds; beyond a limited last one is free."""
    lower, tiers = ZERO, []
    for row in map(Fields, rows):
        size, most = row.number("block_size", "size"), row.number("max_blocks", "max")
        tiers.append(Tier(lower, row.number("price"), None, size))
        if most < 0:
            break
        lower += size * most
    else:
        if is_graduated:
            tiers.append(Tier(lower))
    return PriceTiers("graduated" if is_graduated else "volume", tuple(tiers))


def _usage(amount: Decimal) -> Charge:
    return Charge("line", "usage", date(2026, 1, 1), date(2026, 2, 1), None, None, amount, "2026-01")


BY_INPUT: tuple[tuple[str, Callable[[Vector], Verdict]], ...] = (
    ("billing_cycle_day", check_cycles),
    ("existing", check_repair),
    ("steps", check_life_cycle),
    ("policy", check_usage_tiers),
)


def _cycles(given: Fields) -> list[Cycle]:
    calendar = _calendar(given, given.day("start_date"), given.optional_day("end_date"))
    target, is_in_advance = given.day("target_date"), given["billing_mode"] == "IN_ADVANCE"
    return [
        cycle
        for cycle in calendar.cycles(calendar.start, target + ONE_DAY)
        if (cycle.start if is_in_advance else cycle.end) <= target
    ]


def _calendar(given: Mapping[str, Any], start: date, end: date | None) -> CycleCalendar:
    period = str(given.get("billing_period") or given["period"]).lower()
    if period not in MONTHS_PER_CYCLE:
        raise OutOfScopeError(f"cycles are of 1, 3 or 12 months here, not {period}")
    return CycleCalendar(start, end, int(given["billing_cycle_day"]), MONTHS_PER_CYCLE[period])


def _nine_decimals(part: Fraction) -> Decimal:
    exact = Decimal(part.numerator * 10**30 // part.denominator).scaleb(-30)
    return round_half_away(exact, DECIMALS_OF_A_FRACTION)


def _phases(events: list[Fields], *, is_in_advance: bool) -> list[ContractLine]:
    """Contract lines of each event: its price until the subscription's next event, its fixed price on its day."""
    lines: list[ContractLine] = []
    timing: Timing = "advance" if is_in_advance else "arrears"
    for subscription in dict.fromkeys(event["subscription"] for event in events):
        own = sorted((event for event in events if event["subscription"] == subscription), key=_effective)
        ends = [*(later.day("effective_date") for _, later in pairwise(own)), None]
        for number, (event, end) in enumerate(zip(own, ends, strict=True)):
            phase, start = Fields(event["phase"]), event.day("effective_date")
            if phase.get("fixed") is not None:
                one_day = CycleCalendar(start, start + ONE_DAY, start.day, 1)
                price = phase.number("fixed")
                lines.append(
                    ContractLine(
                        f"{subscription}/{number}/fixed", "flat", one_day, 2, unit_price=price, is_one_time=True
                    )
                )
            if phase.get("recurring_rate") is None:
                continue
            given = {"period": phase["period"], "billing_cycle_day": event["billing_cycle_day"]}
            calendar = _calendar(given, start, end)
            rate = phase.number("recurring_rate")
            lines.append(ContractLine(f"{subscription}/{number}", "flat", calendar, 2, timing, unit_price=rate))
    return lines


def _effective(event: Fields) -> date:
    return event.day("effective_date")


def _due(line: ContractLine, target: date) -> list[Charge]:
    """What is charged up to a target date: cycles that have begun, in arrears those that have ended."""
    first = line.calendar.start
    window = Window(shift_month(month_of(first), -1), month_of(max(target, first)), first)
    charges = expected_charges(line, QuantityHistory(Decimal(1)), window)
    is_in_arrears = line.timing == "arrears" and not line.is_one_time
    return [
        replace(charge, invoice_month=month_of(target))
        for charge in charges
        if (charge.end if is_in_arrears else charge.start) <= target
    ]
