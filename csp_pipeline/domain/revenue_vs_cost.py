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

from csp_pipeline.domain.contract_lines import price_on
from csp_pipeline.domain.difference_facts import RevenueLine, fraction_units
from csp_pipeline.domain.money import divide_half_away
from csp_pipeline.domain.provider_cycle import ProviderCycle, full_cycle
from csp_pipeline.domain.quantities import ZERO
from csp_pipeline.domain.recognition import UNITS_PER_ONE, by_month, from_units

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from csp_pipeline.domain.contract_lines import PriceStep
    from csp_pipeline.domain.tiers import PriceTiers


_NOTHING, _ONE = Fraction(0), Fraction(1)
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


class Contract(NamedTuple):
    """A contract line as reconciliation needs it; `months` are those of its billing cycle.

    Attributes:
        charges_start_on: the first day charged, after a trial; the provider's days before it are agreed to be free.
        is_one_time: charged once and whole; nothing is counted.
        tiers: of a graduated, volume or package price, else None.
        price_steps: prices over time, where it has several.
    """

    contract_line_id: str
    account_id: str
    customer_id: str | None
    subscription_id: str | None
    product_id: str | None
    sku_id: str | None
    description: str | None
    pricing_model: str
    unit_price: Decimal
    currency: str
    markup_percent: Decimal
    discount_percent: Decimal
    months: int
    is_prorated: bool
    starts_on: date
    ends_on: date | None
    cost_source: str
    cost_basis: str
    unit_cost: Decimal | None
    discount_ends_on: date | None = None
    charges_start_on: date | None = None
    is_one_time: bool = False
    tiers: PriceTiers | None = None
    price_steps: tuple[PriceStep, ...] = ()

    def unit_price_on(self, day: date) -> Fraction:
        """The price of a unit for a full cycle that begins on a day."""
        return Fraction(price_on(self.price_steps, day, self.unit_price))

    def discount_on(self, start: date) -> Decimal:
        """The percentage taken off a charge that starts on a day."""
        is_over = self.discount_ends_on is not None and start > self.discount_ends_on
        return Decimal(0) if is_over else self.discount_percent

    def left_after_discount(self, start: date) -> Fraction:
        """The part of a price that is charged when the charge starts on a day: 9/10 with a discount of 10 percent."""
        return _left_after(self.discount_on(start))

    def monthly_price(self, start: date, unit_price: Fraction | None = None) -> Fraction:
        """The agreed price of one unit per month, after the percentage discount, of a charge that starts on a day.

        Args:
            start: first day of the charge.
            unit_price: of a full cycle, where it follows from tiers (`effective_price`).
        """
        if unit_price is not None:
            return unit_price * self.left_after_discount(start) / self.months
        return _monthly_price(price_on(self.price_steps, start, self.unit_price), self.discount_on(start), self.months)

    def daily_price(self, start: date, months: int, days: int, unit_price: Fraction | None = None) -> Fraction:
        """The agreed price of one unit and day in a cycle, of a charge that starts on a day.

        Args:
            start: first day of the charge.
            months: of the cycle.
            days: of the cycle.
            unit_price: as in `monthly_price`.
        """
        if unit_price is not None:
            return self.monthly_price(start, unit_price) * months / days
        unit = price_on(self.price_steps, start, self.unit_price)
        return _daily_price(unit, self.discount_on(start), self.months, months, days)

    def priced_days(self, start: date, end: date, full_days: int) -> int:
        """The days over which the price of a cycle of ours is spread.

        Those of the full cycle; where days do not count, the last cycle is charged in full, however short it is.

        Args:
            start: first day of the cycle, as far as the contract line reaches.
            end: its last day.
            full_days: days of the full cycle.
        """
        is_in_full = not self.is_prorated and end == self.ends_on
        return (end - start).days + 1 if is_in_full else full_days

    def stated_price(self, day: date) -> Decimal:
        """The price of a unit per month, of a cycle that begins on a day, before any discount, with 10 decimals."""
        return _stated_price(price_on(self.price_steps, day, self.unit_price), self.months)

    def effective_price(self, quantity: Decimal, day: date) -> Fraction:
        """The price of a unit for a full cycle when so many are charged: with tiers the whole amount ÷ quantity."""
        if self.tiers is None or not quantity:
            return self.unit_price_on(day)
        return Fraction(self.tiers.amount(quantity)) / Fraction(quantity)

    def is_free_on(self, day: date) -> bool:
        """Whether a day is in a trial; days before the contract line are not, nobody agreed on them."""
        return self.charges_start_on is not None and self.starts_on <= day < self.charges_start_on

    @property
    def is_own(self) -> bool:
        """Own work, or a line without any cost."""
        return self.cost_source in {"own", "none"}


@lru_cache(maxsize=1024)
def _left_after(discount_percent: Decimal) -> Fraction:
    return 1 - Fraction(discount_percent) / 100


@lru_cache(maxsize=1 << 16)
def _monthly_price(unit_price: Decimal, discount_percent: Decimal, months: int) -> Fraction:
    """Remembered, as many customers pay the same price."""
    return Fraction(unit_price) * _left_after(discount_percent) / months


@lru_cache(maxsize=1 << 16)
def _daily_price(unit_price: Decimal, discount_percent: Decimal, own_months: int, months: int, days: int) -> Fraction:
    return _monthly_price(unit_price, discount_percent, own_months) * months / days


@lru_cache(maxsize=1 << 16)
def _stated_price(unit_price: Decimal, months: int) -> Decimal:
    return from_units(fraction_units(Fraction(unit_price) / months))


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
    """A row of revenue_vs_cost while it is built. Costs are kept per cost currency; amounts are exact."""

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
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for piece, amount in self.pieces:
            sums[piece.currency] += amount
        if len(sums) <= 1:
            return dict(sums)

        def weight(currency: str) -> tuple[Fraction, str]:
            return -abs(self.converted.get(currency) or Fraction(0)), currency

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
            row = rows.setdefault(key, Row(key))
            row.pieces.append((piece, amount))
            _convert(row, piece, amount, month, rates)
    for account_id, contract_line_id, currency, line in charges:
        contract = contracts.get(contract_line_id)
        for month, amount in by_month(from_units(line.units), line.start, line.end).items():
            if contract is not None and (contract.account_id, contract.currency) == (account_id, currency):
                key = _contract_key(month, contract)
            else:
                key = RowKey(month, account_id, contract_line_id, None, None, None, None, currency)
            rows.setdefault(key, Row(key)).revenues.append((line, amount))
    return rows


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


def _convert(row: Row, piece: CostPiece, amount: Decimal, month: str, rates: ExchangeRates) -> None:
    rate = rates.find(min(month, piece.billing_month), piece.currency, row.key.currency)
    known = row.converted.get(piece.currency, _NOTHING)
    if rate is None or known is None:
        row.converted[piece.currency] = None
        return
    converted = Fraction(amount) if rate.value is _ONE else Fraction(amount) * rate.value
    row.converted[piece.currency] = known + converted if known else converted
    if piece.currency not in row.rates or rate.month > row.rates[piece.currency].month:
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
            exact = row.converted[currency]
            if currency == row.key.currency:
                row.cost_amounts[currency] = original
            elif exact is None:
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
    return sum(covering, Decimal(0)) if covering else None


def provider_price(pieces: Sequence[CostPiece], day: date) -> Decimal | None:
    """List price per month of the latest-starting line that covers a day, in the provider's billing currency."""
    priced = [piece for piece in pieces if piece.unit_price is not None and piece.start <= day <= piece.end]
    if not priced:
        return None
    latest = max(priced, key=lambda piece: (piece.start, piece.quantity, piece.line_ids))
    price, per_price = (latest.unit_price or Decimal(0)).as_integer_ratio()
    rate, per_rate = (latest.fx_rate if latest.fx_rate is not None else Decimal(1)).as_integer_ratio()
    months = max(latest.cycle.months, 1)
    return from_units(divide_half_away(price * rate * UNITS_PER_ONE, per_price * per_rate * months))
