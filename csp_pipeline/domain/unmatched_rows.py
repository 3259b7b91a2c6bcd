"""Cost that no contract line takes, and charges whose terms are gone: all of it is a difference, with its causes.

What belongs here: one-off credits, days before billing begins, tenants without account, what nobody bills, and what was
issued on terms that are no longer there.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline.domain.books import Books, Finished, whole_units
from csp_pipeline.domain.calendar import ONE_DAY, first_day_of, last_day_of
from csp_pipeline.domain.counterpart_lines import contract_counterpart
from csp_pipeline.domain.counterparts import units_elsewhere
from csp_pipeline.domain.difference_facts import Part, covers, fraction_units, from_fraction
from csp_pipeline.domain.recognition import from_units, units_between
from csp_pipeline.domain.revenue_vs_cost import CostPiece, Row, counted_lines, provider_price, quantity_on

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date


def finish_unmatched(done: Finished, books: Books) -> None:
    """Cost that no contract line takes: all of it is a difference."""
    row = done.row
    month = row.key.service_month
    cost = done.cost or Decimal(0)
    done.expected, done.difference = Decimal(0), -from_units(fraction_units(Fraction(cost)))
    if row.revenues:
        _finish_without_terms(done)
        return
    counted = counted_lines(piece for piece, _ in row.pieces)
    done.provider_quantity = quantity_on(counted, last_day_of(month))
    done.provider_price = provider_price(counted, last_day_of(month))
    done.quantity_difference = None if done.provider_quantity is None else -done.provider_quantity
    evidence = [("cost.invoice_lines", line_id) for piece, _ in row.pieces for line_id in piece.line_ids]
    if row.key.account_id is None:
        done.parts = [Part("unmapped_customer", whole_units(done.difference), done.quantity_difference, evidence)]
        return
    rate = row.rates[done.cost_currency or ""].value if done.cost_currency in row.rates else Fraction(1)
    left, parts = whole_units(done.difference), []
    quantity = done.quantity_difference
    replaced = _on_former_contract(row, counted, rate, books)
    if replaced is not None:
        left -= replaced.units
        quantity = None if quantity is None else quantity - (replaced.quantity or 0)
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
    if left or (quantity and not is_early):
        parts.append(Part("unbilled_cost", left, None, evidence))
    if quantity is not None and parts:
        bearer = "period" if is_early else "unbilled_cost"
        for part in parts:
            part.quantity = quantity if part.cause == bearer else Decimal(0)
    done.parts = [part for part in (replaced, *parts) if part is not None and (part.units or part.quantity)]


def _on_former_contract(row: Row, counted: Sequence[CostPiece], rate: Fraction, books: Books) -> Part | None:
    """The part of the cost whose units are still charged by the contract line of the subscription that was replaced."""
    former = [
        (contract_counterpart(other, ("billing.subscription_links", link), "replaced_subscription", books), link)
        for other, link in books.replaced.get((row.key.subscription_id or "").lower(), ())
    ]
    seats = [piece for piece in counted if piece.currency == next(iter(row.originals()), None)]
    if not former or not seats:
        return None
    since, last = first_day_of(row.key.service_month), last_day_of(row.key.service_month)
    amount, quantity = Fraction(0), Fraction(0)
    for day in (since + ONE_DAY * number for number in range((last - since).days + 1)):
        covering = [piece for piece in seats if piece.start <= day <= piece.end]
        provided = sum((Fraction(piece.quantity) for piece in covering), Fraction(0))
        if provided <= 0:
            continue
        common = sum(units_elsewhere(-provided, [one for one, _ in former], day).values(), Fraction(0))
        units = sum(
            units_between(whole_units(piece.amount), piece.start, piece.end, day, day + ONE_DAY) for piece in covering
        )
        amount += Fraction(from_units(units)) * common / provided
        quantity = common if day == last else quantity
    if not amount and not quantity:
        return None
    evidence = [("billing.subscription_links", link) for _, link in former]
    evidence += [("cost.invoice_lines", line_id) for piece in seats for line_id in piece.line_ids]
    evidence += [
        ("billing.invoice_lines", line.key) for one, _ in former for line in one.revenue_lines if covers(line, last)
    ]
    compared = from_fraction(quantity) if quantity_on(counted, last) is not None else None
    return Part("replaced_subscription", fraction_units(amount * rate), compared, evidence)


def _finish_without_terms(done: Finished) -> None:
    """What was issued on terms that are no longer there: charged, and nothing says that it should be."""
    done.difference = done.revenue
    evidence = [("billing.invoice_lines", line.key) for line, _ in done.row.revenues]
    part = Part("revenue_without_cost", whole_units(done.revenue), None, evidence)
    done.parts = [part] if part.units else []


def _credit(row: Row) -> tuple[Fraction, list[str]]:
    """The recognised one-off credits of a row and their lines."""
    granted = [(piece, amount) for piece, amount in row.pieces if piece.is_credit]
    total = sum((Fraction(amount) for _, amount in granted), Fraction(0))
    return total, [line_id for piece, _ in granted for line_id in piece.line_ids]


def _before_billing(row: Row, billing_starts_on: date) -> tuple[Fraction, list[str]]:
    """The part of a row's cost (credits aside) on days before billing begins, and its lines."""
    since = first_day_of(row.key.service_month)
    if since >= billing_starts_on:
        return Fraction(0), []
    total = Fraction(0)
    lines: list[str] = []
    for piece, _ in row.pieces:
        if piece.is_credit or piece.start >= billing_starts_on:
            continue
        end = max(piece.end, piece.start)
        until = min(billing_starts_on, last_day_of(row.key.service_month) + ONE_DAY)
        units = units_between(whole_units(piece.amount), piece.start, end, since, until)
        total += Fraction(from_units(units))
        lines.extend(piece.line_ids)
    return total, lines
