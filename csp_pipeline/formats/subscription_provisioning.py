"""The answer of `…/subscriptions/{id}/provisioningstatus`: what was provisioned of a subscription.

The body names neither customer nor subscription: both stand in the address only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.formats.columns import WireFormat, day, identifier, number, text
from csp_pipeline.formats.records import by_spelling, customer_of, named_in_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def flatten(record: Mapping[str, object], collection: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """The status of one subscription.

    Args:
        record: the body.
        collection: carries the address it was asked at.

    Yields:
        One row by staging name.
    """
    row = by_spelling(FORMAT, record)
    row["customer_id"] = customer_of(record, collection)
    row["subscription_id"] = row.get("subscription_id") or named_in_address(collection, "subscriptions")
    yield row


FORMAT = WireFormat(
    kind="subscription_provisioning",
    title="provisioning status of a subscription",
    signature=(("skuId",), ("status",), ("quantity",)),
    flatten=flatten,
    columns=(
        identifier("customer_id", "customerId"),
        identifier("subscription_id", "subscriptionId", required=True),
        identifier("sku_id", "skuId"),
        text("status", "status", required=True),
        number("quantity", "quantity", unit="units"),
        day("end_date", "endDate"),
    ),
)
