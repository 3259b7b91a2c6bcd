"""The days that issued charges still cover, what was taken back left out.

What belongs here: issued charges and corrections of one contract line and kind, put together. What leads from there to
what is expected is `timeline`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from operator import attrgetter
from typing import TYPE_CHECKING

from csp_pipeline.domain.calendar import ONE_DAY
from csp_pipeline.domain.proration import EXACT, round_half_away
from csp_pipeline.domain.quantities import ZERO

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence
    from datetime import date

    from csp_pipeline.domain.charge import Charge

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
        taken_back: what reversals that name a charge gave back of it, by its charge_id.
        amounts: what such a charge was issued with, by its charge_id.
    """

    parts: tuple[Part, ...]
    credited: dict[str, Decimal] = field(default_factory=dict)
    taken_back: dict[str, Decimal] = field(default_factory=dict)
    amounts: dict[str, Decimal] = field(default_factory=dict)

    @property
    def given(self) -> dict[str, Decimal]:
        """What was given back in every way of the charges on which something was credited by hand."""
        return {name: EXACT.add(amount, self.taken_back.get(name, ZERO)) for name, amount in self.credited.items()}

    def credit_in_force(self, decimals: int) -> Decimal:
        """What was credited by hand beyond what was taken back of the same charges: it stays, whatever is expected."""
        total = ZERO
        for name, given in self.given.items():
            if name not in self.amounts:
                total = EXACT.add(total, self.credited[name])
                continue
            standing = (rounded(part.amount, decimals) for part in self.parts if part.charge.charge_id == name)
            left = EXACT.subtract(self.amounts[name], given)
            total = EXACT.add(total, EXACT.subtract(sum(standing, ZERO), left))
        return total


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
    taken_back: defaultdict[str, Decimal] = defaultdict(Decimal)
    for correction in issued:
        if not correction.is_correction:
            continue
        if correction.reverses and correction.quantity is None:
            credited[correction.reverses] -= correction.net_amount
        else:
            _take_back(correction, charges, days)
            taken_back[correction.reverses] -= correction.net_amount
    parts = [
        Part(charge, start, end)
        for charge, left in zip(charges, days, strict=True)
        for start, end in left
        if start < end
    ]
    parts.sort(key=attrgetter("start", "end"))
    if not may_overlap:
        refuse_overlaps(parts, "was billed twice")
    amounts = {charge.charge_id: charge.net_amount for charge in charges if charge.charge_id in credited}
    return InForce(tuple(parts), dict(credited), dict(taken_back), amounts)


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


def rounded(amount: Fraction, decimals: int) -> Decimal:
    """An exact amount in the minor unit, half away from zero."""
    return round_half_away(Decimal(amount.numerator), Decimal(amount.denominator), decimals)
