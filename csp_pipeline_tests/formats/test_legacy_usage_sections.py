"""The portal's legacy usage file: two sections, each under a header of its own."""

from __future__ import annotations

import io
from datetime import date
from decimal import Decimal

from csp_pipeline.formats.opening import open_rows
from csp_pipeline_tests.steps.legacy_case import CHARGE_COLUMNS, DAY_COLUMNS, SHARED_COLUMNS, usage_file

SECTIONED_COLUMNS = 42


def read(text: str) -> tuple[str, list[dict[str, object]], list[tuple[int, str | None]]]:
    rows = open_rows(io.BufferedReader(io.BytesIO(text.encode())))
    found: list[dict[str, object]] = []
    rejects: list[tuple[int, str | None]] = []
    for work in rows.batches():
        batch = work()
        found += batch.table.to_pylist()
        rejects += [(reject.row, reject.column) for reject in batch.rejects]
    return rows.wire_format.kind, found, rejects


def test_the_columns_of_both_sections_are_the_42_published() -> None:
    assert len({*CHARGE_COLUMNS, *DAY_COLUMNS}) == SECTIONED_COLUMNS
    assert set(SHARED_COLUMNS) < {*CHARGE_COLUMNS} & {*DAY_COLUMNS}


def test_charges_and_days_are_told_apart_and_numbered_through() -> None:
    kind, rows, rejects = read(usage_file({}, days=3))
    assert (kind, rejects) == ("legacy_usage", [])
    assert [(row["source_row"], row["line_item_type"], row["usage_date"], row["pretax_charges"]) for row in rows] == [
        (1, "billing_line_items", None, Decimal("63.33")),
        (2, "usage_line_items", date(2026, 8, 2), None),
        (3, "usage_line_items", date(2026, 8, 3), None),
    ]
    assert (rows[1]["metered_service"], rows[1]["consumed_quantity"]) == ("App Service", Decimal(24))


def test_a_day_never_carries_money_even_where_both_sections_share_a_header() -> None:
    columns = "InvoiceNumber,SubscriptionId,ResourceGuid,ConsumedQuantity,PretaxCharges,Currency,UsageDate\r\n"
    _, rows, _ = read(f"{columns}D1,s,r,31,10.00,USD,\r\nD1,s,r,1,10.00,USD,8/2/2026 0:00\r\n")
    assert [(row["line_item_type"], row["pretax_charges"]) for row in rows] == [
        ("billing_line_items", Decimal(10)),
        ("usage_line_items", None),
    ]


def test_a_charge_without_an_amount_is_put_aside_and_a_day_without_one_is_not() -> None:
    _, rows, rejects = read(usage_file({"PretaxCharges": ""}, days=2))
    assert (len(rows), rejects) == (2, [(1, "pretaxCharges")])


def test_days_alone_are_a_kind_of_their_own() -> None:
    sections = usage_file({}, days=4).split("Daily usage\r\n")
    kind, rows, _ = read(sections[1])
    assert (kind, [row["line_item_type"] for row in rows]) == ("legacy_daily_usage", ["usage_line_items"] * 3)


def test_a_row_with_too_few_fields_is_put_aside() -> None:
    _, rows, rejects = read(usage_file({}, days=2) + "a,b\r\n")
    assert (len(rows), rejects) == (2, [(3, None)])
