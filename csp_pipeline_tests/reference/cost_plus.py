"""What the cost of a month says a cost-plus line should charge, and what other rates than the documents' make of it."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline_tests.reference.charges import RateOf, convert, cost_plus_factor
from csp_pipeline_tests.reference.costs_to_contracts import Costs, cost_base, prepaid_bases
from csp_pipeline_tests.reference.days import last_day

if TYPE_CHECKING:
    from csp_pipeline_tests.reference.commercial import ContractLine


def cost_to_be_charged(costs: Costs, contract: ContractLine, month: str, rate_of: RateOf) -> Fraction | None:
    """The base of a cost-plus line; what a document of an earlier month paid ahead keeps the rate of that month."""
    if contract.is_free_on(last_day(month)):
        return Fraction(0)
    base, is_estimate = cost_base(costs, contract, month)
    total = Fraction(0)
    for (currency, billed), part in prepaid_bases(costs, contract, month).items():
        kept = rate_of(billed, currency, contract.currency)
        if kept is None:
            return None
        total += part * kept
        base[currency] -= part
    rest = {currency: part for currency, part in base.items() if part}
    converted = None if is_estimate else convert(rest, month, contract.currency, rate_of)
    return None if converted is None else total + converted


def moved_by_rates(costs: Costs, contract: ContractLine, month: str, rate_of: RateOf) -> Fraction:
    """What a cost-plus line charges more at the month's rates than at those of the documents, which costs keep."""
    if contract.pricing_model != "cost_plus" or contract.is_free_on(last_day(month)):
        return Fraction(0)
    moved = Fraction(0)
    for (currency, billed), part in prepaid_bases(costs, contract, month).items():
        now, kept = (rate_of(one, currency, contract.currency) for one in (month, billed))
        if now is not None and kept is not None:
            moved += part * (now - kept)
    return moved * cost_plus_factor(contract, month)
