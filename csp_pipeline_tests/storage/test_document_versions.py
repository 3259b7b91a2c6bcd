"""The history of a document follows from the deliveries alone: each version whole, in the order they were made."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.storage.arrivals import Origin, open_delivery
from csp_pipeline_tests.steps.inbox_case import InboxCase, recon

if TYPE_CHECKING:
    from pathlib import Path

HISTORY = """
SELECT version_number, source_file, CAST(effective_at AS DATE) AS made_on, CAST(superseded_at AS DATE) AS ended_on,
    is_current
FROM meta.document_versions ORDER BY ALL
"""
SUMS = "SELECT version_number, sum(subtotal) FROM staged_line_versions GROUP BY ALL ORDER BY ALL"


@pytest.fixture
def case(tmp_path: Path) -> InboxCase:
    return InboxCase.at(tmp_path)


def deliver(case: InboxCase, day: int, *blobs: str) -> None:
    """An export of the document made on a day of November, and the scan that takes it up."""
    made_at = datetime(2026, 11, day, tzinfo=UTC)
    origin = Origin("graph", "reconciliation/billed", "G000000001", version=f"v{day}", version_at=made_at)
    delivery = open_delivery(case.home, origin)
    for number, blob in enumerate(blobs):
        delivery.take(str(number), io.BytesIO(blob.encode()))
    delivery.complete()
    case.ingest()


def amount(subtotal: str) -> str:
    return recon({"Subtotal": subtotal})


def test_a_blob_that_two_versions_share_is_in_both(case: InboxCase) -> None:
    deliver(case, 7, amount("1"), amount("2"))
    deliver(case, 8, amount("1"), amount("5"))
    assert case.query(SUMS) == [(1, Decimal(3)), (2, Decimal(6))]
    assert case.query("SELECT sum(subtotal) FROM staged_reconciliation") == [(Decimal(6),)]


def test_versions_stand_in_the_order_in_which_they_were_made(case: InboxCase) -> None:
    deliver(case, 9, amount("9"))
    deliver(case, 7, amount("7"))
    assert case.query(SUMS) == [(1, Decimal(7)), (2, Decimal(9))]
    found = [(row[0], str(row[2]), str(row[3]), row[4]) for row in case.query(HISTORY)]
    assert found == [(1, "2026-11-07", "2026-11-09", False), (2, "2026-11-09", "None", True)]


def test_the_same_files_made_again_are_no_new_version(case: InboxCase) -> None:
    deliver(case, 7, amount("7"))
    deliver(case, 8, amount("7"))
    assert [row[0] for row in case.query(HISTORY)] == [1]
    deliver(case, 9, amount("8"))
    deliver(case, 10, amount("7"))
    assert case.query(SUMS) == [(1, Decimal(7)), (2, Decimal(8)), (3, Decimal(7))]


def test_parts_of_one_scan_are_one_version_and_a_later_file_is_another(case: InboxCase) -> None:
    case.ingest(a__csv=amount("1"), b__csv=amount("2"))
    case.ingest(c__csv=amount("5"))
    assert case.query(SUMS) == [(1, Decimal(3)), (2, Decimal(5))]


def test_a_rebuild_tells_the_same_history(case: InboxCase) -> None:
    deliver(case, 7, amount("7"))
    deliver(case, 8, amount("8"))
    before = case.query(HISTORY)
    for path in case.home.staging.rglob("*.json"):
        path.unlink()
    case.ingest()
    assert case.query(HISTORY) == before
