"""The sensor of requests and alerts starts work when there is some, goes on after a kill, and rests otherwise."""

from __future__ import annotations

import shutil
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from pydantic import SecretStr

from csp_pipeline.domain.provisioning import ChangeRequest, Finding
from csp_pipeline.domain.provisioning_records import intent_record, outcome_record
from csp_pipeline.orchestration.provisioning import ask_for
from csp_pipeline.orchestration.sensors import ASKED_AGAIN_AFTER, TRIED_AGAIN_AFTER, build_alerts
from csp_pipeline.settings import Settings
from csp_pipeline.steps.alerts import failed_run, tell
from csp_pipeline.steps.journal import Journal, utc_now

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REQUEST = ChangeRequest(
    "R-1", None, "customer", "subscription", utc_now(), "somebody", "manual", "change_quantity", new_quantity=Decimal(5)
)
CHANNEL, OTHER = "json://127.0.0.1:9", "json://127.0.0.1:9/other"


class Sensor:
    """The sensor as the daemon evaluates it: its cursor is kept, and so is the instance in which its runs end."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance) -> None:
        self.settings, self.instance, self.cursor, self.at = settings, instance, "", utc_now()

    def starts(self, *, ended: dg.DagsterRunStatus = dg.DagsterRunStatus.SUCCESS) -> int:
        """How many runs a look starts; each then ends so, or is under way still."""
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"settings": self.settings}
        )
        tick = build_alerts(now=lambda: self.at).evaluate_tick(context)
        self.cursor = tick.cursor or ""
        for _ in tick.run_requests or ():
            self.instance.add_run(dg.DagsterRun(job_name="provision", status=ended))
        return len(tick.run_requests or ())

    def note(self, *records: dict[str, object]) -> None:
        """What a run writes down."""
        journal = Journal(self.settings.home, lambda: self.at)
        for record in records:
            journal.note(record)
        journal.commit()


@pytest.fixture
def sensor(finished_home: Path, tmp_path: Path) -> Iterator[Sensor]:
    shutil.copytree(finished_home, tmp_path / "home")
    settings = Settings(_env_file=None, home_path=tmp_path / "home", source="inbox", provisioning="on")
    with dg.instance_for_test() as instance:
        yield Sensor(settings, instance)


def with_channel(settings: Settings, url: str) -> Settings:
    return settings.model_copy(update={"alert_urls": (SecretStr(url),)})


def test_nothing_to_do_starts_nothing(sensor: Sensor) -> None:
    assert [sensor.starts() for _ in range(2)] == [0, 0]


def test_a_request_by_command_is_worked_on_although_no_run_published_it_yet(sensor: Sensor) -> None:
    ask_for(sensor.settings, REQUEST)
    assert [sensor.starts() for _ in range(3)] == [1, 0, 0]


def test_what_is_under_way_is_asked_about_again_after_a_while_until_it_is_finished(sensor: Sensor) -> None:
    ask_for(sensor.settings, REQUEST)
    sensor.note(intent_record(REQUEST, "partner_center", "id", 3, "v", sensor.at))
    assert [sensor.starts(), sensor.starts()] == [1, 0]
    sensor.at += ASKED_AGAIN_AFTER
    assert [sensor.starts(), sensor.starts()] == [1, 0]
    sensor.note(outcome_record("R-1", Finding("succeeded", "answer"), sensor.at))
    sensor.at += ASKED_AGAIN_AFTER
    assert sensor.starts() == 0


def test_a_run_that_failed_or_was_killed_is_followed_by_another(sensor: Sensor) -> None:
    ask_for(sensor.settings, REQUEST)
    assert sensor.starts(ended=dg.DagsterRunStatus.FAILURE) == 1
    assert sensor.starts(ended=dg.DagsterRunStatus.STARTED) == 1
    assert sensor.starts() == 0
    (run,) = sensor.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    sensor.instance.report_run_failed(run)
    assert [sensor.starts(), sensor.starts()] == [1, 0]


def test_a_run_that_fails_by_itself_is_not_started_again_every_minute(sensor: Sensor) -> None:
    sensor.settings = with_channel(sensor.settings, CHANNEL)
    tell(sensor.settings, [failed_run(RuntimeError("The disk is full."), sensor.at)], send=lambda *_: "no answer")
    sensor.at += timedelta(minutes=6)
    assert sensor.starts() == 1
    failing_provision().execute_in_process(instance=sensor.instance, raise_on_error=False)
    assert [sensor.starts(), sensor.starts()] == [0, 0]
    sensor.at += TRIED_AGAIN_AFTER
    assert sensor.starts() == 1


def test_a_run_that_waits_or_works_for_long_is_not_followed_by_one_each_minute(sensor: Sensor) -> None:
    sensor.settings = with_channel(sensor.settings, CHANNEL)
    tell(sensor.settings, [failed_run(RuntimeError("The disk is full."), sensor.at)], send=lambda *_: "no answer")
    sensor.at += timedelta(minutes=6)
    started = []
    for _ in range(5):
        started.append(sensor.starts(ended=dg.DagsterRunStatus.STARTED))
        sensor.at += timedelta(minutes=1)
    assert started == [1, 0, 0, 0, 0]
    sensor.at += ASKED_AGAIN_AFTER
    assert sensor.starts() == 1


def failing_provision() -> dg.JobDefinition:
    """A job of that name whose work ends in an exception."""

    @dg.op
    def work() -> None:
        raise RuntimeError("The template cannot be used.")

    @dg.job(name="provision")
    def job() -> None:
        work()

    return job


def test_an_alert_is_delivered_when_it_is_due_and_not_over_a_channel_that_is_no_more(sensor: Sensor) -> None:
    kept, sensor.settings = sensor.settings, with_channel(sensor.settings, CHANNEL)
    failing = failed_run(RuntimeError("The disk is full."), sensor.at)
    tell(sensor.settings, [failing], now=lambda: sensor.at, send=lambda *_: "no answer")
    assert sensor.starts() == 0
    sensor.at += timedelta(minutes=6)
    assert sensor.starts() == 1
    sensor.settings = with_channel(kept, OTHER)
    assert sensor.starts() == 0
