"""The cost tables: invoices, lines, daily usage, Azure plan costs, earned credit."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from csp_pipeline_tests.reference.amounts import ZERO, round_finest
from csp_pipeline_tests.reference.documents import Document, is_microsoft
from csp_pipeline_tests.reference.proof import LineId, line_pec_percent

if TYPE_CHECKING:
    from datetime import date

    from csp_pipeline_tests.reference.received import UsageRow

Rows = list[dict[str, Any]]
CarriedDown = dict[LineId, dict[str | None, Decimal]]


def pec_amount(row: UsageRow) -> Decimal:
    """Rule 5: net x p / (100 - p), 10 decimals."""
    if row.pec_percent == 0:
        return ZERO
    return round_finest(row.net_amount * row.pec_percent / (100 - row.pec_percent))


def is_eligible(row: UsageRow) -> bool:
    """Rule 5: consumption that could earn the credit."""
    return (
        is_microsoft(row.publisher_name)
        and row.benefit_type.casefold() != "savingsplan"
        and not _has_reservation(row.additional_info)
        and not re.search(r"\bspot\b", row.meter_name, re.IGNORECASE)
        and row.credit_type.casefold() != "azure credit applied"
        and row.net_amount > 0
    )


def _has_reservation(additional_info: str) -> bool:
    if "reservation" not in additional_info.casefold():
        return False
    try:
        is_doubled = '""reservation' in additional_info.casefold()
        info = json.loads(additional_info.replace('""', '"') if is_doubled else additional_info)
    except json.JSONDecodeError:
        return True
    return isinstance(info, dict) and any(
        key.casefold() in ("reservationorderid", "reservationid") and value not in (None, "")
        for key, value in info.items()
    )


def pec_forgone_amount(row: UsageRow) -> Decimal:
    """Rule 5: net x 15 / 100 on eligible rows without credit."""
    if row.pec_percent != 0 or not is_eligible(row):
        return ZERO
    return round_finest(row.net_amount * 15 / 100)


def invoices(documents: list[Document]) -> Rows:
    """cost.invoices."""
    rows: Rows = []
    for document in documents:
        if document.is_estimate:
            continue
        header = document.header
        lines_tax = sum((line.tax for line in document.lines), ZERO)
        stated = None if header is None else header.stated_tax
        rows.append(
            {
                "provider": document.provider,
                "invoice_number": document.invoice_number,
                "document_type": "invoice" if header is None else header.document_type or None,
                "billing_month": document.billing_month,
                "issued_on": None if header is None else header.issued_on,
                "currency": document.currency,
                "total_amount": sum((line.total for line in document.lines), ZERO) if header is None else header.total,
                "tax_amount": lines_tax if stated is None else stated,
                "state": document.state,
                "replaces_invoice_number": None if header is None else header.amends or None,
            }
        )
    return rows


def invoice_lines(documents: list[Document]) -> Rows:
    """cost.invoice_lines; ``billable_quantity`` is signed, ``received_quantity`` as sent."""
    return [
        {
            "provider": line.provider,
            "invoice_number": line.invoice_number or None,
            "billing_month": document.billing_month,
            "is_estimate": document.is_estimate,
            "customer_id": line.customer_id,
            "customer_name": line.customer_name,
            "subscription_id": line.subscription_id or None,
            "product_id": line.product_id or None,
            "sku_id": line.sku_id or None,
            "product_name": line.product_name or None,
            "product_family": document.product_family(line),
            "is_in_daily_usage": document.is_in_daily_usage(line),
            "publisher_name": line.publisher_name or None,
            "charge_type": line.charge_type,
            "charge_start_on": line.charge_start_on,
            "charge_end_on": line.charge_end_on,
            "order_id": line.order_id or None,
            "order_on": line.order_on,
            "term_and_billing_cycle": line.term or None,
            "subscription_starts_on": line.subscription_starts_on,
            "subscription_ends_on": line.subscription_ends_on,
            "meter_description": line.meter_description or None,
            "reservation_order_id": line.reservation_order_id or None,
            "credit_reason_code": line.credit_reason_code or None,
            "unit_price": line.unit_price,
            "effective_unit_price": line.effective_unit_price,
            "billable_quantity": line.quantity,
            "received_quantity": line.received_quantity,
            "subtotal_amount": line.subtotal,
            "tax_amount": line.tax,
            "total_amount": line.total,
            "currency": line.currency,
            "pricing_currency": line.pricing_currency,
            "fx_rate": line.fx_rate,
            "fx_rate_on": line.fx_rate_on,
            "pec_percent": line_pec_percent(line),
            "source_file": line.source_file,
            "source_row": line.source_row,
        }
        for document in documents
        for line in document.lines
    ]


def daily_usage(documents: list[Document]) -> Rows:
    """cost.daily_usage with the credit of each row."""
    return [
        {
            "usage_on": row.usage_on,
            "billing_month": document.billing_month,
            "is_estimate": document.is_estimate,
            "invoice_number": row.invoice_number or None,
            "customer_id": row.customer_id,
            "subscription_id": row.subscription_id,
            "entitlement_id": row.entitlement_id,
            "resource_group": row.resource_group or None,
            "resource_id": row.resource_id or None,
            "meter_id": row.meter_id,
            "quantity": row.quantity,
            "net_amount": row.net_amount,
            "currency": row.currency,
            "pricing_amount": row.pricing_amount,
            "pricing_currency": row.pricing_currency,
            "fx_rate": row.fx_rate,
            "pec_percent": row.pec_percent,
            "pec_amount": pec_amount(row),
            "gross_amount": round_finest(row.net_amount + pec_amount(row)),
            "pec_forgone_amount": pec_forgone_amount(row),
            "source_file": row.source_file,
            "source_row": row.source_row,
        }
        for document in documents
        for row in document.usage
    ]


def azure_plan_costs(documents: list[Document], carried: CarriedDown) -> Rows:
    """cost.azure_plan_costs: usage and carried amounts by entitlement; nothing is billed yet of an open month."""
    measures = ("net_amount", "pec_amount", "gross_amount", "pec_forgone_amount", "billed_amount")
    sums: dict[tuple[Any, ...], dict[str, Decimal]] = defaultdict(lambda: dict.fromkeys(measures, ZERO))
    for document in documents:
        head = (document.billing_month, document.is_estimate)
        for row in document.usage:
            group = sums[(*head, row.customer_id, row.subscription_id, row.entitlement_id, row.currency)]
            credit = pec_amount(row)
            group["net_amount"] += row.net_amount
            group["pec_amount"] += credit
            group["gross_amount"] += round_finest(row.net_amount + credit)
            group["pec_forgone_amount"] += pec_forgone_amount(row)
        for line in () if document.is_estimate else document.lines:
            for entitlement, amount in carried.get(line.line_id, {}).items():
                group = sums[(*head, line.customer_id, line.subscription_id, entitlement, line.currency)]
                group["billed_amount"] += amount
    names = ("billing_month", "is_estimate", "customer_id", "subscription_id", "entitlement_id", "currency")
    ordered = sorted(sums, key=lambda key: tuple(str(part) for part in key))
    return [dict(zip(names, key, strict=True)) | sums[key] for key in ordered]


def partner_earned_credit(documents: list[Document]) -> Rows:
    """cost.partner_earned_credit: eligible, earned and forgone by resource and day, and when access was lost."""
    resources: dict[tuple[str, ...], list[UsageRow]] = defaultdict(list)
    sums: dict[tuple[Any, ...], list[Decimal]] = defaultdict(lambda: [ZERO, ZERO, ZERO])
    for document in documents:
        for row in document.usage:
            resource = (row.customer_id, row.entitlement_id, row.resource_group, row.resource_id)
            resources[resource].append(row)
            eligible = is_eligible(row)
            if not eligible and row.pec_percent == 0:
                continue
            group = sums[(document.billing_month, row.usage_on, resource, row.currency)]
            group[0] += row.net_amount if eligible else ZERO
            group[1] += pec_amount(row)
            group[2] += pec_forgone_amount(row)
    lost = {resource: access_lost_on(rows) for resource, rows in resources.items()}
    return [
        {
            "billing_month": month,
            "usage_on": day,
            "customer_id": resource[0],
            "entitlement_id": resource[1],
            "resource_group": resource[2] or None,
            "resource_id": resource[3] or None,
            "currency": currency,
            "eligible_amount": eligible_amount,
            "earned_amount": earned,
            "forgone_amount": forgone,
            "access_lost_on": lost[resource],
        }
        for (month, day, resource, currency), (eligible_amount, earned, forgone) in sorted(sums.items())
    ]


def access_lost_on(rows: list[UsageRow]) -> date | None:
    """First day with eligible usage without credit after the last day with credit; None if it never had any."""
    with_credit = [row.usage_on for row in rows if row.pec_percent != 0]
    if not with_credit:
        return None
    last = max(with_credit)
    return min((r.usage_on for r in rows if r.usage_on > last and r.pec_percent == 0 and is_eligible(r)), default=None)
