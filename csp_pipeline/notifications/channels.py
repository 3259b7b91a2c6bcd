"""Channels: the addresses of CSP_ALERT_URLS, who reads each, and the delivery of one message through apprise.

What belongs here: reading the setting and handing over a message. An address may begin with `customer=` or
`service_team=` to serve that audience only; without it serves both. An e-mail address sends a customer's alerts to the
account's own address, never to the one it names.
"""

from __future__ import annotations

import hashlib
import logging
import re
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote, urlsplit

from csp_pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

AUDIENCES = ("customer", "service_team")
_MAIL = frozenset({"mailto", "mailtos"})
_TO = re.compile(r"(?<=[?&])(to|cc|bcc)=[^&]*&?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Channel:
    """One address.

    Attributes:
        name: kind of the address and a short hash of it: says nothing secret.
        audiences: whose alerts it takes.
        url: for apprise; secrets in it are not in the `repr`.
    """

    name: str
    audiences: tuple[str, ...]
    url: str = field(repr=False)

    @property
    def is_mail(self) -> bool:
        """Whether it can write to an account's own address."""
        return kind_of(self.name) in _MAIL

    def url_for(self, recipient: str) -> str:
        """The address for a message to one recipient; the address itself when there is none."""
        if not recipient:
            return self.url
        bare = _TO.sub("", self.url).rstrip("?&")
        return f"{bare}{'&' if '?' in bare else '?'}to={quote(recipient, safe='@')}"


def kind_of(name: str) -> str:
    """What a channel is, by its name: mailto, json, msteams and so on."""
    return name.partition("-")[0]


class Deliver(Protocol):
    """Hands a message to a channel."""

    def __call__(self, url: str, subject: str, body: str) -> str | None:
        """Deliver; returns why it could not be, or None."""


def channels_of(urls: Iterable[str]) -> list[Channel]:
    """The channels of the setting, in order.

    Raises:
        UsageError: an entry is no address.
    """
    found = []
    for entry in urls:
        prefix, equals, rest = entry.partition("=")
        audiences = (prefix,) if equals and prefix in AUDIENCES else AUDIENCES
        url = rest if len(audiences) == 1 else entry
        scheme = urlsplit(url).scheme
        if not scheme:
            raise UsageError(
                "Setting CSP_ALERT_URLS cannot be used: an entry is no address such as mailto://… or json://…; it may "
                "begin with customer= or service_team=."
            )
        found.append(Channel(f"{scheme}-{hashlib.sha256(url.encode()).hexdigest()[:8]}", audiences, url))
    return found


def deliver(url: str, subject: str, body: str) -> str | None:
    """Deliver a message through apprise.

    Args:
        url: the address, with its secrets.
        subject: one line.
        body: plain text.

    Returns:
        Why it could not be delivered, in words without the address; None when it was.
    """
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # of what apprise itself imports
        import apprise  # noqa: PLC0415  (takes a while)

        sender = apprise.Apprise()
        is_understood = sender.add(url)
    if not is_understood:
        return "the address is not one that apprise understands; see its list of services"
    with _listening() as said:
        is_delivered = sender.notify(title=subject, body=body, body_format=apprise.NotifyFormat.TEXT)
    if is_delivered:
        return None
    return _reason(said) or "the channel did not take it"


class _Ears(logging.Handler):
    """Keeps what apprise logs of a delivery."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self.said.append(record.getMessage())


class _listening:  # noqa: N801  (used as a context, like a function)
    def __enter__(self) -> list[str]:
        self._logger, self._ears = logging.getLogger("apprise"), _Ears()
        self._propagates, self._logger.propagate = self._logger.propagate, False
        self._logger.addHandler(self._ears)
        return self._ears.said

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self._ears)
        self._logger.propagate = self._propagates


def _reason(said: list[str]) -> str:
    """The first line that was logged, without anything that looks like an address."""
    first = next(iter(said), "")
    return re.sub(r"\S+://\S+|\S+@\S+", "(address)", " ".join(first.split()))[:200].rstrip(". ")


def urls_of(settings_urls: Iterable[object]) -> Iterator[str]:
    """The secret texts of a setting."""
    for url in settings_urls:
        yield url.get_secret_value()  # type: ignore[attr-defined]
