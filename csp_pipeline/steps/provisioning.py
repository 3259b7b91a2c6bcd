"""Provisioning: requests go through the gates to their target, once each, and every outcome stands in the ledger.

What belongs here: the order of the work. Before a request is sent, the ledger says so, under which id; whatever happens
then, the next look asks the target what became of it, and it is sent again, under the same id, only when it certainly
did not arrive. The gates are `domain/provisioning_gates`, the targets are in `sources`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from csp_pipeline.domain.provisioning import (
    FINISHED,
    INTENT,
    WAITING,
    ChangeRequest,
    Finding,
    History,
    Record,
    provider_request_id,
)
from csp_pipeline.domain.provisioning_gates import Hold, hold_on
from csp_pipeline.domain.provisioning_records import error_record, intent_record, outcome_record, waiting_record
from csp_pipeline.sources.provider_errors import AuthenticationError, ProviderError, provider_error
from csp_pipeline.sources.provisioning_targets import LONGEST_PENDING, finding_of, is_final
from csp_pipeline.steps.journal import Journal, utc_now
from csp_pipeline.storage.ledger import catch_up_head

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from csp_pipeline.sources.provisioning_targets import Target
    from csp_pipeline.steps.provisioning_facts import Facts
    from csp_pipeline.storage.home import Home

ROUNDS = 2
"""A request that fails for a technical reason is tried again after all others, before anybody is told."""
MOST_FAILURES = 3
"""After so many technical failures one after another the target is left alone until the next round or run."""
PARTNER_CENTER, DISTRIBUTOR = "partner_center", "distributor"


@dataclass
class ProvisioningReport:
    """What was done.

    Attributes:
        sent: requests that went out.
        problems: why something could not be done, one sentence each.
    """

    sent: int = 0
    decided: int = 0
    waiting: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass
class _Work:
    home: Home
    facts: Facts
    targets: Mapping[str, Target]
    now: Callable[[], datetime]
    journal: Journal
    report: ProvisioningReport
    open: list[ChangeRequest]
    failures: dict[str, int] = field(default_factory=dict)
    is_last: bool = False

    def note(self, request: ChangeRequest, record: Record) -> None:
        self.facts.history(request).records.append(record)
        self.journal.note(record)

    def decide(self, request: ChangeRequest, finding: Finding) -> None:
        """Write an outcome down; one that was told before is not told again."""
        last = self.facts.history(request).last("outcome", INTENT)
        record = outcome_record(request.request_id, finding, self.now())
        is_repeated = last is not None and last["type"] == "outcome" and _told(last) == _told(record)
        if not is_repeated:
            self.note(request, record)
            self.report.decided += finding.outcome in FINISHED


def _told(record: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(record[name] for name in ("outcome", "message", "code"))


def open_requests(facts: Facts) -> list[ChangeRequest]:
    """The requests that are neither finished in the ledger nor seen as done in the log, in order."""
    return [
        request
        for request in facts.requests
        if (state := facts.history(request).state) not in FINISHED and not (state == "new" and facts.settled(request))
    ]


def provision(  # noqa: PLR0913  (what tests inject)
    home: Home,
    facts: Facts,
    targets: Mapping[str, Target],
    *,
    now: Callable[[], datetime] = utc_now,
    tell: Callable[[str], None] = lambda _: None,
    at: Callable[[str], None] = lambda _: None,
) -> ProvisioningReport:
    """Send what may go out, ask what became of what was sent, and write all of it down.

    Whoever calls this holds the lock of the home.

    Args:
        home: where the ledger is.
        facts: from `read_facts`; the histories in it are brought up to date.
        targets: by name: `partner_center`, `distributor`. A request whose target is missing stays as it is.
        now: the present moment, UTC without zone.
        tell: told one sentence per request that goes out.
        at: told a sentence at each point where a killed process would leave things differently.
    """
    catch_up_head(home.ledger)
    waiting = open_requests(facts)
    work = _Work(home, facts, targets, now, Journal(home, now, at), ProvisioningReport(), waiting)
    for number in range(ROUNDS):
        work.is_last = number == ROUNDS - 1
        work.failures.clear()  # each round gets as far as the first one did, so that what failed twice is decided
        for request in waiting:
            if number and facts.history(request).state not in {"sent", "pending"}:
                continue
            try:
                _advance(work, request, tell, at)
            except AuthenticationError as error:
                work.report.problems.append(f"Provisioning stopped: {error}")
                work.journal.commit()
                return work.report
    work.journal.commit()
    work.report.waiting = sum(facts.history(request).state == "waiting" for request in waiting)
    return work.report


def _advance(work: _Work, request: ChangeRequest, tell: Callable[[str], None], at: Callable[[str], None]) -> None:
    """Bring one request as far as it goes now."""
    history = work.facts.history(request)
    state = history.state
    target = work.targets.get(target_of(work.facts, request))
    if state in FINISHED or target is None or work.failures.get(target.name, 0) >= MOST_FAILURES:
        return
    fault = request.fault()
    if fault is not None:
        message = f"Request {request.request_id} cannot be carried out: {fault}."
        advice = "Correct it in license_change_requests under a new request_id."
        work.decide(request, Finding("failed", "gate", message, "invalid_request", "business_rule", advice=advice))
        return
    if state in {"sent", "pending"}:
        if not _ask(work, request, history, target) or _is_given_up(work, request, history):
            return
    elif state == "waiting" and (done := work.facts.settled(request)):
        message = f"It was done by somebody else on {done.changed_at.date()}."
        work.decide(
            request, Finding("succeeded", "activity_log", message, quantity_provisioned=_whole(done.quantity_after))
        )
        return
    _send(work, request, target, tell, at)


def _ask(work: _Work, request: ChangeRequest, history: History, target: Target) -> bool:
    """Find out what became of a request that was sent; True when it did not arrive and may be sent."""
    intent = history.last(INTENT)
    if intent is None:
        return True
    try:
        finding = target.ask(request, intent)
    except AuthenticationError:
        raise
    except ProviderError as error:
        work.report.problems.append(f"Request {request.request_id} was sent and its outcome is not known yet: {error}")
        return False
    if finding.outcome == "absent":
        return True
    sent_at = datetime.fromisoformat(intent["at"])
    if finding.outcome == "pending" and target.name == PARTNER_CENTER and work.now() - sent_at > LONGEST_PENDING:
        message = f"The change is still not provisioned {_hours(work.now() - sent_at)} hours after it was sent."
        finding = replace(
            finding,
            outcome="failed",
            message=message,
            code="pending_too_long",
            failure_class="technical",
            advice="Open a case with Microsoft; once it is provisioned, nothing else has to be done.",
        )
    work.decide(request, finding)
    return False


def _is_given_up(work: _Work, request: ChangeRequest, history: History) -> bool:
    """Decide a request that failed as often as it may; True when it did and is sent no more.

    What can be asked about at once is decided when it is sent; an order may be listed late, so each sending of a
    purchase may have to wait for a later run.
    """
    errors = history.errors
    if len(errors) < ROUNDS:
        return False
    last = errors[-1]
    error = provider_error(last["status"], last["code"], last["message"])
    work.decide(request, finding_of(error, _quantity_before(history)))
    return True


def _send(
    work: _Work, request: ChangeRequest, target: Target, tell: Callable[[str], None], at: Callable[[str], None]
) -> None:
    history = work.facts.history(request)
    standing = work.facts.standing(request, _earlier(work, request))
    hold = hold_on(request, standing, work.now(), is_released=history.is_released)
    if hold is not None:
        _wait(work, request, hold)
        return
    try:
        seen = target.look(request)
    except AuthenticationError:
        raise
    except ProviderError as error:
        _fail(work, request, target, error)
        return
    standing = replace(
        standing,
        quantity=seen.quantity,
        refundable_quantity=seen.refundable_quantity,
        commitment_ends_on=seen.commitment_ends_on,
        offers=seen.offers,
    )
    if request.operation == "change_quantity" and seen.quantity == request.quantity and history.last(INTENT) is None:
        message = f"The subscription already has {seen.quantity} units; nothing was sent."
        work.decide(request, Finding("succeeded", "subscription", message, quantity_provisioned=seen.quantity))
        return
    hold = hold_on(request, standing, work.now(), is_released=history.is_released)
    if hold is not None:
        _wait(work, request, hold)
        return
    request_id = provider_request_id(request, history.releases)
    intent = intent_record(request, target.name, request_id, seen.quantity, seen.version, work.now())
    work.note(request, intent)
    work.journal.commit()
    at(f"{request.request_id} is about to be sent.")
    tell(f"Sending request {request.request_id} to {target.name.replace('_', ' ')}.")
    work.report.sent += 1
    try:
        finding = target.send(request, request_id)
    except AuthenticationError:
        raise
    except ProviderError as error:
        at(f"{request.request_id} was sent without a good answer.")
        _fail(work, request, target, error)
        return
    at(f"{request.request_id} was sent and its answer is not written down.")
    work.failures.pop(target.name, None)
    work.decide(request, finding)


def _fail(work: _Work, request: ChangeRequest, target: Target, error: ProviderError) -> None:
    """A refusal by rule is the outcome; anything else is asked about and tried again, and only then one."""
    history = work.facts.history(request)
    if is_final(error):
        work.failures.pop(target.name, None)
        work.decide(request, finding_of(error, _quantity_before(history)))
        return
    work.failures[target.name] = work.failures.get(target.name, 0) + 1
    if history.state != "sent":  # it could not even be looked at, so nothing was sent
        work.report.problems.append(f"Request {request.request_id} was not sent: {error}")
        return
    failure = error_record(request.request_id, error.code, error.status, error.message, work.now())
    work.note(request, failure)
    if work.is_last and _ask(work, request, history, target):
        work.decide(request, finding_of(error, _quantity_before(history)))


def _wait(work: _Work, request: ChangeRequest, hold: Hold) -> None:
    """Write down that a request waits, unless it waits for the same reason already."""
    last = work.facts.history(request).last(WAITING)
    if work.facts.history(request).state == "waiting" and last is not None and last["reason"] == hold.reason:
        return
    work.note(request, waiting_record(request.request_id, hold, work.now()))


def target_of(facts: Facts, request: ChangeRequest) -> str:
    """Who carries a request out: the distributor where the contract line's cost comes from one, else Partner Center."""
    sold = facts.affected(request)
    return DISTRIBUTOR if sold is not None and sold.cost_source == "distributor" else PARTNER_CENTER


def _earlier(work: _Work, request: ChangeRequest) -> str | None:
    """The first unfinished request on the same subscription that comes before this one."""
    for other in work.open:
        if other.order >= request.order:
            return None
        if other.subject == request.subject and work.facts.history(other).state not in FINISHED:
            return other.request_id
    return None


def _quantity_before(history: History) -> int | None:
    intent = history.last(INTENT)
    return None if intent is None else intent["quantity_before"]


def _whole(value: object) -> int | None:
    return None if value is None else int(value)  # type: ignore[call-overload]


def _hours(passed: timedelta) -> int:
    return int(passed.total_seconds() // 3600)
