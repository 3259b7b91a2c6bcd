"""What provisioning, attestation and alerts write down: records are noted as work goes on, and count as batches.

What belongs here: when a batch is written, and the time it bears. What the records say is up to whoever notes them, how
a batch is kept to `storage/ledger`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from csp_pipeline.storage.ledger import PROVISIONING, append

if TYPE_CHECKING:
    from collections.abc import Callable

    from csp_pipeline.domain.provisioning import Record
    from csp_pipeline.storage.home import Home


def utc_now() -> datetime:
    """The present moment, UTC without zone, in whole seconds."""
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


@dataclass
class Journal:
    """The ledger's batches of one kind; what is noted counts with the next intent, or at the end.

    Args:
        home: where the ledger is; whoever writes holds its lock.
        now: the present moment, UTC without zone.
        at: told a sentence before and after each batch counts.
    """

    home: Home
    now: Callable[[], datetime]
    at: Callable[[str], None] = lambda _: None
    kind: str = PROVISIONING
    _noted: list[Record] = field(default_factory=list)

    def note(self, record: Record) -> None:
        """Take a record down for the next batch."""
        self._noted.append(record)

    def commit(self) -> None:
        """Write what was noted as one batch; nothing when nothing was."""
        if self._noted:
            append(self.home.ledger, self.kind, self._noted, self.now().replace(tzinfo=UTC), at=self.at)
            self._noted = []
