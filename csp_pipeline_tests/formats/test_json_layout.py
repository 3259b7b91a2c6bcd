"""The reader that cuts lines at their quotation marks gives what the exact reader gives, or nothing."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csp_pipeline.formats.casting import ROW, cast
from csp_pipeline.formats.json_layout import LineLayouts
from csp_pipeline.formats.json_rows import open_json
from csp_pipeline.formats.recognition import FORMATS
from csp_pipeline.formats.unpacking import open_text

FORMAT = FORMATS["daily_usage"]
LINE = {
    "invoiceNumber": "G1",
    "customerName": "Larkspur",
    "usageDate": "2026-09-01T00:00:00Z",
    "quantity": 1.5,
    "billingPreTaxTotal": 0.25,
    "billingCurrency": "EUR",
    "tags": "",
    "subscriptionId": "s",
    "entitlementId": "e",
}


def lines(*records: object) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def cut(text: bytes) -> list[dict[str, object]] | None:
    found = LineLayouts(FORMAT).read(memoryview(text))
    if found is None:
        return None
    return cast(FORMAT, found[0], found[2]).table.sort_by(ROW).to_pylist()


def exact(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> list[dict[str, object]]:
    path = tmp_path_factory.mktemp("lines") / "lines.json"
    path.write_bytes(text)
    with open_text(path) as stream:
        rows = open_json(stream)
        tables = [batch._exactly()().table for batch in rows.batches()]  # noqa: SLF001
    return pa.concat_tables(tables).to_pylist()


def test_strings_numbers_and_nulls_are_read_with_every_digit() -> None:
    record = json.dumps({**LINE, "quantity": "DIGITS", "creditPercentage": None}).replace(
        '"DIGITS"', "0.737757626107858001"
    )
    rows = cut(record.encode())
    assert rows is not None
    assert str(rows[0]["quantity"]) == "0.737757626107858001"
    assert rows[0]["credit_percentage"] is None


def test_lines_of_other_layouts_are_read_by_their_own_and_keep_their_place() -> None:
    without_tags = {key: value for key, value in LINE.items() if key != "tags"}
    rows = cut(lines(LINE, {**LINE, "tags": None}, {**LINE, "quantity": "2"}, without_tags, LINE))
    assert rows is not None
    assert [row[ROW] for row in rows] == [1, 2, 3, 4, 5]
    assert [str(row["quantity"])[:3] for row in rows] == ["1.5", "1.5", "2.0", "1.5", "1.5"]


def test_keys_in_another_order_are_never_taken_for_each_other() -> None:
    swapped = {"customerName": "G1", "invoiceNumber": "Larkspur", **{key: LINE[key] for key in list(LINE)[2:]}}
    rows = cut(lines(LINE, swapped))
    assert rows is not None
    assert [row["invoice_number"] for row in rows] == ["G1", "Larkspur"]


def test_a_null_before_an_unknown_key_does_not_shift_values() -> None:
    shifted = {"invoiceNumber": "G1", "customerName": None, "zz": 5, **{key: LINE[key] for key in list(LINE)[2:]}}
    rows = cut(lines(LINE, shifted))
    assert rows is not None
    assert [row["customer_name"] for row in rows] == ["Larkspur", None]


@pytest.mark.parametrize(
    "text",
    [
        lines(LINE)[:-20],
        b"{}\n",
        lines(LINE, {**LINE, "tags": {"a": "b"}}),
        lines({**LINE, "quantity": True}),
        lines(LINE).replace(b'"quantity": 1.5', b'"quantity": 1.5, "quantity": 2.5'),
        lines(LINE) + b"\n" + lines(LINE),
    ],
    ids=["truncated", "empty object", "nested", "truth value", "repeated key", "blank line"],
)
def test_what_cannot_be_proven_is_left_to_the_other_readers(text: bytes) -> None:
    assert cut(text) is None


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@settings(max_examples=150, deadline=None)
@given(
    changes=st.lists(
        st.fixed_dictionaries({"customerName": TEXTS, "tags": st.none() | TEXTS, "quantity": st.integers(-9, 9)}),
        min_size=1,
        max_size=6,
    ),
    ascii_only=st.booleans(),
)
def test_every_text_is_read_as_the_exact_reader_reads_it(
    tmp_path_factory: pytest.TempPathFactory, *, changes: list[dict[str, object]], ascii_only: bool
) -> None:
    text = "".join(json.dumps(LINE | change, ensure_ascii=ascii_only) + "\n" for change in changes).encode()
    found = cut(text)
    assert found is None or found == exact(tmp_path_factory, text)
