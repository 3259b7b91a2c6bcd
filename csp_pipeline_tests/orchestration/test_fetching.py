"""What Dagster fetches: snapshots of today only, problems where a person sees them, a run per new document."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from csp_pipeline.definitions import build_definitions
from csp_pipeline.errors import CspError, UsageError
from csp_pipeline.orchestration.assets import fetching
from csp_pipeline.orchestration.sensors import build_month_close
from csp_pipeline.sandbox.generate import generate
from csp_pipeline.sandbox.server.app import running
from csp_pipeline.storage.arrivals import read_arrivals
from csp_pipeline_tests.fetching import settings_for, today

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dagster._core.definitions.sensor_definition import SensorExecutionData

    from csp_pipeline.sandbox.server.app import Connection
    from csp_pipeline.settings import Settings


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fetching") / "scenario"
    generate(folder, customers=2, usage_rows=20, months=("2026-08", "2026-09"), currencies=("EUR",))
    return folder


@pytest.fixture(scope="module")
def connection(scenario: Path) -> Iterator[Connection]:
    with running(scenario) as running_server:
        yield running_server


def _snapshot(settings: Settings, day: str) -> dg.ExecuteInProcessResult:
    (asset,) = [one for one in fetching.build(None) if one.key == fetching.fetch_key("snapshots")]
    resources = {"settings": settings, "on_progress": lambda _: None}
    return dg.materialize([asset], partition_key=day, resources=resources)


def test_a_snapshot_of_today_is_fetched_and_of_another_day_is_refused(connection: Connection, tmp_path: Path) -> None:
    settings = settings_for(connection, tmp_path)
    result = _snapshot(settings, today().isoformat())
    (made,) = result.asset_materializations_for_node("landing__snapshots")
    assert made.metadata["files"].value == len(read_arrivals(settings.home)) > 0
    assert made.metadata[fetching.PROBLEMS].value == []
    with pytest.raises(CspError, match=f"only {today()} can be"):
        _snapshot(settings, (today() - timedelta(days=1)).isoformat())


def test_nothing_is_fetched_for_the_inbox(settings: Settings) -> None:
    with pytest.raises(UsageError, match="CSP_SOURCE"):
        _snapshot(settings, today().isoformat())


def _poll(settings: Settings, cursor: str | None) -> SensorExecutionData:
    context = dg.build_sensor_context(cursor=cursor, resources={"settings": settings})
    return build_month_close().evaluate_tick(context)


def test_the_sensor_closes_a_month_once_its_documents_are_there(scenario: Path, tmp_path: Path) -> None:
    with running(scenario, ["late-invoice"]) as connection:
        polls: list[SensorExecutionData] = []
        for _ in range(4):
            cursor = polls[-1].cursor if polls else None
            polls.append(_poll(settings_for(connection, tmp_path), cursor))
    requests = [request for poll in polls for request in poll.run_requests or ()]
    months = [request.run_config["ops"]["work_through_month"]["config"]["month"] for request in requests]
    assert months == ["2026-08", "2026-09"]
    assert len({request.run_key for request in requests}) == 2
    assert "2 documents known" in str(polls[-1].skip_message)


def test_the_sensor_is_off_by_default_and_skips_where_there_is_no_server(settings: Settings) -> None:
    sensor = build_definitions(settings).get_repository_def().get_sensor_def("month_close")
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED
    poll = _poll(settings, None)
    assert "source inbox" in str(poll.skip_message)
    assert not poll.run_requests
