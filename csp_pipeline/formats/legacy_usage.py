"""The legacy usage of D invoices: charges by billing cycle, and the consumption of each day, which carries no money.

What belongs here: the columns both share, and the two kinds they make. The API sends the two apart
(`invoiceLineItemType` tells them); the portal's file holds both, and is a file of charges whose days stand in a section
of their own, read by `legacy_usage_sections`. A row with a usage date is a day's consumption and never a charge.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from csp_pipeline.formats.columns import WireFormat, currency, day, identifier, number, text
from csp_pipeline.formats.legacy_licence import invoice_of
from csp_pipeline.formats.records import by_spelling

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CHARGE, DAY = "billing_line_items", "usage_line_items"
"""The values of `line_item_type`: a charge of the cycle, and the consumption of a day."""
MONEY = (
    "list_price",
    "consumption_price",
    "consumption_discount",
    "pretax_charges",
    "tax_amount",
    "post_tax_total",
    "pretax_effective_rate",
    "post_tax_effective_rate",
)
"""The columns that a day's consumption never fills."""

_COLUMNS = (
    text("line_item_type", "invoiceLineItemType"),
    identifier("partner_id", "partnerId"),
    text("partner_name", "partnerName"),
    identifier("partner_billable_account_id", "partnerBillableAccountId"),
    identifier("customer_id", "customerId"),
    text("customer_name", "customerCompanyName", "customerName"),
    text("domain_name", "domainName"),
    identifier("mpn_id", "mpnId"),
    identifier("reseller_mpn_id", "resellerMpnId", "tier2MpnId"),
    identifier("invoice_number", "invoiceNumber", required=True),
    identifier("subscription_id", "subscriptionId"),
    text("subscription_name", "subscriptionName"),
    text("subscription_description", "subscriptionDescription"),
    identifier("order_id", "orderId"),
    text("billing_cycle_type", "billingCycleType"),
    day("charge_start_date", "chargeStartDate"),
    day("charge_end_date", "chargeEndDate"),
    day("usage_date", "usageDate"),
    text("charge_type", "chargeType"),
    text("service_name", "serviceName"),
    text("service_type", "serviceType"),
    identifier("resource_guid", "resourceGuid"),
    text("resource_name", "resourceName"),
    text("region", "region"),
    identifier("sku", "sku"),
    number("detail_line_item_id", "detailLineItemId"),
    text("unit", "unit"),
    number("consumed_quantity", "consumedQuantity", unit="unit", required=True),
    number("included_quantity", "includedQuantity", unit="unit"),
    number("overage_quantity", "overageQuantity", unit="unit"),
    number("list_price", "listPrice", unit="currency"),
    number("consumption_price", "consumptionPrice", unit="currency"),
    number("consumption_discount", "consumptionDiscount", unit="currency"),
    number("pretax_charges", "pretaxCharges", unit="currency"),
    number("tax_amount", "taxAmount", unit="currency"),
    number("post_tax_total", "postTaxTotal", unit="currency"),
    number("pretax_effective_rate", "pretaxEffectiveRate", unit="currency"),
    number("post_tax_effective_rate", "postTaxEffectiveRate", unit="currency"),
    currency("currency", "currency"),
    identifier("customer_billable_account", "customerBillableAccount"),
    text("metered_region", "meteredRegion"),
    text("metered_service", "meteredService"),
    text("metered_service_type", "meteredServiceType"),
    text("project", "project"),
    text("service_info", "serviceInfo"),
)


def flatten(record: Mapping[str, object], collection: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """One line item with the invoice whose line items were asked for, where the item names none.

    Args:
        record: one item of the collection.
        collection: the collection around it; its address names the invoice.

    Yields:
        One row by staging name.
    """
    row = by_spelling(FORMAT, record)
    row["invoice_number"] = row.get("invoice_number") or invoice_of(collection)
    row["line_item_type"] = row.get("line_item_type") or (DAY if row.get("usage_date") else CHARGE)
    yield row


FORMAT = WireFormat(
    kind="legacy_usage",
    title="legacy usage reconciliation file",
    signature=(("consumedQuantity",), ("resourceGuid",), ("pretaxCharges",)),
    flatten=flatten,
    columns=_COLUMNS,
    invoice="invoice_number",
    currency="currency",
    amount="pretax_charges",
    tax="tax_amount",
    total="post_tax_total",
    dates=("charge_start_date", "usage_date"),
    sums_total=True,
)

DAYS = replace(
    FORMAT,
    kind="legacy_daily_usage",
    title="collection of legacy daily usage",
    signature=(("consumedQuantity",), ("resourceGuid",), ("usageDate",)),
    columns=tuple(column for column in _COLUMNS if column.name not in MONEY),
    amount=None,
    tax=None,
    total=None,
    sums_total=False,
)
"""The days alone, as the API sends them: delivered apart from the charges, so that each has versions of its own."""
