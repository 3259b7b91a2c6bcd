"""Ingest: each quirk of the wire is read, and what cannot be read is put aside row by row."""

from __future__ import annotations

import gzip
import json
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import duckdb

from csp_pipeline.formats import daily_usage, reconciliation
from csp_pipeline_tests.steps.inbox_case import (
    CUSTOMER,
    RECON_ROW,
    USAGE_ROW,
    InboxCase,
    csv_of,
    recon,
    usage,
    usage_lines,
    zipped,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

STAGED = "SELECT * EXCLUDE (source_file, file_sha256) FROM read_parquet(?) ORDER BY source_row"


def test_a_reconciliation_file_is_staged_with_its_types(case: InboxCase) -> None:
    case.ingest(recon__csv=recon({}))
    (row,) = case.query(
        "SELECT customer_name, sku_id, subtotal, order_date, charge_end_date, pc_to_bc_exchange_rate_date, "
        "product_category, "
        "source_file, source_row, typeof(subtotal) FROM staged_reconciliation"
    )
    assert row == (
        "Contoso, Ltd.", "0001", Decimal(231), date(2026, 10, 1), date(2026, 10, 31),
        None, None, "recon.csv", 1, "DECIMAL(38,18)",
    )  # fmt: skip


def test_every_form_of_the_same_file_gives_the_same_rows(tmp_path: Path) -> None:
    rows = [{**USAGE_ROW, "Quantity": str(number)} for number in range(1, 4)]
    text = csv_of(daily_usage.FORMAT, rows)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    camel = [{name[0].lower() + name[1:]: value for name, value in row.items()} for row in rows]
    forms: dict[str, str | bytes] = {
        "plain.csv": text,
        "mark.csv": "\ufeff" + text,
        "wide.csv": text.encode("utf-16"),
        "unix.csv": text.replace("\r\n", "\n"),
        "lower.csv": text.replace(text.split("\r\n")[0], text.split("\r\n")[0].lower(), 1),
        "sep.csv": "sep=,\r\n" + text,
        "packed.csv.gz": gzip.compress(text.encode()),
        "members.csv.gz": b"".join(gzip.compress(text.encode()[part : part + 99]) for part in range(0, len(text), 99)),
        "no_suffix": text,
        "lines.jsonl": lines,
        "lines.json.gz": gzip.compress(lines.encode()),
        "array.json": json.dumps(rows, indent=1),
        "collection.json": json.dumps({"totalCount": 3, "items": camel}),
        "camel.jsonl": "\ufeff" + "\n".join(json.dumps(row) for row in camel),
        "archive.zip": zipped(some_in_folder_in_usage__csv=text),
    }
    results = set()
    for name, content in forms.items():
        one = InboxCase.at(tmp_path / name)
        one.put(name, content)
        report = one.ingest()
        assert report.files[-1].rows_staged == 3, (name, report)
        (staged,) = (str(path) for path in one.home.staging.rglob("*.parquet"))
        results.add(tuple(duckdb.execute(STAGED, [staged]).fetchall()))
    assert len(results) == 1


def test_numbers_and_dates_of_the_wire(case: InboxCase) -> None:
    case.ingest(
        recon__csv=recon(
            {"Subtotal": "'231.00", "UnitPrice": "0E-20", "EffectiveUnitPrice": "7.1E-05"},
            {"Subtotal": "123456789012.123456789012345678", "OrderDate": "2026-10-01T08:15:00.1234567Z"},
            {"OrderDate": "10/1/2026 0:00", "ChargeType": "CYCLECHARGE", "CustomerName": 'A "B"\r\nC'},
        )
    )
    rows = case.query(
        "SELECT subtotal, effective_unit_price, order_date, charge_type, customer_name FROM staged_reconciliation"
    )
    assert [row[0] for row in rows] == [Decimal(231), Decimal("123456789012.123456789012345678"), Decimal(231)]
    assert rows[0][1] == Decimal("0.000071")
    assert {row[2] for row in rows} == {date(2026, 10, 1)}
    assert rows[2][3:] == ("CYCLECHARGE", 'A "B"\r\nC')


def test_the_name_of_a_percentage_decides_its_unit(case: InboxCase) -> None:
    header = [column.portal for column in daily_usage.FORMAT.columns]
    renamed = ["rateOfPartnerEarnedCredit" if name == "PartnerEarnedCreditPercentage" else name for name in header]
    rows = [{**USAGE_ROW, "rateOfPartnerEarnedCredit": value} for value in ("0.15", "", "0")]
    case.ingest(portal__csv=usage({}), api__csv=csv_of(daily_usage.FORMAT, rows, renamed))
    found = case.query("SELECT source_file, partner_earned_credit_percentage FROM staged_daily_usage ORDER BY ALL")
    assert found == [("api.csv", Decimal(0)), ("api.csv", Decimal(15)), ("api.csv", None), ("portal.csv", Decimal(15))]


def test_missing_optional_columns_are_null_and_unknown_ones_are_told(case: InboxCase) -> None:
    header = [
        column.portal for column in reconciliation.FORMAT.columns if column.name not in ("product_category", "mpn_id")
    ]
    text = csv_of(reconciliation.FORMAT, [{**RECON_ROW, "Notes": "mine"}], [*header[::-1], "Notes"])
    assert case.message(a__csv=text) == "staged: unknown columns were ignored: Notes"
    assert case.query("SELECT mpn_id, product_category, subtotal FROM staged_reconciliation") == [
        (None, None, Decimal(231))
    ]


def test_a_row_that_cannot_be_read_is_quarantined_and_the_others_go_on(case: InboxCase) -> None:
    text = recon({}, {"Subtotal": "n/a"}, {"ChargeStartDate": "31.10.2026", "Quantity": "x"}, {}) + "1,2,3\r\n"
    told = case.ingest(a__csv=text).files[0]
    assert (told.rows_total, told.rows_staged, told.rows_quarantined) == (5, 2, 3)
    rows = case.query("SELECT source_row, invoice_number, column_name, value FROM meta.quarantine ORDER BY ALL")
    assert rows == [
        (2, "G000000001", "Subtotal", "n/a"),
        (3, "G000000001", "ChargeStartDate", "31.10.2026"),
        (3, "G000000001", "Quantity", "x"),
        (5, "G000000001", None, "1,2,3"),
    ]
    sums = case.query(
        "SELECT rows_staged, rows_quarantined, amount_file, amount_staged, amount_quarantined FROM meta.file_invoices"
    )
    assert sums == [(2, 3, Decimal(693), Decimal(462), Decimal(231))]
    assert (case.home.quarantine / f"{told.sha256}.csv").read_text().startswith("source_file,source_row,invoice_number")


def test_ragged_rows_keep_their_place_between_blank_lines_and_batches(
    case: InboxCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("csp_pipeline.formats.csv_rows.BLOCK_BYTES", 4096)
    monkeypatch.setattr("csp_pipeline.formats.csv_rows.BATCH_BYTES", 1)
    lines = recon(*[{"OrderId": str(number)} for number in range(1, 101)]).splitlines(keepends=True)
    for row in (3, 50, 51, 100):
        lines[row] = lines[row].replace("\r\n", ",more\r\n")
    lines[10] = "\r\n" + lines[10]
    told = case.ingest(a__csv="".join(lines)).files[0]
    assert (told.rows_total, told.rows_quarantined) == (100, 4)
    assert case.query("SELECT count(*) FROM staged_reconciliation WHERE order_id <> source_row::VARCHAR") == [(0,)]
    assert case.query("SELECT source_row FROM meta.quarantine ORDER BY ALL") == [(3,), (50,), (51,), (100,)]


def test_text_in_another_encoding_quarantines_its_row_only(case: InboxCase) -> None:
    text = recon({}, {"CustomerName": "Müller"}).encode()
    told = case.ingest(a__csv=text.replace("ü".encode(), b"\xfc")).files[0]
    assert (told.rows_staged, told.rows_quarantined) == (1, 1)
    ragged = (
        recon({"OrderId": "1"}, {"CustomerName": "Müller"}, {"OrderId": "3"}).encode().replace("ü".encode(), b"\xfc")
    )
    rows = ragged.split(b"\r\n")
    rows[2] += b",more"
    told = case.ingest(r__csv=b"\r\n".join(rows)).files[0]
    assert (told.rows_total, told.rows_staged, told.rows_quarantined) == (3, 2, 1)
    lines = usage_lines({}, {"CustomerName": "Mx"}).encode().replace(b"Mx", b"M\xfc")
    told = case.ingest(b__jsonl=lines).files[0]
    assert (told.rows_staged, told.rows_quarantined) == (1, 1)


def test_a_broken_json_line_is_quarantined_and_the_others_go_on(case: InboxCase) -> None:
    told = case.ingest(a__jsonl=usage_lines({}) + '{"a": \n' + usage_lines({"Quantity": "4"}) + '{"usageDate"').files[0]
    assert (told.rows_total, told.rows_staged, told.rows_quarantined) == (4, 2, 2)
    assert case.query("SELECT source_row, quantity FROM staged_daily_usage ORDER BY 1") == [
        (1, Decimal(3)),
        (3, Decimal(4)),
    ]


def test_damage_by_a_spreadsheet_is_reported(case: InboxCase) -> None:
    told = case.ingest(
        a__csv=recon(
            {"SkuId": "1"}, {"OrderId": "1.23E+12"}, {"UnitPrice": "0", "EffectiveUnitPrice": "0"}, {"MpnId": "'0123"}
        )
    ).files[0]
    assert (told.rows_staged, told.rows_quarantined) == (3, 1)
    assert "1 rows have a SKU id like '1'" in told.message
    assert "1 rows have prices of 0" in told.message
    assert case.query("SELECT column_name, value FROM meta.quarantine") == [("OrderId", "1.23E+12")]
    assert case.query("SELECT mpn_id FROM staged_reconciliation WHERE source_row = 4") == [("0123",)]


def test_two_currencies_in_one_invoice_leave_the_rows_of_the_rarer_one_aside(case: InboxCase) -> None:
    case.ingest(
        a__csv=recon({"Currency": "USD"}, {}),
        b__csv=recon({"OrderId": "2"}, {"InvoiceNumber": "G2", "Currency": "USD"}),
    )
    assert case.query("SELECT DISTINCT invoice_number, currency FROM staged_reconciliation ORDER BY ALL") == [
        ("G000000001", "EUR"),
        ("G2", "USD"),
    ]
    rows = case.query("SELECT source_row, column_name, value, reason FROM meta.quarantine")
    assert rows == [
        (1, "Currency", "USD", "invoice G000000001 is in EUR, this row in USD; an invoice has one currency"),
    ]
    assert case.query("SELECT sum(rows_quarantined), bool_and(is_current) FROM meta.file_invoices") == [(1, True)]


def test_invoice_headers_and_their_amendments_are_headers_of_their_own(case: InboxCase) -> None:
    header = {
        "id": "G000000001",
        "invoiceDate": "2026-11-08T01:22:47.603895Z",
        "billingPeriodStartDate": "2026-10-01T00:00:00Z",
        "billingPeriodEndDate": "2026-10-31T00:00:00Z",
        "totalCharges": 107661.12,
        "paidAmount": 0,
        "currencyCode": "CHF",
        "documentType": "void_note",
        "invoiceType": "OneTime",
        "invoiceDetails": [{"billingProvider": "one_time"}],
    }
    amended = {
        **header,
        "amendments": [{**header, "id": "G000000002", "documentType": "adjustment_note", "totalCharges": -1.10}],
    }
    case.ingest(invoices__json=json.dumps({"totalCount": 1, "items": [amended]}))
    rows = (
        "SELECT invoice_number, total_charges, billing_period_start_date, amends_of "
        "FROM staged_invoice_headers ORDER BY 1"
    )
    assert case.query(rows) == [
        ("G000000001", Decimal("107661.12"), date(2026, 10, 1), None),
        ("G000000002", Decimal("-1.10"), date(2026, 10, 1), "G000000001"),
    ]
    case.ingest(invoices__json=json.dumps([{**header, "totalCharges": 5}]))
    assert [row[:2] for row in case.query(rows)] == [("G000000001", Decimal(5)), ("G000000002", Decimal("-1.10"))]


def test_partner_center_collections_are_staged(case: InboxCase) -> None:
    customers = {
        "items": [
            {"id": CUSTOMER, "companyProfile": {"tenantId": CUSTOMER, "domain": "a.example.com", "companyName": "A"}}
        ]
    }
    subscriptions = {
        "items": [{"id": "s", "offerId": "CFQ:0001:AV", "quantity": 5, "status": "active", "autoRenewEnabled": True}],
        "links": {"self": {"uri": f"/v1/customers/{CUSTOMER}/subscriptions?size=40", "method": "GET"}},
    }
    agreement = {
        "type": "MicrosoftCustomerAgreement",
        "dateAgreed": "2019-08-26T00:00:00",
        "templateId": "t",
        "customerId": CUSTOMER,
    }
    agreement |= {"primaryContact": {"firstName": "Tania", "lastName": "Carr"}}  # type: ignore[dict-item]
    audit = {
        "customerId": CUSTOMER,
        "operationType": "update_subscription",
        "operationDate": "2026-10-15T22:56:05.0589308Z",
        "operationStatus": "succeeded",
        "resourceType": "subscription",
        "customizedData": [{"key": "Quantity", "value": "5"}],
    }
    case.ingest(
        c__json=json.dumps(customers),
        s__json=json.dumps(subscriptions),
        a__json=json.dumps({"items": [agreement]}),
        r__json=json.dumps([audit]),
        l__csv="change_id,customer_id,subscription_id,changed_at,event,quantity_before,quantity_after,actor\n"
        f"1,{CUSTOMER},s,2026-10-15T10:00:00Z,quantity_changed,5,7,\n",
    )
    assert case.query("SELECT customer_id, name, domain FROM staged_customers") == [(CUSTOMER, "A", "a.example.com")]
    assert case.query("SELECT customer_id, quantity, auto_renew_enabled, offer_id FROM staged_subscriptions") == [
        (CUSTOMER, Decimal(5), True, "CFQ:0001:AV")
    ]
    assert case.query(
        "SELECT agreement_type, date_agreed, signer_name, snapshot_on IS NOT NULL FROM staged_agreements"
    ) == [("MicrosoftCustomerAgreement", date(2019, 8, 26), "Tania Carr", True)]
    assert case.query("SELECT operation_date, customized_data FROM staged_audit_records") == [
        (datetime(2026, 10, 15, 22, 56, 5, 58930), '[{"key":"Quantity","value":"5"}]')  # noqa: DTZ001
    ]
    assert case.query("SELECT changed_at, quantity_after, actor FROM staged_subscription_changes") == [
        (datetime(2026, 10, 15, 10), Decimal(7), None)  # noqa: DTZ001
    ]


def test_views_without_files_are_typed_and_empty(case: InboxCase) -> None:
    for kind in (
        "reconciliation",
        "daily_usage",
        "invoice_headers",
        "subscription_changes",
        "customers",
        "audit_records",
    ):
        assert case.query(f"SELECT * FROM staged_{kind}") == []
    (types,) = case.query(
        "SELECT any_value(column_type) FROM (DESCRIBE staged_daily_usage) WHERE column_name = 'quantity'"
    )
    assert types == ("DECIMAL(38,18)",)
    assert usage() != recon()
