"""The collection of `…/subscriptions/{id}/azureEntitlements`: the Azure subscriptions under an Azure plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.formats.columns import WireFormat, identifier, text
from csp_pipeline.formats.records import by_spelling, customer_of, named_in_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def flatten(record: Mapping[str, object], collection: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """One Azure subscription with the customer and the plan whose collection it stands in.

    Args:
        record: one item of the collection.
        collection: the collection around it; its address names customer and plan.

    Yields:
        One row by staging name.
    """
    row = by_spelling(FORMAT, record)
    row["customer_id"] = customer_of(record, collection)
    row["subscription_id"] = row.get("subscription_id") or named_in_address(collection, "subscriptions")
    yield row


FORMAT = WireFormat(
    kind="azure_entitlements",
    title="collection of Azure entitlements",
    signature=(("id", "entitlementId"), ("friendlyName",), ("status",), ("subscriptionId",)),
    flatten=flatten,
    columns=(
        identifier("customer_id", "customerId"),
        identifier("subscription_id", "subscriptionId", required=True),
        identifier("entitlement_id", "id", "entitlementId", required=True),
        text("friendly_name", "friendlyName"),
        text("status", "status"),
    ),
)
