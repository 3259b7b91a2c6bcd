"""Mappings of distributors, and the rows they make of CSV and of workbooks."""

from __future__ import annotations

import io
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csp_pipeline.errors import InputFileError
from csp_pipeline.formats.distributor import InvoiceMapping, mapping_of, provider_of, read_mappings
from csp_pipeline.formats.distributor_rows import _plain_number, is_workbook, open_workbook
from csp_pipeline.formats.opening import open_rows
from csp_pipeline.formats.recognition import UnrecognisedFileError

SHIPPED = Path(__file__).parents[2] / "data" / "providers"
SMALL: dict[str, object] = {
    "provider": "acme",
    "currency": "EUR",
    "columns": {
        "invoice_number": "Doc",
        "customer_id": "Customer",
        "quantity": "Qty",
        "extended_price": "Amount",
        "charge_start_date": "From",
    },
    "optional": ["charge_start_date"],
}


def read(text: str, *mappings: InvoiceMapping) -> tuple[str, list[dict[str, object]], list[tuple[int, str | None]]]:
    rows = open_rows(io.BufferedReader(io.BytesIO(text.encode())), mappings)
    found, rejects = [], []
    for work in rows.batches():
        batch = work()
        found += batch.table.to_pylist()
        rejects += [(reject.row, reject.column) for reject in batch.rejects]
    return rows.wire_format.kind, found, rejects


def workbook(path: Path, *rows: list[object]) -> Path:
    import openpyxl  # noqa: PLC0415  (only these tests write workbooks)

    book = openpyxl.Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def test_the_shipped_mappings_can_be_read() -> None:
    mappings, problems = read_mappings(SHIPPED)
    assert [provider_of(one.wire_format.kind) for one in mappings] == ["generic", "td_synnex"]
    assert problems == []


def test_a_file_is_recognised_by_the_columns_of_its_mapping() -> None:
    kind, (row,), rejects = read("Doc,Customer,Qty,Amount\nR1,c1,3,12.50\n", mapping_of(SMALL))
    assert (kind, rejects) == ("distributor_acme", [])
    assert (row["invoice_number"], row["extended_price"], row["currency"]) == ("R1", Decimal("12.5"), "EUR")
    assert row["total_amount"] == Decimal("12.5")


def test_the_mapping_with_the_most_columns_is_meant() -> None:
    wider = mapping_of(SMALL | {"provider": "wider", "optional": []})
    kind, _, _ = read("Doc,Customer,Qty,Amount,From\nR1,c1,3,12.50,2026-10-01\n", mapping_of(SMALL), wider)
    assert kind == "distributor_wider"


def test_european_numbers_and_dates_are_read_as_the_mapping_says() -> None:
    declared = SMALL | {"delimiter": ";", "decimal": ",", "dates": "D/M/Y"}
    text = "Doc;Customer;Qty;Amount;From\nR1;c1;3;1.234,50 €;03.10.2026\nR1;c1;1;(2,50);2026-10-04\n"
    _, rows, rejects = read(text, mapping_of(declared))
    assert rejects == []
    assert [(row["extended_price"], row["charge_start_date"]) for row in rows] == [
        (Decimal("1234.5"), date(2026, 10, 3)),
        (Decimal("-2.5"), date(2026, 10, 4)),
    ]


def test_a_row_that_names_no_invoice_or_no_number_is_put_aside() -> None:
    _, _, rejects = read("Doc,Customer,Qty,Amount\n,c1,3,12.50\nR1,c1,3,dear\n", mapping_of(SMALL))
    assert rejects == [(1, "Doc"), (2, "Amount")]


def test_a_workbook_is_read_below_its_titles_with_the_digits_it_shows(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "a.xlsx",
        ["ACME invoice"],
        [],
        ["Doc", "Customer", "Qty", "Amount", "From"],
        [1001, "c1", 3, 0.1 + 0.2, datetime(2026, 10, 1)],  # noqa: DTZ001  (a cell has no zone)
    )
    assert is_workbook(path)
    rows = open_workbook(path, [mapping_of(SMALL)])
    (batch,) = (work() for work in rows.batches())
    (row,) = batch.table.to_pylist()
    assert (row["invoice_number"], row["extended_price"]) == ("1001", Decimal("0.3"))
    assert (row["quantity"], row["charge_start_date"]) == (Decimal(3), date(2026, 10, 1))


def test_a_workbook_of_no_mapping_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnrecognisedFileError, match="found none of them in any sheet"):
        open_workbook(workbook(tmp_path / "a.xlsx", ["a", "b"]), [mapping_of(SMALL)])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"provider": "Acme Ltd"}, "expected provider"),
        ({"provider": "microsoft"}, "found microsoft"),
        ({"columns": {"invoice_number": "Doc", "customer_id": "C"}}, "expected a column for extended_price"),
        ({"columns": {"invoice_number": "Doc", "extended_price": "A"}}, "a column that tells the customer"),
        ({"columns": {"invoice": "Doc"}}, "expected columns among"),
        ({"columns": {"invoice_number": "D", "customer_id": "d", "extended_price": "A"}}, "to be used once"),
        ({"delimiter": "x"}, "expected delimiter"),
        ({"dates": "Y"}, "expected dates"),
        ({"colums": {}}, "expected no further settings, found colums"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_told(change: dict[str, object], said: str) -> None:
    with pytest.raises(InputFileError, match=said):
        mapping_of(SMALL | change)


def test_a_broken_mapping_leaves_the_others_alone(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("provider: [", "utf-8")
    (tmp_path / "b.yaml").write_text((SHIPPED / "generic.yaml").read_text("utf-8"), "utf-8")
    mappings, problems = read_mappings(tmp_path)
    assert len(mappings) == 1
    assert problems[0].startswith("providers/a.yaml: expected YAML")


@pytest.mark.parametrize(
    ("sent", "decimal", "read"),
    [
        ("1.234,56", ",", "1234.56"),
        ("1.234,56-", ",", "-1234.56"),
        ("(1.234,56 EUR)", ",", "-1234.56"),
        ("\u2212 12,50 \u20ac", ",", "-12.50"),
        ("1\u202f234,5", ",", "1234.5"),
        ("1,234.50 CR", ".", "-1234.50"),
        ("12.50DR", ".", "12.50"),
        ("$-12.50", ".", "-12.50"),
        ("US$ 1,23,456.70", ".", "123456.70"),
        ("CHF 1'234.50", ".", "1234.50"),
        ("12.50- CRC", ".", "-12.50"),
        (".5", ".", ".5"),
        ("7.1E-05", ".", "7.1E-05"),
        ("", ".", ""),
    ],
)
def test_a_number_is_read_whatever_stands_around_it(sent: str, decimal: str, read: str) -> None:
    assert _plain_number(sent, decimal) == read


@pytest.mark.parametrize(
    ("sent", "decimal"),
    [
        ("12,50", "."),
        ("1.234,56", "."),
        ("1,234.56", ","),
        ("1.2.3", ","),
        ("-12.50-", "."),
        ("(5", "."),
        ("5 pieces", "."),
    ],
)
def test_a_number_written_in_another_way_is_never_guessed(sent: str, decimal: str) -> None:
    assert _plain_number(sent, decimal) == sent


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=2))
def test_a_number_written_the_european_way_keeps_every_digit(amount: Decimal) -> None:
    written = f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))
    assert Decimal(_plain_number(written, ",")) == amount
    assert Decimal(_plain_number(f"{amount:,.2f}", ".")) == amount
