"""The faults a server can be started with, and how often each has struck.

What belongs here: the names, and the counting that makes every fault happen a bounded number of times. What a fault
does stands where it does it: in `traffic` for requests as such, in `graph`, `exports` and `blobs` for exports, with
the Partner Center routes for theirs.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from csp_pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMES = (
    "throttle",
    "server-errors",
    "slow",
    "truncated-blob",
    "expired-sas",
    "schema-drift",
    "duplicate-page",
    "restated-invoice",
    "late-invoice",
    "mfa-required",
    "provisioning-technical",
    "provisioning-business",
    "lost-answers",
)


class Faults:
    """The faults that are on.

    Args:
        names: Some of `NAMES`.

    Raises:
        UsageError: a name is not known.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = frozenset(names)
        self._struck: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        unknown = sorted(self.names - set(NAMES))
        if unknown:
            raise UsageError(f"Unknown fault {', '.join(unknown)}: choose from {', '.join(NAMES)}.")

    def is_on(self, name: str) -> bool:
        """Whether the server was started with this fault."""
        return name in self.names

    def strikes(self, name: str, key: str = "", *, times: int = 1, in_total: int | None = None) -> bool:
        """Whether the fault happens now: only when it is on, and only the first times.

        Args:
            name: The fault.
            key: What it happens to; each key has its own count.
            times: How often it happens to a key.
            in_total: How often it happens to all keys together; None for no bound.

        Returns:
            True if it happens; this time is then counted.
        """
        if name not in self.names:
            return False
        with self._lock:
            if self._struck[name, key] >= times:
                return False
            if in_total is not None and sum(self._struck[of] for of in self._struck if of[0] == name) >= in_total:
                return False
            self._struck[name, key] += 1
            return True
