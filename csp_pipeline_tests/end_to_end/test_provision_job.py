"""The job `provision` against a real server that fails; a webhook and a mailbox count: the quick histories."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import SecretStr

from csp_pipeline.definitions import build_definitions
from csp_pipeline.domain.provisioning import ChangeRequest
from csp_pipeline.orchestration.provisioning import ask_for
from csp_pipeline_tests.end_to_end.gateways import gateway
from csp_pipeline_tests.end_to_end.provisioned import Desk, desk
from csp_pipeline_tests.fetching import settings_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from csp_pipeline.settings import Settings

KEPT = ("autoRenewEnabled", "scheduledNextTermInstructions", "nextChargeInstructions", "friendlyName", "status")


class Job:
    """The job as the daemon runs it, on a home with a partner behind it."""

    def __init__(self, opened: Desk) -> None:
        self.opened = opened
        urls = tuple(SecretStr(url) for url in str(opened.settings["CSP_ALERT_URLS"]).split())
        self.settings: Settings = settings_for(opened.connection, opened.home, alert_urls=urls)

    def ask(self, request_id: str, subscription: tuple[str, str], quantity: int) -> None:
        """What `csp-pipeline request` takes down."""
        at = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
        of = (request_id, None, *subscription, at, "somebody", "manual", "change_quantity")
        ask_for(self.settings, ChangeRequest(*of, new_quantity=Decimal(quantity)))  # type: ignore[arg-type]

    def run(self) -> None:
        """One run of the job."""
        reached = self.settings.model_copy(update={"partner_center_url": self.opened.url})
        with dg.DagsterInstance.ephemeral() as instance:
            done = build_definitions(reached).resolve_job_def("provision").execute_in_process(instance=instance)
        assert done.success


@contextmanager
def job(finished_home: Path, folder: Path, *faults: str) -> Iterator[Job]:
    """The job, whose server shows some faults."""
    shutil.copytree(finished_home, folder / "home")
    with desk(folder / "home", finished_home, *faults) as opened:
        yield Job(opened)


def test_throttled_and_without_answers_a_change_is_made_once_keeps_the_rest_and_is_told_once(
    finished_home: Path, tmp_path: Path
) -> None:
    with job(finished_home, tmp_path, "throttle", "lost-answers") as one, gateway(one.opened) as patches:
        seats = one.opened.seats()[0]
        before = one.opened.item(seats)
        assert before["autoRenewEnabled"]
        assert before["scheduledNextTermInstructions"]
        wanted = int(before["quantity"]) + 2
        one.ask("R-1", seats, wanted)
        for _ in range(2):
            one.run()
            assert (len(patches), one.opened.changes(seats)) == (1, [wanted])
            assert one.opened.told("R-1") == ["webhook", one.opened.service_email(seats)]
        after = one.opened.item(seats)
        assert {name: after[name] for name in KEPT} == {name: before[name] for name in KEPT}
        sent = json.loads(patches[0].body, parse_int=str)  # as the client reads numbers
        assert {name: sent[name] for name in KEPT} == {name: before[name] for name in KEPT}


def test_a_refusal_is_told_the_service_team_once_and_sent_once(finished_home: Path, tmp_path: Path) -> None:
    with job(finished_home, tmp_path, "provisioning-business") as one, gateway(one.opened) as patches:
        seats = one.opened.seats()[0]
        had = one.opened.quantity(seats)
        one.ask("R-1", seats, had + 2)
        for _ in range(2):
            one.run()
            assert (len(patches), one.opened.quantity(seats), one.opened.changes(seats)) == (1, had, [])
            assert one.opened.told("R-1") == ["webhook", "desk@example.com"]
