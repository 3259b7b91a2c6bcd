"""The outbox: what the ledger says of each alert, which are due, and which are held for a digest.

What belongs here: pure rules over records. An alert is attempted only after the ledger says so; one whose attempt has
no result was perhaps told, so it is never sent again by itself, but shown as failed until a person replays it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Record = dict[str, Any]
State = Literal["pending", "delivered", "failed"]

ALERT, ATTEMPT, RESULT, REPLAY = "alert", "attempt", "result", "replay"
PAUSES = (timedelta(), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=12))
"""The pause before each attempt, counted from the one before; after the last one an alert has failed."""
QUIET = timedelta(hours=24)
"""A repeat within this time after its like was told waits, and goes out with the others in one digest."""
CROWD = 20
"""More alerts of one kind at once than this, other than outcomes of changes, are told in one digest."""
NEVER_IN_A_CROWD = frozenset({"provisioning_succeeded", "provisioning_failed"})


@dataclass(frozen=True, slots=True)
class Alert:
    """A message to one audience over one channel.

    Attributes:
        topic: what it is about, for instance an invoice; a second one of a kind and topic within a day is a repeat.
        recipient: an e-mail address, where the channel writes to the account itself; else empty.
    """

    alert_id: str
    event_id: str
    kind: str
    topic: str
    audience: str
    channel: str
    account_id: str | None
    recipient: str
    subject: str
    body: str
    created_at: datetime

    @property
    def is_like(self) -> tuple[str, str, str, str, str]:
        """What a repeat has in common with it."""
        return self.channel, self.recipient, self.audience, self.kind, self.topic

    @property
    def crowd(self) -> tuple[str, str, str, str]:
        """What alerts of one digest have in common."""
        return self.is_like[:4]

    @property
    def tells(self) -> tuple[str, str, str]:
        """What it says and to whom, over whatever channel."""
        return self.event_id, self.kind, self.audience

    def as_record(self) -> Record:
        """The alert as the ledger keeps it."""
        return {
            "type": ALERT,
            **{name: getattr(self, name) for name in _TEXTS},
            "created_at": self.created_at.isoformat(timespec="seconds"),
        }


_TEXTS = ("alert_id", "event_id", "kind", "topic", "audience", "channel", "account_id", "recipient", "subject", "body")


@dataclass(slots=True)
class Entry:
    """An alert and what became of it.

    Attributes:
        is_open: whether an attempt was begun of which nothing is known; it may have been delivered.
    """

    alert: Alert
    attempts: int = 0
    tried: int = 0
    delivered_at: datetime | None = None
    last_at: datetime | None = None
    is_open: bool = False
    digest_id: str | None = None
    error: str | None = None

    @property
    def state(self) -> State:
        """Where it stands."""
        if self.delivered_at is not None:
            return "delivered"
        return "failed" if self.is_open or self.tried >= len(PAUSES) else "pending"

    def is_due(self, now: datetime) -> bool:
        """Whether it may be tried now."""
        if self.state != "pending":
            return False
        return self.last_at is None or now >= self.last_at + PAUSES[self.tried]


@dataclass
class Outbox:
    """Every alert by id, in the order in which they were decided."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def take(self, record: Mapping[str, Any]) -> None:
        """Take in one record of the ledger."""
        kind = record["type"]
        if kind == ALERT:
            at = datetime.fromisoformat(record["created_at"])
            alert = Alert(**{name: record[name] for name in _TEXTS}, created_at=at)
            self.entries.setdefault(alert.alert_id, Entry(alert))
            return
        at = datetime.fromisoformat(record["at"])
        for alert_id in record["alert_ids"]:
            entry = self.entries[alert_id]
            if kind == ATTEMPT:
                entry.attempts, entry.tried, entry.last_at, entry.is_open = (
                    entry.attempts + 1,
                    entry.tried + 1,
                    at,
                    True,
                )
                entry.digest_id = record["digest_id"]
            elif kind == RESULT:
                entry.is_open, entry.error = False, record["error"]
                entry.delivered_at = at if record["is_delivered"] else None
            elif kind == REPLAY:
                entry.is_open, entry.tried, entry.delivered_at, entry.last_at = False, 0, None, None
                entry.error = entry.digest_id = None

    def by_what_they_tell(self) -> dict[tuple[str, str, str], list[Entry]]:
        """The alerts of each piece of news, over all channels."""
        found: dict[tuple[str, str, str], list[Entry]] = {}
        for entry in self.entries.values():
            found.setdefault(entry.alert.tells, []).append(entry)
        return found

    def due(self, now: datetime) -> list[list[Entry]]:
        """What may go out now, message by message: one alert each, or several as a digest."""
        told = self._told_at()
        ready = [entry for entry in self.entries.values() if entry.is_due(now)]
        news: list[Entry] = []
        repeats: dict[tuple[str, str, str, str], list[Entry]] = {}
        seen = set()
        for entry in ready:
            like = entry.alert.is_like
            is_repeat = like in seen or (like in told and entry.alert.created_at < told[like] + QUIET)
            if is_repeat and entry.alert.kind not in NEVER_IN_A_CROWD and not entry.attempts:
                repeats.setdefault(entry.alert.crowd, []).append(entry)
            else:
                seen.add(like)
                news.append(entry)
        held = [group for group in repeats.values() if self._may_be_summed_up(group, now)]
        return [*_without_crowds(news), *held]

    def _told_at(self) -> dict[tuple[str, str, str, str, str], datetime]:
        """When alerts of each kind and topic were last told."""
        found: dict[tuple[str, str, str, str, str], datetime] = {}
        for entry in self.entries.values():
            if entry.delivered_at is not None:
                like = entry.alert.is_like
                found[like] = max(entry.delivered_at, found.get(like, entry.delivered_at))
        return found

    @staticmethod
    def _may_be_summed_up(group: Iterable[Entry], now: datetime) -> bool:
        """Whether repeats have been quiet for long enough since the first of them was decided."""
        return now >= min(entry.alert.created_at for entry in group) + QUIET


def _without_crowds(news: list[Entry]) -> list[list[Entry]]:
    """Each alert by itself, but a crowd of one kind together."""
    groups: dict[tuple[str, str, str, str], list[Entry]] = {}
    for entry in news:
        groups.setdefault(entry.alert.crowd, []).append(entry)
    messages: list[list[Entry]] = []
    for (_, _, _, kind), group in groups.items():
        if len(group) > CROWD and kind not in NEVER_IN_A_CROWD:
            messages.append(group)
        else:
            messages += [[entry] for entry in group]
    return messages
