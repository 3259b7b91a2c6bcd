"""Partners and finished homes that several tests look at; made once, also when tests run in several processes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from csp_pipeline.sandbox.generate import generate
from csp_pipeline_tests.end_to_end.command import csp_pipeline
from csp_pipeline_tests.end_to_end.provider_files import ProviderFiles

if TYPE_CHECKING:
    from pathlib import Path

    from csp_pipeline_tests.conftest import Once
    from csp_pipeline_tests.end_to_end.command import Command


@dataclass(frozen=True)
class Finished:
    """A home after a run that others only look at or copy, with what the command said."""

    home: Path
    exit_code: int
    summary: dict[str, Any]

    @property
    def expected(self) -> dict[str, Any]:
        """What the generator says must come out."""
        content: dict[str, Any] = json.loads((self.home / "expected.json").read_text("utf-8"))
        return content


def run_and_keep(command: Command, home: Path) -> None:
    """Run the command and keep what it said beside the home."""
    ran = command(home, "run", "--json")
    assert ran.stdout, ran.stderr
    said = {"exit_code": ran.returncode, "summary": json.loads(ran.stdout)}
    (home.parent / "said.json").write_text(json.dumps(said), "utf-8")


def finished(folder: Path) -> Finished:
    """What `run_and_keep` left in a folder."""
    return Finished(folder / "home", **json.loads((folder / "said.json").read_text("utf-8")))


@pytest.fixture(scope="session")
def done(once: Once) -> Finished:
    """The partner of `csp-pipeline generate` without options, after `csp-pipeline run --json`."""

    def make(folder: Path) -> None:
        home = folder / "home"
        made = csp_pipeline(home, "generate", "--out", str(home))
        assert made.returncode == 0, made.stderr
        run_and_keep(csp_pipeline, home)

    return finished(once("done", make))


@pytest.fixture(scope="session")
def small(once: Once) -> ProviderFiles:
    """A partner of one currency and two months, small enough to be taken in many times."""

    def make(folder: Path) -> None:
        generate(folder / "home", customers=4, usage_rows=200, months=("2026-08", "2026-09"), currencies=("EUR",))

    return ProviderFiles.read(once("small", make) / "home")
