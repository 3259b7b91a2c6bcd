"""The server comes up, tells how to log in once it answers, counts requests and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import httpx
import pytest
from typer.testing import CliRunner

from csp_pipeline.cli import app
from csp_pipeline.errors import UsageError
from csp_pipeline.sandbox.server.app import Connection, running
from csp_pipeline_tests.sandbox.server.caller import BILLING, GRAPH_SCOPE, PARTNER_CENTER_SCOPE, Caller

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from csp_pipeline.sandbox.partner import Partner


def test_serve_prints_one_line_that_opens_it_and_ends_with_nothing_left(
    scenario: Path, tmp_path: Path, partner: Partner
) -> None:
    command = [sys.executable, "-m", "csp_pipeline.cli", "sandbox", "serve", "--scenario", str(scenario)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=environment, **options) as server:  # noqa: S603  (our own command)
        assert server.stdout is not None
        told = json.loads(server.stdout.readline())
        assert list(told) == [
            "partner_center_url",
            "graph_url",
            "login_url",
            "tenant_id",
            "client_id",
            "client_secret",
            "refresh_token",
        ]
        caller = Caller(Connection(**told, port=int(told["login_url"].rpartition(":")[2])))
        with caller.http:
            assert caller.get("/v1/customers", scope=PARTNER_CENTER_SCOPE).status_code == 200
            caller.manifest("usage/billed", invoiceId=partner.documents[0].number)
            assert list(tmp_path.rglob("*.json.gz"))
        server.send_signal(signal.SIGTERM)
        rest, errors = server.communicate(timeout=20)
    assert (server.returncode, rest, errors) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--faults", "slow,late"], "Unknown fault late: choose from throttle, "),
        (["--scenario", "nowhere"], "nowhere holds no scenario.json"),
    ],
)
def test_serve_refuses_what_it_does_not_know_in_a_sentence(options: list[str], sentence: str) -> None:
    result = CliRunner().invoke(app, ["sandbox", "serve", *options])
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_port_in_use_is_refused_in_a_sentence(scenario: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"Port {port} of 127.0.0.1 cannot be used"), running(scenario, port=port):
            pass


def test_the_server_is_on_loopback_and_gone_afterwards(serving: Callable[..., AbstractContextManager[Caller]]) -> None:
    with serving() as caller:
        connection = caller.connection
        urls = {connection.partner_center_url, connection.graph_url, connection.login_url}
    assert urls == {f"http://127.0.0.1:{connection.port}"}
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{connection.graph_url}/sandbox/requests", trust_env=False)


def test_requests_are_counted_by_path_template(serving: Callable[..., AbstractContextManager[Caller]]) -> None:
    with serving() as caller:
        for number in ("one", "two"):
            caller.get(f"{BILLING}/operations/{number}")
        caller.get("/nowhere/at/all")
        counts = caller.http.get("/sandbox/requests").json()
    assert counts == {
        f"GET {BILLING}/operations/{{operation_id}}": 2,
        "GET (unknown)": 1,
        "POST /{tenant}/oauth2/v2.0/token": 1,
    }


def test_no_secret_shows_in_the_repr_of_a_connection(caller: Caller) -> None:
    shown = repr(caller.connection)
    secrets = {asdict(caller.connection)[name] for name in ("client_secret", "refresh_token")}
    assert not [secret for secret in secrets if secret in shown]


def test_two_servers_of_one_scenario_tell_the_same_rows_but_share_no_token(
    serving: Callable[..., AbstractContextManager[Caller]], caller: Caller, partner: Partner
) -> None:
    number = partner.documents[0].number
    with serving() as other:
        answer = other.http.get(
            f"{BILLING}/operations/x", headers={"Authorization": f"Bearer {caller.token(GRAPH_SCOPE)}"}
        )
        manifests = [server.manifest("usage/billed", invoiceId=number) for server in (caller, other)]
    assert answer.status_code == 401
    assert manifests[0]["eTag"] == manifests[1]["eTag"]
    assert manifests[0]["createdDateTime"] == manifests[1]["createdDateTime"]
