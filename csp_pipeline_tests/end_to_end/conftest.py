"""Partners and finished homes that several tests look at; made once, also when tests run in several processes."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from csp_pipeline.sandbox.generate import generate
from csp_pipeline_tests.end_to_end.command import csp_pipeline
from csp_pipeline_tests.end_to_end.provider_files import ProviderFiles

Once = Callable[[str, Callable[[Path], object]], Path]


@dataclass(frozen=True)
class Finished:
    """A home after a run that others only look at or copy, with what the command said and how long it took."""

    home: Path
    exit_code: int
    summary: dict[str, Any]
    seconds: float

    @property
    def expected(self) -> dict[str, Any]:
        """What the generator says must come out."""
        content: dict[str, Any] = json.loads((self.home / "expected.json").read_text("utf-8"))
        return content


def run_and_keep(home: Path, *arguments: str) -> None:
    """Run the command and keep what it said beside the home."""
    started = time.monotonic()
    ran = csp_pipeline(home, *arguments)
    assert ran.stdout, ran.stderr
    said = {
        "exit_code": ran.returncode,
        "summary": json.loads(ran.stdout),
        "seconds": time.monotonic() - started,
    }
    (home.parent / "said.json").write_text(json.dumps(said), "utf-8")


def finished(folder: Path) -> Finished:
    """What `run_and_keep` left in a folder."""
    return Finished(folder / "home", **json.loads((folder / "said.json").read_text("utf-8")))


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
def done(once: Once) -> Finished:
    """The partner of `csp-pipeline generate` without options, after `csp-pipeline run --json`."""

    def make(folder: Path) -> None:
        home = folder / "home"
        made = csp_pipeline(home, "generate", "--out", str(home))
        assert made.returncode == 0, made.stderr
        run_and_keep(home, "run", "--json")

    return finished(once("done", make))


@pytest.fixture(scope="session")
def small(once: Once) -> ProviderFiles:
    """A partner of one currency and two months, small enough to be taken in many times."""

    def make(folder: Path) -> None:
        generate(folder / "home", usage_rows=900, months=("2026-08", "2026-09"), currencies=("EUR",))

    return ProviderFiles.read(once("small", make) / "home")
