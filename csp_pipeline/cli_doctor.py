"""The checks of `csp-pipeline doctor`: each says whether something is in order and, if not, what to do."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import duckdb
from filelock import FileLock, Timeout

from csp_pipeline import __version__
from csp_pipeline.errors import UsageError
from csp_pipeline.settings import PARTNER_CENTER_URL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic import SecretStr

    from csp_pipeline.settings import Settings
    from csp_pipeline.storage.home import Home

_GIGABYTE = 10**9
_ENOUGH_DISK = 5 * _GIGABYTE
_ATTEMPTS = 2


@dataclass(frozen=True)
class Finding:
    """One line of the doctor.

    Attributes:
        advice: what to do; empty when it is in order.
    """

    subject: str
    found: str
    advice: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether nothing has to be done."""
        return not self.advice


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything a run needs, without changing anything but creating missing folders."""
    home = settings.home
    yield _python()
    libraries = ", ".join(f"{name} {version(name)}" for name in ("dagster", "duckdb", "polars"))
    yield Finding("versions", f"csp-pipeline {__version__}, {libraries}")
    yield Finding("settings", f"CSP_HOME {home.root}, CSP_SOURCE {settings.source}")
    yield from _access(settings)
    writable = _writable(home.root)
    yield writable
    if not writable.is_ok:
        return
    home.create()
    yield from (_writable(folder) for folder in (home.landing, home.staging, home.published.parent, home.ledger))
    yield _disk(home.root)
    yield _inbox(home.inbox)
    yield _terms(home.commercial, is_database=settings.commercial_url is not None)
    yield _lock(home.lock)
    yield _ledger(home)
    yield _warehouse(home.warehouse)
    if settings.postgres_url is not None:
        yield _postgres(settings.postgres_url)


def _python() -> Finding:
    found = sys.version.split()[0]
    return Finding("python", found, "" if sys.version_info >= (3, 11) else "Install CPython 3.11 or later.")


def _access(settings: Settings) -> Iterator[Finding]:
    """Credentials, and when they are there the permissions; nothing is asked without them."""
    if not _has_provider(settings):
        yield Finding("credentials", f"none needed for source {settings.source}")
        return
    credentials = _credentials(settings)
    yield credentials
    if settings.partner_tenant_id and settings.client_id and settings.client_secret:
        yield from _permissions(settings)


def _has_provider(settings: Settings) -> bool:
    """Whether a server is asked: Microsoft's, or a sandbox that runs already and whose address is set."""
    is_sandbox_running = settings.source == "sandbox" and settings.partner_center_url != PARTNER_CENTER_URL
    return settings.source == "partner-center" or is_sandbox_running


def _credentials(settings: Settings) -> Finding:
    needed = {
        "CSP_PARTNER_TENANT_ID": settings.partner_tenant_id,
        "CSP_CLIENT_ID": settings.client_id,
        "CSP_CLIENT_SECRET": settings.client_secret,
        "CSP_REFRESH_TOKEN": settings.refresh_token,
    }
    missing = [name for name, value in needed.items() if value is None]
    return Finding(
        "credentials",
        f"{len(needed) - len(missing)} of {len(needed)} set",
        f"Set {', '.join(missing)}." if missing else "",
    )


def _permissions(settings: Settings) -> Iterator[Finding]:
    from csp_pipeline.sources.calls import Calls  # noqa: PLC0415  (only with credentials)
    from csp_pipeline.sources.login import GRAPH_SCOPE, PARTNER_CENTER_SCOPE, Login  # noqa: PLC0415
    from csp_pipeline.sources.permissions import check_permissions  # noqa: PLC0415

    try:
        with (
            Login(settings) as login,
            Calls(settings.partner_center_url, login, PARTNER_CENTER_SCOPE, attempts=_ATTEMPTS) as partner_center,
            Calls(settings.graph_url, login, GRAPH_SCOPE, attempts=_ATTEMPTS) as graph,
        ):
            for one in check_permissions(login, partner_center, graph):
                yield Finding(one.permission, one.found, one.advice)
    except UsageError as error:
        yield Finding("addresses", "cannot be used", str(error))


def _writable(folder: Path) -> Finding:
    existing = folder
    while not existing.exists():
        existing = existing.parent
    is_writable = existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
    advice = (
        "" if is_writable else f"Give this user the right to write in {existing}, or set CSP_HOME to another folder."
    )
    return Finding(f"folder {folder}", "writable" if is_writable else "not writable", advice)


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    advice = "" if free >= _ENOUGH_DISK else "Free some space: a month of two million usage rows takes about 5 GB."
    return Finding("disk", f"{free // _GIGABYTE} GB free", advice)


def _inbox(folder: Path) -> Finding:
    files = [path for path in folder.iterdir() if path.is_file()]
    unreadable = [path.name for path in files if not os.access(path, os.R_OK)]
    advice = f"Give this user the right to read {', '.join(unreadable[:3])}." if unreadable else ""
    return Finding("inbox", f"{len(files)} files", advice)


def _terms(folder: Path, *, is_database: bool) -> Finding:
    if is_database:
        return Finding("commercial terms", "from the database of CSP_COMMERCIAL_URL")
    required = ("accounts", "account_tenants", "contract_lines")
    missing = [f"{name}.csv" for name in required if not (folder / f"{name}.csv").is_file()]
    found = f"{len(list(folder.glob('*.csv')))} tables"
    return Finding(
        "commercial terms",
        found,
        f"Put {', '.join(missing)} into {folder}; until then no invoice is drafted." if missing else "",
    )


def _lock(path: Path) -> Finding:
    lock = FileLock(path)
    try:
        with lock.acquire(timeout=0):
            return Finding("lock", "free")
    except Timeout:
        return Finding("lock", "held by another csp-pipeline process", "Wait until it has finished.")


def _ledger(home: Home) -> Finding:
    from csp_pipeline.steps.ledger_audit import audit_ledger  # noqa: PLC0415  (nothing else here needs it)
    from csp_pipeline.storage.ledger import LedgerDamagedError  # noqa: PLC0415

    try:
        found = audit_ledger(home)
    except LedgerDamagedError as error:
        return Finding("ledger", "damaged", str(error))
    return Finding("ledger", f"whole, {found.documents} documents issued" if found.batches else "empty, nothing issued")


def _warehouse(path: Path) -> Finding:
    if not path.is_file():
        return Finding("warehouse", "not made yet; the first run makes it")
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            connection.execute("SELECT count(*) FROM information_schema.tables").fetchone()
    except duckdb.Error as error:
        return Finding(
            "warehouse",
            str(error).splitlines()[0],
            "If no run is at work, `csp-pipeline rebuild` makes it again from landing.",
        )
    return Finding("warehouse", f"opens, {path.stat().st_size // 10**6} MB")


def _postgres(url: SecretStr) -> Finding:
    from csp_pipeline.storage.postgres import PostgresError  # noqa: PLC0415  (only with a database)
    from csp_pipeline.storage.postgres_rights import examine_database  # noqa: PLC0415

    try:
        found, advice = examine_database(url)
    except PostgresError as error:
        found, advice = error.found, error.advice
    return Finding("PostgreSQL", found, advice)
