"""The collection of `/customers/{id}/orders`: one row per line of an order, with the order's own fields on each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.formats.columns import WireFormat, currency, identifier, instant, number, text
from csp_pipeline.formats.records import by_spelling, customer_of, nested, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LINE = {
    "line_number": "lineItemNumber",
    "line_transaction_type": "transactionType",
    "offer_id": "offerId",
    "subscription_id": "subscriptionId",
    "parent_subscription_id": "parentSubscriptionId",
    "friendly_name": "friendlyName",
    "quantity": "quantity",
    "term_duration": "termDuration",
    "custom_term_end_date": "customTermEndDate",
    "partner_id_on_record": "partnerIdOnRecord",
    "promotion_id": "promotionId",
}
_PRICING = {"list_price": "listPrice", "price": "price", "extended_price": "extendedPrice"}


def flatten(record: Mapping[str, object], collection: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """An order line by line; an order without lines is one row without a line.

    Args:
        record: one item of the collection, or an order asked for by its id.
        collection: the collection around it, which may name the customer.

    Yields:
        Rows by staging name.
    """
    order = by_spelling(FORMAT, record)
    order["customer_id"] = value_of(record, "referenceCustomerId") or customer_of(record, collection)
    lines = value_of(record, "lineItems")
    for line in lines if isinstance(lines, list) and lines else ({},):
        told = line if isinstance(line, dict) else {}
        pricing = nested(told, "pricing")
        yield {
            **order,
            **{name: value_of(told, key) for name, key in _LINE.items()},
            **{name: value_of(pricing, key) for name, key in _PRICING.items()},
        }


FORMAT = WireFormat(
    kind="orders",
    title="collection of orders",
    signature=(
        ("id", "orderId"),
        ("lineItems", "lineItemNumber"),
        ("referenceCustomerId", "currencyCode"),
        ("creationDate", "transactionType"),
    ),
    flatten=flatten,
    columns=(
        identifier("customer_id", "referenceCustomerId", "customerId"),
        identifier("order_id", "id", "orderId", required=True),
        identifier("alternate_id", "alternateId"),
        text("billing_cycle", "billingCycle"),
        text("transaction_type", "transactionType"),
        currency("currency_code", "currencyCode"),
        instant("creation_date", "creationDate"),
        text("status", "status"),
        number("line_number", "lineItemNumber"),
        text("line_transaction_type", "lineTransactionType"),
        identifier("offer_id", "offerId"),
        identifier("subscription_id", "subscriptionId"),
        identifier("parent_subscription_id", "parentSubscriptionId"),
        text("friendly_name", "friendlyName"),
        number("quantity", "quantity", unit="units"),
        text("term_duration", "termDuration"),
        instant("custom_term_end_date", "customTermEndDate"),
        identifier("partner_id_on_record", "partnerIdOnRecord"),
        identifier("promotion_id", "promotionId"),
        number("list_price", "listPrice", unit="currency_code"),
        number("price", "price", unit="currency_code"),
        number("extended_price", "extendedPrice", unit="currency_code"),
    ),
)
