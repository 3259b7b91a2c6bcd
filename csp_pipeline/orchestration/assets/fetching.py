"""The group fetching: what is asked of Partner Center and Microsoft Graph, delivered to landing as it came.

Nothing is read here: the files are taken up with those of the inbox by the group ingestion.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime

import dagster as dg

from csp_pipeline import __version__
from csp_pipeline.errors import CspError, UsageError
from csp_pipeline.orchestration.assets.tables import OWNER, Materialised
from csp_pipeline.orchestration.made_up_partner import is_fetched, served
from csp_pipeline.orchestration.partitions import DAYS

PROBLEMS = "problems"
_ANSWERS = (
    dg.TableColumn("uri", "string", "The path and query that were asked for, without the host."),
    dg.TableColumn("body", "json", "The answer as it was received."),
)
_ROWS = (dg.TableColumn("row", "json", "A line of the export: one reconciliation or usage row, as it was received."),)
_PRICES = (dg.TableColumn("row", "csv", "A line of a sheet: a price, or a currency's rate, as it was received."),)


@dataclass(frozen=True)
class Fetch:
    """How one part of what is fetched is shown; the work is in `steps/fetch.py` under the same name.

    Attributes:
        is_of_a_day: whether it is the state of a day, which can only be fetched on that day.
    """

    name: str
    description: str
    kinds: frozenset[str]
    columns: tuple[dg.TableColumn, ...]
    is_of_a_day: bool = False


FETCHES = (
    Fetch(
        "snapshots",
        "Customers, subscriptions, orders, agreements, entitlements and provisioning as Partner Center knows them.",
        frozenset({"partnercenter", "json"}),
        _ANSWERS,
        is_of_a_day=True,
    ),
    Fetch(
        "activity_log",
        "Who changed what, from Partner Center's activity log, day by day.",
        frozenset({"partnercenter", "json"}),
        _ANSWERS,
    ),
    Fetch(
        "documents",
        "Invoice headers from Partner Center, and the lines and usage of each invoice, mostly from Microsoft Graph.",
        frozenset({"graph", "json"}),
        (*_ANSWERS, *_ROWS),
    ),
    Fetch(
        "open_month",
        "Lines and usage that are not billed yet, per currency, from Microsoft Graph; each load replaces the last.",
        frozenset({"graph", "json"}),
        _ROWS,
    ),
    Fetch(
        "prices",
        "Exchange rates of the documents' months and of this one, and this month's price sheets of the main markets.",
        frozenset({"partnercenter", "csv"}),
        _PRICES,
    ),
)


def fetch_key(name: str) -> dg.AssetKey:
    """The asset key of something that is fetched."""
    return dg.AssetKey(["landing", name])


def build(pool: str | None) -> list[dg.AssetsDefinition]:
    """The assets of the group."""
    return [_asset(one, pool) for one in FETCHES]


def _asset(one: Fetch, pool: str | None) -> dg.AssetsDefinition:
    @dg.asset(
        key=fetch_key(one.name),
        group_name="fetching",
        description=f"{one.description}\n\nGrain: files in landing, as received.",
        metadata={"dagster/column_schema": dg.TableSchema(columns=list(one.columns))},
        code_version=__version__,
        owners=[OWNER],
        kinds=set(one.kinds),
        partitions_def=DAYS if one.is_of_a_day else None,
        required_resource_keys={"settings", "on_progress"},
        pool=pool,
    )
    def fetched(context: dg.AssetExecutionContext) -> Materialised:
        """Fetch it from the server of the settings, and say what could not be fetched."""
        from csp_pipeline.sources.provider import connect  # noqa: PLC0415  (heavy)
        from csp_pipeline.steps.fetch import PARTS  # noqa: PLC0415  (heavy)

        tell, given = context.resources.on_progress, context.resources.settings
        if not is_fetched(given):
            raise UsageError("Nothing is fetched with source inbox; set CSP_SOURCE to partner-center or sandbox.")
        today = _today(context)
        with served(given, tell) as settings, connect(settings) as provider:
            report = PARTS[one.name](settings, provider, today, tell)
        for problem in report.problems:
            tell(problem)
        return dg.MaterializeResult(
            metadata={"files": report.files, PROBLEMS: list(report.problems), "notes": list(report.notes)}
        )

    return fetched


def _today(context: dg.AssetExecutionContext) -> date:
    """The UTC day on which the run was started, which is the only one a snapshot can be of.

    Raises:
        CspError: another day was asked for.
    """
    record = context.instance.get_run_record_by_id(context.run.run_id)
    today = (record.create_timestamp if record else datetime.now(UTC)).astimezone(UTC).date()
    if context.has_partition_key and context.partition_key != today.isoformat():
        raise CspError(
            f"The snapshot of {context.partition_key} cannot be fetched: Partner Center tells how things are now, so "
            f"only {today} can be."
        )
    return today
