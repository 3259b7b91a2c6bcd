"""The jobs of the UI do what the commands do: release or cancel a request that waits, deliver an alert again."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from pydantic import SecretStr
from starlette.responses import Response

from csp_pipeline.definitions import build_definitions
from csp_pipeline.domain.provisioning import ChangeRequest
from csp_pipeline.domain.provisioning_gates import Hold
from csp_pipeline.domain.provisioning_records import waiting_record
from csp_pipeline.errors import CspError, UsageError
from csp_pipeline.orchestration.provisioning import ask_for
from csp_pipeline.steps.alerts import failed_run, read_outbox, tell
from csp_pipeline.steps.journal import Journal, utc_now
from csp_pipeline.steps.provisioning_facts import read_facts
from csp_pipeline.storage.warehouse import writing
from csp_pipeline_tests.sources.answering import serving

if TYPE_CHECKING:
    from csp_pipeline.settings import Settings
    from csp_pipeline.storage.home import Home


def run(settings: Settings, job: str, op: str, **config: str) -> None:
    """What a person starts in the launchpad."""
    with dg.DagsterInstance.ephemeral() as instance:
        definitions = build_definitions(settings).resolve_job_def(job)
        definitions.execute_in_process(instance=instance, run_config={"ops": {op: {"config": config}}})


def state(settings: Settings) -> str:
    with writing(settings.home) as connection:
        return read_facts(connection, settings.home).histories["R-1"].state


@pytest.fixture
def waiting(settings: Settings, home: Home) -> Settings:
    """A home in which a request waits for a person."""
    of = ("R-1", None, "c", "s", utc_now(), "somebody", "manual", "change_quantity")
    ask_for(settings, ChangeRequest(*of, new_quantity=Decimal(5)))  # type: ignore[arg-type]
    journal = Journal(home, utc_now)
    journal.note(waiting_record("R-1", Hold("stale", "It is old.", "Ask the customer."), utc_now()))
    journal.commit()
    with writing(home) as connection:
        connection.execute("INSERT INTO reference.account_tenants BY NAME SELECT 'A' AS account_id, 'c' AS customer_id")
        connection.execute(
            "INSERT INTO partner_center.customers BY NAME SELECT 'c' AS customer_id, "
            "DATE '2026-01-02' AS mca_accepted_on"
        )
    return settings


@pytest.mark.parametrize(("decision", "then"), [("release", "released"), ("cancel", "cancelled")])
def test_a_request_that_waits_is_released_or_cancelled_once(waiting: Settings, decision: str, then: str) -> None:
    given = {"request_id": "R-1", "decision": decision, "by": "Ada"}
    run(waiting, "decide_request", "decide_on_request", **given)
    assert state(waiting) == then
    if decision == "cancel":
        with pytest.raises(UsageError, match="R-1 is cancelled"):
            run(waiting, "decide_request", "decide_on_request", **given)


def test_nobody_releases_what_a_credit_hold_keeps(waiting: Settings) -> None:
    with writing(waiting.home) as connection:
        connection.execute("INSERT INTO reference.accounts BY NAME SELECT 'A' AS account_id, TRUE AS credit_hold")
    with pytest.raises(UsageError, match="credit hold"):
        run(waiting, "decide_request", "decide_on_request", request_id="R-1", decision="release", by="Ada")
    assert state(waiting) == "waiting"


def test_an_alert_is_delivered_once_more(settings: Settings, home: Home) -> None:
    with serving() as hook:
        hook.answer = lambda _: Response(status_code=200)
        told = settings.model_copy(update={"alert_urls": (SecretStr(hook.url.replace("http://", "json://")),)})
        tell(told, [failed_run(CspError("The disk is full."), utc_now())])
        (alert_id,) = read_outbox(home).entries
        run(told, "replay", "deliver_again", alert_id=alert_id[:10], by="Ada")
        assert [json.loads(asked.body)["title"] for asked in hook.asked] == ["The pipeline's run failed"] * 2
    assert read_outbox(home).entries[alert_id].state == "delivered"
