"""The finished rows of revenue versus cost: which rule finishes a row, the cost of own work, the status.

What belongs here: the choice. The rules are `seat_rows`, `cost_plus_rows` and `unmatched_rows`.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline.domain.books import Books, Finished
from csp_pipeline.domain.calendar import ONE_DAY, first_day_of, last_day_of
from csp_pipeline.domain.counterpart_lines import QUANTITIES
from csp_pipeline.domain.difference_facts import NEEDS_A_PERSON, fraction_units
from csp_pipeline.domain.quantities import ZERO
from csp_pipeline.domain.recognition import from_units
from csp_pipeline.domain.seat_rows import billed_quantity, finish_contract, price_per_month
from csp_pipeline.domain.unmatched_rows import finish_unmatched

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from csp_pipeline.domain.agreed_prices import Contract
    from csp_pipeline.domain.revenue_vs_cost import Row

ONCE = frozenset({"one_time", "correction", "refund"})
"""Kinds of the lines of a one-time charge that carry its quantity."""


def finish(row: Row, books: Books) -> list[Finished]:
    """Finish one row; further cost currencies become rows of their own.

    Those of a contract line have no difference, as its first row compares all of its cost. Cost that no contract line
    takes is a difference in each currency.

    Args:
        row: a gathered row with its converted costs.
        books: the shared facts.
    """
    originals = row.originals()
    if row.key.contract_line_id is None and len(originals) > 1:
        return [one for currency in originals for one in finish(_in_currency(row, currency), books)]
    main = next(iter(originals), None)
    first = Finished(
        row=row,
        cost_currency=main,
        cost_original=originals[main] if main else ZERO,
        cost=row.cost_amounts.get(main) if main else ZERO,
        revenue=row.revenue,
        expected=None,
        difference=None,
    )
    contract = books.contracts.get(row.key.contract_line_id or "")
    if contract is None or (contract.account_id, contract.currency) != (row.key.account_id, row.key.currency):
        finish_unmatched(first, books)
    elif contract.is_own:
        first.expected, first.difference, first.is_own = first.revenue, Decimal(0), True
        first.cost = _own_cost(row, contract, books)
        first.billed_quantity = None if contract.is_one_time else billed_quantity(row, row.key.service_month)
        first.selling_price = price_per_month(contract, row.key.service_month, first.billed_quantity)
    else:
        finish_contract(first, contract, books)
    others = [
        Finished(row, currency, original, row.cost_amounts.get(currency), ZERO, ZERO, ZERO)
        for currency, original in originals.items()
        if currency != main
    ]
    return [first, *others]


def _in_currency(row: Row, currency: str) -> Row:
    """The part of a row whose cost comes in a currency."""
    return replace(
        row,
        pieces=[(piece, amount) for piece, amount in row.pieces if piece.currency == currency],
        cost_amounts={currency: row.cost_amounts[currency]},
    )


def _own_cost(row: Row, contract: Contract, books: Books) -> Decimal:
    """The cost of own work: quantity x unit cost, by the days of the cycle that fall in the month; once in whole."""
    if contract.unit_cost is None:
        return Decimal(0)
    since, until = first_day_of(row.key.service_month), last_day_of(row.key.service_month) + ONE_DAY
    total = Fraction(0)
    for line, _ in row.revenues:
        if contract.is_one_time and line.kind in ONCE:
            total += Fraction(line.quantity) * Fraction(contract.unit_cost)
        if contract.is_one_time or line.kind not in QUANTITIES:
            continue
        days = (min(line.end + ONE_DAY, until) - max(line.start, since)).days
        cycle = next(
            (c for c in books.cycles.get(contract.contract_line_id, ()) if c.start <= line.start <= c.end), None
        )
        if cycle is not None and days > 0:
            total += Fraction(line.quantity) * Fraction(contract.unit_cost) * days / cycle.full_days
    return from_units(fraction_units(total))


def status_and_cause(done: Finished, accepted: AbstractSet[str]) -> tuple[str, str | None]:
    """The row's status and the cause of its largest part other than rounding.

    Args:
        done: the finished row.
        accepted: causes whose amount somebody accepted and that still have that amount.
    """
    if done.is_own:
        return "matched", "own_service"
    named = [part for part in done.parts if part.cause != "rounding"]
    is_unconverted = done.cost is None
    if not named:
        return ("action_needed", "fx_rate") if is_unconverted else ("matched", None)
    cause = max(named, key=lambda part: (abs(part.units), abs(part.quantity or 0))).cause
    if any(part.cause == "unexplained" for part in named):
        return "unexplained", cause
    if is_unconverted or any(part.cause in NEEDS_A_PERSON and part.cause not in accepted for part in named):
        return "action_needed", cause
    return "explained", cause
