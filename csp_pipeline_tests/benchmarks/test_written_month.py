"""The month that is measured is one that the product takes in whole and proves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from csp_pipeline_tests.benchmarks.written_month import WIRE_FORMS, write_month
from csp_pipeline_tests.product import warehouse_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "file_format",
    [pytest.param(form, marks=() if form == "jsonl" else pytest.mark.long) for form in sorted(WIRE_FORMS)],
)
def test_the_month_is_proven(tmp_path: Path, file_format: str) -> None:
    write_month(tmp_path, 500, file_format)
    with warehouse_of(tmp_path) as warehouse:
        proofs = warehouse.execute("SELECT proof_state FROM cost.invoice_proof").fetchall()
        usage = warehouse.execute("SELECT count(*) FROM cost.daily_usage").fetchone()
    assert (set(proofs), usage) == ({("proven",)}, (500,))
