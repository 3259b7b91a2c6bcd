"""A month is done again wherever its rows may be of other inputs, and one wrong date stops nothing."""

from __future__ import annotations

import shutil
from datetime import date
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.cli_summary import read_summary
from csp_pipeline.definitions import build_definitions
from csp_pipeline.errors import UsageError
from csp_pipeline.orchestration.instance import open_instance
from csp_pipeline.orchestration.month import Outcome, run_month
from csp_pipeline.orchestration.partitions import MONTHS, range_tags
from csp_pipeline.settings import Settings
from csp_pipeline.steps import run as work
from csp_pipeline.storage.warehouse import writing

if TYPE_CHECKING:
    from pathlib import Path

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def _settings(folder: Path) -> Settings:
    return Settings(_env_file=None, home_path=folder, source="inbox")


def _run(settings: Settings, month: str | None = None) -> Outcome:
    return run_month(settings, month, on_progress=lambda _: None)


@pytest.fixture
def settings(finished_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a copy of it."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    shutil.copytree(finished_home, tmp_path / "home")
    return _settings(tmp_path / "home")


def test_the_partitions_are_the_months_worked_with() -> None:
    keys = MONTHS.get_partition_keys()
    assert (keys[0], keys[-1]) == work.known_months()


@pytest.mark.long
def test_what_dagster_made_by_itself_is_not_trusted_by_the_next_run(settings: Settings) -> None:
    made = {
        "prepare": ([work.PARTNER_CENTER, work.TERMS, work.INVOICES], {}),
        "cost_partitions": ([work.COST], range_tags("2026-08|EUR", "2026-10|EUR")),
        "cost_matches": ([work.MATCHES], {}),
        "drafts": ([work.DRAFTS], range_tags("2026-08", "2026-08")),
        "reconciliation": ([work.RECONCILIATION], range_tags("2026-08", "2026-08")),
        "cost_overviews": ([work.OVERVIEWS], {}),
        "publish": ([work.PUBLISH], {}),
    }
    definitions = build_definitions(settings, writer_pool=None)
    for job, (steps, tags) in made.items():
        with open_instance(settings.home) as instance:
            definitions.resolve_job_def(job).execute_in_process(run_config=_QUIET, instance=instance, tags=tags)
        with writing(settings.home) as connection:
            assert all(set(work.recorded(connection, step).values()) == {""} for step in steps), job
    assert _run(settings).stages == ("ingest", *made)
    assert _run(settings).stages == ("ingest",)


def test_billing_that_starts_after_the_loaded_months_still_ties_out(settings: Settings) -> None:
    _run(settings.model_copy(update={"billing_starts_on": date(2026, 11, 1)}))
    with writing(settings.home) as connection:
        drafts = connection.execute("SELECT count(*) FROM billing.invoices").fetchone()
    assert drafts == (0,)


@pytest.mark.long
def test_drafts_of_months_no_longer_billed_go_though_the_run_between_was_killed(settings: Settings) -> None:
    later = settings.model_copy(update={"billing_starts_on": date(2026, 9, 1)})
    with writing(settings.home) as connection:
        work.changed(connection, work.DRAFTS, work.draft_fingerprints(connection, later, "2026-09"))
    _run(later)
    with writing(settings.home) as connection:
        months = connection.execute("SELECT DISTINCT billing_month FROM billing.invoices").fetchall()
    assert months == [("2026-09",)]


@pytest.mark.parametrize("month", ["2026-07", "2018-12", "2099-01"])
def test_a_month_without_any_document_before_it_or_far_off_is_refused(settings: Settings, month: str) -> None:
    with pytest.raises(UsageError, match=f"--month {month} is "):
        _run(settings, month)


@pytest.mark.long
@pytest.mark.parametrize("wrong", ["1999-09", "2099-09"])
def test_a_document_with_a_wrong_date_is_kept_in_the_books_and_told(settings: Settings, wrong: str) -> None:
    home = settings.home
    headers = home.inbox / "invoices.json"
    said, wanted = '"billingPeriodStartDate": "2026-09', f'"billingPeriodStartDate": "{wrong}'
    assert said in headers.read_text("utf-8")
    headers.write_text(headers.read_text("utf-8").replace(said, wanted), "utf-8")
    outcome = _run(settings)
    assert outcome.month == "2026-08"
    with writing(home) as connection:
        lines = connection.execute(
            "SELECT DISTINCT billing_month FROM cost.invoice_lines WHERE NOT is_estimate ORDER BY ALL"
        ).fetchall()
        periods = connection.execute("SELECT count(*) FROM meta.periods").fetchone()
    assert sorted([("2026-08",), (wrong,)]) == lines
    assert periods == (2,)
    (reason,) = [one for one in read_summary(home, outcome.month).reasons if "have its dates corrected" in one]
    assert wrong in reason
    assert _run(settings).stages == ("ingest",)
