"""The collection of `/customers/{id}/subscriptions`: one row per subscription as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.formats.columns import WireFormat, day, flag, identifier, number, text
from csp_pipeline.formats.records import by_spelling, customer_of, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def flatten(record: Mapping[str, object], collection: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """One subscription with the customer whose collection it stands in.

    Args:
        record: one item of the collection.
        collection: the collection around it, which may name the customer.

    Yields:
        One row by staging name.
    """
    row = by_spelling(FORMAT, record)
    row["customer_id"] = customer_of(record, collection)
    product = value_of(record, "productType")
    row["product_type"] = value_of(product, "id", "displayName") if isinstance(product, dict) else product
    yield row


FORMAT = WireFormat(
    kind="subscriptions",
    title="collection of subscriptions",
    signature=(
        ("id", "subscriptionId"),
        ("quantity",),
        ("status",),
        ("offerId", "entitlementId", "friendlyName"),
        ("effectiveStartDate", "commitmentEndDate", "creationDate", "autoRenewEnabled"),
    ),
    flatten=flatten,
    columns=(
        identifier("customer_id", "customerId"),
        identifier("subscription_id", "id", "subscriptionId", required=True),
        identifier("entitlement_id", "entitlementId"),
        identifier("offer_id", "offerId"),
        text("offer_name", "offerName"),
        text("friendly_name", "friendlyName"),
        number("quantity", "quantity", unit="unit_type", required=True),
        text("unit_type", "unitType"),
        text("status", "status"),
        text("term_duration", "termDuration"),
        text("billing_cycle", "billingCycle"),
        day("effective_start_date", "effectiveStartDate"),
        day("commitment_end_date", "commitmentEndDate"),
        flag("auto_renew_enabled", "autoRenewEnabled"),
        identifier("order_id", "orderId"),
        text("publisher_name", "publisherName"),
        text("product_type", "productType"),
        flag("is_trial", "isTrial"),
    ),
)
