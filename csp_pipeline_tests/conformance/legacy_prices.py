"""Worked examples of legacy documents: prorated fees, refunds, usage lines, discounts.

What belongs here: which fields of a vector go into which rule of the product. The legacy pages prorate in three ways
that contradict each other: one of them must give every line of a change; a single fee follows its own page (of annual
fees a price per day in cents, of monthly ones one with three decimals).
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from csp_pipeline.domain.provider_prices import (
    LEGACY_RULES,
    LegacyRule,
    legacy_amount,
    legacy_refund_days,
    legacy_seat_change,
    promotion_price,
)
from csp_pipeline.domain.subtotals import CENTS, cut, half_up, subtotal
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
    from collections.abc import Callable, Iterable, Iterator

DAYS_OF_A_YEAR = 365
CREDITS = frozenset({"cancel", "refund"})
FEES = frozenset({"reactivate", "purchase", "renew", "charge"})


def check_legacy_lines(vector: Vector) -> Verdict:
    """The lines of a seat change, a suspension or a reactivation in a legacy period."""
    expected = vector.content.get("expected_lines")
    if expected is None:
        raise NotSupportedError("lines are needed in expected_lines")
    return _first_equal(expected, _possible_lines(vector), "expected_lines")


def check_legacy_document(vector: Vector) -> Verdict:
    """Amounts of a legacy document, by what the vector gives: usage, a discount, or days of a fee."""
    given = vector.input
    if "overage" in given:
        return _check_usage(vector)
    if "discount" in given or "discount_pct" in given:
        return check_discount(vector)
    price = given.number("annual", "monthly")
    cycle = int(given.get("cycle", DAYS_OF_A_YEAR)) if "cycle" in given or "annual" in given else None
    if "lines" in vector.expected:
        if cycle is None:
            raise NotSupportedError("a monthly fee needs the days of its cycle")
        candidates = (_days_of_a_change(rule, price, cycle, given["days"], given["qty"]) for rule in LEGACY_RULES)
        return _first_equal(vector.expected, candidates, "lines")
    if "days" not in given:
        amount = Fraction(price)
    elif cycle is None:
        raise NotSupportedError("a monthly fee needs the days of its cycle")
    else:
        rule: LegacyRule = "daily_cents" if "annual" in given else "daily_mills"
        amount = legacy_amount(rule, price, given.whole("days"), cycle)
    return compare(vector.expected, dict.fromkeys(CREDITS, -amount) | dict.fromkeys(FEES, amount))


def check_discount(vector: Vector) -> Verdict:
    """A legacy discount: the amount at list price, the discount half up, the subtotal of the unrounded price cut."""
    given = vector.input
    listed, quantity = given.number("list_price", "unit"), given.number("quantity", "qty")
    percent = Decimal(str(given.get("discount_pct", given.get("discount"))).rstrip("% "))
    price = promotion_price(listed, percent)
    shown = cut(price, CENTS)
    amount = Fraction(listed) * Fraction(quantity)
    return compare(
        vector.expected,
        {
            "unit_price_displayed": shown,
            "unit_shown": shown,
            "amount": amount,
            "total_other_discount": half_up(amount - price * Fraction(quantity), CENTS),
            "subtotal": subtotal("A", price, quantity),
        },
    )


CHECKS: dict[str, Callable[[Vector], Verdict]] = {
    "license_proration_legacy": check_legacy_lines,
    "legacy_D_invoice": check_legacy_document,
    "real_recon_lines": check_discount,
}


def _check_usage(vector: Vector) -> Verdict:
    """A usage line: cents half up; the tax is the provider's; effective rates are cut."""
    given, expected = vector.input, vector.expected
    net = subtotal("C", given.number("list_price"), given.number("overage"))
    gross = net + (as_number(expected.get("taxAmount", 0)) or Fraction(0))
    units = Fraction(given.number("overage"))
    got = {
        "pretaxCharges": net,
        "postTaxTotal": gross,
        "pretaxEffectiveRate": cut(net / units, decimals_of(expected.get("pretaxEffectiveRate", 0))),
        "postTaxEffectiveRate": cut(gross / units, decimals_of(expected.get("postTaxEffectiveRate", 0))),
    }
    return compare(expected, got, ["taxAmount"])


def _first_equal(expected: Any, candidates: Iterable[Any], name: str) -> Verdict:  # noqa: ANN401
    """The first candidate that is as expected, else the first of all as what was found."""
    first = None
    for candidate in candidates:
        if is_equal(expected, candidate):
            return Verdict(candidate)
        first = first if first is not None else candidate
    return Verdict(first, (name,))


def _days_of_a_change(
    rule: LegacyRule, price: Decimal, cycle: int, days: list[int], quantities: list[int]
) -> dict[str, Any]:
    parts = list(zip(days, quantities, strict=True))
    return {
        "lines": [
            -Fraction(price) * quantities[0],
            *(legacy_amount(rule, price, count, cycle, quantity) for count, quantity in parts),
        ],
        "unit": [legacy_amount(rule, price, count, cycle) for count in days],
    }


def _possible_lines(vector: Vector) -> Iterator[list[dict[str, Any]]]:
    given = vector.input
    price = given.number("price", "unit_price")
    start, end = map(date.fromisoformat, given["period"])
    cycle = int(given.get("period_days", (end - start).days + 1))
    for rule in LEGACY_RULES:
        if "change" in given:
            before, after = given.whole("quantity_before"), given.whole("quantity_after")
            parts = legacy_seat_change(start, end, given.day("change"), before, after)
            yield [
                _line(start, end, -Fraction(price), before, "Cycle instance prorate"),
                *(
                    _line(
                        part.start,
                        part.end,
                        legacy_amount(rule, price, part.days, cycle),
                        part.quantity,
                        "Cycle instance prorate",
                    )
                    | {"amount": legacy_amount(rule, price, part.days, cycle, part.quantity)}
                    for part in parts
                ),
            ]
        elif "reactivate" in given:
            since = given.day("reactivate")
            amount = legacy_amount(rule, price, (end - since).days + 1, cycle)
            yield [_line(since, end, amount, int(given.get("quantity", 1)), "Prorate fee when purchase")]
        else:
            yield from _refunds(vector, rule, start, end, cycle)


def _refunds(vector: Vector, rule: LegacyRule, start: date, end: date, cycle: int) -> Iterator[list[dict[str, Any]]]:
    """The refund of a suspension; where the vector does not say when it was bought, early or late."""
    given = vector.input
    price, suspended = given.number("price", "unit_price"), given.day("suspend")
    bought = given.optional_day("purchase") or start
    possible = {legacy_refund_days(bought, end, suspended)}
    if "purchase" not in given:
        possible.add((end - suspended).days + 1)
    for days in sorted(possible, reverse=True):
        since = start if days > (end - suspended).days + 1 else suspended
        counted = min(days, (end - start).days + 1)
        whole = counted == (end - start).days + 1
        amount = -Fraction(price) if whole else -legacy_amount(rule, price, counted, cycle)
        yield [_line(since, end, amount, int(given.get("quantity", 1)), "Cancel fee")]


def _line(start: date, end: date, unit_price: Fraction, quantity: int, charge_type: str) -> dict[str, Any]:
    return {
        "charge_start": str(start),
        "charge_end": str(end),
        "unit_price": unit_price,
        "quantity": quantity,
        "amount": unit_price * quantity,
        "charge_type": charge_type,
    }
