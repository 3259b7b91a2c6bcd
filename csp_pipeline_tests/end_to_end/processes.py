"""The product as processes of their own: the sandbox server, and Dagster's daemon with all that it starts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from csp_pipeline.orchestration.instance import WORKSPACE
from csp_pipeline.sandbox.server.app import Connection
from csp_pipeline_tests.end_to_end.command import LONGEST, command, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import Self


@contextmanager
def sandbox(scenario: Path, *faults: str) -> Iterator[Connection]:
    """`csp-pipeline sandbox serve`, ended with the block."""
    arguments = ("sandbox", "serve", "--scenario", str(scenario), "--faults", ",".join(faults))
    with subprocess.Popen(  # noqa: S603  (our own interpreter and module)
        command(*arguments), env=environment(scenario), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            yield Connection(**said, port=urlsplit(said["partner_center_url"]).port or 0)
        finally:
            process.terminate()


class Daemon:
    """`dagster-daemon run` with the runs that it starts, all of which can be killed at once.

    Args:
        environment: what the command sees.
        log: the file that takes what they say.
    """

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("ab") as said:
            self._process = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
                [sys.executable, "-m", "dagster._daemon", "run", "-w", str(WORKSPACE)],
                env=self._environment,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.wait()

    def kill(self) -> None:
        """Kill -9 all of them."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def wait(self) -> None:
        """Wait until it is gone."""
        if self._process is not None:
            self._process.wait()
            self._process = None


def switched_on(sensor: str, environment: Mapping[str, str]) -> None:
    """Switch a sensor on, as a person does once."""
    subprocess.run(  # noqa: S603  (our own interpreter and module)
        [sys.executable, "-m", "dagster", "sensor", "start", "-w", str(WORKSPACE), "-l", "csp_pipeline", sensor],
        env=dict(environment),
        check=True,
        capture_output=True,
        timeout=LONGEST,
    )


def until(is_so: Callable[[], bool], *, within: float, what: str) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: it did not come to that.
    """
    last = time.monotonic() + within
    while not is_so():
        assert time.monotonic() < last, f"{what} did not happen within {within} seconds"
        time.sleep(0.5)
