"""Which kind of file this is, told by its columns alone; the name of a file means nothing.

What belongs here: the list of formats. The layouts of distributors, which a user declares, come after them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.errors import InputFileError
from csp_pipeline.formats import (
    agreement_metadata,
    agreements,
    audit_records,
    azure_entitlements,
    customers,
    daily_usage,
    direct_signed,
    fx_rates,
    invoice_headers,
    legacy_licence,
    legacy_usage,
    order_provisioning,
    orders,
    price_sheet,
    reconciliation,
    subscription_changes,
    subscription_provisioning,
    subscriptions,
)
from csp_pipeline.formats.columns import WireFormat, normalised

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMATS: dict[str, WireFormat] = {
    module.FORMAT.kind: module.FORMAT
    for module in (
        reconciliation,
        daily_usage,
        invoice_headers,
        subscription_changes,
        customers,
        orders,
        subscriptions,
        azure_entitlements,
        agreements,
        direct_signed,
        agreement_metadata,
        audit_records,
        subscription_provisioning,
        order_provisioning,
        legacy_licence,
        legacy_usage,
        price_sheet,
        fx_rates,
    )
} | {legacy_usage.DAYS.kind: legacy_usage.DAYS}

_NAMED_AT_MOST = 6


class UnrecognisedFileError(InputFileError):
    """The file may be sound, but it is of no kind that this version reads; it stays and fails nothing."""


def recognise(names: Iterable[str]) -> WireFormat:
    """The format whose signature the column names carry.

    Args:
        names: the header's names, or the keys of JSON records.

    Raises:
        UnrecognisedFileError: when no format of this version does.
    """
    spelled = [name for name in names if normalised(name)]
    present = {normalised(name) for name in spelled}
    for wire_format in FORMATS.values():
        if wire_format.is_signed_by(present):
            return wire_format
    shown = ", ".join(spelled[:_NAMED_AT_MOST]) + (", …" if len(spelled) > _NAMED_AT_MOST else "")
    raise UnrecognisedFileError(
        f"expected the columns of a kind the README lists, found {len(spelled)} columns ({shown}) of none; "
        "export the file again without changing its header, or take it out of the inbox"
    )
