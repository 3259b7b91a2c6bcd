"""`expected.json`: what the pipeline must find in the generated files, worked out from the facts.

Amounts are text with every digit that matters. Proof figures, credit and drafts are worked out here once more; the
pipeline's own code is never asked.
"""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline.sandbox.anomalies import planted_entries
from csp_pipeline.sandbox.catalogue import AZURE_PLAN_PRODUCT_ID
from csp_pipeline.sandbox.drafts import draft_charges
from csp_pipeline.sandbox.facts import plain, round_fraction
from csp_pipeline.sandbox.provider_documents import MICROSOFT_PROVIDER
from csp_pipeline.sandbox.sold_items import order_items, subscription_items
from csp_pipeline.sandbox.usage import BILLING_SCALE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from typing import Any

    from csp_pipeline.sandbox.documents import Document
    from csp_pipeline.sandbox.drafts import Charge
    from csp_pipeline.sandbox.partner import Partner
    from csp_pipeline.sandbox.provider_documents import OtherDocument
    from csp_pipeline.sandbox.scenario import Scenario

Json = dict[str, "Any"]
SIX_DECIMALS = Decimal("0.000001")


def write_expected(partner: Partner, path: Path) -> int:
    """Write the expected totals of a scenario.

    Args:
        partner: The partner, whose documents are already written.
        path: The file to write.

    Returns:
        The number of planted differences.
    """
    scenario, documents = partner.scenario, partner.billed_documents
    everything = partner.provider_documents
    others: list[OtherDocument] = [*partner.legacy_documents, *partner.distributor_documents]
    charges = draft_charges(scenario, everything, partner.changes)
    planted = planted_entries(scenario, everything, charges)
    expected: Json = {
        "settings": _settings(scenario, documents),
        "rows": _row_counts(partner),
        "invoices": [_invoice(document) for document in documents] + [_other_invoice(one) for one in others],
        "cost": [_cost(document) for document in documents] + [_other_cost(one) for one in others],
        "azure_plan_costs": [row for document in documents for row in _plan_costs(document)],
        "drafts": _drafts(charges),
        "revenue_by_currency": _by_currency((charge.line.currency, charge.amount) for charge in charges),
        "cost_by_currency": _by_currency((document.currency.code, document.subtotal) for document in everything),
        "open_month": [_open_month(document) for document in partner.open_documents if document.lines],
        "planted": planted,
        "planted_amount_tolerance": "0.000001",
    }
    if partner.arguments.cases is not None:
        expected["planted_leaks"] = [leak.as_json() for leak in scenario.leaks]
    path.write_text(json.dumps(expected, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return len(planted)


def _settings(scenario: Scenario, documents: Sequence[Document]) -> Json:
    return {
        "seed": scenario.seed,
        "months": list(scenario.months),
        "currencies": [currency.code for currency in scenario.currencies],
        "customers": len(scenario.customers),
        "usage_rows": sum(document.usage_rows for document in documents),
        "billing_starts_on": scenario.starts_on.isoformat(),
        "pec_credit_lag_months": 0,
    }


def _row_counts(partner: Partner) -> Json:
    scenario, documents, open_documents = partner.scenario, partner.billed_documents, partner.open_documents
    legacy = partner.legacy_documents
    return {
        "reconciliation": sum(len(document.lines) for document in documents),
        "daily_usage": sum(document.usage_rows for document in documents),
        "open_reconciliation": sum(len(document.lines) for document in open_documents),
        "open_daily_usage": sum(document.usage_rows for document in open_documents),
        "legacy_licence": sum(len(document.licences) for document in legacy),
        "legacy_usage": sum(len(document.azure) for document in legacy),
        "legacy_daily_usage": sum(len(document.days) for document in legacy),
        "distributor": sum(len(document.lines) for document in partner.distributor_documents),
        "invoice_headers": len(documents) + len(legacy),
        "subscription_changes": len(partner.changes),
        "audit_records": len(partner.changes),
        "customers": len(scenario.customers),
        "subscriptions": len(subscription_items(scenario)),
        "agreements": sum(customer.agreed_on is not None for customer in scenario.customers),
        "orders": len(order_items(scenario)),
        "azure_entitlements": sum(len(plan.entitlements) for plan in scenario.plans),
        "direct_signed": len(scenario.customers),
        "accounts": len(scenario.accounts),
        "account_tenants": len(scenario.tenants),
        "contract_lines": len(scenario.contract_lines),
    }


def _net_units(document: Document) -> int:
    return sum(sum(usage.net.values()) for usage in document.usage)


def _usage_subtotal(document: Document) -> Decimal:
    return sum((line.subtotal for usage in document.usage for line, _ in usage.lines), Decimal(0))


def _units(units: int) -> str:
    return plain(Decimal(units).scaleb(-BILLING_SCALE))


def _invoice(document: Document) -> Json:
    """Header, lines, usage and the rounding the published formula leaves; the generator's rows carry no other error.

    Every usage row is within the wire's own noise of pricing amount x FX, so rounding is what the lines' truncation
    leaves between their subtotals and the sum of net amounts.
    """
    in_usage = _usage_subtotal(document)
    usage = Decimal(_net_units(document)).scaleb(-BILLING_SCALE)
    return {
        "provider": document.provider,
        "invoice_number": document.number,
        "document_type": "adjustment_note" if document.amends else "invoice",
        "billing_month": document.month,
        "currency": document.currency.code,
        "wire_form": document.form.name,
        "header_amount": plain(document.total),
        "lines_amount": plain(document.subtotal + document.line_tax),
        "lines_tax_amount": plain(document.line_tax),
        "document_tax_amount": plain(document.document_tax),
        "subtotal_amount": plain(document.subtotal),
        "daily_usage_amount": plain(usage),
        "not_in_daily_usage_amount": plain(document.subtotal - in_usage),
        "rounding_amount": plain(in_usage - usage),
        "bounded_amount": "0",
        "unexplained_amount": "0",
        "matched_lines_percent": "100" if any(usage.lines for usage in document.usage) else None,
        "proof_state": "proven",
        "lines": len(document.lines),
        "usage_rows": document.usage_rows,
    }


def _other_invoice(document: OtherDocument) -> Json:
    """A document whose lines carry every amount: no usage with money, hence no rounding that a formula would leave."""
    return {
        "provider": document.provider,
        "invoice_number": document.number,
        "document_type": "invoice",
        "billing_month": document.month,
        "currency": document.currency.code,
        "wire_form": "legacy" if document.provider == MICROSOFT_PROVIDER else document.provider,
        "header_amount": plain(document.total),
        "lines_amount": plain(document.subtotal + document.line_tax),
        "lines_tax_amount": plain(document.line_tax),
        "document_tax_amount": plain(document.document_tax),
        "subtotal_amount": plain(document.subtotal),
        "daily_usage_amount": "0",
        "not_in_daily_usage_amount": plain(document.subtotal),
        "rounding_amount": "0",
        "bounded_amount": "0",
        "unexplained_amount": "0",
        "matched_lines_percent": None,
        "proof_state": "proven",
        "lines": len(document.lines),
        "usage_rows": 0,
    }


def _open_month(document: Document) -> Json:
    return {
        "billing_month": document.month,
        "currency": document.currency.code,
        "wire_form": document.form.name,
        "subtotal_amount": plain(document.subtotal),
        "total_amount": plain(document.subtotal + document.line_tax),
        "net_amount": _units(_net_units(document)),
        "lines": len(document.lines),
        "usage_rows": document.usage_rows,
    }


def _cost(document: Document) -> Json:
    credits_on_plans = sum(
        (
            line.subtotal
            for line, _ in document.lines
            if line.product_id == AZURE_PLAN_PRODUCT_ID and line.charge_type == "customerCredit"
        ),
        Decimal(0),
    )
    return {
        "provider": document.provider,
        "invoice_number": document.number,
        "billing_month": document.month,
        "currency": document.currency.code,
        "subtotal_amount": plain(document.subtotal),
        "net_amount": _units(_net_units(document)),
        "pec_amount": _units(sum(sum(usage.earned.values()) for usage in document.usage)),
        "pec_forgone_amount": _units(sum(sum(usage.forgone.values()) for usage in document.usage)),
        "azure_billed_amount": plain(_usage_subtotal(document) + credits_on_plans),
    }


def _other_cost(document: OtherDocument) -> Json:
    nothing = ("net_amount", "pec_amount", "pec_forgone_amount", "azure_billed_amount")
    return {
        "provider": document.provider,
        "invoice_number": document.number,
        "billing_month": document.month,
        "currency": document.currency.code,
        "subtotal_amount": plain(document.subtotal),
        **dict.fromkeys(nothing, "0"),
    }


def _plan_costs(document: Document) -> list[Json]:
    """Net usage and credit by Azure subscription, with the exact share of the billed lines rounded to six decimals."""
    rows: list[Json] = []
    for usage in document.usage:
        billed = usage.billed_by_entitlement()
        for entitlement_id in sorted(usage.net):
            share = billed.get(entitlement_id, Fraction(0))
            rows.append(
                {
                    "billing_month": document.month,
                    "currency": document.currency.code,
                    "customer_id": usage.plan.customer.customer_id,
                    "subscription_id": usage.plan.subscription_id,
                    "entitlement_id": entitlement_id,
                    "net_amount": _units(usage.net[entitlement_id]),
                    "pec_amount": _units(usage.earned[entitlement_id]),
                    "pec_forgone_amount": _units(usage.forgone[entitlement_id]),
                    "billed_amount_rounded": plain(round_fraction(share, SIX_DECIMALS)),
                }
            )
    return rows


def _drafts(charges: Iterable[Charge]) -> list[Json]:
    sums: dict[tuple[str, str, str], list[Decimal]] = {}
    for charge in charges:
        key = (charge.line.account_id, charge.invoice_month, charge.line.currency)
        sums.setdefault(key, []).append(charge.amount)
    return [
        {
            "account_id": account_id,
            "billing_month": month,
            "currency": currency,
            "net_amount": plain(sum(amounts, Decimal(0))),
            "lines": len(amounts),
        }
        for (account_id, month, currency), amounts in sorted(sums.items())
    ]


def _by_currency(amounts: Iterable[tuple[str, Decimal]]) -> dict[str, str]:
    sums: dict[str, Decimal] = {}
    for currency, amount in amounts:
        sums[currency] = sums.get(currency, Decimal(0)) + amount
    return {currency: plain(total) for currency, total in sorted(sums.items())}
