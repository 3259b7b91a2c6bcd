"""Which contract line a cost feeds, and the cost base of cost-plus lines."""

# ruff: noqa: PLR0913, PLR0917 - a rule's inputs are named one by one
from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline_tests.reference.amounts import ZERO
from csp_pipeline_tests.reference.cost import CarriedDown, pec_amount
from csp_pipeline_tests.reference.days import first_day, month_of
from csp_pipeline_tests.reference.documents import MICROSOFT, Document, is_credit
from csp_pipeline_tests.reference.recognition import by_month, charge_period

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal

    from csp_pipeline_tests.reference.commercial import Commercial, ContractLine
    from csp_pipeline_tests.reference.received import CostLine


@dataclass(frozen=True)
class Atom:
    """The smallest piece of cost that feeds one contract line: a line, or one entitlement's part of a line."""

    line: CostLine
    document: Document
    family: str
    entitlement_id: str
    amount: Decimal
    start: date
    end: date
    contract: ContractLine | None
    months: dict[str, Decimal]
    """The amount recognised by service month."""

    @property
    def is_credit(self) -> bool:
        """Rule 10.6."""
        return is_credit(self.line)

    @property
    def is_consumption_or_one_time(self) -> bool:
        """Whether quantities mean nothing here: Azure plan, metered, and charges without a period."""
        one_time = self.line.charge_start_on is None or self.line.charge_end_on is None or self.family == "software"
        return one_time or self.family in ("azure_plan", "azure_legacy") or self.document.is_in_daily_usage(self.line)


def find_contract(
    terms: Commercial,
    customer: str,
    entitlement: str,
    subscription: str,
    product: str,
    sku: str,
    start: date,
    account: str | None,
    *,
    is_distributed: bool = False,
) -> ContractLine | None:
    """Rule 9.5: every key filled equals; most specific first; ties by id. Of ties, one in force at the start is first.

    Lines whose cost source is own or none have no provider cost; a line without any key matches nothing. A subscription
    that took the place of another is known by both ids, an Azure subscription keeps its own.
    """
    former = terms.former_ids(subscription, start) | terms.former_ids(entitlement, start) | {entitlement}
    former -= {"", subscription}
    best: tuple[tuple[object, ...], ContractLine] | None = None
    for contract in [*terms.lines_of_customer(customer), *terms.lines_of_customer("")]:
        if contract.cost_source in ("own", "none") or (contract.cost_source == "distributor") != is_distributed:
            continue
        if account != contract.account_id:
            continue
        is_former = contract.subscription_id in former
        sku_counts = bool(contract.product_id and contract.sku_id)
        pairs = (
            (contract.customer_id, customer),
            (contract.entitlement_id, entitlement),
            (contract.subscription_id, contract.subscription_id if is_former else subscription),
            (contract.product_id, contract.product_id if is_former else product),
            (contract.sku_id if sku_counts and not is_former else "", sku),
        )
        if not any(filled for filled, _ in pairs) or any(filled and filled != value for filled, value in pairs):
            continue
        rank = (
            not contract.entitlement_id,
            not contract.subscription_id,
            is_former,
            not sku_counts,
            not contract.product_id,
            not contract.is_in_force(start, start),
            contract.contract_line_id,
        )
        if best is None or rank < best[0]:
            best = (rank, contract)
    return None if best is None else best[1]


@dataclass
class Costs:
    """All atoms, and the earned credit by contract line and service month."""

    billed: list[Atom] = field(default_factory=list)
    estimated: list[Atom] = field(default_factory=list)
    by_contract: dict[str, list[Atom]] = field(default_factory=lambda: defaultdict(list))
    earned_credit: dict[tuple[str, str, str, bool], Decimal] = field(default_factory=lambda: defaultdict(lambda: ZERO))
    """By contract line, service month, currency and whether it is an estimate."""


def assign(documents: list[Document], carried: CarriedDown, terms: Commercial) -> Costs:
    """Split the lines into atoms and find the contract line of each."""
    costs = Costs()
    for document in documents:
        document_start = first_day(document.billing_month)
        for line in document.lines:
            start, end = charge_period(line, document_start)
            family = document.product_family(line)
            parts = carried.get(line.line_id) or {None: line.subtotal}
            for entitlement, amount in parts.items():
                azure = line.subscription_id if family == "azure_legacy" else entitlement or ""
                key = (line.customer_id, azure, line.subscription_id, line.product_id, line.sku_id)
                account = terms.account_of(line.customer_id, line.reseller_mpn_id)
                distributed = line.provider != MICROSOFT
                contract = find_contract(terms, *key, start, account, is_distributed=distributed)
                spread = by_month(amount, start, end)
                atom = Atom(line, document, family, entitlement or "", amount, start, end, contract, spread)
                (costs.estimated if document.is_estimate else costs.billed).append(atom)
                if contract is not None:
                    costs.by_contract[contract.contract_line_id].append(atom)
        found: dict[tuple[str, ...], ContractLine | None] = {}
        resellers = {line.customer_id: line.reseller_mpn_id for line in document.lines}
        for row in document.usage:
            credit = pec_amount(row)
            if credit == 0:
                continue
            key = (row.customer_id, row.entitlement_id, row.subscription_id, row.product_id, row.sku_id)
            month = month_of(row.usage_on)
            if (*key, month) not in found:
                start = first_day(month)
                account = terms.account_of(row.customer_id, resellers.get(row.customer_id, ""))
                found[*key, month] = find_contract(terms, *key, start, account)
            contract = found[*key, month]
            if contract is not None:
                group = (contract.contract_line_id, month, row.currency, document.is_estimate)
                costs.earned_credit[group] += credit
    return costs


def prepaid_bases(costs: Costs, contract: ContractLine, month: str) -> dict[tuple[str, str], Fraction]:
    """Recognised subtotal of the month that stands on documents of earlier ones, by currency and their month."""
    base: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    for atom in costs.by_contract.get(contract.contract_line_id, []):
        part = atom.months.get(month)
        if part is not None and not atom.document.is_estimate and atom.document.billing_month < month:
            base[atom.line.currency, atom.document.billing_month] += Fraction(part)
    return dict(base)


def cost_base(costs: Costs, contract: ContractLine, month: str) -> tuple[dict[str, Fraction], bool]:
    """Rule 9.4: recognised subtotal of the service month by cost currency, with the earned credit when gross.

    Estimates count only where the month has no billed cost of the contract line; the second value says so.
    """
    for is_estimate in (False, True):
        base: dict[str, Fraction] = defaultdict(Fraction)
        for atom in costs.by_contract.get(contract.contract_line_id, []):
            if atom.document.is_estimate == is_estimate:
                part = atom.months.get(month)
                if part is not None:
                    base[atom.line.currency] += Fraction(part)
        if base:
            if contract.cost_basis == "gross":
                for (line_id, of_month, currency, estimate), credit in costs.earned_credit.items():
                    if (line_id, of_month, estimate) == (contract.contract_line_id, month, is_estimate):
                        base[currency] += Fraction(credit)
            return dict(base), is_estimate
    return {}, False
