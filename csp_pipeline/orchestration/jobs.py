"""The jobs: one per stage of the pipeline, and the two that do a whole month.

A stage's job can be started from the UI for any partition. `nightly_job` and `month_close` work through all stages as
`csp-pipeline run` does, each stage as a run of its own, and skip what did not change.
"""

import dagster as dg

from csp_pipeline.orchestration.assets import publishing
from csp_pipeline.orchestration.assets.tables import asset_key, keys_of
from csp_pipeline.orchestration.reconciliation_metadata import UNEXPLAINED_CHECK
from csp_pipeline.quality.identities import IDENTITIES
from csp_pipeline.steps.cost_overviews import OVERVIEW_TABLES
from csp_pipeline.storage.file_catalogue import FILE_TABLES

FETCH, INGEST, PREPARE, COST, MATCHES = "fetch", "ingest", "prepare", "cost_partitions", "cost_matches"
MATCHED = ("billing.subscription_links", "billing.cost_matches")
DRAFTS, RECONCILIATION, OVERVIEWS, PUBLISH = "drafts", "reconciliation", "cost_overviews", "publish"
PROVISIONING = "provisioning"


def _tables(*keys: str) -> dg.AssetSelection:
    return dg.AssetSelection.assets(*(asset_key(key) for key in keys)).without_checks()


def tables_of(step: str) -> tuple[str, ...]:
    """The tables that a step of the stage `prepare` makes: those of a schema, or one table."""
    return (step,) if "." in step else keys_of(step)


def stage_jobs(*, publishes_to_postgres: bool) -> dg.Definitions:
    """One job per stage, in the order in which a month needs them, to be merged into a code location."""
    published = (*publishing.TABLES, *([publishing.POSTGRES] if publishes_to_postgres else []))
    proof_check = dg.AssetSelection.checks(dg.AssetCheckKey(asset_key("cost.invoice_proof"), "invoices_are_proven"))
    unexplained_check = dg.AssetSelection.checks(UNEXPLAINED_CHECK.key)
    identity_checks = dg.AssetSelection.checks(
        *(dg.AssetCheckKey(asset_key(identity.table), identity.name) for identity in IDENTITIES)
    )
    jobs = [
        dg.define_asset_job(
            FETCH,
            dg.AssetSelection.groups("fetching"),
            description="Fetch today's snapshots, the activity log, documents and the open month from the provider.",
        ),
        dg.define_asset_job(
            INGEST,
            _tables(*FILE_TABLES),
            description="Take what was fetched and what is new in the inbox: land, stage, quarantine.",
        ),
        dg.define_asset_job(
            PREPARE,
            _tables("cost.invoices", *keys_of("partner_center"), *keys_of("reference")),
            description="Read the commercial terms, the customers and seats, and the provider's invoices.",
        ),
        dg.define_asset_job(
            COST,
            _tables(*keys_of("cost", "month_currency")) | proof_check,
            description="Cost lines, usage, Azure plan cost, earned credit and proof of a month and currency.",
        ),
        dg.define_asset_job(MATCHES, _tables(*MATCHED), description="Find the contract line of every cost line."),
        dg.define_asset_job(
            DRAFTS,
            _tables(*(key for key in keys_of("billing") if key not in MATCHED)),
            description="Draft the customer invoices of a month.",
        ),
        dg.define_asset_job(
            RECONCILIATION,
            _tables(*(key for key in keys_of("reconciliation") if key not in OVERVIEW_TABLES)) | unexplained_check,
            description="Compare revenue with cost and name the cause of every difference.",
        ),
        dg.define_asset_job(
            OVERVIEWS,
            _tables(*OVERVIEW_TABLES),
            description="Forecast the open month; show what is accrued, owed and restated.",
        ),
        dg.define_asset_job(
            PROVISIONING,
            _tables(*keys_of("provisioning"))
            | dg.AssetSelection.checks(dg.AssetCheckKey(asset_key("provisioning.events"), "changes_are_provisioned")),
            description="Show what became of each change that was asked for, and what was told to whom; sends nothing.",
        ),
        dg.define_asset_job(
            PUBLISH,
            _tables(*published) | identity_checks,
            description="Check the identities of the books, then swap the published copy"
            + (", and publish it to PostgreSQL too." if publishes_to_postgres else "."),
        ),
    ]
    expectations = dg.define_asset_job(
        "expectations",
        dg.AssetSelection.checks(dg.AssetCheckKey(asset_key("meta.tables"), "readers_find_what_they_expect")),
        description="Validate what readers rely on, on the published copy.",
    )
    return dg.Definitions(jobs=[*jobs, expectations])


@dg.op(
    required_resource_keys={"settings", "on_progress"},
    config_schema={
        "month": dg.Field(str, default_value="", description="YYYY-MM; empty is the latest with provider documents.")
    },
)
def work_through_month(context: dg.OpExecutionContext) -> None:
    """Do every stage of a month, each as a run of its own, skipping what did not change."""
    from csp_pipeline.orchestration.month import run_month  # noqa: PLC0415  (imports the definitions, which import this)

    outcome = run_month(
        context.resources.settings,
        context.op_config["month"] or None,
        on_progress=context.log.info,
        run_id=context.run_id,
    )
    for problem in outcome.problems:
        context.log.warning(problem)
    context.log.info("Month %s: published %s.", outcome.month, outcome.published)


@dg.op(
    required_resource_keys={"settings", "on_progress"},
    config_schema={
        "month": dg.Field(str, description="YYYY-MM."),
        "confirm": dg.Field(
            bool, default_value=False, description="True issues; False only shows what would be issued and why."
        ),
    },
)
def issue_invoices(context: dg.OpExecutionContext) -> None:
    """Show what issuing a month does, and do it when that is confirmed: the same as `csp-pipeline issue`."""
    from csp_pipeline.orchestration.issuing import issue_month  # noqa: PLC0415  (imports the definitions, as above)
    from csp_pipeline.steps.issue_report import report_of  # noqa: PLC0415

    month, confirm = context.op_config["month"], context.op_config["confirm"]
    done = issue_month(
        context.resources.settings, month, decide=lambda _plan: bool(confirm), on_progress=context.log.info
    )
    report = report_of(done.plan, done.documents, done.problems)
    for reason in report["needs_a_person"]:
        context.log.warning(reason)
    context.add_output_metadata(
        {
            "documents_issued": len(done.documents),
            "would_issue": 0 if done.documents else len(done.plan.documents),
            "report": dg.MetadataValue.json(report),
        }
    )


@dg.job(description="Issue a month's drafts: numbers, ledger, pages. Without `confirm` it shows what would be issued.")
def issue() -> None:
    """Issuing is a separate, explicit act, here as on the command line."""
    issue_invoices()


@dg.job(description="Every night: snapshots, what is not billed yet, new files, drafts, reconciliation, publication.")
def nightly_job() -> None:
    """The whole pipeline for the latest month."""
    work_through_month()


@dg.job(description="A month whose billed documents have arrived: cost, proof, drafts, reconciliation, publication.")
def month_close() -> None:
    """The whole pipeline for one month; issuing its invoices is a separate, explicit act."""
    work_through_month()


@dg.op(required_resource_keys={"settings", "on_progress"})
def work_on_requests(context: dg.OpExecutionContext) -> None:
    """Send what may be sent, ask what became of what was, and deliver alerts; the next run publishes it."""
    from csp_pipeline.orchestration.provisioning import send_requests, tell_people  # noqa: PLC0415
    from csp_pipeline.steps.provisioning_tables import build_provisioning  # noqa: PLC0415
    from csp_pipeline.storage.file_catalogue import create_staged_views  # noqa: PLC0415
    from csp_pipeline.storage.warehouse import exclusive, writing  # noqa: PLC0415

    settings = context.resources.settings
    with exclusive(settings.home):
        problems = send_requests(settings, context.log.info)
        with writing(settings.home) as connection:
            create_staged_views(connection, settings.home)
            build_provisioning(connection, settings)
        report = tell_people(settings)
    for problem in (*problems, *report.problems):
        context.log.warning(problem)
    context.add_output_metadata({"delivered": report.delivered, "not_delivered": report.failed})


@dg.job(description="Work on licence change requests and deliver alerts, without fetching or computing anything else.")
def provision() -> None:
    """What `csp-pipeline run` does with requests and alerts, alone."""
    work_on_requests()


@dg.op(
    required_resource_keys={"settings"},
    config_schema={
        "request_id": dg.Field(str, description="As in provisioning.requests."),
        "decision": dg.Field(dg.Enum("decision", [dg.EnumValue("release"), dg.EnumValue("cancel")])),
        "by": dg.Field(str, description="Who decides."),
    },
)
def decide_on_request(context: dg.OpExecutionContext) -> None:
    """Release or cancel a waiting request: the same as `csp-pipeline provisioning release` and `cancel`."""
    from csp_pipeline.orchestration.provisioning import decide  # noqa: PLC0415

    given = context.op_config
    context.log.info(decide(context.resources.settings, given["request_id"], given["decision"], given["by"]))


@dg.job(description="Release or cancel a request that waits; the next run acts on it.")
def decide_request() -> None:
    """A person's decision on one request."""
    decide_on_request()


@dg.op(
    required_resource_keys={"settings"},
    config_schema={
        "alert_id": dg.Field(str, description="As in provisioning.alerts; its beginning is enough."),
        "by": dg.Field(str, description="Who asks for it."),
    },
)
def deliver_again(context: dg.OpExecutionContext) -> None:
    """Deliver an alert once more: the same as `csp-pipeline alerts replay`."""
    from csp_pipeline.orchestration.provisioning import replay_alert  # noqa: PLC0415

    context.log.info(replay_alert(context.resources.settings, context.op_config["alert_id"], context.op_config["by"]))


@dg.job(description="Deliver one alert again.")
def replay() -> None:
    """A person asks for an alert once more."""
    deliver_again()


@dg.op(
    required_resource_keys={"settings"},
    config_schema={
        "run_id": dg.Field(str, description="The run that failed; it is told once."),
        "job": dg.Field(str, description="Its job; the same one within a day is a repeat."),
        "sentence": dg.Field(str, description="What happened."),
    },
)
def tell_run_failed(context: dg.OpExecutionContext) -> None:
    """Put the alert into the outbox and deliver what is due."""
    from csp_pipeline.steps.alerts import failed_job, tell  # noqa: PLC0415
    from csp_pipeline.steps.journal import utc_now  # noqa: PLC0415
    from csp_pipeline.storage.warehouse import exclusive  # noqa: PLC0415

    settings, given = context.resources.settings, context.op_config
    with exclusive(settings.home):
        tell(settings, [failed_job(given["run_id"], given["job"], given["sentence"], utc_now())])


@dg.job(description="Tell the service team that a run failed; the sensor failed_runs starts it.")
def tell_of_failed_run() -> None:
    """One alert on one failed run."""
    tell_run_failed()
