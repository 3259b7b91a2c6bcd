"""Login, calls and the doctor's permissions against the sandbox, over real HTTP, as they run against Microsoft."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from csp_pipeline.cli_doctor import examine
from csp_pipeline.sandbox.generate import generate
from csp_pipeline.sandbox.server.app import Conduct, Connection, running
from csp_pipeline.settings import Settings
from csp_pipeline.sources.calls import Calls
from csp_pipeline.sources.login import GRAPH_SCOPE, PARTNER_CENTER_SCOPE, Login
from csp_pipeline.sources.provider_errors import AuthenticationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenario")
    generate(folder, customers=2, usage_rows=20, months=("2026-03", "2026-03"), currencies=["EUR"])
    return folder


@contextmanager
def sandbox(scenario: Path, conduct: Conduct | None = None) -> Iterator[tuple[Connection, Settings]]:
    """A running sandbox and the settings of its partner."""
    with running(scenario, conduct=conduct) as connection:
        yield (
            connection,
            Settings(
                _env_file=None,
                home_path=scenario / "home",
                source="partner-center",
                partner_tenant_id=connection.tenant_id,
                client_id=connection.client_id,
                client_secret=SecretStr(connection.client_secret),
                refresh_token=SecretStr(connection.refresh_token),
                partner_center_url=connection.partner_center_url,
                graph_url=connection.graph_url,
                login_url=connection.login_url,
            ),
        )


class Time:
    """The sandbox's clock, moved by the test."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_every_permission_is_there_and_no_secret_is_logged(scenario: Path, caplog: pytest.LogCaptureFixture) -> None:
    with sandbox(scenario) as (connection, settings), caplog.at_level(logging.DEBUG):
        findings = {one.subject: one for one in examine(settings)}
    assert [one for one in findings.values() if "(" in one.subject and not one.is_ok] == []
    assert findings["multi-factor authentication"].is_ok
    assert findings["order provisioning (user)"].found == "granted"
    shown = caplog.text + repr(findings)
    assert not [secret for secret in (connection.client_secret, connection.refresh_token, "Bearer") if secret in shown]


@pytest.mark.parametrize(
    ("conduct", "subject", "sentence"),
    [
        (Conduct(without_consent=("graph",)), "billing exports (app)", "PartnerBilling.Read.All"),
        (Conduct(without_consent=("partner-center",)), "customers (app)", "admin consent"),
        (Conduct(faults=("mfa-required",)), "invoice documents (user)", "second factor"),
    ],
    ids=["graph", "partner-center", "mfa"],
)
def test_a_missing_permission_is_named(scenario: Path, conduct: Conduct, subject: str, sentence: str) -> None:
    with sandbox(scenario, conduct) as (_, settings):
        findings = {one.subject: one for one in examine(settings)}
    assert findings[subject].found == "missing"
    assert sentence in findings[subject].advice


def test_tokens_that_the_service_holds_for_expired_are_renewed_on_the_way(scenario: Path) -> None:
    time = Time()
    with (
        sandbox(scenario, Conduct(clock=time, token_seconds=100)) as (_, settings),
        Login(settings, clock=lambda: 0.0) as login,
        Calls(settings.partner_center_url, login, PARTNER_CENTER_SCOPE) as calls,
    ):
        for as_user in (False, True, True, False):
            assert calls.get("/v1/invoices", as_user=as_user, resource="invoices").json()["items"]
            time.now += 1000


def test_a_token_for_another_service_is_explained(scenario: Path) -> None:
    with (
        sandbox(scenario) as (_, settings),
        Login(settings) as login,
        Calls(settings.partner_center_url, login, GRAPH_SCOPE) as calls,
        pytest.raises(AuthenticationError, match="code 900420"),
    ):
        calls.get("/v1/customers")
