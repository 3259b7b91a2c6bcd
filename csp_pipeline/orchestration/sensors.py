"""The sensors: what starts a job when something happened elsewhere, once a person has switched them on."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import dagster as dg

from csp_pipeline.orchestration.instance import COMMAND_TAG
from csp_pipeline.orchestration.jobs import month_close, nightly_job, provision, tell_of_failed_run
from csp_pipeline.orchestration.made_up_partner import is_fetched, is_server_given
from csp_pipeline.steps.journal import utc_now
from csp_pipeline.steps.run import is_known

EVERY_SECONDS = 3600
ALERTS_EVERY_SECONDS = 60
ASKED_AGAIN_AFTER = timedelta(hours=1)
"""So long after the provider was asked about requests under way it is asked again, although nothing changed here."""
TRIED_AGAIN_AFTER = timedelta(minutes=10)
"""So long after a run that ended in an exception the same is tried again."""


def build_month_close() -> dg.SensorDefinition:
    """The sensor that closes a month when the provider lists documents it did not list before.

    Its cursor is the list of the documents known, so that a document starts one run, whatever becomes of that run.
    """

    @dg.sensor(
        name="month_close",
        job_name=month_close.name,
        minimum_interval_seconds=EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        required_resource_keys={"settings"},
        description="Asks the provider for new documents every hour, and closes their month when there are some.",
    )
    def poll(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Ask for the headers and compare them with the cursor."""
        from csp_pipeline.sources.provider import connect  # noqa: PLC0415  (heavy)
        from csp_pipeline.steps.fetch_documents import documents_in  # noqa: PLC0415  (heavy)

        settings = context.resources.settings
        if not is_fetched(settings) or (settings.source == "sandbox" and not is_server_given(settings)):
            return dg.SkipReason(f"With source {settings.source} there is no server that could list new documents.")
        with connect(settings) as provider:
            documents = documents_in(provider.partner_center.invoices())
        known = set(json.loads(context.cursor or "[]"))
        new = [document for document in documents if document.number not in known]
        if not new:
            return dg.SkipReason(f"Nothing beside the {len(known)} documents known.")
        context.update_cursor(json.dumps(sorted(known | {document.number for document in new})))
        month = max(document.month for document in new)
        key = hashlib.sha256(json.dumps([document.number for document in new]).encode()).hexdigest()
        config = {"month": month if is_known(month) else ""}
        return dg.RunRequest(run_key=key, run_config={"ops": {"work_through_month": {"config": config}}})

    return poll


def build_alerts(*, now: Callable[[], datetime] = utc_now) -> dg.SensorDefinition:
    """The sensor that works on requests and delivers alerts between runs.

    Its cursor is the state that a run was asked for, and when: while that state stays, the provider is asked again only
    after `ASKED_AGAIN_AFTER`, or when the last run was killed. While a run waits or works, no other is started beside
    it; one that is not at its end so long after is taken for dead.

    Args:
        now: UTC without zone.
    """

    @dg.sensor(
        name="alerts",
        job_name=provision.name,
        minimum_interval_seconds=ALERTS_EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        required_resource_keys={"settings"},
        description="Every minute: works on requests that are under way, and delivers alerts that are due.",
    )
    def look(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Look at the ledger and the published copy."""
        from csp_pipeline.orchestration.provisioning import is_anything_due, under_way  # noqa: PLC0415

        settings, at = context.resources.settings, now()
        state, is_due = under_way(settings), is_anything_due(settings, at)
        if not is_due and not state:
            return dg.SkipReason("No alert is due, and no request is new or under way.")
        last = json.loads(context.cursor or "{}")
        runs = context.instance.get_runs(dg.RunsFilter(job_name=provision.name), limit=1)
        is_at_work = bool(runs) and not runs[0].is_finished
        pause = ASKED_AGAIN_AFTER if is_at_work else _pause(context.instance, runs, is_due=is_due)
        if (is_at_work or last.get("state") == state) and last and at < datetime.fromisoformat(last["at"]) + pause:
            return dg.SkipReason("A run is at work on it, or nothing changed since the last look at what is under way.")
        context.update_cursor(json.dumps({"state": state, "at": at.isoformat()}))
        return dg.RunRequest()

    return look


def _pause(instance: dg.DagsterInstance, runs: Sequence[dg.DagsterRun], *, is_due: bool) -> timedelta:
    """How long the same state is left alone: not at all after a run that was killed, or when an alert is due."""
    if runs and runs[0].status in {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}:
        has_failed_itself = bool(instance.all_logs(runs[0].run_id, of_type=dg.DagsterEventType.STEP_FAILURE))
        return TRIED_AGAIN_AFTER if has_failed_itself else timedelta()
    return timedelta() if is_due else ASKED_AGAIN_AFTER


def build_failed_runs() -> dg.SensorDefinition:
    """The sensor that has the service team told of failed runs, other than those that told it themselves.

    A run that works through a month tells when it fails, but not when its process is killed; the runs of its stages are
    part of it.
    """

    @dg.run_failure_sensor(
        name="failed_runs",
        request_job=tell_of_failed_run,
        minimum_interval_seconds=ALERTS_EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Tells the service team of runs that were killed, or that failed without telling so themselves.",
    )
    def look(context: dg.RunFailureSensorContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        """Ask for the alert, unless somebody told already."""
        run, failed_steps = context.dagster_run, context.get_step_failure_events()
        is_told = bool(failed_steps) and run.job_name in {nightly_job.name, month_close.name}
        if is_told or COMMAND_TAG in run.tags or run.job_name == tell_of_failed_run.name:
            yield dg.SkipReason(f"The run of {run.job_name} told of its failure itself, or is part of one that does.")
            return
        said = _said(failed_steps) or context.failure_event.message or "It does not say why."
        sentence = f"The run of {run.job_name} in Dagster ({run.run_id}) failed: {said}"
        config = {"run_id": run.run_id, "job": run.job_name, "sentence": sentence}
        yield dg.RunRequest(run_key=run.run_id, run_config={"ops": {"tell_run_failed": {"config": config}}})

    return look


def _said(failed_steps: Sequence[dg.DagsterEvent]) -> str:
    """The innermost error of the first step that failed, on one line."""
    error = failed_steps[0].step_failure_data.error if failed_steps else None
    while error is not None and error.cause is not None:
        error = error.cause
    return " ".join(error.message.split()) if error is not None else ""
