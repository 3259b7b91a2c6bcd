"""The made-up partner over HTTP: the same warehouse as from its files, whatever goes wrong, and no secret left behind.

Each fault the server can be started with ends either with the very bytes and rows that come without it, or with the
sentence that helps.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import duckdb
import pytest

from csp_pipeline.orchestration.made_up_partner import FILES_ONLY
from csp_pipeline.sandbox.generate import generate
from csp_pipeline.sandbox.server.app import Conduct, running
from csp_pipeline.sandbox.server.faults import NAMES
from csp_pipeline.sources.provider_errors import AuthenticationError
from csp_pipeline.steps.fetch import fetch_documents, fetch_open_month, fetch_snapshots
from csp_pipeline.storage.home import Home
from csp_pipeline_tests.end_to_end.command import LONGEST, NEEDS_A_PERSON, command, environment
from csp_pipeline_tests.end_to_end.contents import HISTORY, MADE_AT, PLACES, Contents, contents, differing
from csp_pipeline_tests.fetching import delivered, provider_of, staged, today
from csp_pipeline_tests.product import warehouse_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from csp_pipeline.sandbox.server.app import Connection
    from csp_pipeline.sources.provider import Provider
    from csp_pipeline_tests.conftest import Once

SCHEMAS = ("partner_center", "cost", "billing", "reconciliation")
PRICES = frozenset({"cost.price_sheet_prices", "cost.provider_exchange_rates", "cost.price_comparison"})
"""What the server tells beside the files of the generator."""
SPELLING = "charge_type"
"""Portal files and Graph spell the same charge type with another first letter."""
TOKENS = re.compile(rb"eyJ[\w-]{40}|\b0\.[\w-]{60}|Bearer |[?&]sig=")
"""What access and refresh tokens and the signatures of blobs look like."""
COPIES = {"throttle", "server-errors", "slow", "truncated-blob", "expired-sas", "duplicate-page"}


def _tables(connection: duckdb.DuckDBPyConnection) -> Contents:
    found = contents(connection, without_tables=HISTORY | PRICES, without_columns={*PLACES, *MADE_AT, SPELLING})
    return {table: rows for table, rows in found.items() if table.startswith(SCHEMAS)}


def _spellings(connection: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    return connection.execute(f"SELECT line_id, lower({SPELLING}) FROM cost.invoice_lines ORDER BY ALL").fetchall()


def _run(connection: Connection, home: Path) -> subprocess.CompletedProcess[str]:
    """`csp-pipeline run` against a server that runs already."""
    settings = {
        "CSP_SOURCE": "sandbox",
        "CSP_PARTNER_CENTER_URL": connection.partner_center_url,
        "CSP_GRAPH_URL": connection.graph_url,
        "CSP_LOGIN_URL": connection.login_url,
        "CSP_PARTNER_TENANT_ID": connection.tenant_id,
        "CSP_CLIENT_ID": connection.client_id,
        "CSP_CLIENT_SECRET": connection.client_secret,
        "CSP_REFRESH_TOKEN": connection.refresh_token,
    }
    return subprocess.run(  # noqa: S603  (our own interpreter and module)
        command("run"),
        env=environment(home) | settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST,
    )


def test_the_same_partner_by_http_and_by_files_is_the_same_warehouse_and_leaves_no_secret(tmp_path: Path) -> None:
    generate(tmp_path / "files", usage_rows=500, months=("2026-09", "2026-09"), currencies=("EUR",))
    home = tmp_path / "home"
    for name in ("commercial", "inbox"):
        (home / name).mkdir(parents=True)
    shutil.copytree(tmp_path / "files" / "commercial", home / "commercial", dirs_exist_ok=True)
    for path in (path for pattern in FILES_ONLY for path in (tmp_path / "files" / "inbox").glob(pattern)):
        shutil.copy(path, home / "inbox")
    with running(tmp_path / "files") as connection:
        ran = _run(connection, home)
    assert ran.returncode == NEEDS_A_PERSON, ran.stderr
    with duckdb.connect(str(home / "published" / "csp.duckdb"), read_only=True) as published:
        fetched, spelled = _tables(published), _spellings(published)
    with warehouse_of(tmp_path / "files") as warehouse:
        assert differing(fetched, _tables(warehouse)) == []
        assert spelled == _spellings(warehouse)
        sources = warehouse.execute("SELECT DISTINCT source_kind FROM cost.invoice_lines").fetchall()
    assert len(sources) == len(("reconciliation", "legacy_licence", "legacy_usage", "distributor_invoice"))
    assert sum(rows for rows, _ in fetched.values()) > 500
    secrets = (connection.client_secret.encode(), connection.refresh_token.encode())
    said = [(home / "said", (ran.stdout + ran.stderr).encode())]
    for path, content in [*said, *((path, path.read_bytes()) for path in home.rglob("*") if path.is_file())]:
        assert not any(secret in content for secret in secrets), path
        assert not TOKENS.search(content), path


@pytest.fixture(scope="module")
def scenario(once: Once) -> Path:
    def make(folder: Path) -> None:
        generate(folder / "made", customers=3, usage_rows=300, months=("2026-08", "2026-09"), currencies=("EUR",))

    return once("faults", make) / "made"


def _fetch(home: Home, provider: Provider) -> None:
    reports = [
        fetch_snapshots(home, provider, today()),
        fetch_documents(home, provider),
        fetch_open_month(home, provider, today()),
    ]
    assert not any(report.problems for report in reports), reports


@pytest.fixture(scope="module")
def sound(scenario: Path, once: Once) -> Home:
    """A home that fetched without faults; tests copy it before they take it up."""

    def make(folder: Path) -> None:
        with provider_of(scenario) as provider:
            _fetch(Home(folder / "home").create(), provider)

    return Home(once("sound", make) / "home")


@pytest.fixture
def rows(sound: Home, tmp_path: Path) -> Callable[..., object]:
    """The rows that count without faults, by kind."""

    def read(*kinds: str) -> object:
        shutil.copytree(sound.root, tmp_path / "sound")
        return staged(Home(tmp_path / "sound"), *kinds)

    return read


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, marks=pytest.mark.long if fault in {"slow", "server-errors", "expired-sas"} else ())
        for fault in sorted(COPIES - {"duplicate-page"})
    ],
)
def test_a_fault_on_the_way_changes_no_byte_of_what_lands(fault: str, scenario: Path, sound: Home, home: Home) -> None:
    with provider_of(scenario, fault, conduct=Conduct(slow_seconds=0.01)) as provider:
        _fetch(home, provider)
    assert delivered(home) == delivered(sound)


def test_a_page_served_twice_doubles_nothing(scenario: Path, home: Home, rows: Callable[..., object]) -> None:
    with provider_of(scenario, "duplicate-page") as provider:
        fetch_snapshots(home, provider, today())
    kinds = ("customers", "subscriptions", "orders")
    assert staged(home, *kinds) == rows(*kinds)


@pytest.mark.long
def test_columns_nobody_knows_change_no_row(scenario: Path, home: Home, rows: Callable[..., object]) -> None:
    with provider_of(scenario, "schema-drift") as provider:
        fetch_documents(home, provider)
    kinds = ("reconciliation", "daily_usage")
    assert staged(home, *kinds) == rows(*kinds)


@pytest.mark.long
def test_a_restated_invoice_replaces_the_one_it_restates(scenario: Path, home: Home, tmp_path: Path) -> None:
    late = Home(tmp_path / "late").create()
    kinds = ("invoice_headers", "reconciliation", "daily_usage")
    with provider_of(scenario, "restated-invoice") as provider:
        fetch_documents(home, provider)
        first = staged(home, *kinds)
        fetch_documents(home, provider)
        fetch_documents(late, provider)
    restated = staged(home, *kinds)
    assert restated == staged(late, *kinds)
    assert all(restated[kind] != first[kind] for kind in kinds)


def test_an_invoice_that_comes_late_is_fetched_once_it_is_there(scenario: Path, sound: Home, home: Home) -> None:
    with provider_of(scenario, "late-invoice") as provider:
        fetch_documents(home, provider)
        early = delivered(home)
        for _ in range(2):
            fetch_documents(home, provider)
    billed = {place: files for place, files in delivered(sound).items() if "/billed/" in place or place == "invoices"}
    assert delivered(home) == billed
    assert len(early) < len(billed)


def test_a_user_without_a_second_factor_is_told_to_sign_in_with_one(scenario: Path, home: Home) -> None:
    with (
        provider_of(scenario, "mfa-required") as provider,
        pytest.raises(AuthenticationError, match=r"multi-factor authentication.*CSP_REFRESH_TOKEN"),
    ):
        fetch_snapshots(home, provider, today())


def test_missing_consent_stops_with_what_to_grant(scenario: Path, home: Home) -> None:
    with (
        provider_of(scenario, conduct=Conduct(without_consent=("graph",))) as provider,
        pytest.raises(AuthenticationError, match="admin consent"),
    ):
        fetch_documents(home, provider)


@pytest.mark.parametrize(
    ("fault", "status"), [("provisioning-technical", "pending"), ("provisioning-business", "failed")]
)
def test_seats_that_are_not_provisioned_show_in_the_snapshot(
    fault: str, status: str, scenario: Path, home: Home
) -> None:
    with provider_of(scenario, fault) as provider:
        fetch_snapshots(home, provider, today())
    found = staged(home, "subscription_provisioning")["subscription_provisioning"]
    assert {status} <= {str(value) for row in found for value in row}


def test_every_fault_is_tested_here() -> None:
    others = {"schema-drift", "restated-invoice", "late-invoice", "mfa-required"}
    changes = {
        "provisioning-technical",
        "provisioning-business",
        "lost-answers",
    }  # the last in test_provisioning.py
    assert COPIES | others | changes == set(NAMES)
