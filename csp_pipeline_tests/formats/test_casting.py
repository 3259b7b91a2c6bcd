"""Whole columns: the fast path never differs from the exact one."""

from __future__ import annotations

from decimal import Decimal

import pandera.errors
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csp_pipeline.formats import daily_usage, legacy_usage, reconciliation, subscription_changes
from csp_pipeline.formats.casting import cast
from csp_pipeline.formats.recognition import FORMATS
from csp_pipeline.formats.schema import check, model_of
from csp_pipeline.formats.values import UnreadableError, parse_decimal

DIGITS = st.text("0123456789", min_size=0, max_size=30)
NUMBERS = st.builds(
    lambda sign, whole, point, decimals, exponent: sign + whole + point + decimals + exponent,
    st.sampled_from(["", "-", "+", "'", " "]),
    DIGITS,
    st.sampled_from(["", ".", ","]),
    DIGITS,
    st.sampled_from(["", "", "E-5", "e+3", "E-20", "E2"]),
)


def exactly(text: str) -> Decimal | None:
    try:
        return parse_decimal(text)[0]
    except UnreadableError:
        return None


@given(st.lists(NUMBERS, min_size=1, max_size=30))
def test_a_column_of_numbers_is_read_as_each_number_alone(texts: list[str]) -> None:
    rows = pa.array(range(1, len(texts) + 1))
    raw = pa.table({"subtotal": pa.array(texts), "source_row": rows})
    batch = cast(reconciliation.FORMAT, raw, {})
    assert batch.table["subtotal"].to_pylist() == [exactly(text) if text else None for text in texts]
    refused = {reject.row for reject in batch.rejects if reject.column == "Subtotal" and reject.value}
    blank = {row for row, text in enumerate(texts, 1) if not text.strip().strip("'")}
    assert refused == {row for row, text in enumerate(texts, 1) if exactly(text) is None} - blank


def test_more_than_18_decimals_are_rounded_half_away_and_counted() -> None:
    raw = pa.table({"subtotal": ["0.0000000000000000015", "-0.0000000000000000015", "1"], "source_row": [1, 2, 3]})
    batch = cast(reconciliation.FORMAT, raw, {})
    assert batch.table["subtotal"].to_pylist() == [Decimal("2E-18"), Decimal("-2E-18"), Decimal(1)]
    assert batch.noticed["rounded"] == 2


def test_each_reject_names_row_column_value_and_reason() -> None:
    raw = pa.table({"usage_date": ["2026-10-01", "soon"], "quantity": ["1", "1"], "source_row": [7, 8]})
    rejects = [reject for reject in cast(daily_usage.FORMAT, raw, {}).rejects if reject.column == "UsageDate"]
    assert [(one.row, one.value) for one in rejects] == [(8, "soon")]
    assert "expected a date" in rejects[0].reason


def test_the_model_follows_the_column_table() -> None:
    for kind, wire_format in FORMATS.items():
        model = model_of(kind)
        assert {name for name, column in model.columns.items() if not column.nullable} == set(wire_format.required)


def test_the_model_fails_when_a_required_value_is_missing_or_a_type_differs() -> None:
    raw = pa.table({"subscription_id": ["a"], "changed_at": ["2026-10-01"], "quantity_after": ["5"], "source_row": [1]})
    table = cast(subscription_changes.FORMAT, raw, {}).table
    check(subscription_changes.FORMAT, table)
    place = table.column_names.index("quantity_after")
    without = table.set_column(place, "quantity_after", pa.nulls(1, pa.decimal128(38, 18)))
    with pytest.raises(pandera.errors.SchemaError):
        check(subscription_changes.FORMAT, without)
    other = table.set_column(place, "quantity_after", pa.array([5]))
    with pytest.raises(pandera.errors.SchemaError):
        check(subscription_changes.FORMAT, other)


def test_blanks_around_ids_and_currencies_go_and_currencies_are_capitals() -> None:
    encoded = pa.array([" eur", "EUR ", "Usd"]).dictionary_encode()
    raw = pa.table(
        {
            "invoice_number": ["G1 ", "\tG1", "' G1"],
            "currency": encoded,
            "customer_name": [" a", "b ", "c"],
            "source_row": [1, 2, 3],
        }
    )
    table = cast(reconciliation.FORMAT, raw, {}).table
    assert table["invoice_number"].to_pylist() == ["G1"] * 3
    assert table["currency"].to_pylist() == ["EUR", "EUR", "USD"]
    assert table["customer_name"].to_pylist() == [" a", "b ", "c"]


def test_a_legacy_charge_without_a_total_has_amount_and_tax_as_that() -> None:
    raw = pa.table(
        {
            "pretax_charges": ["-5.00", "1", "", "", "3"],
            "tax_amount": ["0.5", "", "2", "", "1"],
            "post_tax_total": ["", "", "", "", "7"],
            "source_row": [1, 2, 3, 4, 5],
        }
    )
    totals = cast(legacy_usage.FORMAT, raw, {}).table["post_tax_total"].to_pylist()
    assert totals == [Decimal("-4.5"), Decimal(1), Decimal(2), None, Decimal(7)]
