"""What is known of one contract line in one service month, as the search for causes sees it.

What belongs here: the facts and the parts that result, as plain values. How parts are found is `differences`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from csp_pipeline.domain.money import divide_half_away
from csp_pipeline.domain.recognition import UNITS_PER_ONE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from csp_pipeline.domain.counterparts import Counterpart

ORDER = (
    "unmapped_customer",
    "replaced_subscription",
    "credit",
    "timing",
    "period",
    "price_version",
    "proration",
    "fx_rate",
    "rounding",
    "unbilled_cost",
    "revenue_without_cost",
    "contract_expired",
    "quantity_mismatch",
    "unexplained",
)
NEEDS_A_PERSON = frozenset(
    {
        "unmapped_customer",
        "unbilled_cost",
        "revenue_without_cost",
        "contract_expired",
        "quantity_mismatch",
        "unexplained",
    }
)


class ProviderLine(NamedTuple):
    """A provider's seat line as the expected revenue sees it.

    Attributes:
        expected_units: quantity x selling price x months x charge days / cycle days, in units of 1E-10, whole period.
        daily_price: the selling price per seat and day that this line implies.
        monthly_price: the version of our price that it implies, per seat and month; None with tiers.
    """

    line_id: str
    start: date
    end: date
    quantity: Decimal
    expected_units: int
    daily_price: Fraction
    subscription_starts_on: date | None = None
    cycle_start: date | None = None
    monthly_price: Fraction | None = None


class RevenueLine(NamedTuple):
    """One of our charges: its net amount in units of 1E-10 over its service period (end inclusive)."""

    key: str
    kind: str
    start: date
    end: date
    quantity: Decimal
    units: int


class OwnCycle(NamedTuple):
    """A cycle of a contract line, clipped to it (end inclusive).

    Attributes:
        daily_price: of one seat; 0 where nobody has asked for it.
        monthly_price: the same per month; None with tiers.
        whole_start: first day of the whole cycle, where this is a piece of one whose price changes inside.
    """

    start: date
    end: date
    invoice_month: str
    counts_as_issued: bool
    full_days: int
    daily_price: Fraction = Fraction(0)
    monthly_price: Fraction | None = None
    whole_start: date | None = None


class SeatChange(NamedTuple):
    """A change of a subscription's quantity in the change log."""

    change_id: str
    changed_on: date
    delta: Decimal
    is_on_provider_line: bool
    is_purchase: bool = False


@dataclass(frozen=True, slots=True)
class Documents:
    """Which documents are loaded: the comparison of periods looks at these, never at the clock.

    Attributes:
        first_loaded_month: the first billing month of this provider and currency with files.
        last_loaded_month: the last one; None when there is none.
        drafted_through: the last month whose invoices are drafted.
        billing_starts_on: charges whose service starts earlier count as issued.
    """

    first_loaded_month: str | None
    last_loaded_month: str | None
    drafted_through: str
    billing_starts_on: date


@dataclass(frozen=True, slots=True)
class SeatFacts:
    """Everything known of one contract line priced per unit, in one service month."""

    month: str
    provider_lines: Sequence[ProviderLine]
    revenue_lines: Sequence[RevenueLine]
    cycles: Sequence[OwnCycle]
    changes: Sequence[SeatChange]
    starts_on: date
    ends_on: date | None
    has_proration: bool
    quantity_difference: Decimal | None
    difference_units: int
    minor_unit: Decimal
    documents: Documents
    first_provider_line: ProviderLine | None = None
    last_provider_start: date | None = None
    prepaid_since: date | None = None
    quantity_in_log: Decimal | None = None
    counterparts: Sequence[Counterpart] = ()
    contract_line_id: str = ""


@dataclass(slots=True)
class Part:
    """A part of a difference: units of 1E-10, quantity (None where not compared) and the rows that prove it."""

    cause: str
    units: int
    quantity: Decimal | None
    evidence: list[tuple[str, str]] = field(default_factory=list)
    expected_on_month: str | None = None


def fraction_units(amount: Fraction) -> int:
    """An exact fraction of a currency unit in whole units of 1E-10, rounded half away from zero."""
    return divide_half_away(amount.numerator * UNITS_PER_ONE, amount.denominator)


def from_fraction(quantity: Fraction) -> Decimal:
    """A quantity as a decimal; sums and differences of received quantities have at most 18 decimals."""
    return Decimal(divide_half_away(quantity.numerator * 10**18, quantity.denominator)).scaleb(-18)


def covers(line: ProviderLine | RevenueLine | OwnCycle, day: date) -> bool:
    """Whether a line's or cycle's period contains a day."""
    return line.start <= day <= line.end


def net_quantity(lines: Iterable[ProviderLine | RevenueLine], day: date) -> Decimal:
    """The signed sum of quantities of the lines whose period contains a day."""
    return sum((line.quantity for line in lines if covers(line, day)), Decimal(0))
