"""The Dagster instance of a home survives a process that was killed while it was made."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from csp_pipeline.orchestration.instance import COMMAND_TAG, close_abandoned_runs, open_instance

if TYPE_CHECKING:
    from csp_pipeline.storage.home import Home


@pytest.fixture(autouse=True)
def _no_instance_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)


def test_databases_left_half_made_are_made_anew(home: Home) -> None:
    folder = home.root / ".dagster"
    folder.mkdir()
    with sqlite3.connect(folder / "event_log.db") as half_made:
        half_made.execute("CREATE TABLE event_logs (id INTEGER PRIMARY KEY)")
    half_made.close()
    with open_instance(home) as instance:
        instance.add_dynamic_partitions("currency", ["EUR"])
        assert instance.event_log_storage.supports_asset_checks
    with open_instance(home) as instance:
        assert instance.get_dynamic_partitions("currency") == ["EUR"]


def test_the_environment_is_left_as_it_was(home: Home) -> None:
    with open_instance(home):
        assert os.environ["DAGSTER_HOME"] == str(home.root / ".dagster")
    assert "DAGSTER_HOME" not in os.environ


def test_runs_of_a_killed_process_are_closed_and_those_of_the_ui_are_not(home: Home) -> None:
    with open_instance(home) as instance:
        for name, tags in (("killed", {COMMAND_TAG: "run"}), ("other", {})):
            instance.add_run(dg.DagsterRun(job_name=name, tags=tags, status=dg.DagsterRunStatus.STARTED))
        assert [run.job_name for run in close_abandoned_runs(instance)] == ["killed"]
        states = {run.job_name: run.status for run in instance.get_runs()}
    assert states == {"killed": dg.DagsterRunStatus.FAILURE, "other": dg.DagsterRunStatus.STARTED}


def test_each_storage_opens_all_its_connections_from_one_engine(home: Home) -> None:
    with open_instance(home) as instance:
        storages = (instance.run_storage, instance.event_log_storage)
        for storage, connect in zip(storages, (storages[0].connect, storages[1].index_connection), strict=True):
            with connect() as first, connect() as second:
                assert first.engine is second.engine, type(storage).__name__
                assert first.exec_driver_sql("PRAGMA synchronous").scalar() == 1
