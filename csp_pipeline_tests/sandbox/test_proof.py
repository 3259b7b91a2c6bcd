"""Every generated invoice ties: header, lines, usage and the published rounding, from the files alone."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from csp_pipeline.sandbox.wire import FORMS
from csp_pipeline_tests.sandbox.received import Row, amount, rows_of

if TYPE_CHECKING:
    from pathlib import Path

NOISE = Decimal("0.000001")
FORM_NAMES = {form.name for form in FORMS}
LINE_KEY = ("invoicenumber", "customerid", "subscriptionid", "productid", "skuid")


def headers(partner: Path) -> dict[str, dict[str, Any]]:
    items = json.loads((partner / "inbox" / "invoices.json").read_text(encoding="utf-8"), parse_float=Decimal)["items"]
    return {header["id"]: header for item in items for header in (item, *item.get("amendments", ()))}


def by_invoice(rows: list[Row]) -> dict[str, list[Row]]:
    grouped = defaultdict(list)
    for row in rows:
        grouped[row["invoicenumber"]].append(row)
    return grouped


def line_percent(line: Row) -> Decimal:
    texts = json.loads(line["priceadjustmentdescription"] or "[]")
    return next((Decimal(text.partition("%")[0]) for text in texts if "earned credit" in text), Decimal(0))


def minor_unit(currency: str) -> Decimal:
    return Decimal(1) if currency == "JPY" else Decimal("0.01")


def test_headers_equal_lines_and_document_tax(partner: Path, expected: dict[str, Any]) -> None:
    lines = by_invoice(rows_of(partner / "inbox", "reconciliation"))
    known = {one["invoice_number"]: one for one in expected["invoices"] if one["wire_form"] in FORM_NAMES}
    modern = {number: header for number, header in headers(partner).items() if header["invoiceType"] == "OneTime"}
    assert set(lines) == set(modern) == set(known)
    for number, header in modern.items():
        total = sum(amount(line["total"]) for line in lines[number])
        assert Decimal(header["totalCharges"]) - total == Decimal(known[number]["document_tax_amount"])
        assert all(
            amount(line["subtotal"]) + amount(line["taxtotal"]) == amount(line["total"]) for line in lines[number]
        )


def test_document_tax_can_be_inferred_from_a_rate(expected: dict[str, Any]) -> None:
    documents = [invoice for invoice in expected["invoices"] if invoice["document_tax_amount"] != "0"]
    assert documents
    for invoice in documents:
        tax = (Decimal(invoice["subtotal_amount"]) / 10).quantize(minor_unit(invoice["currency"]), ROUND_HALF_UP)
        assert tax == Decimal(invoice["document_tax_amount"])
        assert invoice["lines_tax_amount"] == "0"
    assert any(invoice["lines_tax_amount"] != "0" for invoice in expected["invoices"])


def test_every_usage_line_matches_one_group_and_the_rounding_is_the_formula(
    partner: Path, expected: dict[str, Any]
) -> None:
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows_of(partner / "inbox", "dailyratedusage"):
        percent = amount(row["partnerearnedcreditpercentage"])
        groups[(*(row[name] for name in LINE_KEY), row["meterid"], percent)].append(row)
    shapes = Counter((*key[:5], key[6], sum(amount(row["quantity"]) for row in rows)) for key, rows in groups.items())
    rounding: dict[str, Decimal] = defaultdict(Decimal)
    in_usage = {key[:5] for key in groups}
    for line in rows_of(partner / "inbox", "reconciliation"):
        key = tuple(line[name] for name in LINE_KEY)
        if key in in_usage:
            shapes[(*key, line_percent(line), amount(line["billablequantity"]))] -= 1
            rounding[key[0]] += amount(line["subtotal"])
    assert not any(shapes.values())
    for key, rows in groups.items():
        fx = amount(rows[0]["pctobcexchangerate"])
        pricing = sum((amount(row["pricingpretaxtotal"]) for row in rows), Decimal(0))
        net = sum(amount(row["billingpretaxtotal"]) for row in rows)
        assert all(
            abs(amount(row["billingpretaxtotal"]) - amount(row["pricingpretaxtotal"]) * fx) <= Decimal("5E-11")
            for row in rows
        )
        unit = minor_unit(rows[0]["billingcurrency"])
        billed = (pricing.quantize(Decimal("0.01"), ROUND_DOWN) * fx).quantize(unit, ROUND_DOWN)
        rounding[key[0]] -= billed
        groups[key] = [{"rounding": str(billed - net)}]
    assert not any(rounding.values())
    for invoice in expected["invoices"]:
        parts = [Decimal(rows[0]["rounding"]) for key, rows in groups.items() if key[0] == invoice["invoice_number"]]
        assert sum(parts) == Decimal(invoice["rounding_amount"])


def test_expected_credit_is_the_sum_of_the_rows(partner: Path, expected: dict[str, Any]) -> None:
    ten = Decimal("1E-10")
    earned: dict[str, Decimal] = defaultdict(Decimal)
    forgone: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows_of(partner / "inbox", "dailyratedusage"):
        percent, net = amount(row["partnerearnedcreditpercentage"]), amount(row["billingpretaxtotal"])
        currency = row["billingcurrency"]
        if percent:
            earned[currency] += (net * percent / (100 - percent)).quantize(ten, ROUND_HALF_UP)
        elif (
            row["publishername"].startswith("Microsoft")
            and row["benefittype"] != "SavingsPlan"
            and "ReservationOrderId" not in row["additionalinfo"]
            and "Spot" not in row["metername"]
            and row["credittype"] != "Azure Credit Applied"
        ):
            forgone[currency] += (net * 15 / 100).quantize(ten, ROUND_HALF_UP)
    for currency in ("EUR", "USD", "JPY"):
        costs = [cost for cost in expected["cost"] if cost["currency"] == currency]
        assert sum(Decimal(cost["pec_amount"]) for cost in costs) == earned[currency]
        assert sum(Decimal(cost["pec_forgone_amount"]) for cost in costs) == forgone[currency]


def test_net_prices_are_list_prices_less_the_credit(partner: Path) -> None:
    for row in rows_of(partner / "inbox", "dailyratedusage"):
        quantity, price = amount(row["quantity"]), amount(row["effectiveunitprice"])
        assert amount(row["pricingpretaxtotal"]) == quantity * price
        if amount(row["partnerearnedcreditpercentage"]):
            assert price == amount(row["unitprice"]) * Decimal("0.85")


def test_seat_lines_follow_the_published_formula(partner: Path) -> None:
    seat_lines = [
        line for line in rows_of(partner / "inbox", "reconciliation") if line["productcategory"] == "OnlineServices"
    ]
    assert seat_lines
    for line in seat_lines:
        each = amount(line["effectiveunitprice"]) * amount(line["pctobcexchangerate"])
        expected = each.quantize(minor_unit(line["currency"]), ROUND_DOWN) * amount(line["billablequantity"])
        assert amount(line["subtotal"]) == expected
