"""How files arrive does not matter: their order, their number, their names and their packing change no figure."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from csp_pipeline_tests.end_to_end.contents import FILES, PLACES, SCAN_DAYS, Contents, contents, differing
from csp_pipeline_tests.end_to_end.provider_files import PACKINGS, Document, ProviderFiles, Row, put
from csp_pipeline_tests.product import warehouse_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from csp_pipeline_tests.conftest import Once

pytestmark = pytest.mark.long

few = settings(max_examples=2, deadline=None, derandomize=True)
one_more = settings(few, max_examples=1)


@pytest.fixture(scope="module")
def doubled(small: ProviderFiles) -> ProviderFiles:
    """The small partner with a row in each document that stands there twice, as in real files."""
    return ProviderFiles(small.folder, {key: [*rows, rows[0]] for key, rows in small.documents.items()})


@pytest.fixture(scope="module")
def plain(doubled: ProviderFiles, once: Once) -> Contents:
    """Every table when each document is one CSV file with its rows as sent."""

    def make(folder: Path) -> None:
        (folder / "contents.json").write_text(json.dumps(_taken_in(doubled.write(folder / "home"))), "utf-8")

    kept = json.loads((once("plain", make) / "contents.json").read_text("utf-8"))
    return {table: (count, digest) for table, (count, digest) in kept.items()}


def _taken_in(home: Path, *, with_places: bool = False) -> Contents:
    with warehouse_of(home) as connection:
        return contents(
            connection, without_tables=FILES, without_columns=SCAN_DAYS if with_places else PLACES | SCAN_DAYS
        )


@one_more
@example(seed=1, is_joined=True)
@given(seed=st.integers(0, 2**16), is_joined=st.booleans())
def test_the_order_of_rows_and_files_does_not_matter_nor_whether_invoices_share_a_file(
    seed: int, *, is_joined: bool, doubled: ProviderFiles, plain: Contents
) -> None:
    drawn = Random(seed)
    documents: dict[Document, list[Row]] = {}
    for (kind, number), rows in doubled.documents.items():
        documents.setdefault((kind, "all" if is_joined else number), []).extend(rows)
    with TemporaryDirectory() as folder:
        home = doubled.home(Path(folder))
        for number, ((kind, _), rows) in enumerate(drawn.sample(list(documents.items()), len(documents))):
            put(home, f"{number:03d}", kind, drawn.sample(rows, len(rows)))
        assert differing(plain, _taken_in(home)) == []


@few
@given(data=st.data())
def test_splitting_a_file_changes_nothing_but_the_names_and_rows_of_files(
    data: st.DataObject, doubled: ProviderFiles, plain: Contents
) -> None:
    with TemporaryDirectory() as folder:
        home = doubled.home(Path(folder))
        for (kind, number), rows in doubled.documents.items():
            cut = data.draw(st.integers(1, len(rows) - 1), label=f"rows of {kind} {number} in the first file")
            put(home, f"{number}_{kind}_1", kind, rows[:cut])
            put(home, f"{number}_{kind}_2", kind, rows[cut:])
        assert differing(plain, _taken_in(home)) == []


@one_more
@example(packings=PACKINGS[3:] + PACKINGS[:3])
@given(packings=st.permutations(PACKINGS))
def test_packing_and_spelling_do_not_matter(packings: Sequence[str], doubled: ProviderFiles, plain: Contents) -> None:
    with TemporaryDirectory() as folder:
        home = doubled.home(Path(folder))
        for ((kind, number), rows), packing in zip(doubled.documents.items(), packings, strict=False):
            put(home, f"{number}_{kind}", kind, rows, packing)
        assert differing(plain, _taken_in(home)) == []


def test_restated_files_of_a_later_scan_take_the_place_of_those_they_restate(
    doubled: ProviderFiles, plain: Contents, tmp_path: Path
) -> None:
    home = doubled.write(tmp_path, {key: _as_sent_at_first(key, rows) for key, rows in doubled.documents.items()})
    at_first = _taken_in(home)
    assert {"cost.invoice_lines", "cost.daily_usage", "cost.invoice_proof"} <= {
        line.split(":")[0] for line in differing(plain, at_first)
    }
    for index, ((kind, number), rows) in enumerate(doubled.documents.items()):
        if index % 2:
            put(home, f"{number}_{kind}_restated", kind, rows, "csv.gz")
        else:
            put(home, f"{number}_{kind}_restated_1", kind, rows[::2])
            put(home, f"{number}_{kind}_restated_2", kind, rows[1::2], "api.jsonl")
    assert differing(plain, _taken_in(home)) == []


def test_the_same_content_again_under_another_name_or_in_gzip_changes_nothing(
    doubled: ProviderFiles, tmp_path: Path
) -> None:
    home = doubled.write(tmp_path)
    before = _taken_in(home, with_places=True)
    for (kind, number), rows in doubled.documents.items():
        put(home, f"copy of {number}_{kind}", kind, rows)
        put(home, f"copy of {number}_{kind}", kind, rows, "csv.gz")
    assert differing(before, _taken_in(home, with_places=True)) == []


def _as_sent_at_first(document: Document, rows: Sequence[Row]) -> list[Row]:
    """An earlier version of a document: its second row with other amounts, its last row not there yet."""
    amounts = ("Subtotal", "Total") if document[0] == "reconciliation" else ("BillingPreTaxTotal",)
    return [rows[0], {**rows[1], **dict.fromkeys(amounts, "1.25")}, *rows[2:-1]]
