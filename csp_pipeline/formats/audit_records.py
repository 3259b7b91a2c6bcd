"""The activity log: the collection of `/auditrecords`, one row per operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.formats.columns import WireFormat, identifier, instant, text
from csp_pipeline.formats.records import by_spelling

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def flatten(record: Mapping[str, object], _collection: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """One operation; nested values stay JSON text.

    Args:
        record: one item of the collection.
        _collection: the collection around it, which adds nothing here.

    Yields:
        One row by staging name.
    """
    yield by_spelling(FORMAT, record)


FORMAT = WireFormat(
    kind="audit_records",
    title="collection of audit records",
    signature=(("operationType",), ("operationDate",), ("resourceType",)),
    flatten=flatten,
    columns=(
        identifier("partner_id", "partnerId"),
        identifier("customer_id", "customerId"),
        text("customer_name", "customerName"),
        text("user_principal_name", "userPrincipalName"),
        text("application_id", "applicationId"),
        text("resource_type", "resourceType"),
        text("resource_old_value", "resourceOldValue"),
        text("resource_new_value", "resourceNewValue"),
        text("operation_type", "operationType", required=True),
        instant("operation_date", "operationDate", required=True),
        text("operation_status", "operationStatus"),
        text("customized_data", "customizedData"),
    ),
)
