"""Dagster's launcher of runs on this machine, which also sees when the process of a run is gone.

Dagster's own never looks, so that a run whose process was killed would count as running, and keep its place in the
queue, for ever. `dagster.yaml` names this class; the monitoring that it asks for then marks such runs as failed. It is
of no use where runs are on other machines than the daemon.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus

if TYPE_CHECKING:
    from dagster._core.storage.dagster_run import DagsterRun

PID = "pid"


class RunLauncher(DefaultRunLauncher):
    """Launches runs as processes of this machine."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """It can tell whether a process lives, where the operating system is asked without harm."""
        return os.name == "posix"

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the process that said last that it works on a run is there; one that never said so is left alone."""
        pids = self._pids(run.run_id)
        if not pids or is_alive(pids[-1]):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"Its process {pids[-1]} is gone.")

    def _pids(self, run_id: str) -> list[int]:
        entries = self._instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        events = [entry.dagster_event for entry in entries if entry.dagster_event is not None]
        told = [event.engine_event_data.metadata.get(PID) for event in events]
        return [int(str(pid.value)) for pid in told if pid is not None]


def is_alive(pid: int) -> bool:
    """Whether a process of this machine runs; one that ended and was not collected does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether a process ended and waits to be collected; known where /proc tells it."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as told:  # noqa: PTH123  (no path of ours)
            return told.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False
