"""A small scenario, and servers that tell of it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.sandbox.partner import SCENARIO_FILE, Arguments, Partner, build_partner, write_arguments
from csp_pipeline.sandbox.server.app import Conduct, running
from csp_pipeline_tests.sandbox.server.caller import Caller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

SMALL = Arguments(customers=12, usage_rows=900, months=("2026-08", "2026-09"), currencies=("EUR", "USD"))


@pytest.fixture(scope="session")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the arguments of a small partner."""
    folder = tmp_path_factory.mktemp("scenario")
    write_arguments(SMALL, folder / SCENARIO_FILE)
    return folder


@pytest.fixture(scope="session")
def partner() -> Partner:
    """The small partner itself."""
    return build_partner(SMALL)


@pytest.fixture(scope="session")
def serving(scenario: Path) -> Callable[..., AbstractContextManager[Caller]]:
    """Starts a server with some faults, or any other conduct."""

    @contextmanager
    def serve(*faults: str, **conduct: object) -> Iterator[Caller]:
        with running(scenario, faults, conduct=Conduct(**conduct)) as connection:  # type: ignore[arg-type]
            caller = Caller(connection)
            with caller.http:
                yield caller

    return serve


@pytest.fixture(scope="session")
def caller(serving: Callable[..., AbstractContextManager[Caller]]) -> Iterator[Caller]:
    """A client of a server without faults."""
    with serving() as client:
        yield client
