"""A run with CSP_POSTGRES_URL publishes there too, says when it could not, and makes up for it the next time."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from pydantic import SecretStr

from csp_pipeline.cli_doctor import Finding, examine
from csp_pipeline.definitions import build_definitions
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.orchestration.assets.publishing import POSTGRES
from csp_pipeline.orchestration.assets.tables import asset_key
from csp_pipeline.orchestration.instance import open_instance
from csp_pipeline.orchestration.month import run_month
from csp_pipeline.settings import Settings
from csp_pipeline.steps import run as work
from csp_pipeline.steps.alerts import NOT_IN_POSTGRES, RUN_FAILED, read_outbox
from csp_pipeline.steps.publish_postgres import is_up_to_date, publish_to_postgres
from csp_pipeline.storage.warehouse import writing
from csp_pipeline_tests.end_to_end.command import NEEDS_A_PERSON, invoked
from csp_pipeline_tests.postgres_contents import differing_tables, rows_of

if TYPE_CHECKING:
    from pathlib import Path

    from csp_pipeline_tests.postgres_server import Database, Server

NOT_PUBLISHED = "Not published to PostgreSQL at 127.0.0.1:1/books: it does not answer; start it"
UNREACHABLE = "postgresql://somebody:hunter2@127.0.0.1:1/books"
PUBLISH_ALONE = """
import sys
from csp_pipeline.settings import Settings
from csp_pipeline.steps.publish_postgres import publish_to_postgres
from csp_pipeline.storage import postgres_rows
postgres_rows.BATCH_ROWS = 2048
print("going", flush=True)
publish_to_postgres(Settings(_env_file=None, home_path=sys.argv[1], source="inbox", postgres_url=sys.argv[2]))
"""


@pytest.fixture
def home(finished_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a home after a run that had no database."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return shutil.copytree(finished_home, tmp_path / "home")


def _settings(home: Path, url: str) -> Settings:
    return Settings(_env_file=None, home_path=home, source="inbox", postgres_url=SecretStr(url))


def test_what_a_run_could_not_publish_the_next_one_publishes_though_nothing_changed(
    home: Path, database: Database
) -> None:
    settings = _settings(home, database.url)
    before = _last_run(settings)
    with writing(settings.home) as connection:
        work.blank(connection, work.PUBLISH)
    failed = invoked(home, "run", "--json", CSP_POSTGRES_URL=UNREACHABLE)
    assert _last_run(settings) != before
    assert failed.returncode == NEEDS_A_PERSON, failed.stderr
    assert json.loads(failed.stdout)["needs_a_person"][0].startswith(NOT_PUBLISHED)
    assert "hunter2" not in failed.stdout + failed.stderr

    done = run_month(settings, None, on_progress=lambda _: None)
    assert (done.stages, done.problems) == (("ingest", "publish"), ())
    assert differing_tables(settings.home, database) == []
    again = run_month(settings, None, on_progress=lambda _: None)
    assert (again.stages, again.problems) == (("ingest",), ())


def test_the_job_that_publishes_does_both_and_says_rows_and_tables(home: Path, database: Database) -> None:
    settings = _settings(home, database.url)
    definitions = build_definitions(settings, writer_pool=None)
    with open_instance(settings.home) as instance:
        result = definitions.resolve_job_def("publish").execute_in_process(instance=instance)
    (made,) = result.asset_materializations_for_node("published__postgres")
    told = {name: value.value for name, value in made.metadata.items()}
    rows = sum(sum(found.values()) for found in rows_of(database, load_catalogue()).values())
    assert made.asset_key == asset_key(POSTGRES)
    assert (told["tables"], told["dagster/row_count"], told["rows_written"]) == (len(load_catalogue()), rows, rows)
    assert told["database"] == f"127.0.0.1:{database.server.port}/{database.name}"
    assert is_up_to_date(settings)


@pytest.mark.long
def test_a_job_that_cannot_reach_the_database_publishes_the_copy_all_the_same(home: Path) -> None:
    settings = _settings(home, UNREACHABLE)
    before = _last_run(settings)
    definitions = build_definitions(settings, writer_pool=None)
    with open_instance(settings.home) as instance:
        result = definitions.resolve_job_def("publish").execute_in_process(instance=instance, raise_on_error=False)
        logged = "".join(str(event) for event in result.all_events)
    assert not result.success
    assert NOT_PUBLISHED in logged
    assert "hunter2" not in logged
    assert "somebody" not in logged
    assert _last_run(settings) != before


def _last_run(settings: Settings) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(settings.home.published), read_only=True) as connection:
        return connection.execute("SELECT max(published_at) FROM meta.runs").fetchall()


def _examined(home: Path, url: str) -> Finding:
    return {one.subject: one for one in examine(_settings(home, url))}["PostgreSQL"]


def test_the_doctor_looks_at_the_database_and_its_rights(
    tmp_path: Path, database: Database, postgres_server: Server
) -> None:
    found = _examined(tmp_path, database.url)
    assert (found.is_ok, found.found.endswith(", may be written")) == (True, True)
    assert "Start it" in _examined(tmp_path, UNREACHABLE).advice
    assert "password" in _examined(tmp_path, "postgresql://a:hunter2@b@c/d").advice

    database.ask("DROP ROLE IF EXISTS clerk; CREATE ROLE clerk LOGIN PASSWORD 'clerk'")
    clerk = postgres_server.url(database.name, "clerk", "clerk")
    assert "GRANT CREATE ON DATABASE" in _examined(tmp_path, clerk).advice
    database.ask("CREATE SCHEMA cost; CREATE TABLE cost.invoices (x int)")
    database.ask(f"GRANT CREATE ON DATABASE {database.name} TO clerk")
    assert "GRANT USAGE, CREATE ON SCHEMA cost TO" in _examined(tmp_path, clerk).advice
    database.ask("GRANT USAGE, CREATE ON SCHEMA cost TO clerk")
    assert "cost.invoices was not made by csp-pipeline" in _examined(tmp_path, clerk).advice
    database.ask("DROP TABLE cost.invoices")
    assert _examined(tmp_path, clerk).is_ok
    database.ask(f"DROP SCHEMA cost; REVOKE CREATE ON DATABASE {database.name} FROM clerk; DROP ROLE clerk")


@pytest.mark.long
def test_the_service_team_is_told_of_what_postgresql_has_not_got(home: Path) -> None:
    settings = _settings(home, UNREACHABLE).model_copy(update={"alert_urls": (SecretStr("json://127.0.0.1:1/"),)})
    for _ in range(2):
        run_month(settings, None, on_progress=lambda _: None)
    told = [entry.alert for entry in read_outbox(settings.home).entries.values()]
    (alert,) = [alert for alert in told if alert.kind == NOT_IN_POSTGRES]
    assert alert.subject == "PostgreSQL has not got what was published"
    assert NOT_PUBLISHED in alert.body
    assert "Next step:" in alert.body
    assert not [alert for alert in told if alert.kind == RUN_FAILED]


@pytest.mark.long
def test_issue_close_and_rebuild_say_that_the_database_has_not_got_it(home: Path, database: Database) -> None:
    def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
        done = invoked(home, *arguments, CSP_POSTGRES_URL=UNREACHABLE)
        assert done.returncode == NEEDS_A_PERSON, done.stderr
        assert NOT_PUBLISHED in done.stdout
        return done

    ran("issue", "--month", "2026-08", "--yes", "--json")
    ran("close", "--month", "2026-08", "--json")
    ran("close", "--month", "2026-08")
    ran("rebuild")
    invoked(home, "rebuild", CSP_POSTGRES_URL=database.url)
    assert differing_tables(_settings(home, database.url).home, database) == []


@pytest.mark.long
def test_killed_while_rows_are_sent_the_last_publication_stays(home: Path, database: Database) -> None:
    settings = _settings(home, database.url)
    publish_to_postgres(settings)
    before = rows_of(database, load_catalogue())
    with duckdb.connect(str(settings.home.published)) as connection:
        connection.execute(
            "INSERT INTO cost.daily_usage BY NAME SELECT '2026-09' AS billing_month, 'EUR' AS currency, "
            "range AS source_row, repeat('x', 300) AS tags FROM range(400_000)"
        )
        connection.execute("INSERT INTO meta.runs BY NAME SELECT 'later' AS run_id, now()::TIMESTAMP AS published_at")
    with subprocess.Popen(  # noqa: S603  (our own interpreter)
        [sys.executable, "-c", PUBLISH_ALONE, str(home), database.url], stdout=subprocess.PIPE
    ) as process:
        _wait_for_copy(database)
        process.kill()
    _wait_for_end(database)
    assert rows_of(database, load_catalogue()) == before
    assert not is_up_to_date(settings)
    publish_to_postgres(settings)
    assert differing_tables(settings.home, database) == []


def _wait_for_copy(database: Database) -> None:
    """Until a COPY of the usage is under way, as the server itself reports it."""
    question = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE %s AND state = 'active'"
    with database.server.connected(database.name) as ask:
        assert any(ask(question, "COPY cost.daily_usage %") == [(1,)] or time.sleep(0.01) for _ in range(6000))


def _wait_for_end(database: Database) -> None:
    with database.server.connected(database.name) as ask:
        ended = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'csp-pipeline'"
        assert any(ask(ended) == [(0,)] or time.sleep(0.05) for _ in range(1200))
