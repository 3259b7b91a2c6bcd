"""CSV read in chunks gives what it gives in one piece, wherever the cuts fall."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csp_pipeline.errors import InputFileError
from csp_pipeline.formats import chunks, csv_rows
from csp_pipeline.formats.casting import plain
from csp_pipeline.formats.csv_rows import open_csv
from csp_pipeline_tests.steps.inbox_case import USAGE_ROW

HEADER = [name for name in USAGE_ROW if name != "CustomerName"]
CELLS = [
    "Contoso",
    "",
    '"Müller, GmbH"',
    '"two\r\nlines"',
    '"two\nlines, and a ""quote"""',
    '""""',
    '""',
    "5 euros",
    '6" pipe',
    'half "quoted" text',
    "not utf \udcfc",
]


def row(name: str, quantity: int, *, more: str = "") -> str:
    quoted = {key: str(value).replace('"', '""') for key, value in USAGE_ROW.items()}
    values = [str(quantity) if key == "Quantity" else f'"{quoted[key]}"' for key in HEADER]
    return ",".join([*values, name]) + more


def told(rows: list[str], chunk_bytes: int, block_bytes: int = 4 << 20, ends: str = "\r\n") -> tuple[object, ...]:
    """Every row with its number, and every refusal."""
    text = ends.join([",".join([*HEADER, "CustomerName"]), *rows]) + ends
    content = text.encode("utf-8", errors="surrogateescape")
    found, rejects, before = [], [], 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CHUNK_BYTES", chunk_bytes)
        patch.setattr(csv_rows, "BLOCK_BYTES", block_bytes)
        patch.setattr(csv_rows, "BATCH_BYTES", block_bytes)
        for work in open_csv(io.BufferedReader(io.BytesIO(content))).batches():
            batch = work()
            columns = [plain(batch.table[name]).to_pylist() for name in ("customer_name", "quantity", "resource_group")]
            numbers = [number + before for number in batch.table["source_row"].to_pylist()]
            found += list(zip(numbers, *columns, strict=True))
            rejects += [(one.row + before, one.column, one.value, one.reason) for one in batch.rejects]
            before += batch.rows
    return sorted(found), sorted(rejects, key=str), before


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(CELLS), st.sampled_from(["", "", "", ",more", "\r\n"])), min_size=1, max_size=30
    ),
    st.integers(200, 3000),
    st.sampled_from(["\r\n", "\n"]),
)
def test_chunks_give_what_one_piece_gives(cells: list[tuple[str, str]], chunk_bytes: int, ends: str) -> None:
    rows = [row(name, number, more=more) for number, (name, more) in enumerate(cells)]
    assert told(rows, chunk_bytes, 8192, ends) == told(rows, 1 << 24, ends=ends)


def test_a_value_longer_than_a_block_and_a_chunk_is_read_whole() -> None:
    long = '"' + "x,\n" * 20_000 + '"'
    found, rejects, count = told([row("a", 1), row(long, 2), row("b", 3)], 1000, 4096)
    assert count == 3
    assert rejects == []
    assert [name for _, name, *_ in found] == ["a", "x,\n" * 20_000, "b"]  # type: ignore[attr-defined]


def test_a_quote_that_is_never_closed_is_said_whatever_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "_LONGEST_ROW", 50_000)
    for rows in (3, 3000):
        with pytest.raises(InputFileError, match="a quotation mark is opened and never closed"):
            told([row("a", 1), row('"open', 2), *[",".join("b" * len(HEADER))] * rows], 20_000, 4096)


def test_a_quote_that_is_never_closed_is_said_where_others_stand_inside_of_values() -> None:
    sound = [row('6" pipe', 1), row('"two ""quotes"""', 2), row('""', 3), row('half "quoted"', 4)]
    for chunk_bytes in (1000, 1 << 24):
        assert told(sound, chunk_bytes)[2] == 4
        with pytest.raises(InputFileError, match="a quotation mark is opened and never closed"):
            told([*sound, row('"open', 5), *[",".join("b" * len(HEADER))] * 3], chunk_bytes)
