"""What a provider's refusal means, as exceptions: what happened and what to do, in a sentence.

What belongs here: reading an answer that is no success, the exceptions and their wording. What a code means is looked
up in `error_codes.py`; when a request is made again is decided in `retries.py`.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from csp_pipeline.errors import CspError
from csp_pipeline.formats.records import as_text, loads, nested, value_of
from csp_pipeline.sources.error_codes import THROTTLED, Classification, FailureClass, Repeat, classify, is_passing

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

_LONGEST_MESSAGE = 300
_SECRETS = re.compile(
    r"eyJ[\w-]{8,}[\w.\-]*|(?i:bearer)\s+\S+"
    r"|(?i:(?:\bsig|token|secret|password)(?:=|%3D|\\?\"\s*:\s*\\?\"))[^&\s\"']+"
)


class ProviderError(CspError):
    """A provider did not do what it was asked; the message says what happened and what to do.

    Attributes:
        status: HTTP status; 0 when there was no answer.
        code: the provider's error code as text; empty without one.
        message: what the provider said, or the table's words for the code.
        failure_class: technical, business_rule, authentication or caller.
        is_transient: whether the same request may succeed later with nothing changed.
        repeat: `again` for transient failures, `reread` when the resource must be read first, else `never`.
        is_known: whether the code stands in the table.
        advice: what to do.
        request_id: the id under which the provider's support finds the request.
        resource: what was asked for, as named for the pace.
        retry_after: seconds the provider asked to wait; None when it did not.
    """

    def __init__(  # noqa: PLR0913  (the facts of a refusal)
        self,
        message: str,
        *,
        status: int = 0,
        code: str = "",
        failure_class: FailureClass = "technical",
        repeat: Repeat = "never",
        is_known: bool = True,
        advice: str = "",
        where: str = "",
        request_id: str = "",
        resource: str = "",
        retry_after: float | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.failure_class = failure_class
        self.repeat = repeat
        self.is_known = is_known
        self.advice = advice
        self.request_id = request_id
        self.resource = resource
        self.retry_after = retry_after
        super().__init__(self._sentence(where or resource))

    @property
    def is_transient(self) -> bool:
        """Whether the same request may succeed later with nothing changed."""
        return self.repeat == "again"

    def _sentence(self, where: str) -> str:
        numbers = [f"HTTP {self.status}" if self.status else "", f"code {self.code}" if self.code else ""]
        known = "" if self.is_known else "a code that is not known here"
        facts = ", ".join(part for part in (*numbers, known) if part)
        subject = f"{where} failed" if where else "A request to the provider failed"
        pause = f" It asks to wait {self.retry_after:.0f} seconds." if self.retry_after else ""
        request = f" (request {self.request_id})" if self.request_id else ""
        happened = f"{subject}{f' ({facts})' if facts else ''}: {self.message.rstrip('.')}."
        return f"{happened}{pause} {self.advice}".strip() + request


class AuthenticationError(ProviderError):
    """The provider does not accept who asks: credentials, consent, roles or MFA; the run stops."""


class ThrottledError(ProviderError):
    """Too many requests were made (HTTP 429)."""


class UnavailableError(ProviderError):
    """The provider could not be reached, did not answer in time, or failed (5xx)."""


class RefusedError(ProviderError):
    """The provider understood the request and did not do it."""


def provider_error(  # noqa: PLR0913  (the facts of a refusal)
    status: int,
    code: str,
    message: str,
    *,
    where: str = "",
    resource: str = "",
    request_id: str = "",
    retry_after: float | None = None,
) -> ProviderError:
    """The exception for a status and a code, also for operations that fail after they were accepted.

    Args:
        status: the HTTP status; 202 for such an operation.
        code: the provider's code as text; empty without one.
        message: what the provider said; the table's words are used when it said nothing.
        where: what was asked, for the sentence, for example `GET /v1/customers`.
        resource: what was asked for, as named for the pace.
        request_id: the provider's id of the request.
        retry_after: seconds the provider asked to wait.

    Returns:
        An `AuthenticationError`, `ThrottledError`, `UnavailableError` or `RefusedError`, to be raised.
    """
    meaning = classify(status, code)
    return _kind(status, meaning)(
        without_secrets(message) or meaning.text or "the provider gave no reason",
        status=status,
        code=code,
        failure_class=meaning.failure_class,
        repeat=meaning.repeat,
        is_known=meaning.is_known,
        advice=meaning.advice,
        where=where,
        request_id=request_id,
        resource=resource,
        retry_after=retry_after,
    )


def error_of(response: httpx.Response, *, where: str, resource: str = "", now: datetime | None = None) -> ProviderError:
    """The exception for an answer that is no success.

    Args:
        response: the answer, its body read.
        where: what was asked, for the sentence; never a URL with a signature.
        resource: what was asked for, as named for the pace.
        now: the time against which a Retry-After date counts when the answer has no Date.

    Returns:
        The exception, to be raised.
    """
    code, message = _reason(response.text)
    headers = response.headers
    return provider_error(
        response.status_code,
        code,
        message,
        where=where,
        resource=resource,
        request_id=headers.get("MS-RequestId") or headers.get("request-id") or headers.get("x-ms-request-id") or "",
        retry_after=pause_asked(headers, now),
    )


def unreachable(error: Exception, *, where: str, resource: str = "") -> UnavailableError:
    """The exception for a request without an answer: broken connection, timeout, answer cut short."""
    return UnavailableError(
        f"no complete answer came ({type(error).__name__}: {without_secrets(str(error)) or 'no details'})",
        repeat="again",
        advice="Check the network and the address in the settings, and run again.",
        where=where,
        resource=resource,
    )


def pause_asked(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """The seconds that Retry-After asks to wait, given as a number or as an HTTP date; None without a readable one."""
    asked = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", asked):
        return float(asked)
    at = _http_date(asked)
    if at is None:
        return None
    since = _http_date(headers.get("Date", "")) or now or datetime.now(UTC)
    return max(0.0, (at - since).total_seconds())


def _http_date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _kind(status: int, meaning: Classification) -> type[ProviderError]:
    if meaning.failure_class == "authentication":
        return AuthenticationError
    if status == THROTTLED:
        return ThrottledError
    if meaning.failure_class == "technical" and is_passing(status):
        return UnavailableError
    return RefusedError


def _reason(text: str) -> tuple[str, str]:
    """Code and message of an error body in any of its shapes: Partner Center's, Graph's, the gateway's; else blanks."""
    try:
        body = loads(text)
    except json.JSONDecodeError:
        return "", ""
    if not isinstance(body, dict):
        return "", ""
    inside = nested(body, "error") or body
    code = without_secrets(as_text(value_of(inside, "code")) or "")
    message = as_text(value_of(inside, "description", "message", "error_description")) or ""
    return code, message


def without_secrets(text: str) -> str:
    """What a provider said, on one line, of bounded length, with anything that looks like a secret taken out."""
    shown = _SECRETS.sub("(left out)", " ".join(text.split()))
    return shown if len(shown) <= _LONGEST_MESSAGE else f"{shown[: _LONGEST_MESSAGE - 1]}…"
