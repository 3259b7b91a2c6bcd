"""The lines of contract lines as the search for causes sees them, and those of a row's counterparts.

What belongs here: turning pieces of cost into provider lines, and gathering the other rows on which the other side of a
contract line's days can stand. Which contract lines those are is decided in `counterparts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.domain.counterparts import Counterpart
from csp_pipeline.domain.difference_facts import ProviderLine
from csp_pipeline.domain.revenue_vs_cost import CostPiece, counted_lines, expected_units

if TYPE_CHECKING:
    from collections.abc import Iterable
    from fractions import Fraction

    from csp_pipeline.domain.agreed_prices import Contract
    from csp_pipeline.domain.books import Books

QUANTITIES = frozenset({"recurring", "change", "correction", "refund"})
"""Kinds of our lines whose quantities add up to what is billed; corrections carry the opposite sign."""


def counterparts_of(contract: Contract, books: Books) -> list[Counterpart]:
    """The other versions of a contract line's price, and what a replaced subscription joins it with, billed or not."""
    line_id = contract.contract_line_id
    versions = [
        contract_counterpart(other, ("reference.contract_lines", other), "price_version", books)
        for other in books.versions.get(line_id, ())
    ]
    linked = [
        contract_counterpart(other, ("billing.subscription_links", link), "replaced_subscription", books)
        for other, link in books.linked.get(line_id, ())
    ]
    unbilled = [
        Counterpart(
            "replaced_subscription",
            (("billing.subscription_links", link),),
            _provider_lines(books.unmatched.get((contract.account_id, subscription), ()), contract),
            (),
            (),
        )
        for subscription, link in books.successors.get(line_id, ())
    ]
    return [*versions, *linked, *unbilled]


def contract_counterpart(contract_line_id: str, proof: tuple[str, str], cause: str, books: Books) -> Counterpart:
    """Another contract line with its lines of both sides."""
    return Counterpart(
        cause,
        (proof,),
        _provider_lines(books.contract_pieces.get(contract_line_id, ()), books.contracts[contract_line_id]),
        [line for line in books.charges.get(contract_line_id, ()) if line.kind in QUANTITIES],
        books.cycles.get(contract_line_id, ()),
    )


def _provider_lines(pieces: Iterable[CostPiece], contract: Contract) -> list[ProviderLine]:
    return [provider_line(piece, contract) for piece in counted_lines(pieces)]


def provider_line(piece: CostPiece, contract: Contract, unit_price: Fraction | None = None) -> ProviderLine:
    """A provider's seat line at a contract line's price.

    Args:
        piece: the line.
        contract: gives the price.
        unit_price: of a full cycle, where it follows from tiers.
    """
    cycle = piece.cycle
    daily_price = contract.daily_price(piece.start, cycle.months or contract.months, cycle.days, unit_price)
    return ProviderLine(
        line_id=piece.line_ids[0],
        start=piece.start,
        end=max(piece.end, piece.start),
        quantity=piece.quantity,
        expected_units=expected_units(piece, daily_price),
        daily_price=daily_price,
        monthly_price=contract.monthly_price(piece.start) if contract.tiers is None else None,
        subscription_starts_on=piece.subscription_starts_on,
        cycle_start=cycle.start,
    )
