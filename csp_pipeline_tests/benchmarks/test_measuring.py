"""What is measured is the process and its children, and a missed bound is told."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from csp_pipeline_tests.benchmarks import bounds
from csp_pipeline_tests.benchmarks.measuring import Measured, ProcessError, measure

if TYPE_CHECKING:
    from pathlib import Path

MEBIBYTE = 1 << 20
HOLD = "import time; held = bytearray(120 << 20); held[::4096] = b'x' * len(held[::4096]); time.sleep(1)"
IN_A_CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLD!r}], check=True)"


def measured(**seconds: float) -> dict[str, Measured]:
    names = {"gzip": bounds.GZIP, "staging": bounds.STAGING, "month": bounds.MONTH, "again": bounds.AGAIN}
    names |= {"pandas": bounds.PANDAS, "definitions": bounds.DEFINITIONS, "drafting": bounds.DRAFTING}
    names |= {"reconciling": bounds.RECONCILING}
    return {name: Measured(seconds.get(key, 1.0), 1.0, 100 * MEBIBYTE) for key, name in names.items()}


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of children is read from /proc")
def test_the_memory_of_children_counts(tmp_path: Path) -> None:
    assert measure([sys.executable, "-c", IN_A_CHILD], tmp_path / "log").peak_bytes > 120 * MEBIBYTE


def test_a_process_that_fails_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match=r"exit code 1(.|\n)*no such month"):
        measure([sys.executable, "-c", "raise SystemExit('no such month')"], tmp_path / "log")


def test_every_bound_is_kept_by_a_fast_run_and_named_when_missed() -> None:
    assert all(bound.is_kept for bound in bounds.bounds(measured()))
    missed = [bound.of for bound in bounds.bounds(measured(staging=1.3, month=5.1)) if not bound.is_kept]
    assert missed == [bounds.STAGING, bounds.MONTH]


def test_the_table_shows_ratios_and_verdicts() -> None:
    slow = measured(gzip=2.0, staging=3.0)
    shown = bounds.as_table(slow, bounds.bounds(slow))
    assert "1.50" in shown
    assert "MISSED" in shown
