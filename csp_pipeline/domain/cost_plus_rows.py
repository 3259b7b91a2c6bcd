"""Cost-plus rows: what the month's cost says should be charged, unrounded, beside the line that was charged.

What belongs here: expected revenue of cost-plus contract lines and the causes of what is left.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline.domain.books import Books, Finished, documents_of, whole_units
from csp_pipeline.domain.calendar import first_day_of, last_day_of
from csp_pipeline.domain.difference_facts import Part, fraction_units
from csp_pipeline.domain.recognition import UNITS_PER_ONE, from_units

if TYPE_CHECKING:
    from csp_pipeline.domain.agreed_prices import Contract


def finish_cost_plus(done: Finished, contract: Contract, books: Books) -> None:
    """Cost-plus: what the month's cost says, unrounded, beside the line that was charged."""
    row = done.row
    month = row.key.service_month
    factor = (1 + Fraction(contract.markup_percent) / 100) * contract.left_after_discount(
        max(first_day_of(month), contract.starts_on)
    )
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
    if contract.is_free_on(last_day_of(month)):
        expected, moved, is_complete = Fraction(0), Fraction(0), True
    if not is_complete:
        return
    done.expected = from_units(fraction_units(expected)) + _agreed(done)
    done.difference = done.revenue - done.expected
    if done.difference:
        done.parts = _cost_plus_parts(done, contract, books, fraction_units(moved))


def _agreed(done: Finished) -> Decimal:
    """Recognised discounts and minimums of a month with cost: agreed on its total, so no difference."""
    if not done.row.pieces:
        return Decimal(0)
    return sum((amount for line, amount in done.row.revenues if line.kind in {"discount", "minimum"}), Decimal(0))


def _cost_plus_parts(done: Finished, contract: Contract, books: Books, moved_units: int) -> list[Part]:
    row = done.row
    left = whole_units(done.difference or Decimal(0))
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
        elif _is_not_loaded(done, contract, books):
            kind = "period"
        elif not row.pieces:
            kind = "revenue_without_cost"
        parts.append(Part(kind, left, None, costs + revenues))
    return parts


def _is_not_loaded(done: Finished, contract: Contract, books: Books) -> bool:
    """Whether the month is later than the last loaded document: what was charged on estimates stands on none yet."""
    last = documents_of(contract, done, books).last_loaded_month
    return last is None or done.row.key.service_month > last


def _is_not_drafted(month: str, contract: Contract, books: Books) -> bool:
    """Whether a cost-plus month is later than the drafts, or began before billing did."""
    began = max(first_day_of(month), contract.starts_on)
    return month > books.drafted_through or began < books.billing_starts_on
