"""Where secrets may be sent: over https, or to a server on this very machine; never anywhere else.

What belongs here: the rules about addresses of services. Who asks them and what is said belongs to `calls.py` and
`login.py`.
"""

from __future__ import annotations

import ipaddress
import logging
from functools import cache
from typing import TYPE_CHECKING

import httpx

from csp_pipeline.errors import UsageError

if TYPE_CHECKING:
    import ssl

_WIRE_LOGGERS = ("httpx", "httpcore", "msal", "urllib3")


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine (127.0.0.0/8, ::1 or localhost)."""
    host = httpx.URL(url).host
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def private_url(url: str, subject: str) -> httpx.URL:
    """The address of a service that is given tokens or secrets, once it is known to be private.

    Args:
        url: as in the settings.
        subject: what the address is of, for the sentence.

    Returns:
        The address, without a slash at its end.

    Raises:
        UsageError: it is no address, or it would carry secrets in clear over a network.
    """
    try:
        parsed = httpx.URL(url.strip().rstrip("/"))
    except httpx.InvalidURL as error:
        raise UsageError(f"The address of {subject} cannot be read: {error}.") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.userinfo or parsed.query:
        raise UsageError(f"The address of {subject} must look like https://host; set it again.")
    if parsed.scheme == "http" and not is_loopback(str(parsed)):
        raise UsageError(
            f"The address of {subject} is http://{parsed.host}; tokens are only sent over https, "
            "or over http to a server on this machine: set an https address."
        )
    return parsed


def is_same_service(base: httpx.URL, other: httpx.URL) -> bool:
    """Whether two addresses have the same scheme, host and port."""
    return (base.scheme, base.host, _port(base)) == (other.scheme, other.host, _port(other)) and not other.userinfo


def _port(url: httpx.URL) -> int | None:
    return url.port or {"http": 80, "https": 443}.get(url.scheme)


@cache
def tls() -> ssl.SSLContext:
    """The certificates that are trusted, read once: every client of the process shares them."""
    return httpx.create_ssl_context()


def keep_wire_out_of_logs() -> None:
    """Let the HTTP and login libraries log nothing below a warning: their lines hold URLs, and URLs hold signatures."""
    for name in _WIRE_LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
