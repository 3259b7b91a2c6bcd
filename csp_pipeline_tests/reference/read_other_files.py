"""Legacy and distributor files as plain rows; distributors in the two layouts that are shipped."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from csp_pipeline_tests.reference.amounts import ZERO, parse_number
from csp_pipeline_tests.reference.days import parse_day
from csp_pipeline_tests.reference.received import CostLine, Header, Inbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

LEGACY_AZURE = "MS-AZR-0145P"
LICENCE_SIGN = {"durableofferid", "totalforcustomer", "syndicationpartnersubscriptionnumber"}
CHARGE_SIGN = {"resourceguid", "pretaxcharges", "overagequantity"}
DAY_SIGN = {"resourceguid", "usagedate"}
TD_SYNNEX = {
    "Invoice Number": "number", "Invoice Date": "date", "Invoice Total": "total", "End Customer Tenant ID": "customer",
    "End Customer Name": "customer_name", "Reseller MPN ID": "reseller", "Order Number": "order",
    "Vendor Subscription ID": "subscription", "Manufacturer Part Number": "product", "Vendor SKU": "sku",
    "Product Description": "name", "Vendor Name": "vendor", "Charge Type": "charge", "Billing Cycle": "cycle",
    "Service Start Date": "start", "Service End Date": "end", "Quantity": "quantity", "Unit Price": "price",
    "Extended Price": "amount", "Tax Amount": "tax", "Currency Code": "currency",
}  # fmt: skip
GENERIC = {
    "Invoice": "number", "Invoice date": "date", "Invoice total": "total", "Customer ID": "customer",
    "End customer": "customer_name", "Subscription ID": "subscription", "Product ID": "product", "SKU": "sku",
    "Product": "name", "Vendor": "vendor", "Charge": "charge", "Start": "start", "End": "end", "Quantity": "quantity",
    "Unit price": "price", "Extended price": "amount", "Tax": "tax", "Currency": "currency",
}  # fmt: skip
BLANK = CostLine(
    **dict.fromkeys(
        (
            "source_file", "invoice_number", "customer_id", "customer_name", "subscription_id", "product_id", "sku_id",
            "product_name", "sku_name", "publisher_name", "product_category", "charge_type", "order_id", "term",
            "billing_frequency", "meter_description", "reservation_order_id", "credit_reason_code", "price_adjustment",
            "reference_id", "promotion_id", "mpn_id", "reseller_mpn_id", "currency", "pricing_currency",
        ),
        "",
    ),
    **dict.fromkeys(
        (
            "charge_start_on", "charge_end_on", "order_on", "subscription_starts_on", "subscription_ends_on",
            "unit_price", "effective_unit_price", "fx_rate", "fx_rate_on",
        )
    ),
    **dict.fromkeys(("received_quantity", "quantity", "subtotal", "tax", "total"), ZERO),
    source_row=0,
)  # fmt: skip
"""A line of which nothing is known."""


def read_other(inbox: Inbox, name: str, text: str) -> bool:
    """Add the rows of a legacy or distributor file; False when it is neither."""
    first = text.split("\n", 1)[0].strip()
    columns = {_plain(column) for column in first.split(",")}
    if columns >= LICENCE_SIGN:
        for number, row in enumerate(csv.DictReader(io.StringIO(text, newline="")), 1):
            inbox.lines.append(_licence(name, number, _named(row)))
    elif columns >= CHARGE_SIGN:
        inbox.lines.extend(_charges(inbox, name, text))
    elif set(first.split(",")) >= set(TD_SYNNEX):
        _distributor(inbox, name, text, "td_synnex", TD_SYNNEX)
    elif set(first.split(";")) >= set(GENERIC):
        _distributor(inbox, name, text, "generic", GENERIC)
    else:
        return False
    return True


def _plain(column: str) -> str:
    return "".join(letter for letter in column.casefold() if letter.isalnum())


def _named(row: dict[str, Any]) -> dict[str, str]:
    return {_plain(column): (value or "").strip() for column, value in row.items() if column is not None}


def _signed(quantity: Decimal, subtotal: Decimal, price: Decimal | None) -> Decimal:
    decides = subtotal or price or ZERO
    return quantity if decides == 0 else abs(quantity) if decides > 0 else -abs(quantity)


def _licence(name: str, number: int, row: dict[str, str]) -> CostLine:
    """Amount less discount is the subtotal; the id of Partner Center is SyndicationPartnerSubscriptionNumber."""
    amounts = {key: parse_number(row.get(key)) or ZERO for key in ("amount", "totalotherdiscount", "subtotal", "tax")}
    quantity, price = parse_number(row.get("quantity")) or ZERO, parse_number(row.get("unitprice"))
    return replace(
        BLANK,
        source_file=name,
        source_row=number,
        kind="legacy_licence",
        customer_id=row["customerid"],
        customer_name=row["customername"],
        subscription_id=row["syndicationpartnersubscriptionnumber"],
        product_id=row["durableofferid"],
        product_name=row["offername"],
        charge_type=row["chargetype"],
        charge_start_on=parse_day(row["chargestartdate"]),
        charge_end_on=parse_day(row["chargeenddate"]),
        order_id=row["orderid"],
        term=row["billingcycletype"],
        billing_frequency=row["billingcycletype"],
        subscription_starts_on=parse_day(row["subscriptionstartdate"]),
        subscription_ends_on=parse_day(row["subscriptionenddate"]),
        mpn_id=row["mpnid"],
        reseller_mpn_id=row["resellermpnid"],
        unit_price=price,
        received_quantity=quantity,
        quantity=_signed(quantity, amounts["subtotal"], price),
        subtotal=amounts["subtotal"],
        tax=amounts["tax"],
        total=parse_number(row["totalforcustomer"]) or ZERO,
        currency=row["currency"],
        pricing_currency=row["currency"],
        own_formula=amounts["amount"] - amounts["totalotherdiscount"],
    )


def _charges(inbox: Inbox, name: str, text: str) -> Iterator[CostLine]:
    """The rows above the header of the days: list price x charged quantity; days carry no money."""
    rows = list(csv.reader(io.StringIO(text, newline="")))
    columns = [_plain(column) for column in rows[0]]
    owners = {snapshot.subscription_id.casefold(): snapshot.customer_id for snapshot in inbox.snapshots}
    for number, cells in enumerate(rows[1:], 1):
        if {_plain(cell) for cell in cells} >= DAY_SIGN:
            return
        if sum(bool(cell.strip()) for cell in cells) <= 1:
            continue
        row = dict(zip(columns, (cell.strip() for cell in cells), strict=False))
        charged = parse_number(row["overagequantity"]) or ZERO
        price, subtotal = parse_number(row["listprice"]), parse_number(row["pretaxcharges"]) or ZERO
        subscription = row["subscriptionid"]
        owner = owners.get(subscription.casefold()) or inbox.domains.get(row["domainname"].casefold())
        described = (row["servicename"], row["servicetype"], row["resourcename"], row["region"])
        tax = parse_number(row["taxamount"]) or ZERO
        total = parse_number(row["posttaxtotal"])
        yield replace(
            BLANK,
            source_file=name,
            source_row=number,
            kind="legacy_usage",
            invoice_number=row["invoicenumber"],
            customer_id=owner or row["customerid"],
            customer_name=row["customercompanyname"],
            subscription_id=subscription,
            product_id=LEGACY_AZURE,
            sku_id=row["sku"],
            product_name=row["subscriptiondescription"],
            charge_type=row["chargetype"],
            charge_start_on=parse_day(row["chargestartdate"]),
            charge_end_on=parse_day(row["chargeenddate"]),
            order_id=row["orderid"],
            term=row["billingcycletype"],
            billing_frequency=row["billingcycletype"],
            meter_description=" - ".join(part for part in described if part),
            mpn_id=row["mpnid"],
            reseller_mpn_id=row["resellermpnid"],
            unit_price=price,
            effective_unit_price=parse_number(row["pretaxeffectiverate"]),
            received_quantity=charged,
            quantity=_signed(charged, subtotal, price),
            subtotal=subtotal,
            tax=tax,
            total=subtotal + tax if total is None else total,
            currency=row["currency"],
            pricing_currency=row["currency"],
            own_formula=(price or ZERO) * charged,
        )


def _distributor(inbox: Inbox, name: str, text: str, provider: str, layout: dict[str, str]) -> None:
    """Lines of one distributor, and the total that each of them states for its invoice."""
    is_generic = provider == "generic"

    def amount(cell: str) -> Decimal | None:
        return parse_number(cell.replace(".", "").replace(",", ".") if is_generic else cell)

    def day(cell: str) -> str:
        if not is_generic:
            return cell
        number, month, year = cell.split("/")
        return f"{year}-{month}-{number}"

    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=";" if is_generic else ",")
    for number, cells in enumerate(reader, 1):
        row = {ours: (cells[theirs] or "").strip() for theirs, ours in layout.items()}
        subtotal, tax = amount(row["amount"]) or ZERO, amount(row["tax"]) or ZERO
        quantity, price = amount(row["quantity"]) or ZERO, amount(row["price"])
        total = amount(row["total"])
        if total is not None:
            issued_on = parse_day(day(row["date"]))
            inbox.headers.append(
                Header(row["number"], "", "", issued_on, None, row["currency"], total, None, None, provider)
            )
        inbox.lines.append(
            replace(
                BLANK,
                source_file=name,
                source_row=number,
                provider=provider,
                kind="distributor",
                invoice_number=row["number"],
                customer_id=row["customer"],
                customer_name=row["customer_name"],
                subscription_id=row["subscription"],
                product_id=row["product"],
                sku_id=row["sku"],
                product_name=row["name"],
                publisher_name=row["vendor"],
                charge_type=row["charge"],
                charge_start_on=parse_day(day(row["start"])),
                charge_end_on=parse_day(day(row["end"])),
                order_id=row.get("order", ""),
                billing_frequency=row.get("cycle", "Monthly"),
                reseller_mpn_id=row.get("reseller", ""),
                unit_price=price,
                received_quantity=quantity,
                quantity=_signed(quantity, subtotal, price),
                subtotal=subtotal,
                tax=tax,
                total=subtotal + tax,
                currency=row["currency"],
                pricing_currency=row["currency"],
            )
        )
