"""Issuing by the command and by the job: shown first, issued once, published, rebuilt, verified, copied."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from csp_pipeline.definitions import build_definitions
from csp_pipeline.orchestration.instance import open_instance
from csp_pipeline.settings import Settings
from csp_pipeline.storage.ledger import read_batches
from csp_pipeline_tests.end_to_end.command import invoked

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENTS = "SELECT * FROM billing.invoices ORDER BY ALL"
LINES = "SELECT * FROM billing.invoice_lines ORDER BY ALL"
REVENUE = "SELECT currency, sum(net_amount) FROM billing.invoice_lines GROUP BY ALL ORDER BY ALL"


def published(home: Path, question: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(home / "published" / "csp.duckdb"), read_only=True) as connection:
        return connection.execute(question).fetchall()


def test_a_month_is_shown_then_issued_once_and_outlives_a_rebuild(finished_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(finished_home, home)
    months = [month for (month,) in published(home, "SELECT DISTINCT billing_month FROM billing.invoices ORDER BY 1")]
    before = published(home, REVENUE)

    shown = invoked(home, "issue", "--month", months[0])
    assert shown.returncode == 2, shown.stderr
    assert "Each document beside that of the month before" in shown.stdout
    assert "Nothing was issued: give --yes to issue" in shown.stderr
    assert read_batches(home / "ledger") == []

    issued = invoked(home, "issue", "--month", months[0], "--yes", "--json")
    assert issued.returncode in {0, 3}, issued.stderr
    report = json.loads(issued.stdout)
    numbers = [document["invoice_number"] for document in report["issued_now"]]
    assert numbers == [f"INV-{numbers[0][4:8]}-{count:06d}" for count in range(1, len(numbers) + 1)]
    assert report["changes_since_last_look"] == []
    assert all((home / "reports" / "invoices" / f"{number}.html").is_file() for number in numbers)
    assert published(home, REVENUE) == before

    again = invoked(home, "issue", "--month", months[0], "--yes")
    assert "There is nothing to issue" in again.stdout
    assert len(read_batches(home / "ledger")) == 1

    documents, lines = published(home, DOCUMENTS), published(home, LINES)
    assert invoked(home, "rebuild").returncode in {0, 3}
    assert (published(home, DOCUMENTS), published(home, LINES)) == (documents, lines)

    verified = invoked(home, "ledger", "verify")
    assert (verified.returncode, f"1 batches, {len(numbers)} documents" in verified.stdout) == (0, True)
    assert invoked(home, "ledger", "backup", str(tmp_path / "copy.zip")).returncode == 0

    batch = next((home / "ledger").glob("00000001.*"))
    batch.write_bytes(batch.read_bytes().replace(b"INV-", b"INX-"))
    damaged = invoked(home, "ledger", "verify")
    assert damaged.returncode == 1
    assert "The ledger is damaged at" in damaged.stderr


@pytest.mark.long
def test_the_job_shows_and_with_confirm_issues_as_the_command_does(finished_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(finished_home, home)
    months = [month for (month,) in published(home, "SELECT DISTINCT billing_month FROM billing.invoices ORDER BY 1")]
    before = published(home, REVENUE)
    assert invoked(home, "issue", "--month", months[0], "--yes").returncode in {0, 3}
    settings = Settings(CSP_HOME=home, source="inbox", _env_file=None)
    job = build_definitions(settings).resolve_job_def("issue")
    for confirm, batches in ((False, 1), (True, 2)):
        with open_instance(settings.home) as instance:
            config = {"ops": {"issue_invoices": {"config": {"month": months[1], "confirm": confirm}}}}
            result = job.execute_in_process(run_config=config, instance=instance)
        assert result.success
        assert len(read_batches(home / "ledger")) == batches
    assert published(home, REVENUE) == before
