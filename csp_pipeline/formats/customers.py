"""The collection of `/customers`: one row per customer tenant of the partner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.formats.columns import WireFormat, identifier, text
from csp_pipeline.formats.records import by_spelling, nested, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def flatten(record: Mapping[str, object], _collection: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """One customer with the fields of its company and billing profiles.

    Args:
        record: one item of the collection.
        _collection: the collection around it, which adds nothing here.

    Yields:
        One row by staging name.
    """
    company, billing = nested(record, "companyProfile"), nested(record, "billingProfile")
    address = nested(billing, "defaultAddress") or nested(company, "address")
    row = by_spelling(FORMAT, record)
    row["tenant_id"] = row.get("tenant_id") or value_of(company, "tenantId") or row.get("customer_id")
    row["name"] = row.get("name") or value_of(company, "companyName") or value_of(billing, "companyName")
    row["domain"] = row.get("domain") or value_of(company, "domain")
    row["country_code"] = row.get("country_code") or value_of(address, "country") or value_of(company, "country")
    yield row


FORMAT = WireFormat(
    kind="customers",
    title="collection of customers",
    signature=(
        ("id", "customerId"),
        ("companyProfile", "companyName"),
        ("relationshipToPartner", "tenantId", "companyProfile"),
    ),
    flatten=flatten,
    columns=(
        identifier("customer_id", "id", "customerId", required=True),
        identifier("tenant_id", "tenantId"),
        text("name", "companyName"),
        text("domain", "domain"),
        text("country_code", "country"),
        text("relationship", "relationshipToPartner"),
    ),
)
