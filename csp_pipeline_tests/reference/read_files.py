"""Reading an inbox folder of clean, well-formed files into plain rows.

Files are opened by content, their kind is told by their columns. A file whose bytes were seen already counts once.
Legacy and distributor files are read in ``read_other_files``, after all others, for the customers these tell of.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

from csp_pipeline_tests.reference.amounts import ZERO, parse_number
from csp_pipeline_tests.reference.days import parse_day, parse_instant
from csp_pipeline_tests.reference.read_other_files import read_other
from csp_pipeline_tests.reference.received import Change, CostLine, Header, Inbox, Snapshot, UsageRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal
    from pathlib import Path

ALIASES = {
    "totalforcustomer": "total",
    "tier2mpnid": "resellermpnid",
    "unitofmeasure": "unit",
    "pctobcexchangerate": "fxrate",
    "pctobcexchangeratedate": "fxrateon",
}


USAGE_TEXTS = {
    "invoice_number": "invoicenumber",
    "customer_id": "customerid",
    "subscription_id": "subscriptionid",
    "product_id": "productid",
    "sku_id": "skuid",
    "entitlement_id": "entitlementid",
    "resource_group": "resourcegroup",
    "resource_id": "resourceuri",
    "meter_id": "meterid",
    "meter_category": "metercategory",
    "meter_name": "metername",
    "currency": "billingcurrency",
    "pricing_currency": "pricingcurrency",
    "credit_type": "credittype",
    "benefit_type": "benefittype",
    "additional_info": "additionalinfo",
    "publisher_name": "publishername",
    "tags": "tags",
}
LINE_TEXTS = {
    "invoice_number": "invoicenumber",
    "customer_id": "customerid",
    "customer_name": "customername",
    "subscription_id": "subscriptionid",
    "product_id": "productid",
    "sku_id": "skuid",
    "product_name": "productname",
    "sku_name": "skuname",
    "publisher_name": "publishername",
    "product_category": "productcategory",
    "charge_type": "chargetype",
    "order_id": "orderid",
    "term": "termandbillingcycle",
    "billing_frequency": "billingfrequency",
    "meter_description": "meterdescription",
    "reservation_order_id": "reservationorderid",
    "credit_reason_code": "creditreasoncode",
    "price_adjustment": "priceadjustmentdescription",
    "reference_id": "referenceid",
    "promotion_id": "promotionid",
    "mpn_id": "mpnid",
    "reseller_mpn_id": "resellermpnid",
    "currency": "currency",
    "pricing_currency": "pricingcurrency",
}
"""Attribute by column, for the columns kept as text."""


def read_inbox(folder: Path) -> Inbox:
    """Read all files under ``folder`` in the order of their names."""
    inbox = Inbox()
    seen: set[str] = set()
    others: list[tuple[str, bytes]] = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        for name, content in _unpack(path.name, path.read_bytes()):
            digest = hashlib.sha256(content).hexdigest()
            if digest in seen:
                continue
            seen.add(digest)
            if not _read_content(inbox, name, content):
                others.append((name, content))
    inbox.unread += [name for name, content in others if not read_other(inbox, name, content.decode("utf-8-sig"))]
    return inbox


def _unpack(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    if content[:2] == b"\x1f\x8b":
        yield from _unpack(name.removesuffix(".gz"), gzip.decompress(content))
    elif content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in sorted(archive.namelist()):
                if not member.endswith("/"):
                    yield from _unpack(member, archive.read(member))
    else:
        yield name, content


def _name(column: str) -> str:
    plain = "".join(letter for letter in column.casefold() if letter.isalnum())
    return ALIASES.get(plain, plain)


def _read_content(inbox: Inbox, name: str, content: bytes) -> bool:
    text = content.decode("utf-8-sig")
    if text.lstrip()[:1] in ("{", "["):
        return _read_json(inbox, name, text)
    rows = csv.reader(io.StringIO(text, newline=""))
    columns = [_name(column) for column in next(rows, [])]
    return _add_rows(inbox, name, [dict(zip(columns, row, strict=False)) for row in rows if any(row)])


def _read_json(inbox: Inbox, name: str, text: str) -> bool:
    def load(piece: str) -> object:
        return json.loads(piece, parse_float=str, parse_int=str)

    owner = ""
    try:
        document = load(text)
    except json.JSONDecodeError:
        document = [load(line) for line in text.splitlines() if line.strip()]
    if isinstance(document, dict):
        owner = _owner(str(((document.get("links") or {}).get("self") or {}).get("uri", "")))
        items = document.get("items", [document])
    else:
        items = document
    if not isinstance(items, list) or not items:
        return False
    first = {_name(key) for key in items[0]}
    if "totalcharges" in first:
        for item in items:
            _add_header(inbox, item)
    elif "companyprofile" in first:
        for item in items:
            inbox.domains[str(item["companyProfile"].get("domain", "")).casefold()] = str(item["id"])
    elif {"quantity", "status"} <= first and "subtotal" not in first:
        inbox.snapshots.extend(_snapshot(item, owner) for item in items)
    else:
        return _add_rows(inbox, name, [{_name(key): value for key, value in item.items()} for item in items])
    return True


def _owner(uri: str) -> str:
    parts = uri.strip("/").split("/")
    return parts[parts.index("customers") + 1] if "customers" in parts[:-1] else ""


def _text(row: dict[str, object], *names: str) -> str:
    for name in names:
        value = row.get(name)
        if value is not None and str(value).strip():
            return (json.dumps(value) if isinstance(value, list | dict) else str(value)).strip()
    return ""


def _texts(row: dict[str, object], names: dict[str, str]) -> dict[str, Any]:
    return {attribute: _text(row, column) for attribute, column in names.items()}


def _add_rows(inbox: Inbox, name: str, rows: list[dict[str, object]]) -> bool:
    """Add rows of a kind known here; what no invoice has billed yet has no number."""
    if not rows:
        return True
    columns = set(rows[0])
    if {"usagedate", "billingpretaxtotal"} <= columns:
        inbox.usage.extend(_usage_row(name, number, row) for number, row in enumerate(rows, 1))
    elif {"subtotal", "billablequantity", "chargetype"} <= columns:
        inbox.lines.extend(_cost_line(name, number, row) for number, row in enumerate(rows, 1))
    elif {"subscriptionid", "changedat", "quantitybefore", "quantityafter"} <= columns:
        inbox.changes.extend(_change(row) for row in rows)
    else:
        return False
    return True


def _usage_row(name: str, number: int, row: dict[str, object]) -> UsageRow:
    used_on = parse_day(row.get("usagedate"))
    if used_on is None:
        raise ValueError(f"{name} row {number}: UsageDate is blank")
    percent = parse_number(row.get("partnerearnedcreditpercentage"))
    rate = parse_number(row.get("rateofpartnerearnedcredit"))
    if percent is None:
        percent = ZERO if rate is None else rate * 100
    return UsageRow(
        source_file=name,
        source_row=number,
        usage_on=used_on,
        quantity=parse_number(row.get("quantity")) or ZERO,
        unit_price=parse_number(row.get("unitprice")),
        effective_unit_price=parse_number(row.get("effectiveunitprice")),
        net_amount=parse_number(row.get("billingpretaxtotal")) or ZERO,
        pricing_amount=parse_number(row.get("pricingpretaxtotal")) or ZERO,
        fx_rate=parse_number(row.get("fxrate")),
        pec_percent=percent,
        **_texts(row, USAGE_TEXTS),
    )


def signed_quantity(quantity: Decimal, subtotal: Decimal, effective_price: Decimal | None) -> Decimal:
    """Rule 4: the sign of the subtotal, of the effective price where that is 0, else as sent."""
    decides = subtotal if subtotal != 0 else (effective_price or ZERO)
    if decides == 0:
        return quantity
    return abs(quantity) if decides > 0 else -abs(quantity)


def _cost_line(name: str, number: int, row: dict[str, object]) -> CostLine:
    quantity = parse_number(row.get("billablequantity"))
    if quantity is None:
        quantity = parse_number(row.get("quantity")) or ZERO
    subtotal = parse_number(row.get("subtotal")) or ZERO
    tax = parse_number(row.get("taxtotal")) or ZERO
    total = parse_number(row.get("total"))
    effective = parse_number(row.get("effectiveunitprice"))
    return CostLine(
        source_file=name,
        source_row=number,
        charge_start_on=parse_day(row.get("chargestartdate")),
        charge_end_on=parse_day(row.get("chargeenddate")),
        order_on=parse_day(row.get("orderdate")),
        subscription_starts_on=parse_day(row.get("subscriptionstartdate")),
        subscription_ends_on=parse_day(row.get("subscriptionenddate")),
        unit_price=parse_number(row.get("unitprice")),
        effective_unit_price=effective,
        received_quantity=quantity,
        quantity=signed_quantity(quantity, subtotal, effective),
        subtotal=subtotal,
        tax=tax,
        total=subtotal + tax if total is None else total,
        fx_rate=parse_number(row.get("fxrate")),
        fx_rate_on=parse_day(row.get("fxrateon")),
        **_texts(row, LINE_TEXTS),
    )


def _add_header(inbox: Inbox, item: dict[str, object]) -> None:
    row = {_name(key): value for key, value in item.items()}
    stated = [parse_number(row.get(n)) for n in ("taxamount", "taxtotal", "totaltax", "tax")]
    inbox.headers.append(
        Header(
            _text(row, "id"),
            _text(row, "documenttype") or "invoice",
            _text(row, "amendsof"),
            parse_day(row.get("invoicedate")),
            parse_day(row.get("billingperiodstartdate")),
            _text(row, "currencycode"),
            parse_number(row.get("totalcharges")) or ZERO,
            next((value for value in stated if value is not None), None),
            parse_day(row.get("billingperiodenddate")),
        )
    )
    amendments = item.get("amendments")
    for amendment in amendments if isinstance(amendments, list) else []:
        _add_header(inbox, amendment)


def _snapshot(item: dict[str, object], owner: str) -> Snapshot:
    row = {_name(key): value for key, value in item.items()}
    links = item.get("links")
    uri = str((links.get("self") or {}).get("uri", "")) if isinstance(links, dict) else ""
    return Snapshot(
        _text(row, "customerid") or _owner(uri) or owner,
        _text(row, "id"),
        parse_number(row.get("quantity")) or ZERO,
        parse_day(row.get("effectivestartdate")) or parse_day(row.get("creationdate")),
        parse_day(row.get("commitmentenddate")),
        _text(row, "billingcycle").casefold(),
    )


def _change(row: dict[str, object]) -> Change:
    changed_at = parse_instant(row.get("changedat"))
    if changed_at is None:
        raise ValueError(f"change {row.get('changeid')}: changed_at is blank")
    return Change(
        change_id=_text(row, "changeid"),
        customer_id=_text(row, "customerid"),
        subscription_id=_text(row, "subscriptionid"),
        changed_at=changed_at,
        before=parse_number(row.get("quantitybefore")) or ZERO,
        after=parse_number(row.get("quantityafter")) or ZERO,
        source="inbox",
    )
