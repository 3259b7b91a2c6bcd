"""Our documents: one per account, month and currency, tax per category."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from csp_pipeline_tests.reference.amounts import ZERO, round_minor
from csp_pipeline_tests.reference.days import ONE_DAY, last_day

if TYPE_CHECKING:
    from decimal import Decimal

    from csp_pipeline_tests.reference.charges import Charge
    from csp_pipeline_tests.reference.commercial import Commercial

Rows = list[dict[str, Any]]


def draft(charges: list[Charge], terms: Commercial) -> tuple[Rows, Rows]:
    """billing.invoices and billing.invoice_lines, drafts all of them."""
    groups: dict[tuple[str, str, str], list[Charge]] = defaultdict(list)
    for charge in charges:
        groups[charge.contract.account_id, charge.invoice_month, charge.contract.currency].append(charge)
    invoices: Rows = []
    lines: Rows = []
    for (account_id, month, currency), members in sorted(groups.items()):
        invoice_id = f"{account_id}/{month}/{currency}"
        members.sort(
            key=lambda c: (
                c.contract.customer_id,
                c.contract.subscription_id,
                c.contract.contract_line_id,
                c.start,
                c.kind,
                c.end,
            )
        )
        account = terms.accounts[account_id]
        by_category: dict[str, Decimal] = defaultdict(lambda: ZERO)
        percents: dict[str, Decimal | None] = {}
        for number, charge in enumerate(members, 1):
            category = charge.contract.tax_category
            by_category[category] += charge.net
            percents[category] = terms.tax_percent(account, category, last_day(month))
            lines.append(
                {
                    "invoice_id": invoice_id,
                    "line_number": number,
                    "account_id": account_id,
                    "billing_month": month,
                    "contract_line_id": charge.contract.contract_line_id,
                    "customer_id": charge.contract.customer_id or None,
                    "subscription_id": charge.contract.subscription_id or None,
                    "charge_kind": charge.kind,
                    "service_start_on": charge.start,
                    "service_end_on": charge.end - ONE_DAY,
                    "quantity": charge.quantity,
                    "unit_price": charge.unit_price,
                    "net_amount": charge.net,
                    "tax_category": category or None,
                    "tax_percent": percents[category],
                    "currency": currency,
                    "is_estimate": charge.is_estimate,
                }
            )
        net = sum((charge.net for charge in members), ZERO)
        tax = sum(
            (
                round_minor(Fraction(amount) * Fraction(percents[category] or ZERO) / 100, currency)
                for category, amount in by_category.items()
            ),
            ZERO,
        )
        invoices.append(
            {
                "invoice_id": invoice_id,
                "invoice_number": None,
                "account_id": account_id,
                "billing_month": month,
                "issued_on": None,
                "due_on": None,
                "currency": currency,
                "net_amount": net,
                "tax_amount": tax,
                "gross_amount": net + tax,
                "paid_amount": ZERO,
                "balance_amount": net + tax,
                "is_estimate": any(charge.is_estimate for charge in members),
                "state": "draft",
                "document_type": "credit_note" if net + tax < 0 else "invoice",
            }
        )
    return invoices, lines
