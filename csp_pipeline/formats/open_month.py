"""The files of an open month: the columns of the billed ones, without an invoice yet.

What belongs here: which billed kinds have an open counterpart, and how it differs. A file is of an open month when none
of its rows names an invoice; that can only be seen in the rows, so `recognition` never chooses these formats.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from csp_pipeline.formats import daily_usage, reconciliation

if TYPE_CHECKING:
    from csp_pipeline.formats.columns import WireFormat


def _open(billed: WireFormat, dates: tuple[str, ...]) -> WireFormat:
    columns = [
        replace(column, required=False) if column.name == billed.invoice else column for column in billed.columns
    ]
    return replace(
        billed,
        kind=f"open_{billed.kind}",
        title=f"{billed.title} of an open month",
        columns=tuple(columns),
        invoice=None,
        dates=dates,
    )


OPEN_OF: dict[str, WireFormat] = {
    reconciliation.FORMAT.kind: _open(reconciliation.FORMAT, ("charge_start_date", "order_date")),
    daily_usage.FORMAT.kind: _open(daily_usage.FORMAT, ("usage_date", "charge_start_date")),
}
"""The format of an open month by the kind of the billed one."""

BILLED_OF: dict[str, WireFormat] = {
    OPEN_OF[billed.kind].kind: billed for billed in (reconciliation.FORMAT, daily_usage.FORMAT)
}
"""The billed format by the kind of the open one."""
