"""The PostgreSQL database of `CSP_POSTGRES_URL`: its address, a transaction in it, and what went wrong in a sentence.

What belongs here: connecting, and telling errors without a user, a password or a row. What is written there is
`postgres_tables` and `postgres_rows`.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from csp_pipeline.errors import CspError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import SecretStr

CONNECT_SECONDS = 10
LOCK_SECONDS = 60
_LOCK_NUMBER = 0x637370
"""Of the advisory lock that one publication holds: the letters csp."""
_UNLESS_GIVEN = {
    "application_name": "csp-pipeline",
    "connect_timeout": str(CONNECT_SECONDS),
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "6",
}
_NO_LIMITS = ("statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout")
"""Set for people's sessions perhaps; a publication takes as long as it takes."""
_PORTS = re.compile(r"[0-9,]*")
_EXPECTED = (
    "CSP_POSTGRES_URL is no address that can be used; expected postgresql://user:password@host:5432/database, with "
    "special characters of the password as percent codes (@ is %40, / is %2F)."
)
_THERE = "correct the host and port in CSP_POSTGRES_URL"
_REFUSALS = (
    (
        ("received invalid response", "expected authentication request"),
        (),
        "what answers is no PostgreSQL server",
        _THERE,
    ),
    (("does not exist",), ("database",), "there is no such database", "make it with CREATE DATABASE"),
    (("password", "role ", "authentication"), (), "it refused the user or the password", "correct CSP_POSTGRES_URL"),
    (("pg_hba.conf",), (), "it does not let this machine in", "allow it in the server's pg_hba.conf"),
    (("SSL", "certificate"), (), "no encrypted connection came about", "check sslmode in CSP_POSTGRES_URL"),
    (("too many", "slots"), (), "it has no connection left", "close others, or raise max_connections"),
    (("starting up", "shutting down", "recovery"), (), "it is starting or stopping", "wait until it is ready"),
    (
        ("refused", "timeout", "timed out", "translate", "unreachable", "No "),
        (),
        "it does not answer",
        f"start it, or {_THERE}",
    ),
)
_LOCKED = ("another session keeps a table locked", "let it finish")
_FULL = ("its disk or memory is full", "make room there")
_WRONG_ENCODING = ("its encoding lacks a character", "use a database with ENCODING 'UTF8'")
_MET = {
    "42501": ("its user lacks a right ({said})", "grant it (csp-pipeline doctor names what is needed)"),
    "2BP01": ("this version has other columns, and {said} ({depending})", "drop what depends on them"),
    "55P03": _LOCKED,
    "40P01": _LOCKED,
    "53100": _FULL,
    "53200": _FULL,
    "25006": ("it is read-only, a standby perhaps", "give the address of the primary server"),
    "22P05": _WRONG_ENCODING,
    "22021": _WRONG_ENCODING,
}
"""By SQLSTATE."""
_OTHERWISE = ("no connection came about", "look whether the server runs, and in its log for why it refused")
"""Where the server speaks another language, for instance."""


class PostgresError(CspError):
    """The PostgreSQL database could not be used; the published DuckDB copy is not concerned.

    Attributes:
        found: what is wrong, without the place.
        advice: what to do, as a sentence.
    """

    def __init__(self, place: str, found: str, advice: str) -> None:
        super().__init__(f"Not published to PostgreSQL at {place}: {found}; {advice}, then run again.")
        self.found = found
        self.advice = f"{advice[:1].upper()}{advice[1:]}."


class PostgresAddressError(PostgresError):
    """The address cannot be understood; it is not repeated."""

    def __init__(self) -> None:
        CspError.__init__(self, f"Not published to PostgreSQL: {_EXPECTED}")
        self.found, self.advice = "cannot be understood", _EXPECTED


@dataclass(frozen=True)
class Address:
    """Where to connect.

    Attributes:
        parameters: what libpq is given, secrets among it.
        place: host and database, as they may be shown.
    """

    parameters: dict[str, str] = field(repr=False)
    place: str


def address_of(url: SecretStr) -> Address:
    """Understand `postgresql://…`; a SQLAlchemy driver (`postgresql+psycopg2://…`) is left aside.

    Raises:
        PostgresAddressError: it is no such address, or a character of the password cuts it in the wrong place.
    """
    import psycopg2  # noqa: PLC0415  (not needed without a database)
    from psycopg2.extensions import parse_dsn  # noqa: PLC0415

    scheme, _, rest = url.get_secret_value().strip().partition("://")
    if scheme.partition("+")[0] not in {"postgresql", "postgres"}:
        raise PostgresAddressError
    try:
        given: dict[str, str] = parse_dsn(f"postgresql://{rest}")
    except psycopg2.Error:
        raise PostgresAddressError from None
    host, port, database = given.get("host", ""), given.get("port", ""), given.get("dbname", "")
    if "@" in host + database or not _PORTS.fullmatch(port):
        raise PostgresAddressError
    shown = f"{host or 'the local socket'}{f':{port}' if port else ''}/{database}"
    return Address({**_UNLESS_GIVEN, **given, "client_encoding": "UTF8"}, shown)


@contextmanager
def transaction(url: SecretStr) -> Iterator[Any]:
    """A cursor in one transaction, committed at the end; whatever goes wrong leaves the database as it was.

    Yields:
        A psycopg2 cursor.

    Raises:
        PostgresError: the database cannot be reached, or refuses a statement.
    """
    import psycopg2  # noqa: PLC0415  (not needed without a database)

    address = address_of(url)
    try:
        connection = psycopg2.connect(**address.parameters)
    except (psycopg2.Error, UnicodeDecodeError) as error:  # the latter: a server whose messages are in Latin-1
        raise PostgresError(address.place, *_refusal(str(error))) from None
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT set_config(name, '0', true) FROM pg_settings WHERE name = ANY(%s)", [[*_NO_LIMITS]])
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
            yield cursor
    except psycopg2.Error as error:
        raise PostgresError(address.place, *_failure(error)) from None
    finally:
        connection.close()


def hold_lock(cursor: Any, url: SecretStr) -> None:  # noqa: ANN401  (psycopg2 has no types)
    """Keep other publications into this database out until the transaction ends.

    Raises:
        PostgresError: another one is at work and does not end in time.
    """
    import psycopg2  # noqa: PLC0415  (not needed without a database)

    try:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK_NUMBER])
    except psycopg2.errors.LockNotAvailable:
        found = "another run is publishing there"
        raise PostgresError(address_of(url).place, found, "wait until it has finished") from None


def _refusal(said: str) -> tuple[str, str]:
    """Why no connection came about; libpq's own words may hold the user and parts of a mistyped address."""
    for one_of, all_of, found, advice in _REFUSALS:
        if any(word in said for word in one_of) and all(word in said for word in all_of):
            return found, advice
    return _OTHERWISE


def _failure(error: Any) -> tuple[str, str]:  # noqa: ANN401  (psycopg2 has no types)
    """What a statement met; the server's words are repeated only where they name objects, not where they hold rows."""
    state = error.pgcode
    if state is None or state.startswith(("08", "57P")):
        return "the connection was lost", "look whether the server runs"
    if state in _MET:
        found, advice = _MET[state]
        said = (error.diag.message_primary or "").strip().rstrip(".")
        depending = (error.diag.message_detail or "").replace("\n", ", ").rstrip(".")
        return found.format(said=said, depending=depending), advice
    return f"it refused a statement ({type(error).__name__}, {state})", "report it if it stays"
