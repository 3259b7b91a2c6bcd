"""The facts that rows of revenue versus cost share, and what a finished row is.

What belongs here: values, and what is read off them. The rules that finish a row are `seat_rows`, `cost_plus_rows`,
`unmatched_rows`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from csp_pipeline.domain.difference_facts import Documents
from csp_pipeline.domain.proration import EXACT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from decimal import Decimal

    from csp_pipeline.domain.agreed_prices import Contract
    from csp_pipeline.domain.conversions import ExchangeRates
    from csp_pipeline.domain.difference_facts import OwnCycle, Part, RevenueLine
    from csp_pipeline.domain.revenue_vs_cost import CostPiece, Row


class Subscription(NamedTuple):
    """What Partner Center knows now of a subscription; `prepaid_since` is the start of a term paid at once."""

    quantity: Decimal | None
    prepaid_since: date | None


@dataclass(frozen=True)
class Books:
    """The facts that rows share.

    Attributes:
        loaded: first and last billing month with provider files, by provider and currency.
        main_sources: the provider and currency in which most lines of an account come, of distributors (True) and of
            the provider itself (False); under the account None, that of all lines.
        contract_pieces: every provider piece of a contract line, whatever the month.
        gross_credit: the earned credit to add to the base of cost-plus lines on gross cost, by contract line,
            service month and cost currency.
        charges: our lines by contract line, whatever the month.
        versions: the other versions of a contract line's price.
        linked: the contract lines, and the link, joined with a contract line by replaced subscriptions.
        replaced: for a subscription in lower case the contract lines, and the link, of the one it took the place of.
        successors: the subscriptions in lower case, and the link, that took the place of a contract line's.
        unmatched: provider pieces that no contract line takes, by account and subscription in lower case.
    """

    contracts: Mapping[str, Contract]
    contract_pieces: Mapping[str, Sequence[CostPiece]]
    cycles: Mapping[str, Sequence[OwnCycle]]
    changes: Mapping[tuple[str, str], Sequence[tuple[str, date, Decimal, Decimal]]]
    subscriptions: Mapping[tuple[str, str], Subscription]
    loaded: Mapping[tuple[str, str], tuple[str, str]]
    main_sources: Mapping[tuple[str | None, bool], tuple[str, str]]
    decimals: Mapping[str, int]
    rates: ExchangeRates
    gross_credit: Mapping[tuple[str, str, str], Decimal]
    drafted_through: str
    billing_starts_on: date
    charges: Mapping[str, Sequence[RevenueLine]] = field(default_factory=dict)
    versions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    linked: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    replaced: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    successors: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    unmatched: Mapping[tuple[str, str], Sequence[CostPiece]] = field(default_factory=dict)


@dataclass(slots=True)
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
    return int(EXACT.scaleb(amount, 10))


def documents_of(contract: Contract, done: Finished, books: Books) -> Documents:
    """The documents that count for a contract line: those of the provider and the currency that its cost comes from."""
    first, last = books.loaded.get(_source_of(contract, done, books), (None, None))
    return Documents(first, last, books.drafted_through, books.billing_starts_on)


def _source_of(contract: Contract, done: Finished, books: Books) -> tuple[str, str]:
    """Provider and currency of a row's latest line, else of the contract line's, else of most of the account's."""
    of_contract = books.contract_pieces.get(contract.contract_line_id, ())
    of_row = [piece for piece, _ in done.row.pieces if piece.currency == done.cost_currency]
    latest = max(
        of_row or of_contract, key=lambda piece: (piece.billing_month, piece.start, piece.line_ids), default=None
    )
    if latest is not None:
        return latest.provider, latest.currency
    is_distributed = contract.cost_source == "distributor"
    of_account = books.main_sources.get((contract.account_id, is_distributed))
    return of_account or books.main_sources.get((None, is_distributed), ("", ""))
