"""The other side of a contract line's month that stands on another row: another version of its price, or a successor.

What belongs here: which contract lines are versions of one another, which are joined by a link between subscriptions,
and how many units of a stretch of days the other row explains. What the units mean in money is `month_segments`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline.domain.difference_facts import covers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from csp_pipeline.domain.agreed_prices import Contract
    from csp_pipeline.domain.difference_facts import OwnCycle, ProviderLine, RevenueLine

COUNTED = frozenset({"per_unit", "graduated", "volume", "package"})
"""Pricing models whose quantities are compared."""


@dataclass(frozen=True, slots=True)
class SubscriptionLink:
    """A subscription that took the place of another, as far as the link is followed.

    Attributes:
        link_id: the row that proves it.
    """

    link_id: str
    from_subscription_id: str
    to_subscription_id: str
    valid_from: date | None


@dataclass(frozen=True, slots=True)
class Counterpart:
    """Another contract line that carries the other side of some days.

    Attributes:
        cause: `price_version`, or `replaced_subscription` where a link joins the subscriptions.
        proof: (table, key) of what says that the two belong together.
        provider_lines: the provider's lines that the other contract line takes.
        revenue_lines: our charges on the other contract line.
        cycles: its cycles.
    """

    cause: str
    proof: tuple[tuple[str, str], ...]
    provider_lines: Sequence[ProviderLine]
    revenue_lines: Sequence[RevenueLine]
    cycles: Sequence[OwnCycle]

    def surplus(self, day: date) -> Fraction:
        """Units that the other row charges on a day beyond those that the provider charges there; negative: fewer."""
        charged = sum((Fraction(line.quantity) for line in self.revenue_lines if covers(line, day)), Fraction(0))
        provided = sum((Fraction(line.quantity) for line in self.provider_lines if covers(line, day)), Fraction(0))
        return charged - provided

    def is_undrafted(self, day: date, drafted_through: str) -> bool:
        """Whether the other row charges the day by a cycle whose invoice is not drafted yet."""
        return any(covers(cycle, day) and cycle.invoice_month > drafted_through for cycle in self.cycles)


def units_elsewhere(surplus: Fraction, counterparts: Iterable[Counterpart], day: date) -> dict[str, Fraction]:
    """How much of a surplus of one row meets an opposite surplus of others, by cause; the causes in their order.

    Args:
        surplus: units charged on this row beyond those the provider charges on it; negative: fewer.
        counterparts: the other rows.
        day: the day looked at.
    """
    found: dict[str, Fraction] = {}
    left = surplus
    for other in sorted(counterparts, key=lambda one: one.cause, reverse=True):  # replaced_subscription comes first
        opposite = other.surplus(day)
        if left * opposite < 0:
            common = min(abs(left), abs(opposite)) * (1 if left > 0 else -1)
            found[other.cause] = found.get(other.cause, Fraction(0)) + common
            left -= common
    return found


def price_versions(contracts: Iterable[Contract]) -> dict[str, tuple[str, ...]]:
    """For each contract line the others that sell the same at another time: versions of its price.

    They have account, currency, tenant and subscription in common, without a subscription product and SKU, and no day
    of theirs is the same.
    """
    groups: dict[tuple[str | None, ...], list[Contract]] = defaultdict(list)
    for contract in contracts:
        if contract.pricing_model in COUNTED and not contract.is_own:
            groups[_sold(contract)].append(contract)
    return {
        one.contract_line_id: versions
        for group in groups.values()
        if len(group) > 1
        for one in group
        if (versions := tuple(other.contract_line_id for other in group if _never_together(one, other)))
    }


def linked_contracts(
    contracts: Iterable[Contract], links: Sequence[SubscriptionLink]
) -> dict[str, tuple[tuple[str, str], ...]]:
    """For each contract line those whose subscription a link joins with its own, with the link's id."""
    if not links:
        return {}
    by_subscription: dict[str, list[Contract]] = defaultdict(list)
    for contract in contracts:
        if contract.subscription_id and contract.pricing_model in COUNTED and not contract.is_own:
            by_subscription[contract.subscription_id.lower()].append(contract)
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for link in links:
        for former in by_subscription.get(link.from_subscription_id.lower(), ()):
            for successor in by_subscription.get(link.to_subscription_id.lower(), ()):
                if former.account_id == successor.account_id and former.currency == successor.currency:
                    found[former.contract_line_id].append((successor.contract_line_id, link.link_id))
                    found[successor.contract_line_id].append((former.contract_line_id, link.link_id))
    return {contract: tuple(dict.fromkeys(others)) for contract, others in found.items()}


def replacements(
    contracts: Iterable[Contract], links: Sequence[SubscriptionLink]
) -> tuple[dict[str, list[tuple[str, str]]], dict[str, list[tuple[str, str]]]]:
    """Who names what a link joins.

    Returns:
        For each successor (in lower case) the contract lines that name the subscription it replaced; for each of these
        contract lines the successors; both with the link's id.
    """
    if not links:
        return {}, {}
    by_subscription: dict[str, list[str]] = defaultdict(list)
    for contract in contracts:
        if contract.subscription_id and contract.pricing_model in COUNTED and not contract.is_own:
            by_subscription[contract.subscription_id.lower()].append(contract.contract_line_id)
    replaced: dict[str, list[tuple[str, str]]] = defaultdict(list)
    successors: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for link in links:
        successor = link.to_subscription_id.lower()
        for contract_line_id in by_subscription.get(link.from_subscription_id.lower(), ()):
            replaced[successor].append((contract_line_id, link.link_id))
            successors[contract_line_id].append((successor, link.link_id))
    return replaced, successors


def _sold(contract: Contract) -> tuple[str | None, ...]:
    subscription = (contract.subscription_id or "").lower() or None
    customer = (contract.customer_id or "").lower() or None
    if subscription is not None:
        return contract.account_id, contract.currency, customer, subscription
    product, sku = (contract.product_id or "").lower(), (contract.sku_id or "").lower()
    return contract.account_id, contract.currency, customer, None, product, sku


def _never_together(one: Contract, other: Contract) -> bool:
    if one.contract_line_id == other.contract_line_id:
        return False
    return (one.ends_on or date.max) < other.starts_on or (other.ends_on or date.max) < one.starts_on
