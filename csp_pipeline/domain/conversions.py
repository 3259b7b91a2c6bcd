"""The partner's exchange rates by month, and provider cost converted at them.

What belongs here: which rate holds, and that a converted total is rounded once and shared out to its rows. What a row
is belongs to `revenue_vs_cost`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline.domain.money import divide_half_away
from csp_pipeline.domain.recognition import UNITS_PER_ONE, from_units

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

    from csp_pipeline.domain.revenue_vs_cost import CostPiece, Row, RowKey

_NOTHING, _ONE = Fraction(0), Fraction(1)


@dataclass(frozen=True, slots=True)
class Rate:
    """An exchange rate: units of the target currency for one of the source, exact."""

    value: Fraction
    month: str
    source: str | None


class ExchangeRates:
    """The partner's monthly exchange rates, direct or else inverse."""

    def __init__(self, rows: Iterable[tuple[str, str, str, Decimal, str | None]]) -> None:
        """Take rows of (month YYYY-MM, from, to, rate, source)."""
        self._rates = {(month, source, target): (rate, origin) for month, source, target, rate, origin in rows}
        self._found: dict[tuple[str, str, str], Rate | None] = {}

    def find(self, month: str, source: str, target: str) -> Rate | None:
        """The rate of a month from one currency to another; 1 within a currency, None when neither way is known."""
        asked = month, source, target
        if asked not in self._found:
            self._found[asked] = self._look_up(month, source, target)
        return self._found[asked]

    def _look_up(self, month: str, source: str, target: str) -> Rate | None:
        if source == target:
            return Rate(_ONE, month, None)
        direct = self._rates.get((month, source, target))
        if direct is not None:
            return Rate(Fraction(direct[0]), month, direct[1])
        inverse = self._rates.get((month, target, source))
        return None if inverse is None or not inverse[0] else Rate(1 / Fraction(inverse[0]), month, inverse[1])


def convert(row: Row, piece: CostPiece, amount: Decimal, month: str, rates: ExchangeRates) -> None:
    """Add what a piece costs in a month, converted, to its row.

    The rate is that of the service month, but never later than that of the document: a prepaid amount keeps its rate.
    """
    rate = rates.find(min(month, piece.billing_month), piece.currency, row.key.currency)
    if piece.currency != row.key.currency:
        known = row.converted.get(piece.currency, _NOTHING)
        if rate is None or known is None:
            row.converted[piece.currency] = None
            return
        row.converted[piece.currency] = known + Fraction(amount) * rate.value
    stated = row.rates.get(piece.currency)
    if rate is not None and (stated is None or rate.month > stated.month):
        row.rates[piece.currency] = rate


def allocate_conversions(rows: Iterable[Row], decimals: Mapping[str, int]) -> None:
    """Round the converted total of each (month, account, currency pair) to the minor unit and allocate it to its rows.

    Args:
        rows: all rows; `cost_amounts` of each is set.
        decimals: decimals of each currency's minor unit.
    """
    pools: dict[tuple[str, str | None, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        for currency, original in row.originals().items():
            if currency == row.key.currency:
                row.cost_amounts[currency] = original
            elif row.converted[currency] is None:
                row.cost_amounts[currency] = None
            else:
                pools[(row.key.service_month, row.key.account_id, currency, row.key.currency)].append(row)
    for (_, _, source, target), members in pools.items():
        members.sort(key=lambda row: tuple(part or "" for part in _sort_key(row.key)))
        exact_amounts = [row.converted[source] or Fraction(0) for row in members]
        scale = 10 ** decimals.get(target, 2)
        exact = sum(exact_amounts, Fraction(0))
        total = Fraction(divide_half_away(exact.numerator * scale, exact.denominator), scale)
        for row, units in zip(members, allocate_total(total, exact_amounts), strict=True):
            row.cost_amounts[source] = from_units(units)


def _sort_key(key: RowKey) -> tuple[str | None, ...]:
    return (key.contract_line_id, key.customer_id, key.subscription_id, key.product_id, key.sku_id)


def allocate_total(total: Fraction, exact: Sequence[Fraction]) -> list[int]:
    """Allocate a rounded total to parts known exactly, in units of 1E-10 (largest remainder, ties to the first).

    Each part gets its exact amount plus its share, by absolute size, of what the rounding of the total moved; with
    parts of one sign that is total x part / sum. Absolute values are floored and the units left over go to the
    largest remainders.

    Args:
        total: the rounded sum, a whole number of units.
        exact: the parts in the order of their keys.

    Returns:
        Whole units per part; they sum to `total`.
    """
    weight = sum((abs(part) for part in exact), Fraction(0))
    moved = total - sum(exact, Fraction(0))
    shares = [(part + (moved * abs(part) / weight if weight else 0)) * UNITS_PER_ONE for part in exact]
    units = [int(abs(share)) * (1 if share >= 0 else -1) for share in shares]
    rest = int(total * UNITS_PER_ONE) - sum(units)
    step = 1 if rest > 0 else -1
    remainders = [(share - unit) * step for share, unit in zip(shares, units, strict=True)]
    for index in sorted(range(len(units)), key=lambda i: -remainders[i])[: abs(rest)]:
        units[index] += step
    return units
