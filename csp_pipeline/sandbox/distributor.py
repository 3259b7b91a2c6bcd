"""Invoices of distributors: what a customer has through them, and their files in the two layouts that are shipped.

A customer whose contract lines say `cost_source` distributor is bought for there and not from Microsoft. Distributors
hand out files only; they are never asked for by HTTP.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.sandbox.dates import first_day, last_day, shift
from csp_pipeline.sandbox.facts import plain
from csp_pipeline.sandbox.provider_documents import OtherDocument, OtherLine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from csp_pipeline.sandbox.catalogue import Licence
    from csp_pipeline.sandbox.facts import Customer
    from csp_pipeline.sandbox.scenario import Scenario

TD_SYNNEX, GENERIC = "td_synnex", "generic"
PAID_WITHIN = timedelta(days=30)
ISSUED_AFTER = timedelta(days=3)
FILES = "distributor_*.csv"
"""Names of their files in the inbox."""
_NUMBERS = {TD_SYNNEX: "SNX-{}-{:05d}", GENERIC: "R{}/{:05d}"}

TD_SYNNEX_COLUMNS = (
    "Invoice Number",
    "Invoice Date",
    "Due Date",
    "Invoice Total",
    "End Customer Tenant ID",
    "End Customer Name",
    "End Customer Domain",
    "Reseller MPN ID",
    "Order Number",
    "Vendor Subscription ID",
    "Manufacturer Part Number",
    "Vendor SKU",
    "Product Description",
    "Vendor Name",
    "Charge Type",
    "Billing Cycle",
    "Service Start Date",
    "Service End Date",
    "Quantity",
    "MSRP",
    "Unit Price",
    "Extended Price",
    "Tax Amount",
    "Currency Code",
)
GENERIC_COLUMNS = (
    "Invoice",
    "Invoice date",
    "Invoice total",
    "Customer ID",
    "End customer",
    "Subscription ID",
    "Product ID",
    "SKU",
    "Product",
    "Vendor",
    "Charge",
    "Start",
    "End",
    "Quantity",
    "Unit price",
    "Extended price",
    "Tax",
    "Currency",
)


@dataclass(frozen=True)
class Resold:
    """Something bought from a distributor by the month from the 1st.

    Attributes:
        price: What the distributor asks for a unit and month, in the customer's currency.
        first_month: The first month it is charged for.
    """

    provider: str
    customer: Customer
    licence: Licence
    subscription_id: str
    order_id: str
    quantity: int
    price: Decimal
    list_price: Decimal
    first_month: str


@dataclass
class DistributorDocument(OtherDocument):
    """An invoice of a distributor; `bought` is what each line is for, in the order of lines."""

    bought: list[Resold] = field(default_factory=list)

    @property
    def file_name(self) -> str:
        """The name of its file."""
        return f"distributor_{self.provider}_{self.number.replace('/', '-')}.csv"


def distributor_documents(scenario: Scenario) -> list[DistributorDocument]:
    """The invoices of distributors, by month, distributor and currency."""
    documents: dict[tuple[str, str, str], DistributorDocument] = {}
    for number, month in enumerate(scenario.months):
        for resold in scenario.resold:
            if month >= resold.first_month:
                key = (month, resold.provider, resold.customer.currency.code)
                if key not in documents:
                    serial = 412 + 97 * number + len(documents) + scenario.seed % 7
                    documents[key] = _document(resold, month, serial)
                documents[key].charge([_line(resold, month)])
                documents[key].bought.append(resold)
    return list(documents.values())


def _document(resold: Resold, month: str, serial: int) -> DistributorDocument:
    return DistributorDocument(
        provider=resold.provider,
        number=_NUMBERS[resold.provider].format(month.replace("-", ""), serial),
        month=month,
        currency=resold.customer.currency,
        issued_on=first_day(shift(month, 1)) + ISSUED_AFTER,
        has_line_tax=True,
    )


def _line(resold: Resold, month: str) -> OtherLine:
    amount = resold.price * resold.quantity
    return OtherLine(
        customer=resold.customer,
        subscription_id=resold.subscription_id,
        product_id=resold.licence.product_id,
        sku_id=resold.licence.sku_id,
        product_name=resold.licence.name,
        charge_type="Recurring",
        charge_start_on=first_day(month),
        charge_end_on=last_day(month),
        unit_price=resold.price,
        quantity=Decimal(resold.quantity),
        list_amount=amount,
        subtotal=amount,
    )


def write_distributor(document: DistributorDocument, folder: Path) -> None:
    """Write the file of an invoice in its distributor's layout."""
    rows = _td_synnex_rows(document) if document.provider == TD_SYNNEX else _generic_rows(document)
    columns, delimiter = (TD_SYNNEX_COLUMNS, ",") if document.provider == TD_SYNNEX else (GENERIC_COLUMNS, ";")
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\r\n")
    writer.writerows([columns, *rows])
    (folder / document.file_name).write_bytes(buffer.getvalue().encode("utf-8-sig"))


def _td_synnex_rows(document: DistributorDocument) -> list[Sequence[str]]:
    return [
        (
            document.number,
            _month_first(document.issued_on),
            _month_first(document.issued_on + PAID_WITHIN),
            plain(document.total),
            line.customer.customer_id,
            line.customer.name,
            line.customer.domain,
            line.customer.reseller_mpn_id,
            resold.order_id,
            line.subscription_id,
            line.product_id,
            line.sku_id,
            line.product_name,
            resold.licence.publisher_name,
            line.charge_type,
            "Monthly",
            _month_first(line.charge_start_on),
            _month_first(line.charge_end_on),
            plain(line.quantity),
            plain(resold.list_price),
            plain(line.unit_price),
            plain(line.subtotal),
            plain(tax),
            document.currency.code,
        )
        for (line, tax), resold in zip(document.lines, document.bought, strict=True)
    ]


def _generic_rows(document: DistributorDocument) -> list[Sequence[str]]:
    return [
        (
            document.number,
            _day_first(document.issued_on),
            _comma(document.total),
            line.customer.customer_id,
            line.customer.name,
            line.subscription_id,
            line.product_id,
            line.sku_id,
            line.product_name,
            resold.licence.publisher_name,
            line.charge_type,
            _day_first(line.charge_start_on),
            _day_first(line.charge_end_on),
            _comma(line.quantity),
            _comma(line.unit_price),
            _comma(line.subtotal),
            _comma(tax),
            document.currency.code,
        )
        for (line, tax), resold in zip(document.lines, document.bought, strict=True)
    ]


def _month_first(on: date) -> str:
    return f"{on.month}/{on.day}/{on.year}"


def _day_first(on: date) -> str:
    return f"{on.day:02d}/{on.month:02d}/{on.year}"


def _comma(amount: Decimal) -> str:
    return plain(amount).replace(".", ",")
