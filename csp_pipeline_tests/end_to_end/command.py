"""The command `csp-pipeline` as a user starts it: a process of its own, with nothing of this one's environment."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NEEDS_A_PERSON = 3
LONGEST = 240


def command(*arguments: str) -> list[str]:
    """The command line that starts the command with this interpreter."""
    return [sys.executable, "-m", "csp_pipeline.cli", *arguments]


def environment(home: Path) -> dict[str, str]:
    """The environment of a user who has set a home and nothing else."""
    assert home.is_absolute()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CSP_", "DAGSTER_"))}
    return {**kept, "CSP_HOME": str(home), "CSP_SOURCE": "inbox", "COLUMNS": "200"}


def csp_pipeline(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(  # noqa: S603  (our own interpreter and module)
        command(*arguments), env=environment(home), capture_output=True, text=True, check=False, timeout=LONGEST
    )


def start(home: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start the command and leave it running."""
    return subprocess.Popen(  # noqa: S603  (our own interpreter and module)
        command(*arguments), env=environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
