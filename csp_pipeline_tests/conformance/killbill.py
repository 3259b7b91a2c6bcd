"""Kill Bill's vectors: fractions of cycles, periods to charge, deltas against what was issued.

What belongs here: which fields of a vector go into which rule of the product. Kill Bill bills up to a target date, this
product by invoice month: a vector asks for the cycles that have begun (in advance) or ended (in arrears) on that date.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from csp_pipeline.domain.calendar import MONTHS_PER_CYCLE, ONE_DAY, Cycle, CycleCalendar, month_of, shift_month
from csp_pipeline.domain.charges import Charge, ContractLine, Window, deltas, expected_charges
from csp_pipeline.domain.money import round_half_away
from csp_pipeline.domain.proration import recurring_part
from csp_pipeline.domain.quantities import ZERO, QuantityHistory
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
PARTS_OF_CHARGES = (
    "this product reverses an issued charge as a whole and charges the new one; it does not repair a part of it"
)
TIERS = "graduated and volume tiers (pricing_model graduated, volume) are refused by this version"


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


def check_repair(vector: Vector) -> Verdict:
    """What is left to bill after what was issued, for charges of the same periods."""
    given = vector.input
    if isinstance(vector.expected, dict):
        raise NotSupportedError("this product keeps no links between the lines of a charge, so none can be wrong")
    if given["mode"] != "merge":
        raise NotSupportedError("this product keeps no net view of issued lines apart from their sums")
    items = [*given["existing"], *given["proposed"]]
    if any(item["type"] == "ITEM_ADJ" for item in items):
        raise NotSupportedError("an adjustment of a single issued line does not lower what is reversed of it later")
    if {_period(item) for item in given["existing"]} != {_period(item) for item in given["proposed"]}:
        raise NotSupportedError(PARTS_OF_CHARGES)
    found = deltas([_charge(item) for item in given["proposed"]], [_charge(item) for item in given["existing"]])
    got = [
        {"start": str(line.start), "end": str(line.end), "amount": line.net_amount, "rate": line.unit_price}
        for line in found
    ]
    wanted = [
        {name: item[name] for name in ("start", "end", "amount", "rate") if name in item} for item in vector.expected
    ]
    verdict = compare({"items": _sorted(wanted)}, {"items": _sorted(got)})
    return Verdict(got, verdict.differs)


def check_life_cycle(vector: Vector) -> Verdict:
    """Invoice runs one after the other: each has only what is new since the earlier ones."""
    events: list[Fields] = []
    issued: list[Charge] = []
    got, differs = [], []
    for number, step in enumerate(map(Fields, vector.input["steps"]), 1):
        events += map(Fields, step.get("new_events", ()))
        due = [charge for line in _phases(events) for charge in _due(line, step.day("target_date"))]
        if "items" in step["expected"] and any(_cuts_what_was_issued(charge, issued) for charge in due):
            raise NotSupportedError(PARTS_OF_CHARGES)
        new = deltas(due, issued)
        issued += new
        found = {"amount": sum((line.net_amount for line in new), ZERO), "items": len(new)}
        got.append({name: found[name] for name in step["expected"] if name in found})
        differs += [f"step {number} {name}" for name in compare(step["expected"], found).differs]
    return Verdict(got, tuple(differs))


def check_usage_tiers(_vector: Vector) -> Verdict:
    """Consumption in tiers of blocks."""
    raise NotSupportedError(TIERS)


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


def _period(item: Mapping[str, Any]) -> tuple[str, str]:
    return item["start"], item["end"]


def _charge(item: Mapping[str, Any]) -> Charge:
    start, end = map(date.fromisoformat, _period(item))
    is_repair = item["type"] == "REPAIR_ADJ"
    rate = Decimal(str(item.get("rate", 0)))
    return Charge(
        str(item.get("plan", "plan")), "recurring", start, end, Decimal(-1 if is_repair else 1), rate,
        Decimal(str(item["amount"])), month_of(start), is_correction=is_repair,
    )  # fmt: skip


def _sorted(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(items, key=lambda item: (item["start"], item["end"], Decimal(str(item["amount"]))))


def _phases(events: list[Fields]) -> list[ContractLine]:
    """A contract line per event: from its date to the next event of its subscription; none while there is no price."""
    lines: list[ContractLine] = []
    for subscription in dict.fromkeys(event["subscription"] for event in events):
        own = sorted((event for event in events if event["subscription"] == subscription), key=_effective)
        ends = [*(later.day("effective_date") for _, later in pairwise(own)), None]
        for number, (event, end) in enumerate(zip(own, ends, strict=True)):
            phase = Fields(event["phase"])
            if phase.get("fixed") is not None:
                raise NotSupportedError("one-time charges (fixed price of a phase) are refused by this version")
            if phase.get("recurring_rate") is None:
                continue
            given = {"period": phase["period"], "billing_cycle_day": event["billing_cycle_day"]}
            calendar = _calendar(given, event.day("effective_date"), end)
            rate = Decimal(str(phase["recurring_rate"]))
            lines.append(ContractLine(f"{subscription}/{number}", "flat", calendar, 2, unit_price=rate))
    return lines


def _effective(event: Fields) -> date:
    return event.day("effective_date")


def _due(line: ContractLine, target: date) -> list[Charge]:
    """What is charged in advance up to a target date."""
    first = line.calendar.start
    window = Window(shift_month(month_of(first), -1), month_of(max(target, first)), first)
    charges = expected_charges(line, QuantityHistory(Decimal(1)), window)
    return [replace(charge, invoice_month=month_of(target)) for charge in charges if charge.start <= target]


def _cuts_what_was_issued(charge: Charge, issued: Iterable[Charge]) -> bool:
    return any(
        line.contract_line_id == charge.contract_line_id
        and line.start < charge.end
        and charge.start < line.end
        and line.key != charge.key
        and not line.is_correction
        for line in issued
    )
