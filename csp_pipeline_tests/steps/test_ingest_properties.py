"""Properties of ingest: order and packing of rows change nothing, and no row is ever lost."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from csp_pipeline.domain.proration import EXACT
from csp_pipeline.storage.staging import read_sidecars
from csp_pipeline_tests.steps.inbox_case import InboxCase, usage, usage_lines

AMOUNT = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=18).map(
        "{:f}".format
    ),
    st.sampled_from(["7.1E-05", "0E-20", "n/a", "", "1,5"]),
)
ROWS = st.lists(
    st.fixed_dictionaries({
        "BillingPreTaxTotal": AMOUNT,
        "UsageDate": st.sampled_from(["2026-10-05T00:00:00Z", "10/6/2026", "soon"]),
        "CustomerName": st.sampled_from(["Contoso", 'A, "B"', "Zo\u00eb", "", "a\\b", "x\ty"]),
    }),
    min_size=1,
    max_size=12,
)  # fmt: skip
STAGED = (
    "SELECT customer_name, usage_date, billing_pre_tax_total, count(*) FROM read_parquet(?) GROUP BY ALL ORDER BY ALL"
)


def outcome(files: dict[str, str]) -> tuple[object, int, int]:
    """What is staged, and the rows in and put aside, of files found in one scan."""
    with TemporaryDirectory() as folder:
        case = InboxCase.at(Path(folder) / "home")
        for name, content in files.items():
            case.put(name, content)
        report = case.ingest()
        assert all(file.rows_total == file.rows_staged + file.rows_quarantined for file in report.files)
        for sidecar in read_sidecars(case.home).values():
            for one in sidecar["invoices"]:
                parts = (Decimal(one[name]) for name in ("amount_staged", "amount_quarantined"))
                assert Decimal(one["amount_file"]) == EXACT.add(*parts)
        rows, aside = (sum(getattr(file, name) for file in report.files) for name in ("rows_total", "rows_quarantined"))
        paths = [str(path) for path in case.home.staging.rglob("*.parquet")]
        with duckdb.connect() as connection:
            return connection.execute(STAGED, [paths]).fetchall(), rows, aside


@settings(max_examples=6, deadline=None)
@given(ROWS, st.data())
def test_order_and_splitting_change_nothing_and_no_row_is_lost(rows: list[dict[str, str]], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(min_value=1, max_value=len(rows)))
    whole = outcome({"a.csv": usage(*rows)})
    assert whole[1] == len(rows)
    assert outcome({"b.csv": usage(*shuffled)}) == whole
    parts = {"a.csv": usage(*rows[:cut])}
    if rows[cut:]:
        parts["b.csv"] = usage({**rows[cut], "OrderId": ""}, *rows[cut + 1 :])
    if usage(*rows[:cut]) != usage(*rows[cut:]):
        assert outcome(parts) == whole


@settings(max_examples=6, deadline=None)
@given(ROWS)
def test_csv_and_json_lines_give_the_same_rows(rows: list[dict[str, str]]) -> None:
    lines = usage_lines(*rows)
    plain = "".join(json.dumps(json.loads(line), ensure_ascii=False) + "\n" for line in lines.splitlines())
    assert outcome({"a.csv": usage(*rows)}) == outcome({"a.jsonl": lines}) == outcome({"a.jsonl": plain})
