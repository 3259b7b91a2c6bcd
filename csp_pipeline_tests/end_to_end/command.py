"""The command `csp-pipeline`: as a user starts it, a process of its own, or within this one, which spares its start.

Either way it sees nothing of this process's settings.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Protocol

from typer.testing import CliRunner

from csp_pipeline.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEEDS_A_PERSON = 3
LONGEST = 240


class Command(Protocol):
    """A way to run the command to its end."""

    def __call__(self, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it on a home."""


def command(*arguments: str) -> list[str]:
    """The command line that starts the command with this interpreter."""
    return [sys.executable, "-m", "csp_pipeline.cli", *arguments]


def environment(home: Path, **settings: str) -> dict[str, str]:
    """The environment of a user who has set a home, and nothing else but what is given."""
    assert home.is_absolute()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CSP_", "DAGSTER_"))}
    return {**kept, "CSP_HOME": str(home), "CSP_SOURCE": "inbox", "COLUMNS": "200", **settings}


def csp_pipeline(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(  # noqa: S603  (our own interpreter and module)
        command(*arguments), env=environment(home), capture_output=True, text=True, check=False, timeout=LONGEST
    )


def invoked(home: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end within this process, with settings by their name in the environment."""
    hidden = dict.fromkeys(name for name in os.environ if name.startswith(("CSP_", "DAGSTER_")))
    ran = CliRunner().invoke(app, arguments, env=hidden | environment(home, **settings))
    return subprocess.CompletedProcess(command(*arguments), ran.exit_code, ran.stdout, ran.stderr)


def killed_at(sentence: str, home: Path, *arguments: str, **settings: str) -> bool:
    """Start the command and kill it as soon as it says something that holds a sentence; whether it came to that."""
    with subprocess.Popen(  # noqa: S603  (our own interpreter and module)
        command(*arguments),
        env=environment(home, **settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        is_said = any(sentence in line for line in _lines(process))
        process.kill()
    return is_said


def _lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    return iter(process.stdout)
