"""A PostgreSQL server of the tests' own: made in a temporary folder, on loopback, gone at the end.

What belongs here: finding the server's programs, starting and ending it, and a fresh database for a test. It cannot run
as root, so a test run by root starts it as another user.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PASSWORD = "p@ss/word:42"  # noqa: S105  (of a server that lives for one test session)
ESCAPED = "p%40ss%2Fword%3A42"
_PLACES = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)
DATABASE = "books"
_OTHER_USERS = ("postgres", "nobody")


def programs() -> Path | None:
    """The folder with the server's programs, of the latest version; None when there is no server."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(
        (folder for place in _PLACES for folder in Path("/").glob(place)),
        key=lambda folder: int("".join(filter(str.isdigit, str(folder))) or 0),
        reverse=True,
    )
    return next((folder for folder in folders if (folder / "postgres").is_file()), None)


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int

    def url(self, database: str, user: str = "postgres", password: str = ESCAPED) -> str:
        """The address of a database, as a user would set it."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def ask(self, database: str, question: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a statement, committed."""
        with self.connected(database) as ask:
            return ask(question, *values)

    @contextmanager
    def connected(self, database: str) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
        """What `ask` does, for several statements over one connection."""
        import psycopg2  # noqa: PLC0415

        connection = psycopg2.connect(self.url(database))
        connection.autocommit = True

        def ask(question: str, *values: object) -> list[tuple[Any, ...]]:
            with connection.cursor() as cursor:
                cursor.execute(question, values or None)
                return cursor.fetchall() if cursor.description else []

        try:
            yield ask
        finally:
            connection.close()

    def emptied(self) -> Database:
        """The database of the tests, without what the test before left in it."""
        with self.connected("postgres") as ask:
            if not ask("SELECT 1 FROM pg_database WHERE datname = %s", DATABASE):
                ask(f"CREATE DATABASE {DATABASE}")
        with self.connected(DATABASE) as ask:
            for (schema,) in ask(
                "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema|public)'"
            ):
                ask(f"DROP SCHEMA {schema} CASCADE")
        return Database(self, DATABASE)


@dataclass(frozen=True)
class Database:
    """A database of a server."""

    server: Server
    name: str

    @property
    def url(self) -> str:
        """Its address with the owner's password."""
        return self.server.url(self.name)

    def ask(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a statement, committed."""
        return self.server.ask(self.name, question, *values)


@contextmanager
def running() -> Iterator[Server]:
    """Start a server; it and its folder are gone afterwards."""
    folder = programs()
    assert folder is not None
    user = _another_user()
    home = Path(tempfile.mkdtemp(prefix="csp-postgres-"))
    try:
        password = home / "password"
        password.write_text(PASSWORD, "utf-8")
        if user is not None:
            shutil.chown(home, user)
            shutil.chown(password, user)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        data = str(home / "data")
        _run([folder / "initdb", "-D", data, "-U", "postgres", "-E", "UTF8", "--locale=C", "-A", "scram-sha-256",
              f"--pwfile={password}", "--no-sync"], user)  # fmt: skip
        options = f"-p {port} -h 127.0.0.1 -k {home} -F -c max_connections=20 -c shared_buffers=32MB"
        _run([folder / "pg_ctl", "-D", data, "-o", options, "-l", str(home / "log"), "-w", "start"], user)
        try:
            yield Server(port)
        finally:
            _run([folder / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"], user)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _another_user() -> str | None:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    import pwd  # noqa: PLC0415  (not on Windows)

    there = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in _OTHER_USERS if name in there)


def _run(arguments: list[Any], user: str | None) -> None:
    done = subprocess.run(  # noqa: S603  (the server's own programs)
        [str(one) for one in arguments],
        user=user,
        cwd="/",
        env={**os.environ, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
