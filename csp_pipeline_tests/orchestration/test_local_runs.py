"""A run whose process is gone is seen as such; one that works, or has not said yet who works on it, is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.launcher import WorkerStatus

from csp_pipeline.orchestration.instance import open_instance
from csp_pipeline.orchestration.local_runs import RunLauncher, is_alive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from csp_pipeline.storage.home import Home

pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes are asked elsewhere without harm only here")


@pytest.fixture
def instance(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with open_instance(home) as opened:
        yield opened


def gone() -> int:
    """The number of a process that ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


def health(instance: dg.DagsterInstance, *pids: int) -> WorkerStatus:
    """What the launcher says of a run on which these processes said that they work."""
    run = dg.DagsterRun(job_name="provision", status=dg.DagsterRunStatus.STARTED)
    instance.add_run(run)
    for pid in pids:
        instance.report_engine_event(f"Started process for run (pid: {pid}).", run, EngineEventData.in_process(pid))
    assert isinstance(instance.run_launcher, RunLauncher)
    return instance.run_launcher.check_run_worker_health(run).status


def test_the_instance_of_a_home_looks_after_its_runs(instance: dg.DagsterInstance) -> None:
    assert instance.run_launcher.supports_check_run_worker_health
    assert health(instance) == WorkerStatus.RUNNING
    assert health(instance, gone(), os.getpid()) == WorkerStatus.RUNNING
    assert health(instance, os.getpid(), gone()) == WorkerStatus.FAILED


def test_a_process_that_ended_and_was_not_collected_is_not_alive() -> None:
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read()  # until it ends
        for _ in range(200):
            if not is_alive(process.pid):
                break
            os.sched_yield()
        else:
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not is_alive(process.pid)
    assert is_alive(os.getpid())
