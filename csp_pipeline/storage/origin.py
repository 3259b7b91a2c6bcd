"""Where a fetched file came from: source, resource and scope, and the day or version it stands for.

What belongs here: the value and its stored form in manifests. What it decides (which version counts, which day a
snapshot is of) belongs to `versions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the files of a delivery came from.

    Attributes:
        source: the service, `partner-center` or `graph`.
        resource: what was asked for, e.g. `customers` or `usage/billed`.
        scope: what the answer is limited to: an invoice number, `EUR|current`, a customer, or nothing.
        snapshot_on: the UTC day the answer stands for, where it is a snapshot or a day's log.
        version: the service's own name of the version (eTag), where it gives one.
        version_at: when that version was made, UTC; a time without a zone is taken as UTC.
    """

    source: str
    resource: str
    scope: str = ""
    snapshot_on: date | None = None
    version: str | None = None
    version_at: datetime | None = None

    def __post_init__(self) -> None:
        """Bring the time to UTC, so that equal origins compare equal."""
        if self.version_at is not None:
            zone = self.version_at.tzinfo or UTC
            object.__setattr__(self, "version_at", self.version_at.replace(tzinfo=zone).astimezone(UTC))

    @property
    def place(self) -> str:
        """Resource and scope as the first part of a file's name in manifests and messages."""
        return "/".join(part for part in (self.resource, self.scope) if part)

    @property
    def asked(self) -> tuple[object, ...]:
        """What was asked for; two origins that differ in nothing else are versions of the same."""
        return self.source, self.resource, self.scope, self.snapshot_on

    def stored(self) -> dict[str, str]:
        """As a manifest keeps it; what is not there is left out."""
        told = {
            "source": self.source,
            "resource": self.resource,
            "scope": self.scope,
            "snapshot_on": self.snapshot_on.isoformat() if self.snapshot_on else None,
            "version": self.version,
            "version_at": self.version_at.isoformat() if self.version_at else None,
        }
        return {name: value for name, value in told.items() if value}

    @classmethod
    def from_stored(cls, stored: Mapping[str, str]) -> Origin:
        """The origin as it was stored."""
        day, moment = stored.get("snapshot_on"), stored.get("version_at")
        return cls(
            source=stored["source"],
            resource=stored["resource"],
            scope=stored.get("scope", ""),
            snapshot_on=date.fromisoformat(day) if day else None,
            version=stored.get("version"),
            version_at=datetime.fromisoformat(moment) if moment else None,
        )
