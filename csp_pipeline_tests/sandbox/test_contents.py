"""What a generated partner contains: every kind of charge, every wire form, every planted cause."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from csp_pipeline.sandbox.wire import FORMS, RECON_COLUMNS, USAGE_COLUMNS
from csp_pipeline_tests.sandbox.received import amount, rows_of

if TYPE_CHECKING:
    from pathlib import Path


def table(partner: Path, name: str) -> list[dict[str, str]]:
    with (partner / "commercial" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_charge_type_of_new_commerce_occurs(partner: Path) -> None:
    found = {line["chargetype"].lower() for line in rows_of(partner / "inbox", "reconciliation")}
    assert found == {
        "new", "renew", "cyclecharge", "addquantity", "removequantity", "movequantity", "cancelimmediate", "convert",
        "changebillingplan", "customercredit", "extendterm",
    }  # fmt: skip


def test_a_seat_change_is_a_refund_and_a_charge_that_share_one_reference(partner: Path) -> None:
    pairs: dict[str, list[dict[str, str]]] = defaultdict(list)
    for line in rows_of(partner / "inbox", "reconciliation"):
        if line["chargetype"].lower() in ("addquantity", "removequantity"):
            pairs[line["referenceid"]].append(line)
    assert pairs
    for lines in pairs.values():
        assert sorted(amount(line["effectiveunitprice"]) > 0 for line in lines) == [False, True]
        assert len({line["subscriptionid"] for line in lines}) == 1
        assert all(amount(line["billablequantity"]) > 0 for line in lines)
    assert {reference.startswith("{") for reference in pairs} == {True, False}


def test_every_wire_form_is_used_with_all_columns(partner: Path, expected: dict[str, Any]) -> None:
    used = {invoice["wire_form"] for invoice in expected["invoices"]}
    assert used == {form.name for form in FORMS} | {"legacy", "td_synnex", "generic"}
    assert (len(RECON_COLUMNS), len(USAGE_COLUMNS)) == (47, 55)
    portal = min((partner / "inbox").glob("*_reconciliation.csv")).read_bytes()
    assert portal.startswith(b"\xef\xbb\xbfPartnerId,")
    assert portal.split(b"\r\n")[0].count(b",") == 46
    assert len(list((partner / "inbox").glob("*_dailyratedusage-part-*.json.gz"))) > 3
    gzip_file = next(iter((partner / "inbox").glob("*_reconciliation.csv.gz"))).read_bytes()
    assert gzip_file.startswith(b"\x1f\x8b")


def test_expected_row_counts_are_those_of_the_files(partner: Path, expected: dict[str, Any]) -> None:
    assert len(rows_of(partner / "inbox", "dailyratedusage")) == expected["rows"]["daily_usage"] == 6_000
    assert len(rows_of(partner / "inbox", "reconciliation")) == expected["rows"]["reconciliation"]
    for kind, name in (("customers", "customers"), ("subscriptions", "subscriptions"), ("agreements", "agreements")):
        collection = json.loads((partner / "inbox" / f"{name}.json").read_text(encoding="utf-8"))
        assert len(collection["items"]) == collection["totalCount"] == expected["rows"][kind]
    assert len(table(partner, "contract_lines")) == expected["rows"]["contract_lines"]


def test_tenants_share_a_name_and_an_account_owns_two(partner: Path) -> None:
    items = json.loads((partner / "inbox" / "customers.json").read_text(encoding="utf-8"))["items"]
    names = [item["companyProfile"]["companyName"] for item in items]
    assert len(names) - len(set(names)) >= 2
    owners = [row["account_id"] for row in table(partner, "account_tenants")]
    assert len(owners) > len(set(owners))
    resellers = table(partner, "account_resellers")
    assert len(items) == len(owners) + len(resellers) + 1  # one tenant belongs to nobody


def test_benefits_and_marketplace_are_in_usage_without_credit(partner: Path) -> None:
    rows = rows_of(partner / "inbox", "dailyratedusage")
    special = {
        "savings plan": [row for row in rows if row["benefittype"] == "SavingsPlan"],
        "reservation": [row for row in rows if "ReservationOrderId" in row["additionalinfo"]],
        "marketplace": [row for row in rows if not row["publishername"].startswith("Microsoft")],
        "spot": [row for row in rows if "Spot" in row["metername"]],
        "azure credit": [row for row in rows if row["credittype"] == "Azure Credit Applied"],
    }
    for name, its_rows in special.items():
        assert its_rows, name
        assert not any(amount(row["partnerearnedcreditpercentage"]) for row in its_rows), name
    assert not any(amount(row["billingpretaxtotal"]) for row in special["savings plan"] + special["reservation"])
    orders = {line["reservationorderid"] for line in rows_of(partner / "inbox", "reconciliation")}
    assert special["savings plan"][0]["benefitorderid"] in orders


def test_credit_is_lost_in_the_middle_of_a_month(partner: Path) -> None:
    days: dict[str, dict[bool, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in rows_of(partner / "inbox", "dailyratedusage"):
        days[row["resourceuri"]][bool(amount(row["partnerearnedcreditpercentage"]))].add(row["usagedate"])
    assert any(len(seen[True]) > 20 and len(seen[False]) > 20 for seen in days.values())


def test_cycles_start_on_many_days_and_the_31st_is_clamped(partner: Path) -> None:
    lines = rows_of(partner / "inbox", "reconciliation")
    starts = {line["chargestartdate"] for line in lines if line["chargetype"].lower() == "cyclecharge"}
    assert any("8/31/2026" in start or "2026-08-31" in start for start in starts)
    assert any("9/30/2026" in start or "2026-09-30" in start for start in starts)


def test_every_cause_of_this_slice_is_planted(expected: dict[str, Any]) -> None:
    causes = {entry["cause"] for entry in expected["planted"]}
    assert causes >= {
        "unmapped_customer", "credit", "timing", "period", "proration", "unbilled_cost", "revenue_without_cost",
        "quantity_mismatch", "rounding",
    }  # fmt: skip


def test_planted_amounts_are_those_of_a_pencil(expected: dict[str, Any]) -> None:
    found = {(entry["cause"], entry["service_month"], entry["currency"]): entry for entry in expected["planted"]}
    # 31 seats at 30.00, a provider cycle from 17 August (31 days) and one from 17 September (30 days)
    proration = 930 - 930 * Decimal(16) / 31 - 930 * Decimal(14) / 30
    assert Decimal(found["proration", "2026-09", "EUR"]["amount"]) == proration == 16
    # two seats too many at 5.23
    assert found["quantity_mismatch", "2026-08", "EUR"]["amount"] == "10.46"
    # five seats more from 25 September: 6 of 30 days
    assert found["timing", "2026-09", "JPY"]["quantity"] == 5
    # two seats more from 20 June, billed in July: 11 of 30 days before billing begins
    assert found["period", "2026-06", "JPY"]["quantity"] == -2


def test_drafts_add_up_to_revenue(expected: dict[str, Any]) -> None:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for draft in expected["drafts"]:
        sums[draft["currency"]] += Decimal(draft["net_amount"])
    assert {currency: str(total.normalize() + 0) for currency, total in sums.items()}.keys() == expected[
        "revenue_by_currency"
    ].keys()
    assert all(sums[currency] == Decimal(total) for currency, total in expected["revenue_by_currency"].items())
