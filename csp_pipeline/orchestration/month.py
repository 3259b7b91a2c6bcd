"""A whole month, stage after stage, each stage a Dagster run of its own in this process.

What belongs here: the order of the stages and what is handed to Dagster. Which work is needed is decided by
`steps/run.py`; what a stage does, by its job.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from csp_pipeline.domain.calendar import month_of
from csp_pipeline.errors import UsageError, cause_of
from csp_pipeline.orchestration import jobs
from csp_pipeline.orchestration.assets.fetching import PROBLEMS
from csp_pipeline.orchestration.assets.publishing import POSTGRES
from csp_pipeline.orchestration.instance import COMMAND_TAG, STARTED_BY_TAG, close_abandoned_runs, open_instance
from csp_pipeline.orchestration.made_up_partner import is_fetched, served
from csp_pipeline.orchestration.partitions import range_tags, register_currencies
from csp_pipeline.orchestration.postgres import has_publication, kept_from_postgres
from csp_pipeline.orchestration.provisioning import (
    send_requests,
    tell_of_failure,
    tell_of_kill,
    tell_of_postgres,
    tell_people,
)
from csp_pipeline.steps import run as work
from csp_pipeline.steps.cost import build_cost_partition
from csp_pipeline.steps.publish import audit
from csp_pipeline.storage.file_catalogue import create_staged_views
from csp_pipeline.storage.warehouse import exclusive, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    import duckdb

    from csp_pipeline.settings import Settings

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Outcome:
    """What a run did.

    Attributes:
        month: the month asked for, or the latest with provider documents; None when there is no document at all.
        stages: the stages that had something to do.
        published: the copy that readers open.
        problems: what could not be fetched or published elsewhere, one sentence each; a person has to look.
    """

    month: str | None
    stages: tuple[str, ...]
    published: Path
    problems: tuple[str, ...] = ()


@dataclass
class _Month:
    """The state of one run: the settings, the wiring, and what has been done so far."""

    settings: Settings
    definitions: dg.Definitions
    instance: dg.DagsterInstance
    tell: Callable[[str], None]
    started_by: Mapping[str, str]
    stages: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unpublished: list[str] = field(default_factory=list)

    def execute(
        self,
        job: str,
        *,
        tags: Mapping[str, str] | None = None,
        only: Iterable[str] | None = None,
        partition: str | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Run a stage's job in this process, for one partition or a range of them, or for a part of its tables."""
        selection = [dg.AssetKey(key.split(".")) for key in only] if only is not None else None
        result = self.definitions.resolve_job_def(job).execute_in_process(
            run_config=_QUIET,
            instance=self.instance,
            tags={COMMAND_TAG: "run", **self.started_by, **(tags or {})},
            asset_selection=selection,
            partition_key=partition,
        )
        self.stages.append(job)
        return result


def run_month(
    settings: Settings,
    month: str | None,
    *,
    on_progress: Callable[[str], None],
    take_files: bool = True,
    run_id: str | None = None,
) -> Outcome:
    """Bring the warehouse up to a month and publish it; work whose inputs did not change is skipped.

    Args:
        settings: where and how.
        month: YYYY-MM; None is the latest month with provider documents.
        on_progress: told one sentence at the start of each stage.
        take_files: whether to fetch and to look into the inbox first; a rebuild works from what was landed.
        run_id: the run in Dagster that does this; its kill is told once, whoever sees it first.

    Raises:
        UsageError: the month asked for, or the start of billing, is not one that can be worked on.
        IdentityBrokenError: an identity of the books does not hold; nothing was published.
        CspError: the work could not be done; nothing was published.
    """
    from csp_pipeline.definitions import build_definitions  # noqa: PLC0415  (imports the jobs, which import this)

    _refuse_unknown_months(settings, month)
    home = settings.home.create()
    with (
        exclusive(home, on_wait=on_progress),
        _telling_of_failure(settings),
        open_instance(home) as instance,
    ):
        for run in close_abandoned_runs(instance):
            tell_of_kill(settings, run.tags.get(STARTED_BY_TAG, run.run_id), run.job_name)
        definitions = build_definitions(settings, writer_pool=None, resources={"on_progress": on_progress})
        state = _Month(settings, definitions, instance, on_progress, {STARTED_BY_TAG: run_id} if run_id else {})
        if take_files:
            _fetch(state)
            _take_files(state)
        with writing(home):  # kept open for the stages between; publishing copies the closed file
            chosen = _prepare(state, month)
            if take_files:
                state.problems += send_requests(settings, on_progress)
            _cost(state)
            _drafts_and_reconciliation(state, chosen)
            _stage(
                state, jobs.OVERVIEWS, work.OVERVIEWS, work.overview_fingerprints, "Looking over all months of cost."
            )
            _show_provisioning(state)
        _publish(state)
        if take_files:
            _tell(state)
            for problem in state.unpublished:
                tell_of_postgres(settings, problem)
        return Outcome(chosen, tuple(state.stages), home.published, (*state.problems, *state.unpublished))


@contextmanager
def _telling_of_failure(settings: Settings) -> Iterator[None]:
    """Tell the service team when the run fails, whoever started it."""
    try:
        yield
    except Exception as error:
        tell_of_failure(settings, cause_of(error))
        raise


def _show_provisioning(state: _Month) -> None:
    _stage(
        state,
        jobs.PROVISIONING,
        work.PROVISIONING,
        work.provisioning_fingerprints,
        "Looking at what was asked for and what became of it.",
    )


def _tell(state: _Month) -> None:
    """Deliver alerts on what was published, and publish again what was told to whom."""
    report = tell_people(state.settings, state.problems)
    state.problems += report.problems
    if report.is_news:
        state.tell(f"Told {report.delivered} alerts.")
        with writing(state.settings.home):
            _show_provisioning(state)
        _publish(state)


def _fetch(state: _Month) -> None:
    """Fetch what the provider has, where the settings name one; the made-up partner's server runs meanwhile."""
    from csp_pipeline.definitions import build_definitions  # noqa: PLC0415  (imports the jobs, which import this)

    if not is_fetched(state.settings):
        return
    with served(state.settings, state.tell) as settings:
        reached = replace(
            state, definitions=build_definitions(settings, writer_pool=None, resources={"on_progress": state.tell})
        )
        result = reached.execute(jobs.FETCH, partition=datetime.now(UTC).date().isoformat())
    for event in result.get_asset_materialization_events():
        told = event.materialization.metadata[PROBLEMS].value
        state.problems += [str(problem) for problem in told] if isinstance(told, list) else []


def _take_files(state: _Month) -> None:
    state.tell("Looking for new files in the inbox.")
    state.execute(jobs.INGEST)


def _prepare(state: _Month, month: str | None) -> str | None:
    """Terms, customers and provider invoices; returns the month asked for, or the latest with provider documents."""
    with writing(state.settings.home) as connection:
        prints = work.prepare_fingerprints(connection, state.settings)
        steps = [step for step, found in prints.items() if work.changed(connection, step, {"": found})]
    if state.settings.commercial_url is not None and work.TERMS not in steps:
        steps.append(work.TERMS)
    if steps:
        state.tell("Reading commercial terms, customers, seats and provider invoices.")
        state.execute(jobs.PREPARE, only=[key for step in steps for key in jobs.tables_of(step)])
    with writing(state.settings.home) as connection:
        for step in steps:
            work.record(connection, step, {"": prints[step]})
        first = work.first_month(connection)
        if month and first and month < first:
            raise UsageError(f"--month {month} is before {first}, the month of the first provider document.")
        return month or work.latest_month(connection)


def _cost(state: _Month) -> None:
    with writing(state.settings.home) as connection:
        prints = work.cost_fingerprints(connection)
        by_currency: dict[str, list[str]] = defaultdict(list)
        for partition in work.changed(connection, work.COST, prints):
            month, currency = partition.split("|")
            by_currency[currency].append(month)
    register_currencies(state.instance, by_currency)
    for currency, months in sorted(by_currency.items()):
        for span in _spans(months):
            state.tell(f"Computing and proving cost in {currency}, {_in_words(span)}.")
            if work.is_known(span[0]):
                state.execute(jobs.COST, tags=range_tags(f"{span[0]}|{currency}", f"{span[-1]}|{currency}"))
            else:
                _fill_cost_outside_dagster(state.settings, span, currency)
            partitions = [f"{month}|{currency}" for month in span]
            with writing(state.settings.home) as connection:
                work.record(connection, work.COST, {partition: prints[partition] for partition in partitions})


def _spans(months: list[str]) -> list[list[str]]:
    """Unbroken spans of months that Dagster has partitions for, then the months it has none for, one by one."""
    known = [month for month in months if work.is_known(month)]
    return [*work.consecutive(known), *([month] for month in sorted(set(months).difference(known)))]


def _fill_cost_outside_dagster(settings: Settings, months: list[str], currency: str) -> None:
    """Fill cost of months that no partition exists for: a document with a wrong date still counts in the books."""
    with writing(settings.home) as connection:
        for month in months:
            create_staged_views(connection, settings.home, billing_month=month, currency=currency)
            build_cost_partition(connection, settings.home, month, currency)


def _drafts_and_reconciliation(state: _Month, month: str | None) -> None:
    _stage(state, jobs.MATCHES, work.MATCHES, work.match_fingerprints, "Matching cost to contract lines.")
    _stage(
        state,
        jobs.DRAFTS,
        work.DRAFTS,
        lambda connection, settings: work.draft_fingerprints(connection, settings, month),
        "Drafting customer invoices",
    )
    _stage(
        state,
        jobs.RECONCILIATION,
        work.RECONCILIATION,
        lambda connection, settings: work.reconciliation_fingerprints(connection, settings, month),
        "Reconciling revenue with cost",
    )


def _stage(
    state: _Month,
    job: str,
    step: str,
    fingerprints: Callable[[duckdb.DuckDBPyConnection, Settings], Mapping[str, str]],
    sentence: str,
) -> None:
    """Run a stage without partitions, or one whose partitions are months, where its fingerprints changed."""
    with writing(state.settings.home) as connection:
        prints = fingerprints(connection, state.settings)
        changed = work.changed(connection, step, prints)
    if not changed:
        return
    if changed == [""]:
        state.tell(sentence)
        state.execute(job)
    else:
        months = work.months_between(min(prints), max(prints))  # one print for all: they are done together
        state.tell(f"{sentence}, {_in_words(months)}.")
        state.execute(job, tags=range_tags(months[0], months[-1]))
    with writing(state.settings.home) as connection:
        work.record(connection, step, prints)


def _publish(state: _Month) -> None:
    home = state.settings.home
    with writing(home) as connection:
        prints = {"": work.publish_fingerprint(connection)}
        changed = work.changed(connection, work.PUBLISH, prints)
    if not changed and home.published.is_file():
        state.tell("Nothing changed since the last publication.")
        with kept_from_postgres(state.unpublished):
            if not has_publication(state.settings):
                state.tell("Publishing to PostgreSQL.")
                state.execute(jobs.PUBLISH, only=[POSTGRES])
        return
    state.tell("Checking the identities of the books and publishing.")
    try:
        with kept_from_postgres(state.unpublished):
            state.execute(jobs.PUBLISH)
    except dg.DagsterError:
        audit(state.settings)  # a blocking check failed: say which books do not tie out, and by how much
        raise
    with writing(home) as connection:
        work.record(connection, work.PUBLISH, prints)


def _refuse_unknown_months(settings: Settings, month: str | None) -> None:
    """Stop where a month given by the user is not one worked with."""
    first, last = work.known_months()
    if month is not None and not work.is_known(month):
        raise UsageError(f"--month {month} is outside {first} to {last}, the months this version works with.")
    starts_on = settings.billing_starts_on
    if starts_on is not None and month_of(starts_on) < first:
        raise UsageError(
            f"CSP_BILLING_STARTS_ON {starts_on} is before {first}, the first month this version works with."
        )


def _in_words(months: list[str]) -> str:
    return months[0] if len(months) == 1 else f"{months[0]} to {months[-1]}"
