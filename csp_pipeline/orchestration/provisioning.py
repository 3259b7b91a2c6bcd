"""Provisioning and alerts as the run, the jobs and the command do them: facts read, requests sent, people told.

What belongs here: the order, the connection to the provider, and the lock. The work is in `steps/provisioning`,
`steps/attestation` and `steps/alerts`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from csp_pipeline.domain.provisioning import DECISION, RELEASE, REQUEST, ChangeRequest, histories, utc_text
from csp_pipeline.domain.provisioning_records import request_record
from csp_pipeline.errors import UsageError
from csp_pipeline.orchestration.made_up_partner import is_fetched, served
from csp_pipeline.steps.alert_facts import read_news
from csp_pipeline.steps.alerts import (
    DeliveryReport,
    channels,
    failed_job,
    failed_run,
    not_in_postgres,
    read_outbox,
    replay,
    tell,
    tell_without_ledger,
)
from csp_pipeline.steps.attestation import attest, to_attest, unanswered
from csp_pipeline.steps.journal import Journal, utc_now
from csp_pipeline.steps.provisioning import DISTRIBUTOR, open_requests, provision, target_of
from csp_pipeline.steps.provisioning_facts import ABOUT_REQUESTS, Facts, read_facts, read_records
from csp_pipeline.storage.ledger import LedgerDamagedError
from csp_pipeline.storage.warehouse import exclusive, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from csp_pipeline.settings import Settings
    from csp_pipeline.sources.provisioning_targets import Target
    from csp_pipeline.steps.news import News

OPEN = frozenset({"new", "released", "sent", "pending"})
"""States in which something is to be done without a change of terms: send it, or ask what became of it."""
ATTEMPTS = 3
"""Requests per call while provisioning: what fails is tried again after all others, so each call need not wait long."""


def send_requests(settings: Settings, on_progress: Callable[[str], None]) -> list[str]:
    """Attest agreements, send what may be sent, and ask what became of what was.

    Nothing is done, and no provider connected, while provisioning is off or there is nothing to do.

    Args:
        settings: where and how; partner_center and reference of the warehouse are up to date.
        on_progress: told one sentence at a time.

    Returns:
        What needs a person, one sentence each.
    """
    if not settings.is_provisioning_on:
        return []
    with exclusive(settings.home, on_wait=on_progress):
        with writing(settings.home) as connection:
            facts = read_facts(connection, settings.home)
            acceptances = to_attest(connection, facts)
        requests = open_requests(facts)
        targets = {target_of(facts, request) for request in requests}
        if is_fetched(settings) and (acceptances or targets - {DISTRIBUTOR}):
            return _with_provider(settings, facts, acceptances, on_progress)
        if DISTRIBUTOR in targets:
            return provision(settings.home, facts, _distributor(settings), tell=on_progress).problems
        return []


def _with_provider(
    settings: Settings, facts: Facts, acceptances: list[tuple[object, ...]], on_progress: Callable[[str], None]
) -> list[str]:
    from csp_pipeline.sources.provider import connect  # noqa: PLC0415  (heavy)
    from csp_pipeline.sources.provisioning_targets import PartnerCenterTarget  # noqa: PLC0415

    on_progress("Working on licence change requests and agreements.")
    with served(settings, on_progress) as reached, connect(reached, attempts=ATTEMPTS) as provider:
        center = provider.partner_center
        problems = attest(settings.home, acceptances, center, now=utc_now, tell=on_progress)
        if acceptances:
            with writing(settings.home) as connection:
                facts = read_facts(connection, settings.home)
        targets: dict[str, Target] = {**_distributor(settings), "partner_center": PartnerCenterTarget(center, utc_now)}
        return problems + provision(settings.home, facts, targets, tell=on_progress).problems


def _distributor(settings: Settings) -> dict[str, Target]:
    from csp_pipeline.sources.distributor_orders import DistributorOrders  # noqa: PLC0415

    return {DISTRIBUTOR: DistributorOrders(settings.home.orders)}


def tell_people(settings: Settings, problems: Sequence[str] = ()) -> DeliveryReport:
    """Take what there is to tell into the outbox and deliver what is due.

    Args:
        settings: the channels; without one nothing is done.
        problems: what the run could not fetch.
    """
    if not channels(settings):
        return DeliveryReport()
    with exclusive(settings.home):
        with writing(settings.home) as connection:
            news = read_news(connection, settings, utc_now(), problems)
        return tell(settings, news)


def tell_of_failure(settings: Settings, error: BaseException) -> None:
    """Tell the service team that a run failed."""
    if not isinstance(error, UsageError):
        _tell_at_all_costs(settings, failed_run(error, utc_now()))


def tell_of_postgres(settings: Settings, sentence: str) -> None:
    """Tell the service team that PostgreSQL has not got what was published."""
    _tell_at_all_costs(settings, not_in_postgres(sentence, utc_now()))


def tell_of_kill(settings: Settings, run_id: str, stage: str) -> None:
    """Tell the service team that the run before this one was killed, as it could not do so itself."""
    sentence = f"The run before this one was killed at its stage {stage}; this one does its work again."
    _tell_at_all_costs(settings, failed_job(run_id, "run", sentence, utc_now(), next_step=_AFTER_A_KILL))


_AFTER_A_KILL = "None if it stays the only one; else look who ends it: memory, a time limit, a machine that restarts."


def _tell_at_all_costs(settings: Settings, news: News) -> None:
    """Tell of a failure; whatever goes wrong here must not hide why the run failed."""
    if not settings.alert_urls:
        return
    anything = suppress(Exception)  # a full disk, a template of the user's, a lock that somebody keeps
    with anything, exclusive(settings.home):
        try:
            tell(settings, [news])
        except LedgerDamagedError:
            tell_without_ledger(settings, news)


def is_anything_due(settings: Settings, at: datetime) -> bool:
    """Whether an alert may be delivered at a time, UTC without zone; the lock of the home is not needed to look."""
    over = {channel.name for channel in channels(settings)}
    return bool(over) and any(message[0].alert.channel in over for message in read_outbox(settings.home).due(at))


def under_way(settings: Settings) -> list[list[str]]:
    """The requests that the next look has something to do with, with their state; none while nothing is sent.

    What the ledger tells counts, and of requests that it does not know yet, what was published.
    """
    import duckdb  # noqa: PLC0415  (not needed to load the definitions)

    if not settings.is_provisioning_on:
        return []
    records = read_records(settings.home)
    known = histories(record for record in records if record["type"] in {REQUEST, *ABOUT_REQUESTS})
    found = [[request_id, history.state, str(len(history.records))] for request_id, history in known.items()]
    told = [one for one in found if one[1] in OPEN]
    if settings.home.published.is_file():
        with duckdb.connect(str(settings.home.published), read_only=True) as connection:
            rows = connection.execute(
                "SELECT request_id FROM provisioning.requests WHERE state = 'waiting' AND code = 'not_sent'"
            ).fetchall()
        told += [[request_id, "new", "0"] for (request_id,) in rows if request_id not in known]
    return sorted(told + [[content, "sent", "0"] for content in unanswered(records)])


def decide(settings: Settings, request_id: str, decision: str, by: str) -> str:
    """Release or cancel a request that is not under way, as a person says; the next run acts on it.

    Args:
        settings: where the ledger and the warehouse are.
        request_id: the request.
        decision: release or cancel.
        by: who decides.

    Returns:
        What happens next, in a sentence.

    Raises:
        UsageError: there is no such request, or its state does not allow it.
    """
    with exclusive(settings.home), writing(settings.home) as connection:
        facts = read_facts(connection, settings.home)
        request = next((one for one in facts.requests if one.request_id == request_id), None)
        if request is None:
            raise UsageError(f"There is no request {request_id!r}; provisioning.requests lists them.")
        state = facts.history(request).state
        allowed = {"new", "waiting", "failed", "cancelled"} if decision == RELEASE else {"new", "waiting", "released"}
        if state not in allowed:
            raise UsageError(f"Request {request_id} is {state}, so there is nothing to {decision}.")
        standing = facts.standing(request, None)
        if decision == RELEASE and (standing.is_on_hold or not standing.has_agreement):
            why = "its account is on credit hold" if standing.is_on_hold else "its customer has accepted no agreement"
            raise UsageError(
                f"Request {request_id} cannot be released: {why}; it goes out by itself when that is over."
            )
        journal = Journal(settings.home, utc_now)
        record = {"type": DECISION, "request_id": request_id, "decision": decision, "by": by}
        journal.note({**record, "at": utc_text(utc_now())})
        journal.commit()
    return (
        f"Request {request_id} is released: the next run sends it."
        if decision == RELEASE
        else f"Request {request_id} is cancelled and will never be sent."
    )


def ask_for(settings: Settings, request: ChangeRequest) -> None:
    """Take a request made by command into the ledger; the next run works on it.

    Raises:
        UsageError: it cannot be carried out, or its id is taken.
    """
    fault = request.fault()
    if fault is not None:
        raise UsageError(f"The request cannot be carried out: {fault}.")
    with exclusive(settings.home), writing(settings.home) as connection:
        facts = read_facts(connection, settings.home)
        if any(one.request_id == request.request_id for one in facts.requests):
            raise UsageError(f"There is a request {request.request_id} already; choose another --id.")
        journal = Journal(settings.home, utc_now)
        journal.note({**request_record(request), "type": REQUEST, "at": utc_text(utc_now())})
        journal.commit()


def replay_alert(settings: Settings, alert_id: str, by: str) -> str:
    """Make an alert pending again and deliver what is due; returns what became of it, in a sentence.

    Raises:
        UsageError: there is no such alert, or no channel to deliver it over.
    """
    if not channels(settings):
        raise UsageError("No channel is set; set CSP_ALERT_URLS first.")
    with exclusive(settings.home):
        full_id = replay(settings.home, alert_id, by).alert.alert_id
        tell(settings, [])
        entry = read_outbox(settings.home).entries[full_id]
    said = f": {entry.error}" if entry.error else ""
    return f"Alert {full_id} ({entry.alert.subject}) is {entry.state}{said}."
