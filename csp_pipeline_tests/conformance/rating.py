"""OpenMeter's vectors: the lines of one price for one period, or for a part of one that is billed in parts.

What belongs here: which fields of a vector go into which rule of the product. OpenMeter may bill a running period in
parts (`line_mode`): a part charges what its usage adds to the usage before it, minimums and flat prices in arrears
come with the last part. Here that is what a grown quantity adds (`PriceTiers.parts_added`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from csp_pipeline.domain.calendar import MONTHS_PER_CYCLE, CycleCalendar, month_of
from csp_pipeline.domain.charges import ContractLine, CostBase, Window, cost_plus_charge, expected_charges
from csp_pipeline.domain.commitments import Commitments, overages, shortfall
from csp_pipeline.domain.money import round_half_away
from csp_pipeline.domain.proration import recurring_part
from csp_pipeline.domain.quantities import ZERO, QuantityHistory
from csp_pipeline.domain.tiers import PriceTiers, Tier, TierMode, TierPart
from csp_pipeline_tests.conformance.outcomes import (
    Fields,
    NotSupportedError,
    OutOfScopeError,
    Vector,
    Verdict,
    is_equal,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CENTS = 2
ONE = Decimal(1)
START, END = date(2026, 1, 1), date(2026, 2, 1)


@dataclass(frozen=True)
class Part:
    """Which part of a period is billed, and what was billed of it before."""

    is_first: bool
    is_last: bool
    before: Decimal
    quantity: Decimal
    billed: Decimal

    @property
    def is_period(self) -> bool:
        """Whether it is the whole period, with nothing before it."""
        return self.is_first and self.is_last and not self.before and not self.billed


@dataclass(frozen=True)
class Line:
    """A line before commitments: what it is called for is in its price and quantity."""

    per_unit: Decimal
    quantity: Decimal

    @property
    def amount(self) -> Decimal:
        """Rounded to cents, as every line is."""
        return round_half_away(self.per_unit * self.quantity, CENTS)


def check_rating(vector: Vector) -> Verdict:
    """The lines of one price for one period."""
    given = vector.input
    kind = str(given["kind"]).lower().replace("_", "").replace(" ", "")
    part = _part(given)
    lines_of = LINES.get(kind)
    if lines_of is None:
        raise NotSupportedError(f"the kind {kind} is not known")
    error = vector.expected.get("error") if isinstance(vector.expected, Mapping) else None
    try:
        lines = lines_of(vector, part)
    except ValueError as refusal:
        if error:
            return Verdict({"error": str(refusal)})
        raise
    if error:
        return Verdict({"lines": [line.amount for line in lines]}, ("error",))
    maximum = _optional(given, "maximum_amount", "max_amount")
    minimum = _optional(given, "minimum_amount", "min_amount")
    percent = _percentage(given)
    if part.is_period and percent == 0:
        _hold_commitments(lines, maximum, minimum)
    got = _with_agreements(lines, part, percent, maximum, minimum)
    wanted = [_as_meant(line) for line in vector.expected["lines"]]
    differs = () if is_equal(wanted, got) else ("lines",)
    return Verdict({"lines": got}, differs)


def _part(given: Fields) -> Part:
    mode = str(given.get("line_mode", "SinglePerPeriodLineMode")).lower()
    is_single = "single" in mode
    return Part(
        is_first=is_single or "first" in mode,
        is_last=is_single or "last" in mode,
        before=_number(given, "pre_line_qty"),
        quantity=_number(given, "line_qty", "quantity"),
        billed=_number(given, "previously_billed", "previously_billed_amount"),
    )


def _number(given: Fields, *names: str) -> Decimal:
    found = _optional(given, *names)
    return ZERO if found is None else found


def _optional(given: Fields, *names: str) -> Decimal | None:
    name = next((name for name in names if given.get(name) not in (None, "")), None)
    return None if name is None else given.number(name)


def _percentage(given: Fields) -> Decimal:
    """A discount in percent on all lines."""
    discounts = given.get("discounts")
    if isinstance(discounts, Mapping):
        unknown = set(discounts) - {"percentage", "percent"}
        if unknown:
            raise OutOfScopeError(f"contract lines have no discount of the kind {', '.join(sorted(unknown))}")
        return _number(Fields(discounts), "percentage", "percent")
    return _number(given, "discount_percentage", "discount_percent", "percentage_discount")


def _flat_lines(vector: Vector, part: Part) -> list[Line]:
    """A flat price: with the first part of the period in advance, with the last in arrears."""
    given = vector.input
    named = f"{given.get('payment_term', '')} {vector.content.get('test', '')}".lower().replace("_", " ")
    is_in_arrears = "arrear" in named
    if not (part.is_last if is_in_arrears else part.is_first):
        return []
    timing = "arrears" if is_in_arrears else "advance"
    line = ContractLine("line", "flat", _period(), CENTS, timing, unit_price=given.number("amount"))
    return _charged(line, ONE)


def _unit_lines(vector: Vector, part: Part) -> list[Line]:
    if part.quantity <= 0:
        return []
    line = ContractLine("line", "per_unit", _period(), CENTS, "arrears", unit_price=vector.input.number("amount"))
    return _charged(line, part.quantity)


def _charged(line: ContractLine, quantity: Decimal) -> list[Line]:
    charges = expected_charges(line, QuantityHistory(quantity), _window())
    found = [Line(charge.unit_price or ZERO, charge.quantity or ZERO) for charge in charges]
    if [each.amount for each in found] != [charge.net_amount for charge in charges]:
        raise ValueError("a charge that is not price times quantity")
    return found


def _cost_lines(vector: Vector, part: Part) -> list[Line]:
    """A metered cost times a factor is cost-plus: a factor of 1.2 is a markup of 20 percent."""
    if part.quantity <= 0:
        return []
    factor = vector.input.number("multiplier") if "multiplier" in vector.input else ONE
    line = ContractLine("line", "cost_plus", _period(), CENTS, markup_percent=(factor - 1) * 100)
    charge = cost_plus_charge(line, month_of(START), [CostBase(part.quantity)], _window())
    return [] if charge is None else [Line(charge.net_amount, ONE)]


def _graduated_lines(vector: Vector, part: Part) -> list[Line]:
    tiers = _tiers(vector.input, "graduated")
    after = part.before + part.quantity
    if part.is_first and not part.before:
        _hold_amount(tiers, after)
        found = tiers.parts(after)
    else:
        found = tiers.parts_added(part.before, after)
    return [line for each in found for line in _lines_of(each)]


def _volume_lines(vector: Vector, part: Part) -> list[Line]:
    """The whole quantity at one price, so with the last part only."""
    if not part.is_last:
        return []
    if part.before:
        raise ValueError("A volume price is charged for a whole period; usage before a part of it cannot be added to.")
    tiers = _tiers(vector.input, "volume")
    _hold_amount(tiers, part.quantity)
    found = [line for each in tiers.parts(part.quantity) for line in reversed(_lines_of(each))]
    return [line for line in found if line.quantity]


def _package_lines(vector: Vector, part: Part) -> list[Line]:
    given = vector.input
    size, price = given.number("quantity_per_package", "package_size"), given.number("amount")
    tiers = PriceTiers("package", (Tier(ZERO, price, None, size),))
    before = ZERO if part.is_first else part.before
    after = part.before + part.quantity
    found = tiers.parts(after) if part.is_first else tiers.parts_added(before, after)
    return [line for each in found for line in _lines_of(each) if line.quantity]


LINES: dict[str, Callable[[Vector, Part], list[Line]]] = {
    "flat": _flat_lines,
    "unit": _unit_lines,
    "dynamic": _cost_lines,
    "tieredgraduated": _graduated_lines,
    "graduated": _graduated_lines,
    "tieredvolume": _volume_lines,
    "volume": _volume_lines,
    "package": _package_lines,
}


def _tiers(given: Fields, mode: TierMode) -> PriceTiers:
    """Tiers by inclusive upper bounds as tiers by exclusive lower bounds."""
    rows = sorted(map(Fields, given["tiers"]), key=lambda row: (row.get("up_to") is None, _number(row, "up_to")))
    lower = ZERO
    tiers: list[Tier] = []
    for row in rows:
        tiers.append(Tier(lower, _optional(row, "unit", "unit_price"), _optional(row, "flat", "flat_price")))
        lower = _number(row, "up_to")
    return PriceTiers(mode, tuple(tiers))


def _lines_of(part: TierPart) -> list[Line]:
    """The units of a tier at their price, then its flat amount."""
    units = [Line(part.unit_price, part.quantity)] if part.unit_price is not None else []
    return units + ([Line(part.flat_amount, ONE)] if part.flat_amount is not None else [])


def _hold_amount(tiers: PriceTiers, quantity: Decimal) -> None:
    """Hold the parts against what a contract line with these tiers is charged for a cycle."""
    line = ContractLine("line", tiers.mode, _period(), CENTS, "arrears", tiers=tiers)
    charged = sum((charge.net_amount for charge in expected_charges(line, QuantityHistory(quantity), _window())), ZERO)
    parts = sum((part.amount for part in tiers.parts(quantity)), ZERO)
    if charged != round_half_away(parts, CENTS):
        raise ValueError(f"The tiers come to {parts}, the contract line is charged {charged}.")


def _hold_commitments(lines: Sequence[Line], maximum: Decimal | None, minimum: Decimal | None) -> None:
    """Hold the overage of each line and the shortfall against the lines that a cycle gets for its commitments."""
    amounts = [line.amount for line in lines]
    agreed = Commitments(None, maximum, minimum).lines(
        amounts, recurring_part(_period().cycles(START, END)[0], prorated=True), CENTS, is_discounted=False
    )
    over = sum(overages(amounts, maximum), ZERO) if maximum is not None else ZERO
    total = sum(amounts, ZERO) - over
    missing = shortfall(total, minimum) if minimum is not None else ZERO
    if (-agreed.maximum, agreed.minimum) != (over, missing):
        raise ValueError(f"A cycle is charged {agreed} for its commitments, not {-over} and {missing}.")


def _with_agreements(
    lines: Sequence[Line], part: Part, percent: Decimal, maximum: Decimal | None, minimum: Decimal | None
) -> list[dict[str, Any]]:
    """Lines with their discounts, and the one that fills up to the minimum, on the last part of the period."""
    reduced = [round_half_away(line.amount * percent / 100, CENTS) for line in lines]
    left = [line.amount - off for line, off in zip(lines, reduced, strict=True)]
    over = overages(left, maximum, part.billed) if maximum is not None else [ZERO] * len(lines)
    got: list[dict[str, Any]] = []
    for line, off, above in zip(lines, reduced, over, strict=True):
        entry: dict[str, Any] = {"per_unit": line.per_unit, "quantity": line.quantity, "amount": line.amount}
        got.append(entry | {"total": line.amount - off - above, "discounts_total": off + above})
    total = sum((entry["total"] for entry in got), ZERO)
    missing = shortfall(total + part.billed, minimum) if minimum is not None and part.is_last else ZERO
    if missing:
        got.append({"per_unit": missing, "quantity": ONE, "charges_total": missing, "total": missing})
    return got


def _as_meant(line: Mapping[str, Any]) -> dict[str, Any]:
    """An expected line; where it has a discount, the transcription has the discount's amount under `amount`."""
    meant = dict(line)
    if "discounts_total" in meant and is_equal(meant.get("amount"), Decimal(str(meant["discounts_total"]))):
        del meant["amount"]
    return meant


def _period() -> CycleCalendar:
    return CycleCalendar(START, END, 1, MONTHS_PER_CYCLE["monthly"])


def _window() -> Window:
    return Window(month_of(START), month_of(START), START)


BY_INPUT: tuple[tuple[str, Callable[[Vector], Verdict]], ...] = (("line_mode", check_rating),)
