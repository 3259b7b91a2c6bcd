"""The days that issued charges still cover, and the repair that brings them to the days that should be covered.

What belongs here: one contract line and one kind of charge with a quantity at a time. Days that were issued on the
same terms stay as they are; the others of an issued charge are taken back by their share of its amount, and days that
nothing covers are charged by their share of the expected amount (the semantics of Kill Bill's invoice tree,
`invoice/src/main/java/org/killbill/billing/invoice/tree`). Which lines belong together is `deltas`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from operator import attrgetter
from typing import TYPE_CHECKING

from csp_pipeline.domain.calendar import ONE_DAY
from csp_pipeline.domain.charge import Charge, Correction
from csp_pipeline.domain.proration import EXACT, round_half_away
from csp_pipeline.domain.quantities import ZERO

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence
    from datetime import date

Days = tuple["date", "date"]
"""First day and the day after the last."""


class DoubleBillingError(ValueError):
    """The same service would be, or was, billed or taken back twice; the sentence names contract line and days."""

    def __init__(self, charge: Charge, what: str) -> None:
        """Say what is double about a charge."""
        super().__init__(
            f"Contract line {charge.contract_line_id} {what} ({charge.kind}) for {charge.start} to "
            f"{charge.end - ONE_DAY}; nothing of its account is drafted until that is put right."
        )
        self.charge = charge


@dataclass(frozen=True, slots=True)
class Part:
    """Some days of a charge."""

    charge: Charge
    start: date
    end: date

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the charge."""
        return self.start == self.charge.start and self.end == self.charge.end

    @property
    def amount(self) -> Fraction:
        """The share of the amount that these days have, exact."""
        if self.is_whole:
            return Fraction(self.charge.net_amount)
        return Fraction(self.charge.net_amount) * (self.end - self.start).days / self.charge.days


@dataclass(frozen=True)
class InForce:
    """What issued charges still cover.

    Attributes:
        parts: the days that were not taken back, by start.
        credited: what was credited on an issued charge by hand, by its charge_id; a reversal never gives it twice.
    """

    parts: tuple[Part, ...]
    credited: dict[str, Decimal] = field(default_factory=dict)


def terms_of(charge: Charge) -> Hashable:
    """What must be the same for days to stay as they were issued: the quantity and its price."""
    return charge.quantity, charge.unit_price


def in_force(issued: Iterable[Charge], *, may_overlap: bool) -> InForce:
    """The days that issued charges of one contract line and kind still cover, what was taken back left out.

    Args:
        issued: charges and corrections. A correction takes back the charge it names (`reverses`), else the one of the
            opposite quantity and the same price; one without a quantity that names a charge is a credit by hand.
        may_overlap: several charges may cover a day, as changes of a quantity do.

    Raises:
        DoubleBillingError: when two charges cover a day that only one may, or a named charge is taken back twice.
    """
    issued = tuple(issued)
    charges = [charge for charge in issued if not charge.is_correction]
    days: list[list[Days]] = [[(charge.start, charge.end)] for charge in charges]
    credited: defaultdict[str, Decimal] = defaultdict(Decimal)
    for correction in issued:
        if not correction.is_correction:
            continue
        if correction.reverses and correction.quantity is None:
            credited[correction.reverses] -= correction.net_amount
        else:
            _take_back(correction, charges, days)
    parts = [
        Part(charge, start, end)
        for charge, left in zip(charges, days, strict=True)
        for start, end in left
        if start < end
    ]
    parts.sort(key=attrgetter("start", "end"))
    if not may_overlap:
        refuse_overlaps(parts, "was billed twice")
    return InForce(tuple(parts), dict(credited))


def refuse_overlaps(parts: Sequence[Part | Charge], what: str) -> None:
    """Refuse two charges for one day.

    Args:
        parts: sorted by start.
        what: for the sentence.

    Raises:
        DoubleBillingError: naming the second of them.
    """
    latest: Part | Charge | None = None
    for part in parts:
        if latest is not None and part.start < latest.end:
            raise DoubleBillingError(part.charge if isinstance(part, Part) else part, what)
        latest = part


def _take_back(correction: Charge, charges: Sequence[Charge], days: list[list[Days]]) -> None:
    """Take the days of a correction off the charges it may mean, in their order, until all are taken."""
    wanted: list[Days] = [(correction.start, correction.end)]
    quantity = None if correction.quantity is None else -correction.quantity
    for number, charge in enumerate(charges):
        is_meant = (
            charge.charge_id == correction.reverses
            if correction.reverses
            else (charge.quantity, charge.unit_price) == (quantity, correction.unit_price)
        )
        if is_meant:
            taken = [common for left in days[number] for common in _common(left, wanted)]
            days[number] = without(days[number], taken)
            wanted = without(wanted, taken)
    if wanted and correction.reverses:
        raise DoubleBillingError(correction, "was taken back twice, or taken back without having been billed")


def _common(days: Days, others: Iterable[Days]) -> list[Days]:
    found = ((max(days[0], start), min(days[1], end)) for start, end in others)
    return [(start, end) for start, end in found if start < end]


def without(days: Iterable[Days], taken: Iterable[Days]) -> list[Days]:
    """Intervals less other intervals."""
    left = list(days)
    for first, after in taken:
        pieces = [piece for start, end in left for piece in ((start, min(end, first)), (max(start, after), end))]
        left = [(start, end) for start, end in pieces if start < end]
    return left


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
    given: defaultdict[str, Decimal] = defaultdict(Decimal, covered.credited)
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


def rounded(amount: Fraction, decimals: int) -> Decimal:
    """An exact amount in the minor unit, half away from zero."""
    return round_half_away(Decimal(amount.numerator), Decimal(amount.denominator), decimals)


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
