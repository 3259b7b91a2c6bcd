"""Dagster's daemon, killed with its runs while they work and started again: changes are made once, and told once."""

from __future__ import annotations

import shutil
import signal
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from starlette.responses import Response

from csp_pipeline.orchestration.instance import dagster_home
from csp_pipeline.storage.home import Home
from csp_pipeline_tests.end_to_end.gateways import gateway
from csp_pipeline_tests.end_to_end.processes import Daemon, sandbox, switched_on, until
from csp_pipeline_tests.end_to_end.provisioned import desk_at, run_once

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from csp_pipeline_tests.conftest import Once
    from csp_pipeline_tests.sources.answering import Asked

UNKNOWN = "It is not known whether this alert arrived"
FOUND_WITHIN = 240
"""Seconds in which the daemon comes up, looks, and its run ends; the sensor looks every minute."""


@pytest.mark.long
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9 here")
def test_a_daemon_killed_amid_a_change_and_amid_an_alert_goes_on_and_does_nothing_twice(
    once: Once, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)  # for `dagster_home`, which leaves a user's own alone
    made = once("provisioning", run_once)
    home = shutil.copytree(made / "home", tmp_path / "home")
    with sandbox(made / "partner") as connection, desk_at(home, connection) as opened, gateway(opened) as patches:
        environment = {**opened.environment, "DAGSTER_HOME": str(dagster_home(Home(home)))}
        monkeypatch.setenv("DAGSTER_HOME", environment["DAGSTER_HOME"])
        seats = opened.seats()[0]
        wanted = opened.quantity(seats) + 2
        opened.ask("R-1", seats, wanted)
        switched_on("alerts", environment)
        daemon = Daemon(environment, tmp_path / "daemon.log")
        opened.victim = daemon
        with daemon:
            until(lambda: bool(patches), within=FOUND_WITHIN, what="the change")
        assert (opened.quantity(seats), len(patches), opened.told("R-1")) == (wanted, 1, [])
        told = ["webhook", opened.service_email(seats), "webhook", "desk@example.com"]
        """The alert, by webhook before the kill and by mail after it; that nobody knows of the webhook, by both."""
        opened.hook.answer = _killing(daemon)
        with daemon:
            until(lambda: len(opened.hook.asked) == 1, within=FOUND_WITHIN, what="the alert")
        opened.hook.answer = lambda _: Response(status_code=200)
        with daemon:
            until(
                lambda: any(UNKNOWN in asked.json["title"] for asked in opened.hook.asked),
                within=FOUND_WITHIN,
                what="the word that it is not known",
            )
            until(lambda: not _under_way(), within=FOUND_WITHIN, what="the end of all runs")
        assert (opened.quantity(seats), opened.changes(seats), len(patches)) == (wanted, [wanted], 1)
        assert sorted(opened.told("R-1")) == sorted(told)
        titles = [asked.json["title"] for asked in opened.hook.asked if "R-1" in asked.json["message"]]
        assert titles[1] == f"{UNKNOWN}: {titles[0]}"


def _killing(daemon: Daemon) -> Callable[[Asked], Response]:
    """An answer that comes too late for the daemon and its runs."""

    def answer(_: Asked) -> Response:
        daemon.kill()
        return Response(status_code=200)

    return answer


def _under_way() -> int:
    """How many runs Dagster takes for living."""
    states = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.QUEUED]
    with dg.DagsterInstance.get() as instance:
        return instance.get_runs_count(dg.RunsFilter(statuses=states))
