"""Measure a process: wall time, processor time, and the most memory it and its children held at once.

What belongs here: starting a process and watching it. Nothing heavy is imported: what a parent holds when it starts a
process counts as that process's peak on Linux.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_BETWEEN_LOOKS = 0.05
_RUSAGE_UNIT = 1 if sys.platform == "darwin" else 1024
_SHOWN = 2000


@dataclass(frozen=True)
class Measured:
    """What a process took.

    Attributes:
        seconds: wall time.
        processor_seconds: user and system time of the process and its children.
        peak_bytes: the most memory (resident) that it and its children held at once.
    """

    seconds: float
    processor_seconds: float
    peak_bytes: int


class ProcessError(Exception):
    """A process that was to be measured failed; the end of what it said is in the message."""


def measure(
    command: Sequence[str],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    accepted: Sequence[int] = (0,),
) -> Measured:
    """Run a command to its end.

    Args:
        command: program and arguments.
        log: gets what it prints.
        environment: its whole environment; this process's by default.
        folder: its working directory.
        accepted: exit codes that count as done.

    Raises:
        ProcessError: when it ends with another exit code.
    """
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603  (the commands are fixed in this package)
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=folder
        )
        watch = _Watch(process.pid)
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    watch.stop()
    if process.returncode not in accepted:
        said = log.read_text("utf-8", errors="replace")[-_SHOWN:]
        raise ProcessError(f"{' '.join(command)} ended with exit code {process.returncode}:\n{said}")
    peak = max(watch.peak_bytes, usage.ru_maxrss * _RUSAGE_UNIT)
    return Measured(seconds, usage.ru_utime + usage.ru_stime, peak)


class _Watch(threading.Thread):
    """Looks at a process and its descendants now and then and keeps the largest sum of their resident memory."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._ended = threading.Event()
        self.peak_bytes = 0

    def run(self) -> None:
        while not self._ended.wait(_BETWEEN_LOOKS):
            self.peak_bytes = max(self.peak_bytes, sum(map(_resident, _family(self._pid))))

    def stop(self) -> None:
        self._ended.set()
        self.join()


def _family(pid: int) -> list[int]:
    """A process and its descendants; only itself where the system has no `/proc`."""
    found = [pid]
    for member in found:
        for listed in Path(f"/proc/{member}/task").glob("*/children"):
            try:
                found += map(int, listed.read_text().split())
            except OSError:  # the thread has just ended
                continue
    return found


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):  # the process has just ended
        return 0
