"""The collection of `…/orders/{id}/provisioningstatus`: one row per line and per part of its quantity.

The items name neither customer nor order: both stand in the address only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.formats.columns import WireFormat, identifier, number, text
from csp_pipeline.formats.records import by_spelling, customer_of, named_in_address, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def flatten(record: Mapping[str, object], collection: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """One line, a row per part of its quantity; a line that tells no quantity is one row without.

    Args:
        record: one item of the collection.
        collection: the collection around it; its address names customer and order.

    Yields:
        Rows by staging name.
    """
    line = by_spelling(FORMAT, record)
    line["customer_id"] = customer_of(record, collection)
    line["order_id"] = line.get("order_id") or named_in_address(collection, "orders")
    parts = value_of(record, "quantityProvisioningInformation")
    for part in parts if isinstance(parts, list) and parts else ({},):
        told = part if isinstance(part, dict) else {}
        yield {
            **line,
            "quantity": value_of(told, "quantity"),
            "quantity_status": value_of(told, "status"),
        }


FORMAT = WireFormat(
    kind="order_provisioning",
    title="provisioning status of an order",
    signature=(("lineItemNumber",), ("status",), ("quantityProvisioningInformation", "quantityStatus")),
    flatten=flatten,
    columns=(
        identifier("customer_id", "customerId"),
        identifier("order_id", "orderId", required=True),
        number("line_number", "lineItemNumber", required=True),
        text("status", "status", required=True),
        number("quantity", "quantity", unit="units"),
        text("quantity_status", "quantityStatus"),
    ),
)
