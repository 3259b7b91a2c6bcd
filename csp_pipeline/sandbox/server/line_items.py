"""Billed lines as the first version of the interface tells them: new commerce of old months, and legacy invoices.

What belongs here: the shape of those lines. New-commerce lines come from the same facts as the files; legacy lines are
handed out as they lie in the inbox, a collection per invoice and provider.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from csp_pipeline.sandbox.documents import Document, bill, line_rows
from csp_pipeline.sandbox.json_text import Json, read
from csp_pipeline.sandbox.wire import WireForm

if TYPE_CHECKING:
    from pathlib import Path

    from csp_pipeline.sandbox.partner import Partner

LAST_MONTH = "2025-03"
ONE_TIME = "onetime"
BILLING, USAGE = "billinglineitems", "usagelineitems"
LEGACY_PROVIDERS = ("office", "azure")
V1_FORM = WireForm("v1", "blobs", names="api", has_rates=True, dates="utc", newline="\n")
NOT_IN_V1 = frozenset(
    """subscriptionStartDate subscriptionEndDate referenceId productCategory benefitOrderId benefitId
    benefitType""".split()  # noqa: SIM905  (a block of names reads better)
)


class Rows:
    """Lines kept as JSON text and read a page at a time; `further` is added to each."""

    def __init__(self, rows: list[str], further: Json) -> None:
        self._rows, self._further = rows, further

    def __len__(self) -> int:
        return len(self._rows)

    def page(self, start: int, end: int) -> list[Json]:
        """The lines from `start` to before `end`."""
        return [_v1_item(read(row)) | self._further for row in self._rows[start:end]]


def one_time(partner: Partner, invoice: Document, line_item_type: str) -> Rows:
    """The lines of a new-commerce invoice.

    Args:
        partner: The facts.
        invoice: The invoice; it is not changed.
        line_item_type: What was billed, or the usage by day.

    Returns:
        Its lines.
    """
    document = replace(invoice, form=V1_FORM, lines=[], usage=[])
    usage: list[str] = []
    bill(partner.scenario, document, partner.seat_lines, usage.append)
    if line_item_type == USAGE:
        rows = [row for text in usage for row in text.splitlines()]
        return Rows(rows, _further("usage_line_items", "DailyRatedUsageLineItem"))
    return Rows(list(line_rows(partner.scenario, document)), _further("billing_line_items", "OneTimeInvoiceLineItem"))


def legacy(inbox: Path | None, number: str, provider: str, line_item_type: str) -> list[Json]:
    """The lines of a legacy invoice from `<number>_<provider>.json` of the inbox, a collection of the interface.

    Args:
        inbox: Where the file is; None if there is no inbox.
        number: The invoice.
        provider: `office` or `azure`.
        line_item_type: Only lines of this type.

    Returns:
        The lines; none when there is no such file.
    """
    path = inbox / f"{number}_{provider}.json" if inbox else None
    if path is None or not path.is_file():
        return []
    items: list[Json] = read(path.read_text(encoding="utf-8"))["items"]
    return [item for item in items if item["invoiceLineItemType"].replace("_", "") == line_item_type]


def _v1_item(row: Json) -> Json:
    item = {name: value for name, value in row.items() if name not in NOT_IN_V1}
    if "rateOfPartnerEarnedCredit" in item:
        item["hasPartnerEarnedCredit"] = bool(item["rateOfPartnerEarnedCredit"])
    return item


def _further(line_item_type: str, object_type: str) -> Json:
    return {
        "invoiceLineItemType": line_item_type,
        "billingProvider": "one_time",
        "attributes": {"objectType": object_type},
    }
