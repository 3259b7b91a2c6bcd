"""The command on the made-up partner, from files to the published copy, as a user starts it."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import duckdb

from csp_pipeline_tests.end_to_end.command import NEEDS_A_PERSON, invoked

if TYPE_CHECKING:
    from pathlib import Path

    from csp_pipeline_tests.end_to_end.conftest import Finished


def test_the_summary_is_kept_as_text_and_as_json(done: Finished) -> None:
    home, summary = done.home, done.summary
    assert json.loads((home / "reports" / "summary-2026-09.json").read_text("utf-8")) == summary
    assert "Needs a person" in (home / "reports" / "summary-2026-09.txt").read_text("utf-8")


def test_a_second_run_adds_no_row_and_publishes_nothing(done: Finished, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(done.home, home)
    published = (home / "published" / "csp.duckdb").read_bytes()
    again = invoked(home, "run")
    assert again.returncode == NEEDS_A_PERSON
    assert "Nothing changed since the last publication." in again.stdout
    assert (home / "published" / "csp.duckdb").read_bytes() == published


def test_rows_that_no_longer_tie_out_stop_publishing_with_one_sentence(done: Finished, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(done.home, home)
    published = (home / "published" / "csp.duckdb").read_bytes()
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute(
            "UPDATE cost.invoice_lines SET total_amount = total_amount + 1 "
            "WHERE line_id = (SELECT min(line_id) FROM cost.invoice_lines)"
        )
        connection.execute("DELETE FROM meta.steps WHERE step = 'publish'")
    ran = invoked(home, "run")
    assert ran.returncode == 1
    assert ran.stderr.startswith(
        "Nothing was published, because the books do not tie out: invoice_lines_equal_files: G"
    )
    assert len(ran.stderr.splitlines()) == 1
    assert (home / "published" / "csp.duckdb").read_bytes() == published
