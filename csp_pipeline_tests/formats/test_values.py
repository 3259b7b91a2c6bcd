"""Single values: every digit kept, every notation of the wire read, everything else refused with a reason."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csp_pipeline.formats.values import (
    UnreadableError,
    is_exponent_id,
    parse_date,
    parse_decimal,
    parse_instant,
    parse_truth,
)

EXACT = st.decimals(min_value=Decimal(-99999999999999999999), max_value=Decimal(99999999999999999999), places=18)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.737757626107858", "0.737757626107858"),
        ("123456789012.123456789012345678", "123456789012.123456789012345678"),
        ("'12.50", "12.5"),
        (" 12.50 ", "12.5"),
        ("0E-20", "0"),
        ("7.1E-05", "0.000071"),
        ("-1.5e3", "-1500"),
        ("+.5", "0.5"),
        ("5.", "5"),
        ("1.0000000000000000005", "1.000000000000000001"),
        ("-1.0000000000000000005", "-1.000000000000000001"),
        ("1.0000000000000000004", "1"),
    ],
)
def test_a_number_keeps_every_digit(text: str, value: str) -> None:
    assert parse_decimal(text)[0] == Decimal(value)


@pytest.mark.parametrize(
    "text", ["abc", "1,000.50", "1 000", "--1", "1.2.3", "NaN", "Infinity", "0x1F", "١٢", "1e", "''1"]
)
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError, match="expected a number"):
        parse_decimal(text)


@pytest.mark.parametrize(
    "text", ["100000000000000000000", "-1E20", "1E400", "1E+999", "99999999999999999999.9999999999999999999"]
)
def test_a_number_too_large_for_the_type_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError, match="20 digits"):
        parse_decimal(text)


@pytest.mark.parametrize("text", ["99999999999999999999.999999999999999999", "0E+999"])
def test_the_largest_number_of_the_type_and_any_zero_are_read(text: str) -> None:
    assert parse_decimal(text) == (Decimal(text), False)


@given(EXACT)
def test_plain_and_exponent_notation_give_the_same_number(value: Decimal) -> None:
    assert parse_decimal(f"{value:f}") == parse_decimal(f"{value:E}") == (value, False)


def test_a_fraction_becomes_a_percentage_exactly() -> None:
    assert parse_decimal("0.15", 2) == (Decimal(15), False)


@pytest.mark.parametrize(
    "text",
    [
        "2026-10-31",
        "2026-10-31T00:00:00Z",
        "2026-10-31T23:59:59.9999999Z",
        "2026-10-31 08:30",
        "10/31/2026",
        "10/31/2026 0:00",
        "10/31/2026 23:59",
        "10/31/2026 12:00:00 AM",
        "2026-11-01T00:30:00+01:00",
        "'10/31/2026",
    ],
)
def test_a_date_is_read_in_every_notation_of_the_wire(text: str) -> None:
    assert parse_date(text) == date(2026, 10, 31)


@pytest.mark.parametrize("text", ["0001-01-01", "0001-01-01T00:00:00Z", "1/1/0001", "1/1/0001 12:00:00 AM"])
def test_the_placeholder_date_is_no_date(text: str) -> None:
    assert parse_date(text) is None


@pytest.mark.parametrize(
    "text", ["31/10/2026", "2026-02-30", "20261031", "soon", "10/31/26", "45961", "2026-10-31T25:00"]
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError):
        parse_date(text)


def test_an_instant_is_utc_to_the_microsecond() -> None:
    assert parse_instant("2017-06-15T22:56:05.0589308Z") == datetime(2017, 6, 15, 22, 56, 5, 58930)  # noqa: DTZ001
    assert parse_instant("2026-10-31T23:30:00-02:00") == datetime(2026, 11, 1, 1, 30)  # noqa: DTZ001


def test_truth_is_read_in_any_case() -> None:
    assert parse_truth("True") is True
    assert parse_truth("FALSE") is False
    with pytest.raises(UnreadableError):
        parse_truth("maybe")


def test_an_id_in_exponent_form_is_told_from_a_guid() -> None:
    assert is_exponent_id("1.23E+12")
    assert is_exponent_id("5E+11")
    assert not is_exponent_id("5e11ab34-0000-4000-8000-000000000000")
    assert not is_exponent_id("E+")
