"""The Dagster instance of a CSP_HOME: its folder, its `dagster.yaml`, and runs that a killed process left behind."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from csp_pipeline.errors import CspError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from csp_pipeline.storage.home import Home

_PROJECT = Path(__file__).resolve().parents[2]
CONFIGURATION = _PROJECT / "dagster.yaml"
WORKSPACE = _PROJECT / "workspace.yaml"
FINISHED = "databases-made"
COMMAND_TAG = "csp_pipeline/command"
STARTED_BY_TAG = "csp_pipeline/started_by"
"""Of a stage's run: the run in Dagster that it is part of, where there is one."""


def dagster_home(home: Home) -> Path:
    """The DAGSTER_HOME that belongs to a CSP_HOME, with the project's `dagster.yaml` in it.

    A DAGSTER_HOME that the user has set (a team's, on Postgres) is left as it is.

    Raises:
        CspError: the project's `dagster.yaml` is not where it belongs.
    """
    chosen = os.environ.get("DAGSTER_HOME")
    if chosen:
        return Path(chosen)
    folder = home.root / ".dagster"
    folder.mkdir(parents=True, exist_ok=True)
    if not CONFIGURATION.is_file():
        raise CspError(f"{CONFIGURATION} is missing; run csp-pipeline from a clone of the project.")
    shutil.copyfile(CONFIGURATION, folder / "dagster.yaml")
    return folder


@contextmanager
def open_instance(home: Home) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance of a CSP_HOME, with DAGSTER_HOME pointing at it meanwhile.

    Dagster's own databases are made in many steps; those of a process that was killed among them are made anew.
    """
    before = os.environ.get("DAGSTER_HOME")
    folder = dagster_home(home)
    finished = folder / FINISHED
    if before is None and not finished.exists():
        _remove_databases(folder)
    os.environ["DAGSTER_HOME"] = str(folder)
    try:
        with dg.DagsterInstance.get() as instance:
            if before is None and not finished.exists():
                for storage in (instance.run_storage, instance.event_log_storage, instance.schedule_storage):
                    if storage is None:
                        raise CspError(f"Dagster has no storage in {folder}; look at {folder / 'dagster.yaml'}.")
                finished.touch()
            yield instance
    finally:
        if before is None:
            del os.environ["DAGSTER_HOME"]


def _remove_databases(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name.startswith("event_log.db"):
            entry.unlink()


def close_abandoned_runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Mark runs of the command as failed whose process is gone.

    The caller holds the lock of the home, so no other process of the command can be alive.

    Returns:
        Those runs.
    """
    started = instance.get_runs(
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING], tags={COMMAND_TAG: "run"})
    )
    for run in started:
        instance.report_run_failed(run, "The process that ran this was ended; the next run did its work again.")
    return list(started)
