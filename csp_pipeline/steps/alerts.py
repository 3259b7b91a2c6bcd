"""Alerts: decided from outcomes and figures, kept in the ledger, delivered once over each channel.

What belongs here: the order of the work. What there is to tell is read in `alert_facts`, the words are templates, which
alerts are due and which wait for a digest is `notifications/outbox`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from csp_pipeline.domain.provisioning import event_id_of, utc_text
from csp_pipeline.errors import UsageError
from csp_pipeline.notifications.channels import AUDIENCES, Channel, channels_of, deliver, kind_of, urls_of
from csp_pipeline.notifications.outbox import ATTEMPT, REPLAY, RESULT, Alert, Entry, Outbox
from csp_pipeline.notifications.templates import render
from csp_pipeline.steps.journal import Journal, utc_now
from csp_pipeline.steps.news import SERVICE_TEAM, News
from csp_pipeline.storage.ledger import ALERTS, catch_up_head, read_batches

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from datetime import datetime

    from csp_pipeline.notifications.channels import Deliver
    from csp_pipeline.settings import Settings
    from csp_pipeline.storage.home import Home

RUN_FAILED, DELIVERY_UNKNOWN, NOT_IN_POSTGRES = "run_failed", "delivery_unknown", "not_in_postgres"


@dataclass
class DeliveryReport:
    """What was done.

    Attributes:
        problems: what could not be delivered for good, one sentence each.
    """

    decided: int = 0
    delivered: int = 0
    failed: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def is_news(self) -> bool:
        """Whether the table of alerts is out of date."""
        return bool(self.decided or self.delivered or self.failed)


def read_outbox(home: Home) -> Outbox:
    """What the ledger says of every alert.

    Raises:
        LedgerDamagedError: the ledger is damaged.
    """
    outbox = Outbox()
    for batch in read_batches(home.ledger):
        if batch.kind == ALERTS:
            for record in batch.records:
                outbox.take(record)
    return outbox


def channels(settings: Settings) -> list[Channel]:
    """The channels that are set.

    Raises:
        UsageError: an entry of the setting is no address.
    """
    return channels_of(urls_of(settings.alert_urls))


def alerts_of(settings: Settings, news: Iterable[News], now: datetime, over: Iterable[Channel]) -> list[Alert]:
    """The alerts of some news, over each channel that takes its audience; without a channel, one each.

    A customer without an e-mail address is written to by no mail channel.
    """
    listed = list(over)
    alerts = []
    for one in news:
        subject, body = render(settings.home.templates, one.kind, one.audience, one.values)
        taking = [channel for channel in listed if one.audience in channel.audiences]
        for channel in taking:
            recipient = ""
            if one.audience == AUDIENCES[0] and channel.is_mail:
                recipient = one.email or ""
                if not recipient:
                    continue
            alerts.append(_alert(one, channel.name, recipient, subject, body, now))
        if not listed:
            alerts.append(_alert(one, "", "", subject, body, one.occurred_at))
    return alerts


def _alert(one: News, channel: str, recipient: str, subject: str, body: str, at: datetime) -> Alert:  # noqa: PLR0913, PLR0917  (what an alert is made of)
    alert_id = event_id_of("alert", one.event_id, one.kind, one.audience, channel)
    said = f"{body}\nAlert {alert_id}\n"
    return Alert(
        alert_id, one.event_id, one.kind, one.topic, one.audience, channel, one.account_id, recipient, subject, said, at
    )


def tell(
    settings: Settings,
    news: Iterable[News],
    *,
    now: Callable[[], datetime] = utc_now,
    send: Deliver = deliver,
    at: Callable[[str], None] = lambda _: None,
) -> DeliveryReport:
    """Take news into the outbox, where it is not there yet, and deliver what is due.

    Without a channel nothing is kept and nothing delivered. Whoever calls this holds the lock of the home.

    Args:
        settings: the channels, and where the ledger is.
        news: what there is to tell.
        now: UTC without zone.
        send: hands a message to a channel.
        at: told a sentence at each point where a killed process would leave things differently.

    Raises:
        UsageError: a channel cannot be read.
        CspError: a template cannot be rendered.
        LedgerDamagedError: the ledger is damaged.
    """
    over = {channel.name: channel for channel in channels(settings)}
    report = DeliveryReport()
    if not over:
        return report
    catch_up_head(settings.home.ledger)
    outbox = read_outbox(settings.home)
    journal = Journal(settings.home, now, at, kind=ALERTS)
    known = outbox.by_what_they_tell()
    for alert in alerts_of(settings, [*unknown_deliveries(outbox), *news], now(), over.values()):
        if alert.alert_id not in outbox.entries and not _is_told_already(known.get(alert.tells, ()), alert, over):
            _note(journal, outbox, alert.as_record())
            report.decided += 1
    for message in outbox.due(now()):
        channel = over.get(message[0].alert.channel)
        if channel is not None:
            _deliver(_Delivery(settings, outbox, journal, report, now, send, at), channel, message)
    journal.commit()
    return report


def _is_told_already(known: Iterable[Entry], alert: Alert, over: Collection[str]) -> bool:
    """Whether a channel that came later would tell what was told: each was decided over the channels of its time.

    A channel that took the place of one of its kind (a new password, another address) tells what that one did not.
    """
    kind = kind_of(alert.channel)
    gone = [entry for entry in known if entry.alert.channel not in over and kind_of(entry.alert.channel) == kind]
    return any(entry.delivered_at is not None or entry.is_open for entry in gone or known)


def tell_without_ledger(settings: Settings, news: News, *, send: Deliver = deliver) -> None:
    """Deliver news of a ledger that can be written no more: told each time, as nothing can remember that it was."""
    over = channels(settings)
    for alert in alerts_of(settings, [news], news.occurred_at, over):
        (channel,) = [one for one in over if one.name == alert.channel]
        send(channel.url_for(alert.recipient), alert.subject, alert.body)


@dataclass
class _Delivery:
    settings: Settings
    outbox: Outbox
    journal: Journal
    report: DeliveryReport
    now: Callable[[], datetime]
    send: Deliver
    at: Callable[[str], None]


def _deliver(work: _Delivery, channel: Channel, message: list[Entry]) -> None:
    first = message[0].alert
    digest_id = first.alert_id if len(message) > 1 else None
    ids = [entry.alert.alert_id for entry in message]
    subject, body = first.subject, first.body
    if digest_id is not None:
        values = {"count": len(message), "kind": first.kind, "alerts": [entry.alert for entry in message]}
        subject, body = render(work.settings.home.templates, "digest", first.audience, values)
    attempt = {"type": ATTEMPT, "alert_ids": ids, "digest_id": digest_id, "at": utc_text(work.now())}
    _note(work.journal, work.outbox, attempt)
    work.journal.commit()
    work.at(f"{first.kind} is about to be told.")
    error = work.send(channel.url_for(first.recipient), subject, body)
    work.at(f"{first.kind} was told and that is not written down.")
    result = {"type": RESULT, "alert_ids": ids, "is_delivered": error is None, "error": error}
    _note(work.journal, work.outbox, {**result, "at": utc_text(work.now())})
    if error is None:
        work.report.delivered += len(ids)
        return
    work.report.failed += len(ids)
    if message[0].state == "failed":
        work.report.problems.append(
            f"{subject!r} could not be delivered over {channel.name} in {message[0].attempts} attempts: {error}; check "
            f"CSP_ALERT_URLS, then csp-pipeline alerts replay {first.alert_id}."
        )


def _note(journal: Journal, outbox: Outbox, record: dict[str, Any]) -> None:
    outbox.take(record)
    journal.note(record)


def replay(home: Home, alert_id: str, by: str, *, now: Callable[[], datetime] = utc_now) -> Entry:
    """Make an alert pending again, whatever became of it; whoever calls this holds the lock of the home.

    Args:
        home: where the ledger is.
        alert_id: as in provisioning.alerts; its beginning is enough when no other begins so.
        by: who asks for it.
        now: UTC without zone.

    Raises:
        UsageError: there is no such alert, or there are several.
    """
    catch_up_head(home.ledger)
    outbox = read_outbox(home)
    found = [known for known in outbox.entries if known.startswith(alert_id)]
    if len(found) != 1 or not alert_id:
        raise UsageError(
            f"expected the alert_id of one alert, found {len(found)} that begin with {alert_id!r}; "
            "provisioning.alerts lists them"
        )
    journal = Journal(home, now, kind=ALERTS)
    _note(journal, outbox, {"type": REPLAY, "alert_ids": found, "by": by, "at": utc_text(now())})
    journal.commit()
    return outbox.entries[found[0]]


def unknown_deliveries(outbox: Outbox) -> list[News]:
    """The news of each alert whose delivery was begun and whose end is not known: told once for each such attempt."""
    return [
        News(
            kind=DELIVERY_UNKNOWN,
            audience=SERVICE_TEAM,
            event_id=event_id_of(DELIVERY_UNKNOWN, entry.alert.alert_id, entry.attempts),
            topic=entry.alert.alert_id,
            occurred_at=entry.last_at or entry.alert.created_at,
            account_id=entry.alert.account_id,
            values={"alert": entry.alert, "digest_id": entry.digest_id, "at": entry.last_at},
        )
        for entry in outbox.entries.values()
        if entry.is_open and entry.digest_id in {None, entry.alert.alert_id}
    ]


def failed_run(error: BaseException, at: datetime) -> News:
    """The news that a run failed; the same sentence within a day is a repeat."""
    said = str(error) or type(error).__name__
    return News(
        kind=RUN_FAILED,
        audience=SERVICE_TEAM,
        event_id=event_id_of(RUN_FAILED, said, at.isoformat(timespec="minutes")),
        topic=said[:200],
        occurred_at=at,
        values={"sentence": said, "next_step": "Mend what the sentence names and run csp-pipeline run again."},
    )


def not_in_postgres(sentence: str, at: datetime) -> News:
    """The news that PostgreSQL has not got what was published; told once a day for the same reason."""
    return News(
        kind=NOT_IN_POSTGRES,
        audience=SERVICE_TEAM,
        event_id=event_id_of(NOT_IN_POSTGRES, sentence, at.date()),
        topic="postgres",
        occurred_at=at,
        values={
            "sentence": sentence,
            "next_step": "Do what the sentence says; csp-pipeline doctor tests the connection and the rights.",
        },
    )


_LOOK_AT_IT = "Look at that run in Dagster, mend what it names, start it again."


def failed_job(run_id: str, job: str, sentence: str, at: datetime, *, next_step: str = _LOOK_AT_IT) -> News:
    """The news that a run of Dagster failed; another one of the same job within a day is a repeat."""
    return News(
        kind=RUN_FAILED,
        audience=SERVICE_TEAM,
        event_id=event_id_of(RUN_FAILED, run_id),
        topic=job,
        occurred_at=at,
        values={"sentence": sentence, "next_step": next_step},
    )
