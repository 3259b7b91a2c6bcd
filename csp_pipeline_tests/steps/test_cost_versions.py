"""Which version of a document counts depends on what was sent, not on how it arrived: lines, usage, legacy files."""

from __future__ import annotations

import io
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from csp_pipeline.steps.cost import COST_TABLES, build_cost_partition, build_invoices
from csp_pipeline.storage.arrivals import Origin, open_delivery
from csp_pipeline.storage.file_catalogue import create_staged_views, load_file_catalogue
from csp_pipeline.storage.warehouse import writing
from csp_pipeline_tests.steps.inbox_case import InboxCase, recon, usage
from csp_pipeline_tests.steps.legacy_case import licence_file, usage_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Row = dict[str, str]
Contents = dict[str, tuple[int, int]]
PLACES = frozenset({"source_file", "source_row", "file_sha256", "source_files"})
HISTORY = frozenset({"cost.invoice_versions"})
"""Tables that tell what earlier versions held: they show that something was restated, and must."""
PLAN = {"ProductId": "DZH318Z0BPS6", "SkuId": "0001", "ProductName": "Azure plan"}
LINES: list[Row] = [
    {"Subtotal": "231.00"},
    {"Subtotal": "231.00"},
    {"Subtotal": "-23.10", "Total": "-23.10", "BillableQuantity": "1"},
    {**PLAN, "Subtotal": "1.27", "Total": "1.27", "BillableQuantity": "3", "PCToBCExchangeRate": "1"},
]
USAGE: list[Row] = [{"Quantity": "1", "BillingPreTaxTotal": "0.425", "PricingPreTaxTotal": "0.425"}] * 3
LICENCES: list[Row] = [{}, {"Quantity": "5", "Amount": "208.10", "TotalOtherDiscount": "52.03", "Subtotal": "156.07"}]
CHARGES: list[Row] = [{}, {"DetailLineItemId": "2", "OverageQuantity": "10", "PretaxCharges": "0.85"}]
FILES: dict[str, tuple[Callable[..., str], list[Row]]] = {
    "recon": (recon, LINES),
    "usage": (usage, USAGE),
    "licence": (licence_file, LICENCES),
    "charge": (usage_file, CHARGES),
}
WHOLE = {name: [rows] for name, (_, rows) in FILES.items()}
FIRST: dict[str, list[Row]] = {
    "recon": [{"Subtotal": "230.99"}],
    "usage": [{"Quantity": "9"}],
    "licence": [{"Quantity": "4", "Subtotal": "1"}],
    "charge": [{"PretaxCharges": "63.34"}],
}
"""What was sent at first, and was wrong."""


@contextmanager
def home() -> Iterator[InboxCase]:
    """A home that is gone afterwards."""
    with TemporaryDirectory() as folder:
        yield InboxCase.at(Path(folder))


def cost_of(case: InboxCase) -> Contents:
    """Count and order-independent hash of every cost table, without the places where rows stood."""
    with writing(case.home) as connection:
        load_file_catalogue(connection, case.home)
        create_staged_views(connection, case.home)
        build_invoices(connection, case.home)
        partitions = connection.execute(
            "SELECT DISTINCT billing_month, currency FROM cost.invoices ORDER BY ALL"
        ).fetchall()
        for month, currency in partitions:
            create_staged_views(connection, case.home, month, currency)
            build_cost_partition(connection, case.home, month, currency)
        found = {}
        for table in sorted({"cost.invoices", *COST_TABLES} - HISTORY):
            columns = [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall() if row[0] not in PLACES]
            found[table] = connection.execute(
                f"SELECT count(*), coalesce(sum(CAST(hash(({', '.join(columns)})) AS HUGEINT)), 0) FROM {table}"
            ).fetchone()
        return found  # type: ignore[return-value]


def scan(case: InboxCase, parts: Mapping[str, Sequence[Sequence[Row]]]) -> None:
    """One scan that finds these parts of each kind, under names of their own."""
    for name, held in parts.items():
        for number, rows in enumerate(held):
            # the section of days stands in the first part
            days = {"days": 1} if name == "charge" and number else {}
            case.put(f"{len(list(case.home.inbox.iterdir())):03d}.csv", FILES[name][0](*rows, **days))
    case.ingest()


@pytest.fixture(scope="module")
def plain() -> Contents:
    """The cost tables when each kind comes in one file, once."""
    with home() as case:
        scan(case, WHOLE)
        found = cost_of(case)
    assert all(found[table][0] for table in ("cost.invoice_lines", "cost.daily_usage", "cost.customer_proof"))
    return found


@settings(max_examples=1, deadline=None)
@example(seed=1)
@given(seed=st.integers(0, 2**16))
def test_permuting_splitting_and_repeating_files_changes_nothing(seed: int, plain: Contents) -> None:
    drawn = Random(seed)
    parts = {}
    for name, (_, rows) in FILES.items():
        mixed = drawn.sample(rows, len(rows))
        cut = drawn.randrange(1, len(rows))
        # equal files are one content: rows that look alike stay in one part
        parts[name] = [mixed] if name == "usage" else [mixed[:cut], mixed[cut:]]
    parts["recon"] = [sorted(rows, key=str) for rows in parts["recon"] if rows]
    with home() as case:
        scan(case, parts)
        assert cost_of(case) == plain
        scan(case, parts)
        assert cost_of(case) == plain


@pytest.mark.long
@settings(max_examples=1, deadline=None)
@example(restated={"recon", "usage", "licence", "charge"})
@given(restated=st.sets(st.sampled_from(sorted(FIRST)), min_size=1))
def test_a_restated_document_and_the_right_one_at_first_end_the_same(restated: set[str], plain: Contents) -> None:
    with home() as case:
        scan(case, {name: [FIRST[name]] if name in restated else rows for name, rows in WHOLE.items()})
        assert cost_of(case) != plain
        scan(case, {name: WHOLE[name] for name in restated})
        assert cost_of(case) == plain


@pytest.mark.parametrize("days", [(7, 8), (8, 7)], ids=["in order", "the older one last"])
def test_the_date_of_a_version_decides_whatever_the_order_of_arrival(days: tuple[int, int], plain: Contents) -> None:
    """Day 8 brought the right lines and usage, day 7 the wrong ones."""
    resources = {"recon": "reconciliation/billed", "usage": "usage/billed"}
    with home() as case:
        scan(case, {name: WHOLE[name] for name in ("licence", "charge")})
        for day in days:
            for name, resource in resources.items():
                origin = Origin(
                    "graph", resource, "G000000001", version=f"v{day}", version_at=datetime(2026, 11, day, tzinfo=UTC)
                )
                delivery = open_delivery(case.home, origin)
                rows = WHOLE[name][0] if day == max(days) else FIRST[name]
                delivery.take("0", io.BytesIO(FILES[name][0](*rows).encode()))
                delivery.complete()
            case.ingest()
        assert cost_of(case) == plain
