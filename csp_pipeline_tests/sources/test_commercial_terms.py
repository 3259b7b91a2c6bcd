"""Taking rows of commercial terms out of files and databases."""

from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from csp_pipeline.errors import CspError, InputFileError
from csp_pipeline.formats.commercial import (
    ACCOUNTS,
    CONTRACT_LINES,
    EXCHANGE_RATES,
    LICENSE_CHANGE_REQUESTS,
    TAX_RATES,
    CommercialTable,
)
from csp_pipeline.formats.commercial_rows import Notice, read_rows
from csp_pipeline.sources.commercial_terms import (
    connect_terms_database,
    find_csv_files,
    read_csv_table,
    read_database_table,
)


def read(folder: Path, table: CommercialTable, content: str | bytes) -> tuple[list[dict[str, object]], list[Notice]]:
    path = folder / f"{table.name}.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    frame, notices = read_rows(table, read_csv_table(path, table.name))
    return frame.to_dicts(), notices


def refusals(notices: list[Notice]) -> list[tuple[int | None, str | None]]:
    return [(notice.source_row, notice.column_name) for notice in notices if notice.severity == "refused"]


def test_bom_crlf_quotes_and_line_breaks_in_cells_are_read(tmp_path: Path) -> None:
    content = '\ufeffaccount_id,Name , currency\r\nA1,"Contoso, ""the"" one\r\nLondon",eur\r\n\r\nA2,Fabrikam,USD\r\n'
    rows, notices = read(tmp_path, ACCOUNTS, content)
    assert [(r["account_id"], r["currency"], r["source_row"]) for r in rows] == [("A1", "EUR", 2), ("A2", "USD", 5)]
    assert rows[0]["name"] == 'Contoso, "the" one\r\nLondon'
    assert refusals(notices) == []


def test_utf_16_from_a_spreadsheet_is_read(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, ACCOUNTS, "account_id,name,currency\nA1,Müller,EUR\n".encode("utf-16"))
    assert rows[0]["name"] == "Müller"


@pytest.mark.parametrize(
    "number",
    [
        "0.737757626107858",
        "12345678901234567890.123456789012345678",
        "7.1E-05",
        "-0.000000000000000001",
        "'12.50",
        "1.5E12",
    ],
)
def test_every_digit_of_a_number_is_kept(tmp_path: Path, number: str) -> None:
    rows, _ = read(
        tmp_path,
        EXCHANGE_RATES,
        f"rate_month,from_currency,to_currency,rate,source\n2026-03,USD,EUR,{number.lstrip('-')},x\n",
    )
    assert rows[0]["rate"] == Decimal(number.lstrip("-").lstrip("'"))


@pytest.mark.parametrize(
    "number", ["12,5", "1 000", "abc", "NaN", "Infinity", "1E30", "0.1234567890123456789", "1_000"]
)
def test_a_number_that_cannot_be_kept_exactly_is_refused_with_its_place(tmp_path: Path, number: str) -> None:
    rows, notices = read(
        tmp_path, TAX_RATES, f'tax_rate_id,tax_category,rate_percent,valid_from,valid_to\nDE,,19,,\nFR,,"{number}",,\n'
    )
    assert [r["tax_rate_id"] for r in rows] == ["DE"]
    assert refusals(notices) == [(3, "rate_percent")]
    assert "tax_rates.csv, line 3, column rate_percent" in notices[-1].message
    assert repr(number) in notices[-1].message


LINE = "contract_line_id,account_id,pricing_model,unit_price,currency,anchor_day,starts_on,ends_on,discount_percent\n"


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("L1,A1,per_seat,1,EUR,,2026-01-01,,", "pricing_model"),
        ("L1,A1,per_unit,1,EURO,,2026-01-01,,", "currency"),
        ("L1,A1,per_unit,1,EUR,32,2026-01-01,,", "anchor_day"),
        ("L1,A1,per_unit,1,EUR,,2026-02-30,,", "starts_on"),
        ("L1,A1,per_unit,1,EUR,,01/02/2026,,", "starts_on"),
        ("L1,A1,per_unit,1,EUR,,,,", "starts_on"),
        ("L1,A1,per_unit,1,EUR,,2026-03-01,2026-02-28,", "ends_on"),
        ("L1,A1,per_unit,,EUR,,2026-03-01,,", "unit_price"),
        ("L1,A1,flat,1,EUR,,2026-03-01,,101", "discount_percent"),
        (",A1,flat,1,EUR,,2026-03-01,,", "contract_line_id"),
        ("L0,A1,flat,1,EUR,,2026-03-01,,", "contract_line_id"),
    ],
)
def test_a_bad_row_is_refused_and_the_others_are_used(tmp_path: Path, row: str, column: str) -> None:
    rows, notices = read(tmp_path, CONTRACT_LINES, f"{LINE}L0,A1,Per_Unit,1.50,EUR,,2026-01-01,,\n{row}\n")
    assert [(r["contract_line_id"], r["pricing_model"]) for r in rows] == [("L0", "per_unit")]
    assert refusals(notices) == [(3, column)]


def test_a_row_with_too_many_cells_is_refused(tmp_path: Path) -> None:
    rows, notices = read(tmp_path, ACCOUNTS, "account_id,currency\nA1,EUR,oops\nA2,EUR\n")
    assert [r["account_id"] for r in rows] == ["A2"]
    assert refusals(notices) == [(2, None)]


def test_unknown_and_missing_columns_are_told_and_change_nothing(tmp_path: Path) -> None:
    rows, notices = read(tmp_path, ACCOUNTS, "account_id,currency,favourite_colour\nA1,EUR,blue\n")
    assert len(rows) == 1
    assert "favourite_colour" in [notice.column_name for notice in notices]
    assert {notice.severity for notice in notices} == {"notice"}


def test_refinements_that_are_left_out_are_not_told(tmp_path: Path) -> None:
    """The columns everybody has are there: nobody is told each night that a purchase may name its term."""
    columns = [column.name for column in LICENSE_CHANGE_REQUESTS.columns if not column.is_refinement]
    _, notices = read(tmp_path, LICENSE_CHANGE_REQUESTS, ",".join(columns) + "\n")
    assert len(columns) == len(LICENSE_CHANGE_REQUESTS.columns) - 2
    assert notices == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "is not text"),
        (b"account_id;currency\nA1;EUR\n", "by semicolons"),
        (b"account_id,name\nA1,M\xfcller\n", "not UTF-8"),
        (b"account_id,account_id\nA1,A2\n", "twice"),
        (b'account_id,currency\nA1,"EUR\n', "quotes"),
        (b"account_id,name\nA1,Contoso\n", "lacks the column currency"),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_a_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    with pytest.raises(InputFileError, match=sentence):
        read(tmp_path, ACCOUNTS, content)


def test_files_are_found_by_name_in_any_case(tmp_path: Path) -> None:
    (tmp_path / "Accounts.CSV").write_text("account_id\n")
    assert list(find_csv_files(tmp_path)) == ["accounts"]
    assert find_csv_files(tmp_path / "nowhere") == {}


def test_a_database_gives_the_rows_a_file_gives(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'terms.db'}"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text(
                """CREATE TABLE tax_rates
                (tax_rate_id TEXT, tax_category TEXT, rate_percent NUMERIC, valid_from DATE, valid_to DATE)"""
            )
        )
        connection.execute(text("INSERT INTO tax_rates VALUES ('DE', NULL, 7.7, '2026-01-01', NULL)"))
    engine.dispose()
    terms = connect_terms_database(url)
    raw = read_database_table(terms, "tax_rates")
    assert raw is not None
    frame, _ = read_rows(TAX_RATES, raw)
    assert frame["rate_percent"].to_list() == [Decimal("7.7")]
    assert str(frame["valid_from"][0]) == "2026-01-01"
    assert read_database_table(terms, "accounts") is None
    terms.dispose()


def test_a_database_address_that_cannot_be_used_is_not_repeated() -> None:
    with pytest.raises(CspError) as error:
        connect_terms_database("nosuchdb://user:secret@host/terms")
    assert "secret" not in str(error.value)
