"""Runs that failed without saying so themselves, killed ones among them, are told to the service team once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from pydantic import SecretStr
from starlette.responses import Response
from typer.testing import CliRunner

from csp_pipeline.cli import app
from csp_pipeline.definitions import build_definitions
from csp_pipeline.orchestration.instance import COMMAND_TAG, open_instance
from csp_pipeline.orchestration.provisioning import tell_of_kill
from csp_pipeline.orchestration.sensors import build_failed_runs
from csp_pipeline.settings import Settings
from csp_pipeline_tests.end_to_end.command import NEEDS_A_PERSON, environment
from csp_pipeline_tests.sources.answering import Service, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from csp_pipeline.storage.home import Home

KILLED = "Detected run worker status FAILED: 'Its process 123 is gone.'. Marking run as failed."


@pytest.fixture
def hook() -> Iterator[Service]:
    with serving() as service:
        service.answer = lambda _: Response(status_code=200)
        yield service


def failing(name: str) -> dg.JobDefinition:
    @dg.op(name="work")
    def fail() -> None:
        raise RuntimeError("The disk is full.")

    @dg.job(name=name)
    def job() -> None:
        fail()

    return job


def look(instance: dg.DagsterInstance, run: dg.DagsterRun, event: dg.DagsterEvent) -> list[dg.RunRequest]:
    """What the sensor asks for when it hears of a failed run."""
    sensor = build_failed_runs()
    context = dg.build_run_status_sensor_context("failed_runs", event, instance, run).for_run_failure()
    return [one for one in sensor(context) if isinstance(one, dg.RunRequest)]


def broken(instance: dg.DagsterInstance, name: str, **tags: str) -> list[dg.RunRequest]:
    """What is asked for after a job failed by an exception."""
    done = failing(name).execute_in_process(instance=instance, raise_on_error=False, tags=tags)
    return look(instance, done.dagster_run, done.get_run_failure_event())


def killed(instance: dg.DagsterInstance, name: str) -> list[dg.RunRequest]:
    """What is asked for after the process of a job was found to be gone."""
    run = dg.DagsterRun(job_name=name, status=dg.DagsterRunStatus.STARTED)
    instance.add_run(run)
    return look(instance, run, instance.report_run_failed(run, KILLED))


def test_a_killed_run_is_told_once_and_what_told_so_itself_is_not(home: Home, hook: Service) -> None:
    settings = Settings(
        _env_file=None, home_path=home.root, source="inbox", alert_urls=(SecretStr(hook.url.replace("http", "json")),)
    )
    with dg.instance_for_test() as instance:
        assert broken(instance, "nightly_job") == broken(instance, "month_close") == []
        assert broken(instance, "cost_partitions", **{COMMAND_TAG: "run"}) == []
        assert killed(instance, "tell_of_failed_run") == []
        (asked,) = killed(instance, "nightly_job")
        job = build_definitions(settings).resolve_job_def("tell_of_failed_run")
        for _ in range(2):
            assert job.execute_in_process(instance=instance, run_config=asked.run_config).success
        tell_of_kill(settings, asked.run_key or "", "drafts")  # as the next run does, which finds its stage
    (message,) = [json.loads(asked.body) for asked in hook.asked]
    assert message["title"] == "The pipeline's run failed"
    assert "nightly_job" in message["message"]
    assert "Its process 123 is gone" in message["message"]


@pytest.mark.long
def test_the_run_after_one_that_was_killed_tells_of_it_once_and_goes_on(
    home: Home, hook: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    (home.inbox / "notes.csv").write_text("note\nhello\n", "utf-8")
    with open_instance(home) as instance:
        run = dg.DagsterRun(job_name="drafts", tags={COMMAND_TAG: "run"}, status=dg.DagsterRunStatus.STARTED)
        instance.add_run(run)
    told = environment(home.root) | {"CSP_ALERT_URLS": hook.url.replace("http", "json")}
    for _ in range(2):
        assert CliRunner().invoke(app, ["run"], env=told).exit_code == NEEDS_A_PERSON
    (message,) = [json.loads(asked.body) for asked in hook.asked]
    assert message["title"] == "The pipeline's run failed"
    assert "was killed at its stage drafts" in message["message"]


def test_a_job_started_here_that_fails_says_why() -> None:
    with dg.instance_for_test() as instance:
        (asked,) = broken(instance, "provision")
    assert "The disk is full." in asked.run_config["ops"]["tell_run_failed"]["config"]["sentence"]
    assert asked.run_key
