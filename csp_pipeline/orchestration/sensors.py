"""The sensors: what starts a job when something happened elsewhere, once a person has switched them on."""

import hashlib
import json

import dagster as dg

from csp_pipeline.orchestration.jobs import month_close, provision
from csp_pipeline.orchestration.made_up_partner import is_fetched, is_server_given
from csp_pipeline.steps.run import is_known

EVERY_SECONDS = 3600
ALERTS_EVERY_SECONDS = 300


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


def build_alerts() -> dg.SensorDefinition:
    """The sensor that works on requests and delivers alerts between runs.

    Its cursor is the state that a run was asked for, so that nothing starts while nothing changed and nothing is due.
    """

    @dg.sensor(
        name="alerts",
        job_name=provision.name,
        minimum_interval_seconds=ALERTS_EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        required_resource_keys={"settings"},
        description="Every five minutes: works on requests that are under way, and delivers alerts that are due.",
    )
    def look(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Look at the published copy and the outbox."""
        from csp_pipeline.orchestration.provisioning import is_anything_due, unfinished  # noqa: PLC0415

        settings = context.resources.settings
        is_due, under_way = is_anything_due(settings), unfinished(settings)
        state = json.dumps([is_due, under_way])
        if not is_due and (not under_way or context.cursor == state):
            return dg.SkipReason("No alert is due, and no request is new or under way.")
        context.update_cursor(state)
        return dg.RunRequest()

    return look
