"""Revenue beside cost by service month: rows, recognised amounts, quantities, expected revenue.

What belongs here: how pieces of provider cost and our own charges become the rows of `reconciliation.revenue_vs_cost`.
Why a row differs is `differences`; where facts come from and how rows are written is the step's business.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from csp_pipeline.domain.conversions import convert
from csp_pipeline.domain.money import divide_half_away
from csp_pipeline.domain.provider_cycle import ProviderCycle, full_cycle
from csp_pipeline.domain.quantities import ZERO
from csp_pipeline.domain.recognition import UNITS_PER_ONE, by_month, from_units

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from csp_pipeline.domain.agreed_prices import Contract
    from csp_pipeline.domain.conversions import ExchangeRates, Rate
    from csp_pipeline.domain.difference_facts import RevenueLine
    from csp_pipeline.domain.tiers import PriceTiers


MICROSOFT = "microsoft"
"""Who sent a document that names no other provider."""


class CostPiece(NamedTuple):
    """A billed provider line, or the part of one carried down to an Azure subscription.

    Attributes:
        line_ids: the lines behind it (several where consumption of one month is summed).
        amount: net of tax, in `currency`; `start` to `end` (inclusive) is its service period.
        provider: who sent the document.
        quantity: signed.
    """

    line_ids: tuple[str, ...]
    account_id: str | None
    contract_line_id: str | None
    customer_id: str | None
    subscription_id: str | None
    product_id: str | None
    sku_id: str | None
    product_name: str | None
    product_family: str
    is_consumption: bool
    is_credit: bool
    charge_type: str
    start: date
    end: date
    amount: Decimal
    currency: str
    billing_month: str
    quantity: Decimal
    unit_price: Decimal | None
    fx_rate: Decimal | None
    billing_frequency: str | None
    subscription_starts_on: date | None
    provider: str = MICROSOFT

    @property
    def cycle(self) -> ProviderCycle:
        """The provider's full cycle of this line."""
        return full_cycle(self.start, self.end, self.billing_frequency, self.subscription_starts_on)

    @property
    def is_seats(self) -> bool:
        """Whether its quantity counts as seats: not consumption, not one-time, not a credit."""
        return not self.is_consumption and not self.is_credit and self.cycle.months > 0


class RowKey(NamedTuple):
    """What makes a row: the contract line, or the keys of unmatched cost."""

    service_month: str
    account_id: str | None
    contract_line_id: str | None
    customer_id: str | None
    subscription_id: str | None
    product_id: str | None
    sku_id: str | None
    currency: str


@dataclass(slots=True)
class Row:
    """A row of revenue_vs_cost while it is built. Costs are kept per cost currency; amounts are exact.

    Attributes:
        converted: cost in other currencies than the row's, converted; None without a rate.
        cost_amounts: cost in the row's currency, by the currency that it comes in (`allocate_conversions`).
    """

    key: RowKey
    pieces: list[tuple[CostPiece, Decimal]] = field(default_factory=list)
    revenues: list[tuple[RevenueLine, Decimal]] = field(default_factory=list)
    converted: dict[str, Fraction | None] = field(default_factory=dict)
    cost_amounts: dict[str, Decimal | None] = field(default_factory=dict)
    rates: dict[str, Rate] = field(default_factory=dict)

    @property
    def revenue(self) -> Decimal:
        """Recognised revenue."""
        return sum([amount for _, amount in self.revenues], ZERO)

    def originals(self) -> dict[str, Decimal]:
        """Recognised cost by cost currency; the currency with the largest amount, converted, comes first."""
        sums: dict[str, Decimal] = {}
        for piece, amount in self.pieces:
            sums[piece.currency] = sums.get(piece.currency, ZERO) + amount
        if len(sums) <= 1:
            return sums

        def weight(currency: str) -> tuple[Fraction, str]:
            own = Fraction(sums[currency]) if currency == self.key.currency else self.converted.get(currency)
            return -abs(own or Fraction(0)), currency

        return {currency: sums[currency] for currency in sorted(sums, key=weight)}


def collect_rows(
    pieces: Iterable[CostPiece],
    charges: Iterable[tuple[str, str, str, RevenueLine]],
    contracts: Mapping[str, Contract],
    account_currencies: Mapping[str, str],
    rates: ExchangeRates,
) -> dict[RowKey, Row]:
    """Recognise costs and charges by day and gather them into rows.

    Args:
        pieces: billed provider cost with its contract line, if one takes it.
        charges: (account, contract line, currency, charge) of our lines; one issued on terms that are no longer there,
            or to another account or currency than they say now, gets a row of its own.
        contracts: contract lines by id.
        account_currencies: the currency of each account.
        rates: exchange rates.

    Returns:
        The rows by key, with converted costs allocated so that each (month, account, currency pair) is whole.
    """
    rows: dict[RowKey, Row] = {}
    for piece in pieces:
        contract = contracts.get(piece.contract_line_id or "")
        currency = contract.currency if contract else _unmatched_currency(piece, account_currencies, rates)
        for month, amount in by_month(piece.amount, piece.start, piece.end).items():
            key = _contract_key(month, contract) if contract else _unmatched_key(month, piece, currency)
            row = _row_of(rows, key)
            row.pieces.append((piece, amount))
            convert(row, piece, amount, month, rates)
    for account_id, contract_line_id, currency, line in charges:
        contract = contracts.get(contract_line_id)
        for month, amount in by_month(from_units(line.units), line.start, line.end).items():
            if contract is not None and (contract.account_id, contract.currency) == (account_id, currency):
                key = _contract_key(month, contract)
            else:
                key = RowKey(month, account_id, contract_line_id, None, None, None, None, currency)
            _row_of(rows, key).revenues.append((line, amount))
    return rows


def _row_of(rows: dict[RowKey, Row], key: RowKey) -> Row:
    row = rows.get(key)
    if row is None:
        row = rows[key] = Row(key)
    return row


def _contract_key(month: str, contract: Contract) -> RowKey:
    return RowKey(
        month,
        contract.account_id,
        contract.contract_line_id,
        contract.customer_id,
        contract.subscription_id,
        contract.product_id,
        contract.sku_id,
        contract.currency,
    )


def _unmatched_key(month: str, piece: CostPiece, currency: str) -> RowKey:
    sku_id = None if piece.product_family == "azure_plan" else piece.sku_id
    return RowKey(
        month, piece.account_id, None, piece.customer_id, piece.subscription_id, piece.product_id, sku_id, currency
    )


def _unmatched_currency(piece: CostPiece, account_currencies: Mapping[str, str], rates: ExchangeRates) -> str:
    """The account's currency; the cost's own where there is no account, or no rate to convert it with."""
    currency = account_currencies.get(piece.account_id or "", piece.currency)
    months = (min(month, piece.billing_month) for month in by_month(piece.amount, piece.start, piece.end))
    return currency if all(rates.find(month, piece.currency, currency) for month in months) else piece.currency


def counted_lines(pieces: Iterable[CostPiece]) -> list[CostPiece]:
    """The seat lines that count.

    Of lines equal in subscription, period, charge type and quantity that differ only in product or SKU (a plan sold
    with calling), those of the dearest product count, once.
    """
    seats = [piece for piece in pieces if piece.is_seats]
    if len(seats) <= 1:
        return seats
    groups: dict[tuple[object, ...], dict[tuple[str | None, str | None], list[CostPiece]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for piece in seats:
        key = (piece.subscription_id, piece.start, piece.end, piece.charge_type, piece.quantity)
        groups[key][(piece.product_id, piece.sku_id)].append(piece)
    counted: list[CostPiece] = []
    for products in groups.values():
        dearest = min(products, key=lambda product: (-sum(abs(p.amount) for p in products[product]), str(product)))
        counted.extend(products[dearest])
    return counted


def unit_prices(pieces: Sequence[CostPiece], contract: Contract) -> dict[tuple[str, ...], Fraction]:
    """Our price of a unit for a full cycle that each counted provider line meets, by its line ids; empty without tiers.

    With tiers a line is worth what its quantity adds to the tiered amount of the lines before it that cover its first
    day: so a total taken out and one put in come to the difference of both amounts, and several subscriptions to the
    amount of their sum.
    """
    if contract.tiers is None:
        return {}
    prices: dict[tuple[str, ...], Fraction] = {}
    before: list[CostPiece] = []
    for piece in sorted(pieces, key=lambda piece: (piece.start, piece.quantity, piece.line_ids)):
        covered = sum((other.quantity for other in before if other.start <= piece.start <= other.end), Decimal(0))
        after = covered + piece.quantity
        worth = _tiered(contract.tiers, after) - _tiered(contract.tiers, covered)
        prices[piece.line_ids] = worth / Fraction(piece.quantity) if piece.quantity else Fraction(0)
        before.append(piece)
    return prices


def _tiered(tiers: PriceTiers, quantity: Decimal) -> Fraction:
    """The amount of a quantity; none at all costs nothing, also where tiers begin with a flat amount."""
    return Fraction(tiers.amount(quantity)) if quantity > 0 else Fraction(0)


def expected_units(piece: CostPiece, daily_price: Fraction) -> int:
    """The revenue one provider line should meet over its whole period, in units of 1E-10.

    Args:
        piece: the provider's line.
        daily_price: of the contract line that takes it, for the line's cycle.
    """
    days = (piece.end - piece.start).days + 1
    seats, per_seat = piece.quantity.as_integer_ratio()
    return divide_half_away(seats * daily_price.numerator * days * UNITS_PER_ONE, per_seat * daily_price.denominator)


def quantity_on(pieces: Iterable[CostPiece], day: date) -> Decimal | None:
    """The provider's quantity on a day; None when no line covers it."""
    covering = [piece.quantity for piece in pieces if piece.start <= day <= piece.end]
    return sum(covering, ZERO) if covering else None


def _recency(piece: CostPiece) -> tuple[date, Decimal, tuple[str, ...]]:
    return piece.start, piece.quantity, piece.line_ids


def provider_price(pieces: Sequence[CostPiece], day: date) -> Decimal | None:
    """List price per month of the latest-starting line that covers a day, in the provider's billing currency."""
    priced = [piece for piece in pieces if piece.unit_price is not None and piece.start <= day <= piece.end]
    if not priced:
        return None
    latest = priced[0] if len(priced) == 1 else max(priced, key=_recency)
    return _price_per_month(latest.unit_price or ZERO, latest.fx_rate, max(latest.cycle.months, 1))


@lru_cache(maxsize=1 << 16)
def _price_per_month(unit_price: Decimal, fx_rate: Decimal | None, months: int) -> Decimal:
    """Remembered, as many customers have the same product."""
    price = Fraction(unit_price) * (1 if fx_rate is None else Fraction(fx_rate)) / months
    return from_units(divide_half_away(price.numerator * UNITS_PER_ONE, price.denominator))
