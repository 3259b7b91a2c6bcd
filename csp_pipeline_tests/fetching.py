"""Fetches from a real sandbox server in this process, and what they brought, in a form that can be compared."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from pydantic import SecretStr

from csp_pipeline.sandbox.server.app import Conduct, running
from csp_pipeline.settings import Settings
from csp_pipeline.sources.provider import Provider, connect
from csp_pipeline.steps import ingest
from csp_pipeline.storage.arrivals import read_arrivals
from csp_pipeline.storage.landing import file_path
from csp_pipeline.storage.warehouse import writing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from csp_pipeline.sandbox.server.app import Connection
    from csp_pipeline.storage.home import Home

LONGEST_PAUSE = 0.02
PLACES = ["source_file", "file_sha256", "source_row", "scan_number"]


def quickly(seconds: float) -> None:
    """Wait, but not as long as one would for Microsoft."""
    time.sleep(min(seconds, LONGEST_PAUSE))


def today() -> date:
    """The UTC day it is."""
    return datetime.now(UTC).date()


def settings_for(connection: Connection, home: Path, **others: object) -> Settings:
    """Settings of a home whose provider is a running server."""
    return Settings(
        _env_file=None,
        home_path=home,
        source="sandbox",
        partner_center_url=connection.partner_center_url,
        graph_url=connection.graph_url,
        login_url=connection.login_url,
        partner_tenant_id=connection.tenant_id,
        client_id=connection.client_id,
        client_secret=SecretStr(connection.client_secret),
        refresh_token=SecretStr(connection.refresh_token),
        **others,  # type: ignore[arg-type]
    )


@contextmanager
def provider_of(scenario: Path, *faults: str, conduct: Conduct | None = None, **others: object) -> Iterator[Provider]:
    """The clients of a server of its own; `others` are settings."""
    with (
        running(scenario, faults, conduct=conduct) as connection,
        connect(settings_for(connection, scenario, **others), sleep=quickly) as provider,
    ):
        yield provider


def delivered(home: Home) -> dict[str, list[str]]:
    """The bytes that wait for the next scan, as hashes by resource and scope, the latest delivery of each."""
    return {arrival.origin.place: [file.sha256 for file in arrival.files] for arrival in read_arrivals(home)}


def answers(home: Home, place: str) -> str:
    """The text of the one file delivered last under a resource and scope."""
    (file,) = [arrival for arrival in read_arrivals(home) if arrival.origin.place == place][-1].files
    return file_path(home, file.sha256).read_text("utf-8")


def staged(home: Home, *kinds: str) -> dict[str, list[tuple[object, ...]]]:
    """Take up what waits, and return the rows of kinds that count now, whatever file they stand in."""
    ingest.land_and_stage(home, on_progress=lambda _: None)
    with writing(home) as connection:
        ingest.load_file_catalogue(connection, home)
        ingest.create_staged_views(connection, home)
        assert connection.execute("SELECT count(*) FROM meta.quarantine").fetchone() == (0,)
        return {
            kind: connection.execute(
                f"SELECT COLUMNS(name -> name NOT IN {tuple(PLACES)}) FROM staged_{kind} ORDER BY ALL"
            ).fetchall()
            for kind in kinds
        }
