"""OpenMeter's and Lago's vectors: flat and unit prices, cost times a factor, credits at the end of a contract.

What belongs here: which fields of a vector go into which rule of the product, and what it refuses. Tiers, packages,
minimum and maximum spend are refused by this version.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from csp_pipeline.domain.calendar import MONTHS_PER_CYCLE, ONE_DAY, CycleCalendar, month_of, shift_month
from csp_pipeline.domain.charges import (
    Charge,
    ContractLine,
    CostBase,
    Window,
    cost_plus_charge,
    deltas,
    expected_charges,
)
from csp_pipeline.domain.documents import DraftLine, TaxRate, draft_documents
from csp_pipeline.domain.quantities import ZERO, QuantityHistory
from csp_pipeline_tests.conformance.outcomes import (
    NotSupportedError,
    OutOfScopeError,
    Vector,
    Verdict,
    compare,
    is_equal,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CENTS = 2
START, END = date(2026, 1, 1), date(2026, 2, 1)
MODELS = {
    "tieredvolume": "volume tiers (pricing_model volume) are refused by this version",
    "tieredgraduated": "graduated tiers (pricing_model graduated) are refused by this version",
    "package": "packages (pricing_model package) are refused by this version",
    "graduated": "graduated tiers (pricing_model graduated) are refused by this version",
    "volume": "volume tiers (pricing_model volume) are refused by this version",
}
COMMITMENTS = "minimum and maximum spend (minimum_amount, maximum_amount) are refused by this version"
SPLIT_MODES = frozenset({"MidPeriodSplitLineMode", "LastInPeriodSplitLineMode"})
INTERVALS = {"monthly": 1, "quarterly": 3, "yearly": 12, "annual": 12}


def check_rating(vector: Vector) -> Verdict:
    """The lines of one price for one period."""
    given = vector.input
    kind = given["kind"]
    if kind in MODELS:
        raise NotSupportedError(MODELS[kind])
    if "minimum_amount" in given or "maximum_amount" in given:
        raise NotSupportedError(COMMITMENTS)
    if kind == "flat":
        lines = _flat_lines(vector)
    elif kind == "unit":
        lines = _unit_lines(given.number("amount"), given.number("line_qty"))
    elif kind == "dynamic":
        lines = _cost_lines(given.number("line_qty"), Decimal(str(given.get("multiplier", 1))))
    else:
        raise NotSupportedError(f"the kind {kind} is not known")
    differs = () if is_equal(vector.expected["lines"], lines) else ("lines",)
    return Verdict({"lines": lines}, differs)


def check_charge_model(vector: Vector) -> Verdict:
    """A charge model with ranges."""
    model = vector.content["model"]
    if model == "graduated_percentage":
        raise OutOfScopeError("there is no pricing model that charges a percentage by range")
    raise NotSupportedError(MODELS.get(model, f"the model {model} is not known"))


def check_termination(vector: Vector) -> Verdict:
    """A contract that ends inside a cycle charged in advance: what it gets back, and the tax of it."""
    given = vector.input
    if given["interval"] not in INTERVALS:
        raise OutOfScopeError(f"cycles are of 1, 3 or 12 months here, not {given['interval']}")
    if not given["pay_in_advance"]:
        raise NotSupportedError("only a cycle charged in advance gives something back")
    start, last_day = given.day("started"), given.day("terminated")
    anchor = start.day if given["billing_time"] == "anniversary" else 1
    price = given.number("amount_cents").scaleb(-CENTS)

    def charges(end: date | None) -> tuple[Charge, ...]:
        calendar = CycleCalendar(start, end, anchor, INTERVALS[given["interval"]])
        line = ContractLine("line", "flat", calendar, CENTS, unit_price=price)
        window = Window(shift_month(month_of(start), -1), month_of(last_day), start)
        return tuple(
            charge for charge in expected_charges(line, QuantityHistory(Decimal(1)), window) if charge.start <= last_day
        )

    issued = charges(None)
    credit = deltas(charges(last_day + ONE_DAY), issued)
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
BY_INPUT: tuple[tuple[str, Callable[[Vector], Verdict]], ...] = (
    ("line_mode", check_rating),
    ("model", check_charge_model),
)


def _flat_lines(vector: Vector) -> list[dict[str, Any]]:
    """A flat price of a whole period: on the first line of it in advance, on the last in arrears."""
    given = vector.input
    named = f"{given.get('payment_term', '')} {vector.content.get('test', '')}".lower().replace("_", " ")
    is_in_arrears = "arrears" in named or "arrear" in named
    mode = given["line_mode"]
    is_due = mode not in SPLIT_MODES or (is_in_arrears and mode == "LastInPeriodSplitLineMode")
    if not is_due:
        return []
    line = ContractLine(
        "line", "flat", _period(), CENTS, "arrears" if is_in_arrears else "advance", unit_price=given.number("amount")
    )
    return _as_lines(expected_charges(line, QuantityHistory(Decimal(1)), _window()), Decimal(1))


def _unit_lines(price: Decimal, quantity: Decimal) -> list[dict[str, Any]]:
    line = ContractLine("line", "per_unit", _period(), CENTS, "arrears", unit_price=price)
    return _as_lines(expected_charges(line, QuantityHistory(quantity), _window()), quantity)


def _cost_lines(cost: Decimal, factor: Decimal) -> list[dict[str, Any]]:
    """A metered cost times a factor is cost-plus: a factor of 1.2 is a markup of 20 percent."""
    line = ContractLine("line", "cost_plus", _period(), CENTS, markup_percent=(factor - 1) * 100)
    charge = cost_plus_charge(line, month_of(START), [CostBase(cost)], _window())
    return [] if charge is None else _as_lines([charge], Decimal(1))


def _period() -> CycleCalendar:
    return CycleCalendar(START, END, 1, MONTHS_PER_CYCLE["monthly"])


def _window() -> Window:
    return Window(month_of(START), month_of(START), START)


def _as_lines(charges: Iterable[Charge], quantity: Decimal) -> list[dict[str, Any]]:
    return [
        {
            "per_unit": charge.net_amount if charge.unit_price is None else charge.unit_price,
            "quantity": quantity,
            "amount": charge.net_amount,
            "total": charge.net_amount,
        }
        for charge in charges
    ]


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
    verdict = compare(vector.expected["credit_note"], in_cents, ["item_precise"])
    whole = compare({name: value for name, value in vector.expected.items() if name != "credit_note"}, found)
    return Verdict(found | {"credit_note": in_cents}, (*whole.differs, *verdict.differs), verdict.unchecked)
