"""The finished rows of revenue versus cost: expected revenue, difference, parts, status.

What belongs here: which rule gives a row its expected revenue and, with `differences`, its causes. How amounts are
recognised and gathered is `revenue_vs_cost`; reading and writing belong to the step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction

from csp_pipeline.domain.calendar import ONE_DAY, first_day_of, last_day_of
from csp_pipeline.domain.differences import (
    NEEDS_A_PERSON,
    Documents,
    OwnCycle,
    Part,
    ProviderLine,
    SeatChange,
    SeatFacts,
    explain_seats,
    fraction_units,
)
from csp_pipeline.domain.recognition import UNITS_PER_ONE, from_units, to_units, units_between
from csp_pipeline.domain.revenue_vs_cost import (
    Contract,
    CostPiece,
    ExchangeRates,
    Row,
    counted_lines,
    expected_units,
    provider_price,
    quantity_on,
)


@dataclass(frozen=True)
class Subscription:
    """What Partner Center knows now of a subscription; `prepaid_since` is the start of a term paid at once."""

    quantity: Decimal | None
    prepaid_since: date | None


@dataclass(frozen=True)
class Books:
    """The facts that rows share.

    Attributes:
        loaded: first and last billing month with provider files, by currency.
        main_currencies: the currency in which most provider lines of an account come; under None, that of all lines.
        contract_pieces: every provider piece of a contract line, whatever the month.
        gross_credit: the earned credit to add to the base of cost-plus lines on gross cost, by contract line,
            service month and cost currency.
    """

    contracts: Mapping[str, Contract]
    contract_pieces: Mapping[str, Sequence[CostPiece]]
    cycles: Mapping[str, Sequence[OwnCycle]]
    changes: Mapping[tuple[str, str], Sequence[tuple[str, date, Decimal, Decimal]]]
    subscriptions: Mapping[tuple[str, str], Subscription]
    loaded: Mapping[str, tuple[str, str]]
    main_currencies: Mapping[str | None, str]
    decimals: Mapping[str, int]
    rates: ExchangeRates
    gross_credit: Mapping[tuple[str, str, str], Decimal]
    drafted_through: str
    billing_starts_on: date


@dataclass
class Finished:
    """A finished row: the columns that rules decide, and the parts of its difference."""

    row: Row
    cost_currency: str | None
    cost_original: Decimal | None
    cost: Decimal | None
    revenue: Decimal
    expected: Decimal | None
    difference: Decimal | None
    selling_price: Decimal | None = None
    provider_price: Decimal | None = None
    billed_quantity: Decimal | None = None
    provider_quantity: Decimal | None = None
    quantity_difference: Decimal | None = None
    parts: list[Part] = field(default_factory=list)
    is_own: bool = False


def finish(row: Row, books: Books) -> list[Finished]:
    """Finish one row; further cost currencies of the same contract line become rows of their own without a difference.

    Args:
        row: a gathered row with its converted costs.
        books: the shared facts.
    """
    originals = row.originals()
    currencies = list(originals) or [None]
    main = currencies[0]
    first = Finished(
        row=row,
        cost_currency=main,
        cost_original=originals.get(main, Decimal(0)) if main else Decimal(0),
        cost=row.cost_amounts.get(main) if main else Decimal(0),
        revenue=row.revenue,
        expected=None,
        difference=None,
    )
    contract = books.contracts.get(row.key.contract_line_id or "")
    if contract is None:
        _finish_unmatched(first, books)
    elif contract.is_own:
        first.expected, first.difference, first.is_own = first.revenue, Decimal(0), True
        first.cost = _own_cost(row, contract, books)
        first.selling_price = _price_per_month(contract)
        first.billed_quantity = _billed_quantity(row, row.key.service_month)
    else:
        _finish_contract(first, contract, books)
    others = [
        Finished(row, currency, originals[currency], row.cost_amounts.get(currency), Decimal(0), Decimal(0), Decimal(0))
        for currency in currencies[1:]
        if currency
    ]
    return [first, *others]


def _units(amount: Decimal) -> int:
    return to_units(amount)[0]


def _finish_unmatched(done: Finished, books: Books) -> None:
    """Cost that no contract line takes: all of it is a difference."""
    row = done.row
    month = row.key.service_month
    cost = done.cost or Decimal(0)
    done.expected, done.difference = Decimal(0), -from_units(fraction_units(Fraction(cost)))
    counted = counted_lines(piece for piece, _ in row.pieces)
    done.provider_quantity = quantity_on(counted, last_day_of(month))
    done.provider_price = provider_price(counted, last_day_of(month))
    done.quantity_difference = None if done.provider_quantity is None else -done.provider_quantity
    evidence = [("cost.invoice_lines", line_id) for piece, _ in row.pieces for line_id in piece.line_ids]
    if row.key.account_id is None:
        done.parts = [Part("unmapped_customer", _units(done.difference), done.quantity_difference, evidence)]
        return
    rate = row.rates[done.cost_currency or ""].value if done.cost_currency in row.rates else Fraction(1)
    left, parts = _units(done.difference), []
    for cause, amount, ids in (
        ("credit", *_credit(row)),
        ("period", *_before_billing(row, books.billing_starts_on)),
    ):
        if ids:
            units = left if len(ids) == len(evidence) and cause == "credit" else -fraction_units(amount * rate)
            parts.append(Part(cause, units, None, [("cost.invoice_lines", line_id) for line_id in ids]))
            left -= units
    is_early = last_day_of(month) < books.billing_starts_on
    if left and is_early and parts:
        parts[-1].units += left
        left = 0
    if left or (done.quantity_difference and not is_early):
        parts.append(Part("unbilled_cost", left, None, evidence))
    if done.quantity_difference is not None and parts:
        bearer = "period" if is_early else "unbilled_cost"
        for part in parts:
            part.quantity = done.quantity_difference if part.cause == bearer else Decimal(0)
    done.parts = [part for part in parts if part.units or part.quantity]


def _credit(row: Row) -> tuple[Fraction, list[str]]:
    """The recognised one-off credits of a row and their lines."""
    credits = [(piece, amount) for piece, amount in row.pieces if piece.is_credit]
    total = sum((Fraction(amount) for _, amount in credits), Fraction(0))
    return total, [line_id for piece, _ in credits for line_id in piece.line_ids]


def _before_billing(row: Row, billing_starts_on: date) -> tuple[Fraction, list[str]]:
    """The part of a row's cost (credits aside) on days before billing begins, and its lines."""
    since = first_day_of(row.key.service_month)
    if since >= billing_starts_on:
        return Fraction(0), []
    total, lines = Fraction(0), []
    for piece, _ in row.pieces:
        if piece.is_credit or piece.start >= billing_starts_on:
            continue
        end = max(piece.end, piece.start)
        until = min(billing_starts_on, last_day_of(row.key.service_month) + ONE_DAY)
        units = units_between(_units(piece.amount), piece.start, end, since, until)
        total += Fraction(from_units(units))
        lines.extend(piece.line_ids)
    return total, lines


def _own_cost(row: Row, contract: Contract, books: Books) -> Decimal:
    """The cost of own work: quantity x unit cost, by the days of the cycle that fall in the month."""
    if contract.unit_cost is None:
        return Decimal(0)
    since, until = first_day_of(row.key.service_month), last_day_of(row.key.service_month) + ONE_DAY
    total = Fraction(0)
    for line, _ in row.revenues:
        if line.kind not in {"recurring", "change"}:
            continue
        days = (min(line.end + ONE_DAY, until) - max(line.start, since)).days
        cycle = next((c for c in books.cycles.get(contract.contract_line_id, ()) if c.start <= line.start <= c.end), None)
        if cycle is not None and days > 0:
            total += Fraction(line.quantity) * Fraction(contract.unit_cost) * days / cycle.full_days
    return from_units(fraction_units(total))


def _finish_contract(done: Finished, contract: Contract, books: Books) -> None:
    """A contract line with provider cost: expected revenue by pricing model, then the causes."""
    row = done.row
    month = row.key.service_month
    counted = counted_lines(piece for piece, _ in row.pieces)
    is_consumption = bool(row.pieces) and all(piece.is_consumption or piece.is_credit for piece, _ in row.pieces)
    done.provider_quantity = None if is_consumption else quantity_on(counted, last_day_of(month))
    documents = _documents(contract, done, books)
    if contract.pricing_model == "cost_plus":
        _finish_cost_plus(done, contract, books)
        return
    done.selling_price = None if is_consumption else _price_per_month(contract)
    done.provider_price = None if is_consumption else provider_price(counted, last_day_of(month))
    if contract.pricing_model == "flat":
        is_loaded = documents.last_loaded_month is not None and month <= documents.last_loaded_month
        done.expected = Decimal(0) if not row.pieces and is_loaded else done.revenue
    elif not row.pieces:
        done.expected = Decimal(0)
    else:
        counted_units = {piece.line_ids: expected_units(piece, contract) for piece in _expected_pieces(row, counted)}
        since, until = first_day_of(month), last_day_of(month) + ONE_DAY
        done.expected = from_units(
            sum(
                units_between(counted_units[piece.line_ids], piece.start, max(piece.end, piece.start), since, until)
                for piece in _expected_pieces(row, counted)
            )
        )
    if not is_consumption:
        done.billed_quantity = _billed_quantity(row, month)
    if contract.pricing_model == "per_unit" and not is_consumption:
        done.quantity_difference = (done.billed_quantity or Decimal(0)) - (done.provider_quantity or Decimal(0))
    done.difference = done.revenue - (done.expected or Decimal(0))
    if done.difference or done.quantity_difference:
        done.parts = explain_seats(_seat_facts(done, contract, counted, documents, books))


def _price_per_month(contract: Contract) -> Decimal:
    return from_units(fraction_units(Fraction(contract.unit_price) / contract.months))


def _expected_pieces(row: Row, counted: Sequence[CostPiece]) -> list[CostPiece]:
    """The provider lines that should meet revenue: seats counted, consumption and one-time lines; never credits."""
    others = [piece for piece, _ in row.pieces if not piece.is_seats and not piece.is_credit]
    return [*counted, *others]


def _billed_quantity(row: Row, month: str) -> Decimal | None:
    """Sum of the quantities of our recurring and change lines that cover the month's last day; None without such lines."""
    last = last_day_of(month)
    lines = [line for line, _ in row.revenues if line.kind in {"recurring", "change"} and line.start <= last <= line.end]
    return sum((line.quantity for line in lines), Decimal(0)) if lines else None


def _documents(contract: Contract, done: Finished, books: Books) -> Documents:
    """The documents that count for a contract line: those in the currency its cost comes in."""
    pieces = books.contract_pieces.get(contract.contract_line_id, ())
    main = books.main_currencies.get(contract.account_id) or books.main_currencies.get(None, "")
    first, last = books.loaded.get(done.cost_currency or (pieces[0].currency if pieces else main), (None, None))
    return Documents(first, last, books.drafted_through, books.billing_starts_on)


def _seat_facts(
    done: Finished, contract: Contract, counted: Sequence[CostPiece], documents: Documents, books: Books
) -> SeatFacts:
    row = done.row
    month = row.key.service_month
    every = sorted(
        counted_lines(books.contract_pieces.get(contract.contract_line_id, ())), key=lambda piece: piece.start
    )
    subscription = (row.key.customer_id or "", row.key.subscription_id or "")
    known = books.subscriptions.get(_lowered(subscription))
    log = books.changes.get(_lowered(subscription), ())
    return SeatFacts(
        month=month,
        provider_lines=[_provider_line(piece, contract) for piece in _expected_pieces(row, counted)],
        revenue_lines=[line for line, _ in row.revenues],
        cycles=books.cycles.get(contract.contract_line_id, ()),
        changes=[
            SeatChange(
                change_id, changed_on, after - before, _is_carried(every, changed_on, before, after), is_purchase=not before
            )
            for change_id, changed_on, before, after in log
        ],
        starts_on=contract.starts_on,
        ends_on=contract.ends_on,
        has_proration=contract.is_prorated,
        quantity_difference=done.quantity_difference,
        difference_units=_units(done.difference or Decimal(0)),
        minor_unit=Decimal(1).scaleb(-books.decimals.get(row.key.currency, 2)),
        documents=documents,
        first_provider_line=_provider_line(every[0], contract) if every else None,
        last_provider_start=max((piece.start for piece in every), default=None),
        prepaid_since=known.prepaid_since if known else None,
        quantity_in_log=next((after for _, day, _, after in reversed(log) if day <= last_day_of(month)), None),
    )


def _lowered(key: tuple[str, str]) -> tuple[str, str]:
    return key[0].lower(), key[1].lower()


def _is_carried(pieces: Sequence[CostPiece], changed_on: date, before: Decimal, after: Decimal) -> bool:
    """Whether a loaded provider line carries a change: it starts on that day with the new (or minus the old) total."""
    return any(piece.start == changed_on and piece.quantity in (after, -before) and piece.quantity for piece in pieces)


def _provider_line(piece: CostPiece, contract: Contract) -> ProviderLine:
    cycle = piece.cycle
    return ProviderLine(
        line_id=piece.line_ids[0],
        start=piece.start,
        end=max(piece.end, piece.start),
        quantity=piece.quantity,
        expected_units=expected_units(piece, contract),
        daily_price=contract.selling_price * (cycle.months or contract.months) / cycle.days,
        subscription_starts_on=piece.subscription_starts_on,
        cycle_start=cycle.start,
    )


def _finish_cost_plus(done: Finished, contract: Contract, books: Books) -> None:
    """Cost-plus: what the month's cost says, unrounded, beside the line that was charged."""
    row = done.row
    month = row.key.service_month
    factor = (1 + Fraction(contract.markup_percent) / 100) * (1 - Fraction(contract.discount_percent) / 100)
    expected, moved, is_complete = Fraction(0), Fraction(0), True
    for piece, amount in row.pieces:
        base = Fraction(amount)
        stated = books.rates.find(min(month, piece.billing_month), piece.currency, row.key.currency)
        charged = books.rates.find(month, piece.currency, row.key.currency)
        if stated is None:
            is_complete = False
            continue
        expected += base * stated.value * factor
        moved += base * ((charged.value if charged else stated.value) - stated.value) * factor
    if contract.cost_basis == "gross":
        for currency in row.originals():
            rate = books.rates.find(month, currency, row.key.currency)
            credit = books.gross_credit.get((contract.contract_line_id, month, currency))
            expected += Fraction(credit) * rate.value * factor if credit and rate else 0
    if not is_complete:
        return
    done.expected = from_units(fraction_units(expected))
    done.difference = done.revenue - done.expected
    if done.difference:
        done.parts = _cost_plus_parts(done, contract, books, fraction_units(moved))


def _cost_plus_parts(done: Finished, contract: Contract, books: Books, moved_units: int) -> list[Part]:
    row = done.row
    left = _units(done.difference or Decimal(0))
    costs = [("cost.invoice_lines", line_id) for piece, _ in row.pieces for line_id in piece.line_ids]
    revenues = [("billing.invoice_lines", line.key) for line, _ in row.revenues]
    if not row.revenues and _is_not_drafted(row.key.service_month, contract, books):
        return [Part("period", left, None, costs)]
    parts = []
    if moved_units and row.revenues:
        parts.append(Part("fx_rate", moved_units, None, costs + revenues))
        left -= moved_units
    minor = int(UNITS_PER_ONE // 10 ** books.decimals.get(row.key.currency, 2))
    if left and abs(left) < minor * max(len(row.revenues), 1):
        parts.append(Part("rounding", left, None, revenues or costs))
        left = 0
    if left:
        kind = "unexplained"
        if not row.revenues:
            is_expired = contract.ends_on is not None and contract.ends_on < first_day_of(row.key.service_month)
            kind = "contract_expired" if is_expired else "unbilled_cost"
        elif not row.pieces:
            kind = "revenue_without_cost"
        parts.append(Part(kind, left, None, costs + revenues))
    return parts


def _is_not_drafted(month: str, contract: Contract, books: Books) -> bool:
    """Whether a cost-plus month is later than the drafts, or began before billing did."""
    began = max(first_day_of(month), contract.starts_on)
    return month > books.drafted_through or began < books.billing_starts_on


def status_and_cause(done: Finished, accepted: frozenset[str]) -> tuple[str, str | None]:
    """The row's status and the cause of its largest part other than rounding.

    Args:
        done: the finished row.
        accepted: causes whose amount somebody accepted and that still have that amount.
    """
    if done.is_own:
        return "matched", "own_service"
    named = [part for part in done.parts if part.cause != "rounding"]
    largest = max(named, key=lambda part: (abs(part.units), abs(part.quantity or 0)), default=None)
    cause = largest.cause if largest else None
    if any(part.cause == "unexplained" for part in named):
        return "unexplained", cause
    is_unconverted = done.cost is None
    if is_unconverted or any(part.cause in NEEDS_A_PERSON and part.cause not in accepted for part in named):
        return "action_needed", cause or ("fx_rate" if is_unconverted else None)
    return ("explained" if named else "matched"), cause
