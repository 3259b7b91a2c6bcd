"""Everything in one call: two folders in, all figures out."""

from __future__ import annotations

from decimal import localcontext
from typing import TYPE_CHECKING, Any

from csp_pipeline_tests.reference import cost
from csp_pipeline_tests.reference.amounts import EXACT
from csp_pipeline_tests.reference.billing import draft
from csp_pipeline_tests.reference.charges import Charge, Drafting, contract_charges
from csp_pipeline_tests.reference.commercial import ContractLine, read_commercial
from csp_pipeline_tests.reference.costs_to_contracts import assign, cost_base
from csp_pipeline_tests.reference.days import first_day
from csp_pipeline_tests.reference.documents import assemble
from csp_pipeline_tests.reference.proof import LineId, carry_down, prove
from csp_pipeline_tests.reference.read_files import read_inbox
from csp_pipeline_tests.reference.reconcile import Reconciliation
from csp_pipeline_tests.reference.seats import histories, history_of

if TYPE_CHECKING:
    from datetime import date
    from fractions import Fraction
    from pathlib import Path

Tables = dict[str, list[dict[str, Any]]]


def compute(inbox: Path, commercial: Path, *, through_month: str, billing_starts_on: date | None = None) -> Tables:
    """Compute every table of the reference from an inbox folder and a commercial folder.

    Args:
        inbox: Folder of provider files, any names.
        commercial: Folder of the commercial CSV files.
        through_month: Last month (``YYYY-MM``) for which customer documents are drafted.
        billing_starts_on: First day that is billed; by default the first month with a provider invoice.

    Returns:
        Rows by ``schema.table``, amounts as Decimal and days as date; ``cost.carried_down`` (line, entitlement,
        billed_amount) and ``billing.refusals`` come on top of the published tables.
    """
    with localcontext(EXACT):
        return _compute(inbox, commercial, through_month, billing_starts_on)


def _compute(inbox: Path, commercial: Path, through_month: str, billing_starts_on: date | None) -> Tables:
    files = read_inbox(inbox)
    terms = read_commercial(commercial)
    documents = assemble(files)
    billed = [document for document in documents if not document.is_estimate]
    carried: dict[LineId, dict[str | None, Any]] = {}
    for document in documents:
        carried |= carry_down(document)
    tables: Tables = {
        "cost.invoices": cost.invoices(documents),
        "cost.invoice_lines": cost.invoice_lines(documents),
        "cost.daily_usage": cost.daily_usage(documents),
        "cost.azure_plan_costs": cost.azure_plan_costs(documents, carried),
        "cost.partner_earned_credit": cost.partner_earned_credit(documents),
        "cost.invoice_proof": [prove(document, terms.tax_rates).figures for document in billed],
        "cost.carried_down": [
            {"source_file": name, "source_row": row, "entitlement_id": entitlement, "billed_amount": amount}
            for (name, row), parts in carried.items()
            for entitlement, amount in parts.items()
        ],
    }
    if billing_starts_on is None:
        billing_starts_on = first_day(min((d.billing_month for d in billed), default=through_month))
    drafting = Drafting(through_month, billing_starts_on)
    costs = assign(documents, carried, terms)
    seats = histories(files.changes, files.snapshots, documents)
    refusals: list[str] = []

    def base(contract: ContractLine, month: str) -> tuple[dict[str, Fraction], bool]:
        return cost_base(costs, contract, month)

    def rate_of(month: str, source: str, target: str) -> Fraction | None:
        found = terms.rate(month, source, target)
        return None if found is None else found[0]

    charges: list[Charge] = []
    for contract in terms.contract_lines:
        history = history_of(seats, contract.customer_id, contract.subscription_id)
        charges += contract_charges(contract, history, drafting, base, rate_of, refusals)
    tables["billing.invoices"], tables["billing.invoice_lines"] = draft(charges, terms)
    snapshots = {snapshot.subscription_id: snapshot for snapshot in files.snapshots}
    reconciliation = Reconciliation(documents, costs, charges, terms, seats, snapshots, drafting)
    tables["reconciliation.revenue_vs_cost"], tables["reconciliation.differences"] = reconciliation.tables()
    tables["billing.refusals"] = [{"reason": reason} for reason in refusals]
    return tables
