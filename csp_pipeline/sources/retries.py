"""When a request is made again: only after a passing failure, a bounded number of times, never all at once.

What belongs here: how often and after which pause. Which failures pass by themselves is decided in
`provider_errors.py`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tenacity import Retrying, retry_if_exception, stop_after_attempt

from csp_pipeline.sources.provider_errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenacity import RetryCallState

ATTEMPTS = 6
LONGEST_PAUSE = 300.0
_FIRST_PAUSE = 1.0
_LONGEST_BACKOFF = 30.0


def retrying(*, sleep: Callable[[float], None], draw: Callable[[], float], attempts: int = ATTEMPTS) -> Retrying:
    """A policy for one request: call it with the function that makes the request once.

    A pause that the service asks for (Retry-After) is kept; where it asks for none, or for no time, pauses double from
    about a second to half a minute, each shortened by up to a half at random so that threads do not come back together.
    A service that asks for more than five minutes is not asked again: the error says when.

    Args:
        sleep: waits for a number of seconds.
        draw: a random number from 0 to 1.
        attempts: the most requests, the first one counted.

    Returns:
        The policy; when it gives up, the last `ProviderError` is raised.
    """
    return Retrying(
        retry=retry_if_exception(_passes_soon),
        stop=stop_after_attempt(attempts),
        wait=partial(_pause, draw),
        sleep=sleep,
        reraise=True,
    )


def _passes_soon(error: BaseException) -> bool:
    return isinstance(error, ProviderError) and error.is_transient and (error.retry_after or 0.0) <= LONGEST_PAUSE


def _pause(draw: Callable[[], float], state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    asked = error.retry_after if isinstance(error, ProviderError) else None
    if asked:
        return asked + draw()
    longest = min(_LONGEST_BACKOFF, _FIRST_PAUSE * 2.0 ** (state.attempt_number - 1))
    return longest * (1.0 - draw() / 2.0)
