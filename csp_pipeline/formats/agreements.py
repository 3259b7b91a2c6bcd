"""The agreements of customers: the collection of `/customers/{id}/agreements`, and the status of direct signing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.formats.columns import WireFormat, day, identifier, text
from csp_pipeline.formats.records import by_spelling, customer_of, nested, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def flatten(record: Mapping[str, object], collection: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """One agreement with its signer and the customer whose collection it stands in.

    Args:
        record: one item of the collection.
        collection: the collection around it, which may name the customer.

    Yields:
        One row by staging name; `method` is `partner_attested` unless the record says otherwise.
    """
    row = by_spelling(FORMAT, record)
    contact = nested(record, "primaryContact")
    names = (value_of(contact, "firstName"), value_of(contact, "lastName"))
    row["customer_id"] = customer_of(record, collection)
    row["signer_name"] = row.get("signer_name") or " ".join(str(name) for name in names if name) or None
    row["method"] = row.get("method") or "partner_attested"
    yield row


FORMAT = WireFormat(
    kind="agreements",
    title="collection of agreements",
    signature=(("dateAgreed",), ("type", "agreementType"), ("templateId", "primaryContact", "agreementLink")),
    flatten=flatten,
    columns=(
        identifier("customer_id", "customerId"),
        text("agreement_type", "type", "agreementType"),
        day("date_agreed", "dateAgreed", required=True),
        identifier("template_id", "templateId"),
        text("signer_name", "signerName"),
        text("method", "method"),
    ),
)
