"""What made the price of a charge, in a few words: the tiers it reached and the percentage taken off.

What belongs here: wording only. Prices are `contract_lines` and `tiers`, the sentence around it is `descriptions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.domain.calendar import ONE_DAY
from csp_pipeline.domain.descriptions import number_text, price_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from csp_pipeline.domain.charge import Charge
    from csp_pipeline.domain.contract_lines import ContractLine
    from csp_pipeline.domain.tiers import Tier, TierPart

_PRICED = frozenset({"recurring", "change", "one_time", "usage"})


def priced_words(line: ContractLine, charge: Charge) -> str:
    """How the contract makes the amount of a charge, where its quantity times its unit price does not.

    Args:
        line: the contract line.
        charge: one that charges, or charges anew; what is taken back keeps the words of what it takes back.

    Returns:
        For instance "10 at 3.00, 15 at 2.00, 5.00 flat; 10 % discount"; empty where nothing needs to be said.
    """
    if charge.kind not in _PRICED or charge.is_correction:
        return ""
    said = [_tier_words(line, charge), _discount_words(line, charge) if line.discount_percent else ""]
    return "; ".join(filter(None, said))


def _discount_words(line: ContractLine, charge: Charge) -> str:
    """The percentage taken off, which the start of the cycle decides."""
    cycle = next(iter(line.calendar.cycles(charge.start, charge.start + ONE_DAY)), None)
    discount = line.discount_on(charge.start if cycle is None else cycle.start)
    return f"{number_text(discount)} % discount" if discount else ""


def _tier_words(line: ContractLine, charge: Charge) -> str:
    if line.tiers is None or charge.quantity is None:
        return ""
    if charge.kind == "change":
        return f"by {line.tiers.mode} prices"
    parts = line.tiers.parts(charge.quantity)
    return ", ".join(words for part in parts for words in _part_words(part, line.tiers.tiers[part.number - 1]))


def _part_words(part: TierPart, tier: Tier) -> Iterator[str]:
    if part.quantity and part.unit_price is not None:
        what = number_text(part.quantity)
        if tier.package_size is not None:
            what += f" {'package' if part.quantity == 1 else 'packages'} of {number_text(tier.package_size)}"
        yield f"{what} at {price_text(part.unit_price)}"
    if part.flat_amount:
        yield f"{price_text(part.flat_amount)} flat"
