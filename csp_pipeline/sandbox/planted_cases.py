"""The named cases of `generate --planted`: which customer each needs, and who makes it.

What belongs here: the list. What a case is made of and what must be found stands in `planted_alone`, one cause each,
in `planted_together`, and in `planted_leaks` where it is no difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from csp_pipeline.errors import UsageError
from csp_pipeline.sandbox import planted_alone as alone
from csp_pipeline.sandbox import planted_leaks as leaks
from csp_pipeline.sandbox import planted_together as together

if TYPE_CHECKING:
    from collections.abc import Callable

    from csp_pipeline.sandbox.plot import Plot

ALL, NONE = "all", "none"
MONTHS_AT_LEAST, MONTHS_AT_MOST = 3, 8
"""A change settles in the month after it; a year that was paid four months before the first is not renewed in them."""


@dataclass(frozen=True)
class Case:
    """A customer with planted differences.

    Attributes:
        is_unmapped: No account owns the tenant.
        is_billed_abroad: Its account is billed in another currency than the provider's.
    """

    plant: Callable[[Plot], None]
    is_unmapped: bool = False
    is_billed_abroad: bool = False


ALONE = {
    "timing": Case(alone.timing),
    "timing_of_fewer": Case(alone.timing_of_fewer),
    "timing_settled": Case(alone.timing_settled),
    "timing_missed": Case(alone.timing_missed),
    "timing_not_backdated": Case(alone.timing_not_backdated),
    "period": Case(alone.period),
    "period_prepaid": Case(alone.period_prepaid),
    "price_version": Case(alone.price_version),
    "price_version_abroad": Case(alone.price_version, is_billed_abroad=True),
    "proration": Case(alone.proration),
    "fx_rate": Case(alone.fx_rate, is_billed_abroad=True),
    "rounding": Case(alone.rounding),
    "credit": Case(alone.credit),
    "credit_abroad": Case(alone.credit_abroad, is_billed_abroad=True),
    "own_service": Case(alone.own_service),
    "replaced_subscription": Case(alone.replaced_subscription),
    "unbilled_cost": Case(alone.unbilled_cost),
    "unbilled_cost_abroad": Case(alone.unbilled_cost_abroad, is_billed_abroad=True),
    "revenue_without_cost": Case(alone.revenue_without_cost),
    "contract_expired": Case(alone.contract_expired),
    "quantity_mismatch": Case(alone.quantity_mismatch),
    "quantity_mismatch_of_fewer": Case(alone.quantity_mismatch_of_fewer),
    "unmapped_customer": Case(alone.unmapped_customer, is_unmapped=True),
}
TOGETHER = {
    "timing+price_version": Case(together.timing_and_price_version),
    "timing+proration": Case(together.timing_and_proration),
    "timing+quantity_mismatch": Case(together.timing_and_quantity_mismatch),
    "timing+rounding": Case(together.timing_and_rounding),
    "timing+credit": Case(together.timing_and_credit),
    "period+price_version": Case(together.period_and_price_version),
    "price_version+proration": Case(together.price_version_and_proration),
    "price_version+contract_expired": Case(together.price_version_and_contract_expired),
    "price_version+quantity_mismatch": Case(together.price_version_and_too_many),
    "price_version+quantity_mismatch_of_fewer": Case(together.price_version_and_too_few),
    "proration+quantity_mismatch": Case(together.proration_and_too_many),
    "proration+quantity_mismatch_of_fewer": Case(together.proration_and_too_few),
    "replaced_subscription+unbilled_cost": Case(together.replaced_subscription_and_more_seats),
    "replaced_subscription+quantity_mismatch": Case(together.replaced_subscription_and_fewer_seats),
    "replaced_subscription+proration": Case(together.replaced_subscription_and_proration),
    "replaced_subscription+timing": Case(together.replaced_subscription_and_timing),
    "credit+unbilled_cost": Case(together.credit_and_unbilled_cost),
    "credit+unmapped_customer": Case(together.credit_and_unmapped_customer, is_unmapped=True),
    "contract_expired+quantity_mismatch": Case(together.contract_expired_and_quantity_mismatch),
    "fx_rate+credit": Case(together.fx_rate_and_credit, is_billed_abroad=True),
}
LEAKS = {
    "negative_margin": Case(leaks.negative_margin),
    "free_contract": Case(leaks.free_contract),
    "suspended": Case(leaks.suspended),
    "flat_fee_expired": Case(leaks.flat_fee_expired),
    "lost_credit": Case(leaks.lost_credit),
}
CASES = {**ALONE, **TOGETHER, **LEAKS}


def named(text: str) -> tuple[str, ...]:
    """The cases that `--planted` asks for: all, none, or their names with commas between.

    Raises:
        UsageError: A name is none of a case, or is given twice.
    """
    if text.strip() in (ALL, NONE):
        return tuple(CASES) if text.strip() == ALL else ()
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in CASES:
            raise UsageError(f"unknown case {name!r} to be planted: choose from all, none, {', '.join(CASES)}")
    if len(set(names)) < len(names):
        raise UsageError(f"a case is named twice in {text}: name each one once")
    return names
