"""Prices that depend on the quantity: graduated, volume and package tiers, and what a quantity costs under them.

What belongs here: arithmetic on tiers. When a quantity is charged, and for which part of a cycle, is `charges`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from csp_pipeline.domain.proration import EXACT
from csp_pipeline.domain.quantities import ZERO

if TYPE_CHECKING:
    from collections.abc import Iterator

TierMode = Literal["graduated", "volume", "package"]

_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier of prices.

    Attributes:
        from_quantity: exclusive lower bound; the next tier's is the inclusive upper bound.
        unit_price: of a unit, or of a started package where there is a package size; None is free.
        flat_amount: owed once when the tier is reached; None is nothing.
        package_size: units are charged in started packages of this size; None charges fractions.
    """

    from_quantity: Decimal
    unit_price: Decimal | None = None
    flat_amount: Decimal | None = None
    package_size: Decimal | None = None

    def charged_units(self, units: Decimal) -> Decimal:
        """Units, or started packages of them."""
        if self.package_size is None or not units:
            return units
        packages = EXACT.divide(units, self.package_size)
        return packages.quantize(_ONE, rounding=ROUND_CEILING, context=EXACT)


@dataclass(frozen=True, slots=True)
class TierPart:
    """What one tier contributes.

    Attributes:
        number: of the tier, from 1.
        quantity: units, or packages where the tier has a package size.
        unit_price: of each; None where the tier has none.
        flat_amount: the tier's flat amount if it is owed here, else None.
    """

    number: int
    quantity: Decimal
    unit_price: Decimal | None
    flat_amount: Decimal | None

    @property
    def amount(self) -> Decimal:
        """Units at their price and the flat amount, exact."""
        units = EXACT.multiply(self.quantity, self.unit_price or ZERO)
        return EXACT.add(units, self.flat_amount or ZERO)


@dataclass(frozen=True, slots=True)
class PriceTiers:
    """The tiers of a contract line, lowest first.

    Graduated and package charge each tier for the units that lie in it. Volume charges all units at the price of the
    tier that the whole quantity reaches. A package tier is a graduated one with a package size.
    """

    mode: TierMode
    tiers: tuple[Tier, ...]

    def __post_init__(self) -> None:
        """Refuse what is no table of tiers.

        Raises:
            ValueError: when there is no tier, the bounds do not rise, or a package has no size above 0.
        """
        if not self.tiers:
            raise ValueError(f"At least one tier was expected for {self.mode} prices, none was given.")
        if any(upper.from_quantity <= lower.from_quantity for lower, upper in pairwise(self.tiers)):
            raise ValueError("Tiers with rising from_quantity were expected.")
        sizes = [tier.package_size for tier in self.tiers]
        if any(size is not None and size <= 0 for size in sizes) or (self.mode == "package" and None in sizes):
            raise ValueError("A package_size above 0 was expected on every tier of a package price.")

    def parts(self, quantity: Decimal) -> tuple[TierPart, ...]:
        """What each tier contributes to the price of a quantity for a full cycle.

        The flat amount of a lowest tier that begins at 0 is owed whatever the quantity, also for none (OpenMeter's
        and Lago's vectors "no usage"); every other tier's once the quantity is above its lower bound.
        """
        return self._volume_parts(quantity) if self.mode == "volume" else tuple(self._between(None, quantity))

    def parts_added(self, before: Decimal, after: Decimal) -> tuple[TierPart, ...]:
        """What each tier contributes when a quantity that is already charged grows; not for volume prices.

        Args:
            before: the quantity charged before.
            after: the quantity now, not smaller.

        Raises:
            ValueError: for volume prices, where growth changes the price of all units.
        """
        if self.mode == "volume":
            raise ValueError("A volume price is charged for a whole quantity; it has no price for an added part.")
        return tuple(self._between(before, after))

    def amount(self, quantity: Decimal) -> Decimal:
        """The price of a quantity for a full cycle, exact."""
        return _sum(self.parts(quantity))

    def difference(self, before: Decimal, after: Decimal) -> Decimal:
        """By how much the price of a full cycle changes with the quantity, exact."""
        if self.mode == "volume":
            return EXACT.subtract(self.amount(after), self.amount(before))
        if after < before:
            return _sum(self.parts_added(after, before)).copy_negate()
        return _sum(self.parts_added(before, after))

    def priced_units(self, quantity: Decimal) -> Decimal:
        """The units above the lowest tier's lower bound: without those that are free."""
        return max(EXACT.subtract(quantity, self.tiers[0].from_quantity), ZERO)

    def _between(self, before: Decimal | None, after: Decimal) -> Iterator[TierPart]:
        already, reached = max(before or ZERO, ZERO), max(after, ZERO)
        bounds = [*(tier.from_quantity for tier in self.tiers[1:]), None]
        for number, (tier, upper) in enumerate(zip(self.tiers, bounds, strict=True), 1):
            quantity = EXACT.subtract(_charged(tier, upper, reached), _charged(tier, upper, already))
            is_open = tier.from_quantity <= 0
            is_reached = before is None if is_open else already <= tier.from_quantity < reached
            is_lowest_of_none = number == 1 and is_open and not reached
            if quantity or is_reached or is_lowest_of_none:
                yield TierPart(number, quantity, tier.unit_price, tier.flat_amount if is_reached else None)

    def _volume_parts(self, quantity: Decimal) -> tuple[TierPart, ...]:
        whole = max(quantity, ZERO)
        lowest = self.tiers[0]
        if whole <= lowest.from_quantity and lowest.from_quantity > 0:
            return ()
        below = [number for number, tier in enumerate(self.tiers, 1) if tier.from_quantity < whole]
        number = below[-1] if below else 1
        tier = self.tiers[number - 1]
        return (TierPart(number, tier.charged_units(whole), tier.unit_price, tier.flat_amount),)


def _charged(tier: Tier, upper: Decimal | None, quantity: Decimal) -> Decimal:
    """The units or packages of a tier that a quantity fills."""
    inside = quantity if upper is None else min(quantity, upper)
    return tier.charged_units(max(EXACT.subtract(inside, tier.from_quantity), ZERO))


def _sum(parts: tuple[TierPart, ...]) -> Decimal:
    total = ZERO
    for part in parts:
        total = EXACT.add(total, part.amount)
    return total
