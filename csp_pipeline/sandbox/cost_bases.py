"""Which provider cost a contract line resells, and how much of it falls into each service month.

Exact fractions, worked out from the facts; part of the second calculation that `drafts` is.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline.sandbox.catalogue import AZURE_PLAN_PRODUCT_ID
from csp_pipeline.sandbox.dates import anchored, days_between, month_of, months_through
from csp_pipeline.sandbox.provider_documents import MICROSOFT_PROVIDER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date
    from decimal import Decimal

    from csp_pipeline.sandbox.facts import ContractLine
    from csp_pipeline.sandbox.provider_documents import CostLine, ProviderDocument
    from csp_pipeline.sandbox.scenario import Scenario
    from csp_pipeline.sandbox.usage import PlanMonth

Bases = dict[tuple[str, str, str], Fraction]
UNIT = Fraction(1, 10**10)


def cost_bases(scenario: Scenario, documents: Sequence[ProviderDocument]) -> Bases:
    """The cost-plus base by (contract line, service month, billing month), in the cost's currency.

    Subtotals are recognised by day; usage lines are carried down to entitlements in proportion to their net usage,
    and gross bases add the earned credit.
    """
    bases: Bases = {}
    for document in documents:
        for contract, month, amount in (*_other_lines(scenario, document), *_usage(scenario, document)):
            if contract is not None and contract.pricing_model == "cost_plus":
                key = (contract.contract_line_id, month, document.month)
                bases[key] = bases.get(key, Fraction(0)) + amount
    return bases


Part = tuple["ContractLine | None", str, Fraction]


def _other_lines(scenario: Scenario, document: ProviderDocument) -> Iterator[Part]:
    usage_lines = {id(line) for usage in document.usage for line, _ in usage.lines}
    cost_source = "provider" if document.provider == MICROSOFT_PROVIDER else "distributor"
    for line, _ in document.lines:
        if id(line) not in usage_lines:
            contract = _contract_of(scenario, line, None, cost_source)
            for month, part in recognised(line.subtotal, line.charge_start_on, line.charge_end_on).items():
                yield contract, month, part


def _usage(scenario: Scenario, document: ProviderDocument) -> Iterator[Part]:
    for usage in document.usage:
        for line, group in usage.lines:
            for entitlement_id, net in group.net_by_entitlement.items():
                if group.net:
                    share = Fraction(line.subtotal) * net / group.net
                    yield _contract_of(scenario, line, entitlement_id), usage.month, share
        yield from _earned_credit(scenario, usage)


def _earned_credit(scenario: Scenario, usage: PlanMonth) -> Iterator[Part]:
    """The credit that a gross basis adds; only lines of the Azure plan itself ever carry it."""
    sample = next((line for line, _ in usage.lines if line.product_id == AZURE_PLAN_PRODUCT_ID), None)
    if sample is None:
        return
    for entitlement_id, earned in usage.earned.items():
        contract = _contract_of(scenario, sample, entitlement_id)
        if contract is not None and contract.cost_basis == "gross":
            yield contract, usage.month, earned * UNIT


def _contract_of(
    scenario: Scenario, line: CostLine, entitlement_id: str | None, cost_source: str = "provider"
) -> ContractLine | None:
    """The most specific contract line whose every filled key equals the cost's.

    Cost is also known under the id of a subscription that it took the place of; an Azure subscription keeps its id.
    """
    known_as = {line.subscription_id, entitlement_id or "", *scenario.former_ids(line.subscription_id)}
    matching = [
        contract
        for contract in scenario.contract_lines
        if contract.account_id == line.customer.account_id
        and contract.cost_source == cost_source
        and contract.customer_id in ("", line.customer.customer_id)
        and contract.entitlement_id in ("", entitlement_id)
        and contract.subscription_id in ("", *known_as)
        and contract.product_id in ("", line.product_id)
        and contract.sku_id in ("", line.sku_id)
    ]
    if not matching:
        return None
    return min(matching, key=_specificity)


def _specificity(contract: ContractLine) -> tuple[bool, bool, bool, bool, str]:
    return (
        not contract.entitlement_id,
        not contract.subscription_id,
        not contract.sku_id,
        not contract.product_id,
        contract.contract_line_id,
    )


def recognised(amount: Decimal, start: date, end: date) -> dict[str, Fraction]:
    """An amount spread over the days of its service period: equal units of 1E-10, what is left to the first days."""
    days = days_between(start, end)
    each, left = divmod(abs(int(amount.scaleb(10))), days)
    sign = -1 if amount < 0 else 1
    parts: dict[str, Fraction] = {}
    passed = 0
    for month in months_through(month_of(start), month_of(end)):
        upto = min(days, days_between(start, anchored(month, 31)))
        units = each * (upto - passed) + min(upto, left) - min(passed, left)
        parts[month] = sign * units * UNIT
        passed = upto
    return parts
