"""The answer of `…/directSignedMicrosoftCustomerAgreementStatus`: whether a customer signed with Microsoft itself.

The body is one truth value; the customer stands in the address only, and no day is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.formats.columns import Column, WireFormat, identifier
from csp_pipeline.formats.records import by_spelling, customer_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def flatten(record: Mapping[str, object], collection: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """The status of one customer.

    Args:
        record: the body.
        collection: carries the address it was asked at.

    Yields:
        One row by staging name.
    """
    row = by_spelling(FORMAT, record)
    row["customer_id"] = customer_of(record, collection)
    yield row


FORMAT = WireFormat(
    kind="direct_signed",
    title="status of an agreement signed with Microsoft",
    signature=(("isSigned",),),
    flatten=flatten,
    columns=(
        identifier("customer_id", "customerId", required=True),
        Column("is_signed", "isSigned", "boolean", required=True),
    ),
)
