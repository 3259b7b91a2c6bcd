"""What is agreed about the total of a cycle: an amount off, a most and a least that is charged.

What belongs here: amounts of such lines from the amounts they look at. Which charges make up a cycle is `charges`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from csp_pipeline.domain.proration import cycle_amount
from csp_pipeline.domain.quantities import ZERO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from fractions import Fraction

_ONE = Decimal(1)


def amount_off(total: Decimal, discount: Decimal) -> Decimal:
    """What an amount off takes from a total: never more than there is."""
    return min(discount, max(total, ZERO))


def overages(amounts: Sequence[Decimal], maximum: Decimal, charged_before: Decimal = ZERO) -> tuple[Decimal, ...]:
    """The part of each amount that lies above the most that is charged, in the order of the amounts.

    Args:
        amounts: of the lines, in the order in which they use up the maximum.
        maximum: the most that is charged.
        charged_before: what earlier lines of the same cycle came to, after their own overages.

    Returns:
        One overage per amount, at least 0 and at most the amount where that is above 0.
    """
    found: list[Decimal] = []
    total = charged_before
    for amount in amounts:
        over = min(max(total + amount - maximum, ZERO), max(amount, ZERO))
        found.append(over)
        total += amount - over
    return tuple(found)


def shortfall(total: Decimal, minimum: Decimal) -> Decimal:
    """What is missing to the least that is charged; 0 when the total reaches it."""
    return max(minimum - total, ZERO)


class CommitmentLines(NamedTuple):
    """The amounts of the lines that keep agreements, in the order in which they look at the total.

    Attributes:
        discount: the amount off, at most 0.
        maximum: what lies above the most that is charged, at most 0.
        minimum: what is missing to the least that is charged, at least 0.
    """

    discount: Decimal
    maximum: Decimal
    minimum: Decimal


@dataclass(frozen=True, slots=True)
class Commitments:
    """The agreements on the total of a full cycle; each in proportion where a short cycle is charged in part.

    Attributes:
        discount: taken off, None for none.
        maximum: the most that is charged, None for no limit.
        minimum: the least that is charged, None for no limit.
    """

    discount: Decimal | None = None
    maximum: Decimal | None = None
    minimum: Decimal | None = None

    def lines(
        self, amounts: Iterable[Decimal], part: Fraction, decimals: int, *, is_discounted: bool
    ) -> CommitmentLines:
        """The lines that keep the agreements, each for itself.

        The amount off comes first, then what is above the maximum is taken off, and the minimum looks at what is left:
        it is the least that is charged.

        Args:
            amounts: rounded amounts of the cycle's charges.
            part: of the full cycle that is charged.
            decimals: of the currency's minor unit.
            is_discounted: whether the amount off still applies to this cycle.

        Returns:
            The amount of each line; 0 means no line.
        """
        total = sum(amounts, ZERO)
        off = over = ZERO
        if self.discount is not None and is_discounted:
            off = amount_off(total, _share(self.discount, part, decimals))
        if self.maximum is not None:
            (over,) = overages([total - off], _share(self.maximum, part, decimals))
        minimum = ZERO if self.minimum is None else _share(self.minimum, part, decimals)
        return CommitmentLines(-off, -over, shortfall(total - off - over, minimum) if minimum else ZERO)


def _share(amount: Decimal, part: Fraction, decimals: int) -> Decimal:
    return cycle_amount(amount, _ONE, part, ZERO, decimals)
