"""Microsoft's worked examples of seats: proration, seat changes, promotions, charge cycles, aligned end dates.

What belongs here: which fields of a vector go into which rule of the product. The pages contradict each other on
rounding, so a total must be what exactly those published rules give that its file names, or, where it names none, what
the rule of its charge type gives.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from csp_pipeline.domain.calendar import ONE_DAY
from csp_pipeline.domain.provider_cycle import cycle_start, full_cycle
from csp_pipeline.domain.provider_prices import promotion_price
from csp_pipeline.domain.provider_terms import (
    end_aligned_to,
    end_aligned_to_calendar,
    next_term,
    term_end,
    whole_months,
)
from csp_pipeline.domain.quantities import ZERO, DayQuantity, QuantityHistory
from csp_pipeline.domain.subtotals import (
    CENTS,
    RULE_OF_CHARGE_TYPE,
    SEAT_RULES,
    Rule,
    cut,
    half_up,
    seat_price,
    subtotal,
)
from csp_pipeline_tests.conformance.outcomes import (
    NotSupportedError,
    Vector,
    Verdict,
    as_number,
    compare,
    decimals_of,
    is_equal,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MONTHS = {"m": 1, "y": 12}
ALIGNED = re.compile(r"(\d+)([my]) coterm with .*?ending (\S+?), bought (\S+)")
CALENDAR_ALIGNED = re.compile(r"(\d+)([my]) calendar aligned, bought (\S+)")
PERIOD = re.compile(r"(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)")


def check_seat_line(vector: Vector) -> Verdict:
    """A prorated seat line: its price, its days, and its total under each published rule."""
    given, content = vector.input, vector.content
    price = _line_price(vector)
    totals = {rule: subtotal(rule, price, given.number("billable_quantity")) for rule in SEAT_RULES}
    expected = {**vector.expected, **_stated_by_rule(content.get("computed", {}))}
    reproduced_by = [rule for rule, total in totals.items() if total == as_number(vector.expected["total"])]
    got: dict[str, Any] = {
        **{str(rule): total for rule, total in totals.items()},
        "effective_unit_price": _as_shown(price, vector.expected.get("effective_unit_price"), reproduced_by),
        "effective_unit_price_full": cut(price, decimals_of(expected.get("effective_unit_price_full", 0))),
    }
    if "matches_rules" in content:
        expected |= {"matches_rules": sorted(content["matches_rules"])}
        got |= {"matches_rules": reproduced_by, "total": totals[reproduced_by[0]] if reproduced_by else None}
    else:
        got["total"] = _total_of_charge_type(str(content.get("charge_type", "")), totals, reproduced_by)
    if dates := PERIOD.search(str(given.get("dates", ""))):
        start, end = map(date.fromisoformat, dates.groups())
        expected |= {name: given[name] for name in ("billable_days", "charge_cycle_days")}
        got |= {
            "billable_days": (end - start).days + 1,
            "charge_cycle_days": full_cycle(start, end, "Monthly", None).days,
        }
    return compare(expected, got)


def check_upfront(vector: Vector) -> Verdict:
    """A term paid at once: the monthly price times its months."""
    given = vector.input
    price = Fraction(given.number("monthly_unit_price")) * given.whole("months")
    total = subtotal("A", price, given.number("billable_quantity"))
    return compare(vector.expected, {"effective_unit_price": price, "total": total})


def check_seat_count(vector: Vector) -> Verdict:
    """Seats after a sequence of changes; the sum of its lines when they are all in the file."""
    changes = [int(change) for change in re.findall(r"[+-]\d+", vector.input["events"])]
    day, seats, history = date(2022, 3, 5), ZERO, []
    for change in changes:
        history.append(DayQuantity(day, seats, seats + change))
        day, seats = day + ONE_DAY, seats + change
    got: dict[str, Any] = {"seats": QuantityHistory(ZERO, tuple(history)).at_start_of(day)}
    lines = [
        Vector(str(entry["id"]), entry["kind"], entry)
        for entry in vector.siblings
        if entry.get("kind") == "nce_seat_proration" and entry.get("source") == vector.content.get("source")
    ]
    if len(lines) < 2 * len(changes) - 1:
        return compare(vector.expected, got, ["net_subtotal"])
    net = sum((subtotal("A", _line_price(line), line.input.number("billable_quantity")) for line in lines), Fraction(0))
    return compare(vector.expected, got | {"net_subtotal": net})


def check_migration(vector: Vector) -> Verdict:
    """The price for the days that are left of a cycle in which a subscription moves."""
    given = vector.input
    dates = PERIOD.search(str(given["period"]))
    if dates is None:
        raise NotSupportedError("a period like 2022-01-25..2022-07-20 is needed")
    start, end = map(date.fromisoformat, dates.groups())
    annual = "annual_unit_price" in given
    cycle_days = full_cycle(start, end, "Annual" if annual else "Monthly", None).days
    price = seat_price(
        given.number("annual_unit_price", "monthly_unit_price", "unit_price"),
        (end - start).days + 1,
        int(given.get("charge_cycle_days", cycle_days)),
    )
    shown = _as_shown(price, vector.expected.get("effective_unit_price"), ["A"])
    quantity = given.number("billable_quantity", "qty") if {"billable_quantity", "qty"} & given.keys() else Decimal(1)
    return compare(vector.expected, {"effective_unit_price": shown, "total": subtotal("A", price, quantity)})


def check_promotion(vector: Vector) -> Verdict:
    """A promotion reduces the effective price; the tax is the provider's and stands as it is."""
    given, expected = vector.input, vector.expected
    price = promotion_price(given.number("unit_price"), Decimal(str(given["discount"]).rstrip("% ")))
    net = subtotal("A", price, given.number("qty", "quantity", "billable_quantity"))
    tax = as_number(expected.get("taxTotal", 0)) or Fraction(0)
    got = {"effective_unit_price": price, "subtotal": net, "totalForCustomer": net + tax}
    return compare(expected, got, ["taxTotal"])


def check_plan_with_overage(vector: Vector) -> Verdict:
    """A plan with included units: what exceeds them is billed by the unit beside it."""
    given = vector.input
    overage, plan = given.number("overage_units"), Fraction(given.number("plan"))
    payg = subtotal("A", given.number("rate"), overage)
    return compare(
        vector.expected, {"payg": payg, "plan": plan, "total": payg + plan, "payg_billable_quantity": overage}
    )


def check_seat_change_lines(vector: Vector) -> Verdict:
    """The lines of a purchase and a seat change; one published rule must give all of them."""
    expected = vector.content.get("expected_lines")
    if expected is None:
        raise NotSupportedError("lines are needed in expected_lines")
    got: list[dict[str, Any]] = []
    for rule in ("D", "A", "B", "C"):
        lines = list(_seat_change_lines(vector, rule))
        if is_equal(expected, lines):
            return Verdict(lines)
        got = got or lines
    return Verdict(got, ("expected_lines",))


def check_cycle_calendar(vector: Vector) -> Verdict:
    """Every row of a calendar of terms and charge cycles."""
    rows: list[Mapping[str, Any]] = list(vector.content.get("rows", ()))
    if not rows:
        raise NotSupportedError("rows of the calendar are needed")
    bought: dict[str, date] = {}
    for row in rows:
        if row.get("charge_type") == "new":
            bought.setdefault(row["case"], date.fromisoformat(row["order"]))
    got, differs, unchecked = [], [], []
    for number, row in enumerate(rows, 1):
        found, is_slip = _calendar_row(row, bought)
        names = [name for name in found if name in row and not (is_slip and name in {"sub_start", "sub_end"})]
        differs += [f"row {number} {name}" for name in names if str(found[name]) != row[name]]
        unchecked += [f"sub_start and sub_end of row {number} (another order's)"] if is_slip else []
        got.append(found)
    return Verdict(got if differs else None, tuple(differs), tuple(unchecked))


def check_aligned_term(vector: Vector) -> Verdict:
    """A first term aligned with another subscription's end or with the calendar, and the term after it."""
    scenario = str(vector.content.get("scenario", ""))
    if found := ALIGNED.search(scenario):
        length, unit, other_end, bought = found.groups()
        months, start = int(length) * MONTHS[unit], date.fromisoformat(bought)
        end = end_aligned_to(start, months, date.fromisoformat(other_end))
    elif found := CALENDAR_ALIGNED.search(scenario):
        length, unit, bought = found.groups()
        months, start = int(length) * MONTHS[unit], date.fromisoformat(bought)
        end = end_aligned_to_calendar(start, months)
    else:
        raise NotSupportedError("the scenario names no term, purchase date and alignment that the runner can read")
    following = next_term(end, months)
    got = {
        "end": end,
        "months": whole_months(start, end),
        "days": (end - start).days + 1,
        "next_term": f"{following[0]}..{following[1]}",
    }
    return compare(vector.expected, got)


CHECKS: dict[str, Callable[[Vector], Verdict]] = {
    "nce_seat_proration": check_seat_line,
    "nce_upfront": check_upfront,
    "nce_seat_count": check_seat_count,
    "migration_split": check_migration,
    "promo": check_promotion,
    "mixed_subscription_payg": check_plan_with_overage,
    "license_proration": check_seat_change_lines,
    "charge_cycle_calendar": check_cycle_calendar,
    "coterm": check_aligned_term,
}


def _line_price(vector: Vector) -> Fraction:
    given = vector.input
    price = seat_price(given.number("unit_price"), given.whole("billable_days"), given.whole("charge_cycle_days"))
    return price * given.whole("sign")


def _stated_by_rule(computed: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says each rule gives, by the letter of the rule."""
    stated = {name[0]: value for name, value in computed.items() if name[:2] in {"A_", "B_", "C_", "D_"}}
    full = {name: value for name, value in computed.items() if name == "effective_unit_price_full"}
    return stated | full


def _as_shown(price: Fraction, shown: object, reproduced_by: list[Rule]) -> Fraction:
    """A price as the page shows it: cut where it then multiplies it (rule B), else rounded half up."""
    cut_price, rounded = cut(price, CENTS), half_up(price, CENTS)
    if reproduced_by == ["B"]:
        return cut_price
    return cut_price if "B" in reproduced_by and as_number(shown) == cut_price else rounded


def _total_of_charge_type(charge_type: str, totals: Mapping[Rule, Fraction], reproduced_by: list[Rule]) -> Fraction:
    rule = RULE_OF_CHARGE_TYPE.get(charge_type.lower())
    if rule is not None:
        return totals[rule]
    return totals[reproduced_by[0]] if reproduced_by else totals["A"]


def _seat_change_lines(vector: Vector, rule: Rule) -> Iterator[dict[str, Any]]:
    given = vector.input
    start, end = map(date.fromisoformat, given["period"])
    before, after = given.whole("quantity_before"), given.whole("quantity_after")
    full_price = given.number("unit_price")
    left = int(given.get("remaining_days") or (end - given.day("change")).days + 1)
    price = seat_price(full_price, left, given.whole("period_days"))
    change = "addQuantity" if after > before else "removeQuantity"

    def line(quantity: int, amount: Fraction, charge_type: str) -> dict[str, Any]:
        return {
            "charge_start": str(start),
            "charge_end": str(end),
            "unit_price": full_price,
            "quantity": quantity,
            "amount": amount,
            "charge_type": charge_type,
        }

    yield line(before, subtotal(rule, full_price, Decimal(before)), "new")
    yield line(before, subtotal(rule, -price, Decimal(before)), change)
    if after:
        yield line(after, subtotal(rule, price, Decimal(after)), change)


def _calendar_row(row: Mapping[str, Any], bought: Mapping[str, date]) -> tuple[dict[str, date], bool]:
    """What the product says of a row, and whether the row names another subscription's dates than its own case."""
    order = date.fromisoformat(row["order"])
    if "charge_type" not in row:
        end = term_end(order, 1)
        cycle = full_cycle(order, end, "Monthly", order)
        last = cycle.start + timedelta(days=cycle.days - 1)
        renewed = next_term(end, 1)[0]
        return {"sub_end": end, "renew": renewed, "charge_start": cycle.start, "charge_end": last}, False
    start = bought.get(row["case"]) or date.fromisoformat(row["sub_start"])
    months = (order.year - start.year) * 12 + order.month - start.month
    charge_start, charge_end = cycle_start(start, months), cycle_start(start, months + 1) - ONE_DAY
    cycle = full_cycle(charge_start, charge_end, "Monthly", start)
    found = {
        "order": charge_start,
        "sub_start": start,
        "sub_end": term_end(start, 12),
        "charge_start": cycle.start,
        "charge_end": cycle.start + timedelta(days=cycle.days - 1),
    }
    return found, row.get("sub_start") != str(start)
