"""The facts that rows of revenue versus cost share, and what a finished row is.

What belongs here: values, and what is read off them. The rules that finish a row are `seat_rows`, `cost_plus_rows`,
`unmatched_rows`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from csp_pipeline.domain.difference_facts import Documents
from csp_pipeline.domain.recognition import to_units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from decimal import Decimal

    from csp_pipeline.domain.difference_facts import OwnCycle, Part
    from csp_pipeline.domain.revenue_vs_cost import Contract, CostPiece, ExchangeRates, Row


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


def whole_units(amount: Decimal) -> int:
    """An amount of at most 10 decimals in units of 1E-10."""
    return to_units(amount)[0]


def documents_of(contract: Contract, done: Finished, books: Books) -> Documents:
    """The documents that count for a contract line: those in the currency its cost comes in."""
    pieces = books.contract_pieces.get(contract.contract_line_id, ())
    main = books.main_currencies.get(contract.account_id) or books.main_currencies.get(None, "")
    first, last = books.loaded.get(done.cost_currency or (pieces[0].currency if pieces else main), (None, None))
    return Documents(first, last, books.drafted_through, books.billing_starts_on)
