"""Cost in the currency of its row."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline_tests.reference.amounts import ZERO, allocate, round_minor
from csp_pipeline_tests.reference.days import first_day

if TYPE_CHECKING:
    from collections.abc import Hashable
    from datetime import date
    from decimal import Decimal

    from csp_pipeline_tests.reference.commercial import Commercial
    from csp_pipeline_tests.reference.costs_to_contracts import Atom


@dataclass(frozen=True)
class Piece:
    """The recognised part of an atom in one row; ``kind`` keeps credit and what lies before billing began apart."""

    atom: Atom
    month: str
    kind: str
    amount: Decimal


@dataclass
class Converted:
    """A piece of a row in the row's currency."""

    amount: Decimal | None
    rate: Fraction | None = None
    rate_on: date | None = None
    source: str = ""


def piece_rate(terms: Commercial, piece: Piece, currency: str) -> tuple[Fraction, str, str] | None:
    """Rate of the service month, never later than the document's billing month."""
    month = min(piece.month, piece.atom.document.billing_month)
    return terms.rate(month, piece.atom.line.currency, currency)


def convert_pieces(
    terms: Commercial, pieces: dict[Hashable, tuple[str, str | None, str, list[Piece]]]
) -> dict[Hashable, Converted]:
    """Convert groups of pieces, given as key: (month, account, currency, pieces).

    The converted total of a (month, account, currency pair) is rounded to the minor unit and allocated to the groups in
    the order of their keys. A group with a missing rate stays unconverted (None).
    """
    result: dict[Hashable, Converted] = {}
    totals: dict[tuple[str, str | None, str, str], list[tuple[Hashable, Fraction]]] = defaultdict(list)
    for key, (month, account, currency, members) in pieces.items():
        if all(piece.atom.line.currency == currency for piece in members):
            result[key] = Converted(sum((piece.amount for piece in members), ZERO))
            continue
        exact = Fraction(0)
        latest: tuple[str, Fraction, str] | None = None
        missing = False
        for piece in members:
            found = piece_rate(terms, piece, currency)
            if found is None:
                missing = True
                continue
            exact += Fraction(piece.amount) * found[0]
            if latest is None or found[1] > latest[0]:
                latest = (found[1], found[0], found[2])
        if missing or latest is None:
            result[key] = Converted(None)
            continue
        result[key] = Converted(ZERO, latest[1], first_day(latest[0]), latest[2])
        totals[month, account, members[0].atom.line.currency, currency].append((key, exact))
    for (_, _, _, currency), members_of_total in totals.items():
        members_of_total.sort(key=lambda member: str(member[0]))
        weights = [exact for _, exact in members_of_total]
        total = round_minor(sum(weights, Fraction(0)), currency)
        for (key, _), part in zip(members_of_total, allocate(total, weights), strict=True):
            result[key].amount = part
    return result
