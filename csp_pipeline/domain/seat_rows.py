"""Rows of contract lines priced per unit, by tiers or flat: expected revenue, quantities, prices.

What belongs here: which facts of a month the search for causes gets. How causes are found is `differences`.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline.domain.books import Books, Finished, documents_of, whole_units
from csp_pipeline.domain.calendar import ONE_DAY, first_day_of, last_day_of, month_of
from csp_pipeline.domain.cost_plus_rows import finish_cost_plus
from csp_pipeline.domain.counterpart_lines import QUANTITIES, counterparts_of, provider_line
from csp_pipeline.domain.difference_facts import (
    Documents,
    OwnCycle,
    Part,
    ProviderLine,
    SeatChange,
    SeatFacts,
    fraction_units,
    net_quantity,
)
from csp_pipeline.domain.differences import explain_seats
from csp_pipeline.domain.quantities import ZERO
from csp_pipeline.domain.recognition import UNITS_PER_ONE, from_units, units_between
from csp_pipeline.domain.revenue_vs_cost import (
    CostPiece,
    Row,
    counted_lines,
    provider_price,
    quantity_on,
    unit_prices,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from csp_pipeline.domain.agreed_prices import Contract


AGREED = frozenset({"discount", "minimum"})
"""Kinds of our lines that follow from the total of a cycle: agreed, so expected as they are where there is cost."""


def finish_contract(done: Finished, contract: Contract, books: Books) -> None:
    """A contract line with provider cost: expected revenue by pricing model, then the causes."""
    row = done.row
    month = row.key.service_month
    since, last = first_day_of(month), last_day_of(month)
    counted = counted_lines([piece for piece, _ in row.pieces])
    is_consumption = _is_consumption(row, counted)
    is_uncounted = is_consumption or contract.is_one_time
    done.provider_quantity = None if is_uncounted else quantity_on(counted, last)
    if contract.pricing_model == "cost_plus":
        finish_cost_plus(done, contract, books)
        return
    if not is_uncounted:
        done.billed_quantity = billed_quantity(row, month)
    done.selling_price = None if is_consumption else price_per_month(contract, month, done.billed_quantity)
    done.provider_price = None if is_consumption else provider_price(counted, last)
    lines = _provider_lines(row, counted, contract)
    if contract.pricing_model == "flat":
        loaded_through = documents_of(contract, done, books).last_loaded_month
        is_loaded = loaded_through is not None and month <= loaded_through
        done.expected = Decimal(0) if not row.pieces and is_loaded else done.revenue
    elif not row.pieces:
        done.expected = Decimal(0)
    else:
        until = last + ONE_DAY
        done.expected = agreed_amount(row) + from_units(
            sum([units_between(line.expected_units, line.start, line.end, since, until) for line in lines])
        )
    is_free = contract.is_free_on(last)
    if contract.pricing_model != "flat" and not is_uncounted and not is_free:
        done.quantity_difference = (done.billed_quantity or ZERO) - (done.provider_quantity or ZERO)
    done.difference = done.revenue - done.expected
    if done.difference or done.quantity_difference:
        done.parts = _explained(done, contract, lines, books)


def _explained(done: Finished, contract: Contract, lines: Sequence[ProviderLine], books: Books) -> list[Part]:
    """The parts of a row that differs."""
    documents = documents_of(contract, done, books)
    if lacks_every_document(done, contract, documents, books):
        return undocumented(done)
    return explained_by_days(done, contract, lines, documents, books)


def explained_by_days(
    done: Finished, contract: Contract, lines: Sequence[ProviderLine], documents: Documents, books: Books
) -> list[Part]:
    """The parts that a comparison of both sides by day finds."""
    facts = _seat_facts(done, contract, lines, documents, books)
    parts = explain_seats(facts)
    return parts if contract.tiers is None else _with_tiers(parts, facts)


def lacks_every_document(done: Finished, contract: Contract, documents: Documents, books: Books) -> bool:
    """Whether a month lies after the last provider document and nothing else can explain what we charge in it.

    There is no line of the provider, no change that the provider has yet to bill, and no row on which the other side
    could stand. Half of all rows are such, as what is charged in advance is drafted before the provider bills it.
    """
    line_id = contract.contract_line_id
    if done.row.pieces or line_id in books.versions or line_id in books.linked or line_id in books.successors:
        return False
    loaded_through = documents.last_loaded_month
    if loaded_through is None:
        return True
    log = books.changes.get(_subscription_of(done.row), ())
    return done.row.key.service_month > loaded_through and (not log or month_of(log[-1][1]) < loaded_through)


def undocumented(done: Finished) -> list[Part]:
    """All that we charge in a month that `lacks_every_document`: its other side stands on documents not loaded yet."""
    evidence = [("billing.invoice_lines", line.key) for line, _ in done.row.revenues]
    return [Part("period", whole_units(done.revenue), done.quantity_difference, evidence)]


def _is_consumption(row: Row, counted: Sequence[CostPiece]) -> bool:
    """Whether all of a row's cost is consumption, or credits."""
    return bool(row.pieces) and not counted and all(piece.is_consumption or piece.is_credit for piece, _ in row.pieces)


def _subscription_of(row: Row) -> tuple[str, str]:
    """Tenant and subscription of a row as the shared facts spell them."""
    return (row.key.customer_id or "").lower(), (row.key.subscription_id or "").lower()


def agreed_amount(row: Row) -> Decimal:
    """Recognised discounts and minimums of a row: what was agreed on the total of a cycle is no difference."""
    return sum([amount for line, amount in row.revenues if line.kind in AGREED], ZERO)


def _with_tiers(parts: list[Part], facts: SeatFacts) -> list[Part]:
    """Where seats differ, the price of all of them differs with tiers: what that leaves belongs to the same cause.

    Seats in common have no price of their own to compare, so what is within rounding is rounding.
    """
    is_small = abs(facts.difference_units) < int(facts.minor_unit * UNITS_PER_ONE) * max(len(facts.revenue_lines), 1)
    if is_small and not facts.quantity_difference and not any(part.cause in {"timing", "period"} for part in parts):
        evidence = [("billing.invoice_lines", line.key) for line in facts.revenue_lines]
        return [Part("rounding", facts.difference_units, facts.quantity_difference, evidence)]
    rest = next((part for part in parts if part.cause == "unexplained"), None)
    named = [part for part in parts if part.cause not in {"unexplained", "rounding"}]
    if rest is None:
        return parts
    if not named:
        rest.cause = "quantity_mismatch" if _has_days_of_other_quantities(facts) else "proration"
        return parts
    largest = max(named, key=lambda part: abs(part.units))
    largest.units += rest.units
    if rest.quantity:
        largest.quantity = (largest.quantity or Decimal(0)) + rest.quantity
    return [part for part in parts if part is not rest]


def _has_days_of_other_quantities(facts: SeatFacts) -> bool:
    """Whether on some day of the month we charge another quantity than the provider."""
    first, last = first_day_of(facts.month), last_day_of(facts.month)
    days = (first + ONE_DAY * number for number in range(last.day))
    return any(net_quantity(facts.revenue_lines, day) != net_quantity(facts.provider_lines, day) for day in days)


def price_per_month(contract: Contract, month: str, quantity: Decimal | None = None) -> Decimal | None:
    """Our unit price per month of the contract line's cycle at the end of a service month, before any discount.

    With tiers it is the effective price of the quantity billed; None while nothing is billed.
    """
    if contract.tiers is not None and not quantity:
        return None
    if contract.tiers is None:
        return contract.stated_price(last_day_of(month))
    return from_units(
        fraction_units(contract.effective_price(quantity or Decimal(0), last_day_of(month)) / contract.months)
    )


def _expected_pieces(row: Row, counted: Sequence[CostPiece]) -> Sequence[CostPiece]:
    """The provider lines that should meet revenue: seats counted, consumption and one-time lines; never credits."""
    if len(counted) == len(row.pieces):
        return counted
    others = [piece for piece, _ in row.pieces if not piece.is_seats and not piece.is_credit]
    return [*counted, *others]


def billed_quantity(row: Row, month: str) -> Decimal | None:
    """Quantities of our lines that cover the month's last day, less what was taken back; None without such lines."""
    last = last_day_of(month)
    covering = [line.quantity for line, _ in row.revenues if line.start <= last <= line.end and line.kind in QUANTITIES]
    return sum(covering, ZERO) if covering else None


def _seat_facts(
    done: Finished, contract: Contract, lines: Sequence[ProviderLine], documents: Documents, books: Books
) -> SeatFacts:
    row = done.row
    month = row.key.service_month
    every = counted_lines(books.contract_pieces.get(contract.contract_line_id, ()))
    every.sort(key=lambda piece: piece.start)
    versions = books.versions.get(contract.contract_line_id, ())
    carrying = every + [piece for other in versions for piece in counted_lines(books.contract_pieces.get(other, ()))]
    subscription = _subscription_of(row)
    known = books.subscriptions.get(subscription)
    log = books.changes.get(subscription, ())
    return SeatFacts(
        month=month,
        provider_lines=lines,
        revenue_lines=[line for line, _ in row.revenues if not row.pieces or line.kind not in AGREED],
        cycles=_priced_cycles(books.cycles.get(contract.contract_line_id, ()), contract, done.billed_quantity),
        changes=[
            SeatChange(
                change_id,
                changed_on,
                after - before,
                _is_carried(carrying, changed_on, before, after),
                is_purchase=not before,
            )
            for change_id, changed_on, before, after in log
        ],
        starts_on=contract.starts_on,
        ends_on=contract.ends_on,
        has_proration=contract.is_prorated,
        quantity_difference=done.quantity_difference,
        difference_units=whole_units(done.difference or Decimal(0)),
        minor_unit=Decimal(1).scaleb(-books.decimals.get(row.key.currency, 2)),
        documents=documents,
        first_provider_line=_first_line(every, lines, contract) if every else None,
        last_provider_start=max((piece.start for piece in carrying), default=None),
        prepaid_since=known.prepaid_since if known else None,
        counterparts=counterparts_of(contract, books),
        contract_line_id=contract.contract_line_id,
        quantity_in_log=next((after for _, day, _, after in reversed(log) if day <= last_day_of(month)), None),
    )


def _first_line(every: Sequence[CostPiece], lines: Sequence[ProviderLine], contract: Contract) -> ProviderLine:
    """The first of all provider lines; where it is one of the month's, that one."""
    first = every[0]
    same = (line for line in lines if line.line_id == first.line_ids[0] and line.start == first.start)
    return next(same, None) or provider_line(first, contract)


def _is_carried(pieces: Sequence[CostPiece], changed_on: date, before: Decimal, after: Decimal) -> bool:
    """Whether a loaded provider line carries a change: it starts on that day with the new (or minus the old) total."""
    return any(piece.start == changed_on and piece.quantity in (after, -before) and piece.quantity for piece in pieces)


def _provider_lines(row: Row, counted: Sequence[CostPiece], contract: Contract) -> list[ProviderLine]:
    """The provider lines of a row that should meet revenue, without the days of a trial."""
    prices = unit_prices(counted, contract)
    lines = [provider_line(piece, contract, prices.get(piece.line_ids)) for piece in _expected_pieces(row, counted)]
    return [part for line in lines for part in _outside_trial(line, contract)]


def _outside_trial(line: ProviderLine, contract: Contract) -> list[ProviderLine]:
    """A provider line without its days in the trial, which nobody expects to be charged: those before, those after."""
    charged = contract.charges_start_on
    if charged is None or line.end < contract.starts_on or line.start >= charged or charged == contract.starts_on:
        return [line]
    parts = (line.start, contract.starts_on - ONE_DAY), (charged, line.end)
    return [
        line._replace(
            start=start,
            end=end,
            expected_units=units_between(line.expected_units, line.start, line.end, start, end + ONE_DAY),
        )
        for start, end in parts
        if start <= end
    ]


def _priced_cycles(cycles: Sequence[OwnCycle], contract: Contract, quantity: Decimal | None) -> Sequence[OwnCycle]:
    """Our cycles with the price of a seat and day; with tiers that of the quantity billed."""
    if contract.tiers is None or not cycles:
        return [_priced(cycle, contract, None) for cycle in cycles]
    price = contract.effective_price(quantity or ZERO, cycles[0].start)
    return [_priced(cycle, contract, price) for cycle in cycles]


def _priced(cycle: OwnCycle, contract: Contract, unit_price: Fraction | None) -> OwnCycle:
    """A cycle with its prices; a piece of one whose price changes inside has the discount of the whole."""
    days = contract.priced_days(cycle.start, cycle.end, cycle.full_days)
    start = cycle.whole_start or cycle.start
    if unit_price is None and start != cycle.start:
        unit_price = contract.unit_price_on(cycle.start)
    return cycle._replace(
        daily_price=contract.daily_price(start, contract.months, days, unit_price) if days else Fraction(0),
        monthly_price=contract.monthly_price(start, unit_price) if contract.tiers is None else None,
    )
