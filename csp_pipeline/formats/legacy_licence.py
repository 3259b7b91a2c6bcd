"""The legacy licence reconciliation of D invoices: the portal's file of 28 columns, and the API's line items.

The file does not name its invoice; of the API's items the address does. What the rows of a file without one are called
is decided with the headers at hand (`storage.unnamed_documents`). `Amount` stands before discount, `Subtotal` after.
Licences are told apart by the Partner Center subscription (`SyndicationPartnerSubscriptionNumber`), offers by
`DurableOfferId`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.formats.columns import WireFormat, currency, day, identifier, number, text
from csp_pipeline.formats.records import by_spelling, named_in_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def flatten(record: Mapping[str, object], collection: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """One line item with the invoice whose line items were asked for.

    Args:
        record: one item of the collection.
        collection: the collection around it; its address names the invoice.

    Yields:
        One row by staging name.
    """
    row = by_spelling(FORMAT, record)
    row["invoice_number"] = row.get("invoice_number") or invoice_of(collection)
    yield row


def invoice_of(collection: Mapping[str, object]) -> str | None:
    """The invoice whose line items were asked for: its number, which in links may follow a type (`Recurring-D…`)."""
    named = named_in_address(collection, "invoices")
    return named.rsplit("-", 1)[-1] if named else None


FORMAT = WireFormat(
    kind="legacy_licence",
    title="legacy licence reconciliation file",
    signature=(
        ("SyndicationPartnerSubscriptionNumber",),
        ("DurableOfferId",),
        ("ChargeType",),
        ("Amount",),
        ("TotalForCustomer",),
        ("Currency",),
    ),
    flatten=flatten,
    invoice="invoice_number",
    unnamed="LICENCE",
    currency="currency",
    amount="subtotal",
    tax="tax",
    total="total_for_customer",
    dates=("charge_start_date",),
    columns=(
        identifier("partner_id", "PartnerId"),
        identifier("customer_id", "CustomerId", required=True),
        text("customer_name", "CustomerName"),
        identifier("mpn_id", "MPNID"),
        identifier("reseller_mpn_id", "ResellerMPNID", "Tier2MpnId"),
        identifier("order_id", "OrderId"),
        identifier("subscription_id", "SubscriptionId"),
        identifier("syndication_partner_subscription_number", "SyndicationPartnerSubscriptionNumber"),
        identifier("offer_id", "OfferId"),
        identifier("durable_offer_id", "DurableOfferId"),
        text("offer_name", "OfferName"),
        day("subscription_start_date", "SubscriptionStartDate"),
        day("subscription_end_date", "SubscriptionEndDate"),
        day("charge_start_date", "ChargeStartDate"),
        day("charge_end_date", "ChargeEndDate"),
        text("charge_type", "ChargeType"),
        number("unit_price", "UnitPrice", unit="currency"),
        number("quantity", "Quantity", unit="units"),
        number("amount", "Amount", unit="currency"),
        number("total_other_discount", "TotalOtherDiscount", unit="currency"),
        number("subtotal", "Subtotal", unit="currency", required=True),
        number("tax", "Tax", unit="currency"),
        number("total_for_customer", "TotalForCustomer", unit="currency", required=True),
        currency("currency", "Currency", required=True),
        text("domain_name", "DomainName"),
        text("subscription_name", "SubscriptionName"),
        text("subscription_description", "SubscriptionDescription"),
        text("billing_cycle_type", "BillingCycleType"),
        identifier("invoice_number", "InvoiceNumber"),
    ),
)
