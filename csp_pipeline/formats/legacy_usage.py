"""The legacy usage of D invoices as the API sends it: line items by billing cycle, and daily ones without money.

`invoiceLineItemType` tells the two apart. The portal's file, two tables in one, is no part of this format.
"""

from __future__ import annotations

from csp_pipeline.formats.columns import WireFormat, day, identifier, number, text

FORMAT = WireFormat(
    kind="legacy_usage",
    title="collection of legacy usage line items",
    signature=(("invoiceLineItemType",), ("consumedQuantity",), ("resourceGuid",), ("subscriptionId",)),
    columns=(
        text("line_item_type", "invoiceLineItemType", required=True),
        identifier("partner_id", "partnerId"),
        text("partner_name", "partnerName"),
        identifier("partner_billable_account_id", "partnerBillableAccountId"),
        identifier("customer_id", "customerId"),
        text("customer_name", "customerCompanyName", "customerName"),
        text("domain_name", "domainName"),
        identifier("mpn_id", "mpnId"),
        identifier("reseller_mpn_id", "tier2MpnId", "resellerMpnId"),
        identifier("invoice_number", "invoiceNumber"),
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
        text("currency", "currency"),
        identifier("customer_billable_account", "customerBillableAccount"),
    ),
)
