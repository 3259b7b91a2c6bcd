"""How fast a service may be asked: a bounded number of requests in any minute, per resource.

Partner Center allows 500 requests a minute for each of customers, subscriptions and orders. The requests of the last
minute are remembered, so that no window of sixty seconds, wherever it starts, holds more of them.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

REQUESTS_PER_MINUTE = 500
_MINUTE = 60.0


class Pace:
    """Turns for requests, shared by all threads that ask the same service.

    Args:
        per_minute: the most requests of one resource in any sixty seconds.
        clock: seconds that only go forward.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        per_minute: int = REQUESTS_PER_MINUTE,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if per_minute < 1:
            raise ValueError("a pace allows at least one request a minute")
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._turns: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=per_minute))
        self._held_until: dict[str, float] = {}

    def wait(self, resource: str) -> None:
        """Return when it is this request's turn; the turn is booked before the wait, so threads queue in order."""
        with self._lock:
            now = self._clock()
            turns = self._turns[resource]
            full_again = turns[0] + _MINUTE if len(turns) == turns.maxlen else now
            turn = max(now, full_again, self._held_until.get(resource, now))
            turns.append(turn)
        while turn > now:  # the service may ask for a pause meanwhile
            self._sleep(turn - now)
            now, turn = turn, max(turn, self._held_until.get(resource, turn))

    def hold(self, resource: str, seconds: float) -> None:
        """Let no request of a resource go before so many seconds have passed: the service asked for the pause."""
        with self._lock:
            until = self._clock() + seconds
            self._held_until[resource] = max(until, self._held_until.get(resource, until))
