"""Fixtures of every test: an empty CSP_HOME, settings that no environment can change, folders made once for all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock
from hypothesis import settings as hypothesis_settings

from csp_pipeline.sandbox.generate import generate
from csp_pipeline.settings import Settings
from csp_pipeline.storage import warehouse
from csp_pipeline_tests.postgres_server import Database, Server, programs, running

if TYPE_CHECKING:
    from csp_pipeline.storage.home import Home

Once = Callable[[str, Callable[[Path], object]], Path]

warehouse.THREADS = 1  # the tests run side by side and on few rows; those that start a process of their own have all

hypothesis_settings.register_profile("suite", deadline=None)
hypothesis_settings.load_profile("suite")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of an empty home, with `.env` and CSP_HOME left aside."""
    return Settings(_env_file=None, home_path=tmp_path / "home", source="inbox")


@pytest.fixture
def home(settings: Settings) -> Home:
    """The folders of an empty home."""
    return settings.home.create()


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Makes a folder by name the first time any process of this test session asks for it."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base

    def make_once(name: str, make: Callable[[Path], object]) -> Path:
        folder = base / f"shared-{name}"
        with FileLock(base / f"shared-{name}.lock"):
            if not (folder / "ready").exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                (folder / "ready").touch()
        return folder

    return make_once


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A PostgreSQL server of this test process; where none is installed, its tests are skipped."""
    if programs() is None:
        pytest.skip("no PostgreSQL server is installed here (on Debian: apt-get install postgresql)")
    with running() as server:
        yield server


@pytest.fixture
def database(postgres_server: Server) -> Database:
    """A database without anything in it."""
    return postgres_server.emptied()


@pytest.fixture(scope="session")
def finished_home(once: Once) -> Path:
    """The home of a small partner of two months in euro after a run; tests copy it."""
    from csp_pipeline.orchestration.month import run_month  # noqa: PLC0415  (loads Dagster, which few tests need)

    def make(folder: Path) -> None:
        generate(folder / "home", customers=4, usage_rows=60, months=("2026-08", "2026-09"), currencies=("EUR",))
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("DAGSTER_HOME", raising=False)
            settings = Settings(_env_file=None, home_path=folder / "home", source="inbox")
            run_month(settings, None, on_progress=lambda _: None)

    return once("finished", make) / "home"
