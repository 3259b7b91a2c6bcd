"""Lago's vectors: charge models with ranges, and what a contract that ends inside a cycle gets back.

What belongs here: which fields of a vector go into which rule of the product.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from csp_pipeline.domain.calendar import ONE_DAY, CycleCalendar, month_of, shift_month
from csp_pipeline.domain.charges import Charge, ContractLine, Window, deltas, expected_charges
from csp_pipeline.domain.documents import DraftLine, TaxRate, draft_documents
from csp_pipeline.domain.money import round_half_away
from csp_pipeline.domain.quantities import ZERO, QuantityHistory
from csp_pipeline.domain.tiers import PriceTiers, Tier, TierMode
from csp_pipeline_tests.conformance.outcomes import (
    Fields,
    NotSupportedError,
    OutOfScopeError,
    Vector,
    Verdict,
    compare,
    decimals_of,
    is_equal,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

CENTS = 2
FINE = 10
START, END = date(2026, 1, 1), date(2026, 2, 1)
INTERVALS = {"monthly": 1, "quarterly": 3, "yearly": 12, "annual": 12}
RANGES: dict[str, tuple[str, TierMode, int]] = {
    "graduated": ("graduated_ranges", "graduated", 1),
    "volume": ("volume_ranges", "volume", 1),
    "graduated_percentage": ("graduated_percentage_ranges", "graduated", 100),
}
"""By model: the field of its ranges, the tiers that it is here, what divides its prices (rates in percent)."""


def check_charge_model(vector: Vector) -> Verdict:
    """What a quantity costs under a charge model, and what that is for each unit that is charged."""
    model, given = vector.content["model"], vector.input
    tiers = _tiers_of(model, Fields(given["properties"]))
    units = given.number("units")
    line = ContractLine("line", tiers.mode, CycleCalendar(START, END, 1, 1), FINE, "arrears", tiers=tiers)
    window = Window(month_of(START), month_of(START), START)
    amount = sum((charge.net_amount for charge in expected_charges(line, QuantityHistory(units), window)), ZERO)
    priced = tiers.priced_units(units)
    got = {"amount": amount, "unit_amount": amount / priced if priced else ZERO}
    differs = []
    for name, value in got.items():
        wanted = vector.expected.get(name)
        if wanted is None or wanted == "":
            continue
        places = vector.expected.get(f"{name}_rounded_to")
        decimals = int(places) if places is not None else max(decimals_of(wanted), FINE)
        if not is_equal(wanted, round_half_away(value, decimals)):
            differs.append(name)
    return Verdict(got, tuple(differs))


def _tiers_of(model: str, properties: Fields) -> PriceTiers:
    if model == "package":
        free, size = _number(properties, "free_units"), properties.number("package_size")
        return PriceTiers("package", (Tier(free, properties.number("amount"), None, size),))
    if model == "standard":
        return PriceTiers("graduated", (Tier(ZERO, properties.number("amount")),))
    if model == "percentage":
        raise OutOfScopeError("a contract line charges no percentage of what its customer pays to others")
    if model not in RANGES:
        raise NotSupportedError(f"the model {model} is not known")
    field, mode, divisor = RANGES[model]
    lower: Decimal | None = None
    tiers = []
    for row in map(Fields, properties[field]):
        price = _number(row, "per_unit_amount", "rate") / divisor
        start = _number(row, "from_value") if lower is None else lower
        tiers.append(Tier(start, price, _number(row, "flat_amount")))
        lower = _number(row, "to_value")
    return PriceTiers(mode, tuple(tiers))


def _number(given: Mapping[str, Any], *names: str) -> Decimal:
    name = next((name for name in names if given.get(name) not in (None, "")), None)
    return ZERO if name is None else Fields(given).number(name)


def check_termination(vector: Vector) -> Verdict:
    """A contract that ends inside a cycle: what it gets back of one charged in advance, and the tax of it."""
    given = vector.input
    if given["interval"] not in INTERVALS:
        raise OutOfScopeError(f"cycles are of 1, 3 or 12 months here, not {given['interval']}")
    is_in_advance = bool(given["pay_in_advance"])
    start, last_day = given.day("started"), given.day("terminated")
    anchor = start.day if given["billing_time"] == "anniversary" else 1
    price = given.number("amount_cents").scaleb(-CENTS)

    def charges(end: date | None) -> tuple[Charge, ...]:
        calendar = CycleCalendar(start, end, anchor, INTERVALS[given["interval"]])
        timing = "advance" if is_in_advance else "arrears"
        line = ContractLine("line", "flat", calendar, CENTS, timing, unit_price=price)
        window = Window(shift_month(month_of(start), -1), month_of(last_day), start)
        return tuple(
            charge for charge in expected_charges(line, QuantityHistory(Decimal(1)), window) if charge.start <= last_day
        )

    ended = charges(last_day + ONE_DAY)
    issued = charges(None) if is_in_advance else ended
    credit = deltas(ended, issued)
    percent = given.number("tax_rate")
    fees, taxes = _taxed((charge.net_amount for charge in issued[-1:]), percent)
    credit_net, credit_tax = _taxed((charge.net_amount for charge in credit), percent)
    note = {"sub_total_excl_tax": -credit_net, "taxes": -credit_tax, "total": -credit_net - credit_tax}
    return _compare_in_cents(vector, fees, taxes, note)


def check_partial_credit(vector: Vector) -> Verdict:
    """A credit of a part of a line, and the tax of it."""
    given = vector.input
    percent = given.number("tax_rate")
    fees, taxes = _taxed([given.number("amount_cents").scaleb(-CENTS)], percent)
    net, tax = _taxed([-given.number("item_amount_cents").scaleb(-CENTS)], percent)
    return _compare_in_cents(vector, fees, taxes, {"sub_total_excl_tax": -net, "taxes": -tax, "total": -net - tax})


CHECKS: dict[str, Callable[[Vector], Verdict]] = {
    "termination_credit_note": check_termination,
    "partial_credit_note": check_partial_credit,
}
BY_INPUT: tuple[tuple[str, Callable[[Vector], Verdict]], ...] = (("model", check_charge_model),)


def _taxed(amounts: Iterable[Decimal], percent: Decimal) -> tuple[Decimal, Decimal]:
    """Net and tax of the document that these amounts make."""
    charges = [
        Charge(f"line-{number}", "recurring", START, END, None, None, amount, month_of(START))
        for number, amount in enumerate(amounts)
    ]
    lines = [
        DraftLine(
            "account", month_of(START), "EUR", CENTS, charge.contract_line_id, None, None, "recurring", "", START, END,
            None, None, charge.net_amount, "rate", None, is_estimate=False, charge=charge,
        )
        for charge in charges
    ]  # fmt: skip
    if not lines:
        return ZERO, ZERO
    (document,) = draft_documents(lines, {("rate", ""): [TaxRate(percent, None, None)]})
    return document.net_amount, document.tax_amount


def _compare_in_cents(vector: Vector, fees: Decimal, taxes: Decimal, note: dict[str, Decimal]) -> Verdict:
    got = {"fees": fees, "taxes": taxes, "total": fees + taxes}
    found: dict[str, Any] = {name: amount.scaleb(CENTS) for name, amount in got.items()}
    in_cents = {name: amount.scaleb(CENTS) for name, amount in note.items()}
    wanted = vector.expected.get("credit_note") or {}
    verdict = compare(wanted, in_cents, ["item_precise"])
    whole = compare({name: value for name, value in vector.expected.items() if name != "credit_note"}, found)
    return Verdict(found | {"credit_note": in_cents}, (*whole.differs, *verdict.differs), verdict.unchecked)
