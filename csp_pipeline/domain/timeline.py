"""The repair that brings the days that issued charges still cover to the days that should be covered.

What belongs here: one contract line and one kind of charge with a quantity at a time. Days that were issued on the
same terms stay as they are; the others of an issued charge are taken back by their share of its amount, and days that
nothing covers are charged by their share of the expected amount (the semantics of Kill Bill's invoice tree,
`invoice/src/main/java/org/killbill/billing/invoice/tree`). What is still covered is `in_force`, which lines belong
together `deltas`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from fractions import Fraction
from operator import attrgetter
from typing import TYPE_CHECKING

from csp_pipeline.domain.charge import Charge, Correction
from csp_pipeline.domain.in_force import Days, InForce, Part, rounded, terms_of, without
from csp_pipeline.domain.proration import EXACT
from csp_pipeline.domain.quantities import ZERO

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence
    from decimal import Decimal


@dataclass
class Repair:
    """What to bill so that exactly the expected days are covered on the expected terms.

    Attributes:
        cut: lines that are a share of a charge, so that their amounts are rounded.
        withheld: what reversals do not give back because a credit by hand gave it before.
    """

    reversals: list[Charge] = field(default_factory=list)
    charges: list[Charge] = field(default_factory=list)
    withheld: Decimal = ZERO
    cut: list[Charge] = field(default_factory=list)

    @property
    def lines(self) -> list[Charge]:
        """What is taken back, then what is charged."""
        return [*self.reversals, *self.charges]


def repair(
    expected: Sequence[Charge],
    covered: InForce,
    decimals: int,
    *,
    terms: Callable[[Charge], Hashable] = terms_of,
    keeps_any_amount: bool = False,
) -> Repair:
    """The charges and reversals that lead from the days in force to the days expected.

    Args:
        expected: charges of one contract line and kind.
        covered: what issued charges still cover.
        decimals: of the currency's minor unit.
        terms: what must be the same for days to stay.
        keeps_any_amount: days on the same terms stay whatever their share of the amount is (Kill Bill's rule). Without
            it they stay only where the kept and the new shares come to the expected amount, but for rounding.

    Returns:
        Reversals by start and charges in the order expected; a charge that shares no day with what stays is whole.
    """
    stock = _Stock(covered.parts, terms)
    found = Repair()
    fresh: list[Charge] = []
    for charge in sorted(expected, key=lambda charge: not stock.has_whole(charge)):
        kept = stock.find(charge)
        gaps = without([(charge.start, charge.end)], [(part.start, part.end) for part in kept])
        if kept and (keeps_any_amount or _comes_to(charge, kept, gaps, decimals)):
            stock.keep(kept)
            fresh += [_share_of(charge, gap, decimals) for gap in gaps]
        else:
            fresh.append(charge)
    order = {charge.key: number for number, charge in enumerate(expected)}
    fresh.sort(key=lambda charge: order.get(charge.key, len(order)))
    given = covered.given
    for part in stock.left():
        amount = part.charge.net_amount if part.is_whole else rounded(part.amount, decimals)
        most = _most_to_give(part.charge, amount, given)
        found.withheld = EXACT.add(found.withheld, EXACT.subtract(amount, most))
        found.reversals.append(_reversal(part, most, fresh))
        if not part.is_whole:
            found.cut.append(found.reversals[-1])
    for charge in fresh:
        found.charges.append(_explained(charge, covered.parts, found.reversals))
        if charge.key not in order:
            found.cut.append(found.charges[-1])
    return found


class _Stock:
    """Days in force that no expected charge has kept yet, by terms."""

    def __init__(self, parts: Iterable[Part], terms: Callable[[Charge], Hashable]) -> None:
        self._terms = terms
        self._parts: defaultdict[Hashable, list[Part]] = defaultdict(list)
        for part in parts:
            self._parts[terms(part.charge)].append(part)

    def has_whole(self, charge: Charge) -> bool:
        """Whether a part on the same terms has exactly the days of a charge."""
        return any(
            (part.start, part.end) == (charge.start, charge.end) for part in self._parts.get(self._terms(charge), ())
        )

    def find(self, charge: Charge) -> list[Part]:
        """Parts on the terms of a charge, cut to its days, each day once; a part with exactly its days is preferred."""
        parts = self._parts.get(self._terms(charge), [])
        for part in parts:
            if (part.start, part.end) == (charge.start, charge.end):
                return [part]
        found: list[Part] = []
        open_from = charge.start
        for part in sorted(parts, key=attrgetter("start", "end")):
            start, end = max(part.start, open_from), min(part.end, charge.end)
            if start < end:
                found.append(Part(part.charge, start, end))
                open_from = end
        return found

    def keep(self, kept: Iterable[Part]) -> None:
        """Take kept days out of the stock."""
        for part in kept:
            parts = self._parts[self._terms(part.charge)]
            source = next(
                each
                for each in parts
                if each.charge is part.charge and each.start <= part.start and part.end <= each.end
            )
            parts.remove(source)
            rest = without([(source.start, source.end)], [(part.start, part.end)])
            parts.extend(Part(source.charge, start, end) for start, end in rest)

    def left(self) -> list[Part]:
        """What no charge kept, by start."""
        return sorted(
            (part for parts in self._parts.values() for part in parts),
            key=lambda part: (part.start, part.end, part.charge.start),
        )


def _comes_to(charge: Charge, kept: Sequence[Part], gaps: Sequence[Days], decimals: int) -> bool:
    """Whether kept and new shares are the expected amount: to the digit where nothing is cut, else but for rounding."""
    if len(kept) == 1 and not gaps and kept[0].is_whole:
        return kept[0].charge.net_amount == charge.net_amount
    total = sum((part.amount for part in kept), Fraction(0))
    total += sum((Part(charge, *gap).amount for gap in gaps), Fraction(0))
    # a share is half a unit off by rounding, and one more where it took what other shares left
    unit = Fraction(1, 10**decimals)
    return abs(total - Fraction(charge.net_amount)) < 2 * unit * (len(kept) + len(gaps))


def _share_of(charge: Charge, days: Days, decimals: int) -> Charge:
    part = Part(charge, *days)
    if part.is_whole:
        return charge
    return replace(charge, start=part.start, end=part.end, net_amount=rounded(part.amount, decimals))


def _most_to_give(issued: Charge, amount: Decimal, given: dict[str, Decimal]) -> Decimal:
    """What of an amount can still be given back, after what was credited by hand and taken back here."""
    if issued.charge_id not in given or issued.net_amount <= 0:
        return amount
    most = max(min(amount, EXACT.subtract(issued.net_amount, given[issued.charge_id])), ZERO)
    given[issued.charge_id] = EXACT.add(given[issued.charge_id], most)
    return most


def _reversal(part: Part, amount: Decimal, fresh: Sequence[Charge]) -> Charge:
    """Take the days of a part back."""
    issued = part.charge
    instead = next((charge for charge in fresh if charge.start < part.end and part.start < charge.end), None)
    return replace(
        issued,
        start=part.start,
        end=part.end,
        quantity=None if issued.quantity is None else -issued.quantity,
        net_amount=-amount,
        is_correction=True,
        correction=correction_between(issued, instead),
        charge_id="",
        reverses=issued.charge_id,
    )


def correction_between(issued: Charge, instead: Charge | None) -> Correction:
    """Why an issued charge is taken back: nothing takes its place, or something with another price or quantity."""
    if instead is None:
        return Correction("ended")
    if issued.unit_price != instead.unit_price:
        return Correction("price", issued.unit_price, instead.unit_price)
    if issued.quantity != instead.quantity:
        return Correction("quantity", issued.quantity, instead.quantity)
    return Correction("amount", issued.net_amount, instead.net_amount)


def _explained(charge: Charge, parts: Sequence[Part], reversals: Sequence[Charge]) -> Charge:
    """A charge that takes the place of days taken back says so."""
    if not any(charge.start < line.end and line.start < charge.end for line in reversals):
        return charge
    replaced = next((part for part in parts if charge.start < part.end and part.start < charge.end), None)
    if replaced is None:
        return charge
    return replace(charge, correction=replace(correction_between(replaced.charge, charge), takes_back=False))
