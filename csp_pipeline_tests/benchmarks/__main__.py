"""The command: write the month, measure every step as a process of its own, print ratios, fail when a bound is missed.

python -m csp_pipeline_tests.benchmarks [--rows N] [--format jsonl|csv] [--json] [--folder DIR]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from csp_pipeline_tests.benchmarks.bounds import (
    AGAIN,
    DEFINITIONS,
    DRAFTING,
    GZIP,
    MONTH,
    PANDAS,
    RECONCILING,
    STAGING,
    as_json,
    as_table,
    bounds,
)
from csp_pipeline_tests.benchmarks.measuring import Measured, ProcessError, measure

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[2]
NEEDS_A_PERSON = 3
ACCOUNTS = 10_000
LOAD_DEFINITIONS = (
    "from csp_pipeline.definitions import build_definitions; from csp_pipeline.settings import Settings; "
    "build_definitions(Settings()).get_repository_def()"
)
STAGE = (
    "import sys; from pathlib import Path; from csp_pipeline.steps.ingest import land_and_stage; "
    "from csp_pipeline.storage.home import Home; land_and_stage(Home(Path(sys.argv[1])).create())"
)
TOTALS = (
    "import sys, duckdb, json; print(json.dumps(dict(zip(('rows', 'net'), duckdb.connect(sys.argv[1], read_only=True)"
    '.execute("SELECT count(*), CAST(sum(net_amount) AS VARCHAR) FROM cost.daily_usage").fetchone()))))'
)


class Bench:
    """The measurements of one run, in a folder of their own."""

    def __init__(self, folder: Path, rows: int, file_format: str) -> None:
        self._folder = folder
        self._rows = rows
        self._month = folder / f"{file_format}-{rows}"
        self._format = file_format
        self._yardsticks: list[Measured] = []

    def run(self) -> dict[str, Measured]:
        """Measure everything; the yardstick and what is close to it are taken several times, and the best one counts.

        Raises:
            ProcessError: when a process fails, or two of them read different totals.
        """
        self._write_month()
        self._unpack()
        stagings = []
        for _ in range(2):
            stagings.append(self._python("staging", "-c", STAGE, str(self._home("staging"))))
            self._unpack()
        found = {STAGING: min(stagings, key=lambda one: one.seconds)}
        home = self._home("month")
        found[MONTH] = self._month_run(home, "month")
        found[AGAIN] = self._month_run(home, "again")
        self._unpack()
        out = self._empty("pandas")
        found[PANDAS] = self._module("pandas", "pandas_month", str(self._month / "inbox"), str(out))
        found[DEFINITIONS] = self._python("definitions", "-c", LOAD_DEFINITIONS)
        accounts = self._empty("accounts")
        self._module("accounts", "drafted_month", "write", str(accounts), str(ACCOUNTS))
        found[DRAFTING] = self._module("drafting", "drafted_month", "draft", str(accounts))
        subscriptions = self._empty("subscriptions")
        self._module("subscriptions", "reconciled_month", "write", str(subscriptions), str(ACCOUNTS))
        found[RECONCILING] = self._module("reconciling", "reconciled_month", "reconcile", str(subscriptions))
        self._compare(home / "published" / "csp.duckdb", out / "totals.json")
        return {GZIP: min(self._yardsticks, key=lambda one: one.seconds), **found}

    def _write_month(self) -> None:
        if self._month.exists():
            return
        unfinished = self._empty("unfinished")
        self._tell(f"Writing a month of {self._rows:,} usage rows ({self._format}).")
        self._module("writing", "written_month", str(unfinished), str(self._rows), self._format)
        unfinished.rename(self._month)

    def _unpack(self) -> None:
        blobs = sorted(str(path) for path in (self._month / "inbox").glob("*dailyratedusage*.gz"))
        self._tell(f"Measuring gzip -dc of {len(blobs)} files.")
        self._yardsticks.append(measure(["gzip", "-dc", *blobs], Path(os.devnull)))

    def _month_run(self, home: Path, name: str) -> Measured:
        program = Path(sys.executable).with_name("csp-pipeline")
        return self._measure(
            [str(program), "run", "--source", "inbox", "--json"], name, home=home, accepted=(0, NEEDS_A_PERSON)
        )

    def _module(self, name: str, module: str, *arguments: str) -> Measured:
        return self._python(name, "-m", f"csp_pipeline_tests.benchmarks.{module}", *arguments)

    def _python(self, name: str, *arguments: str) -> Measured:
        return self._measure([sys.executable, *arguments], name)

    def _measure(
        self, command: list[str], name: str, *, home: Path | None = None, accepted: tuple[int, ...] = (0,)
    ) -> Measured:
        """Run with no setting of this machine's user: the folder has no `.env`, the environment no `CSP_*`."""
        self._tell(f"Measuring {name}.")
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("CSP_", "DAGSTER_"))}
        environment |= {"PYTHONPATH": str(PROJECT), "CSP_HOME": str(home or self._folder / "nowhere")}
        log = self._folder / f"{name}.log"
        return measure(command, log, environment=environment, folder=self._folder, accepted=accepted)

    def _home(self, name: str) -> Path:
        home = self._empty(name)
        shutil.copytree(self._month, home)
        return home

    def _empty(self, name: str) -> Path:
        shutil.rmtree(self._folder / name, ignore_errors=True)
        return self._folder / name

    def _compare(self, published: Path, totals: Path) -> None:
        """Both did the same work only when they found the same rows and the same net amount, to the last digit."""
        self._python("totals", "-c", TOTALS, str(published))
        ours = json.loads((self._folder / "totals.log").read_text("utf-8"))
        theirs = json.loads(totals.read_text("utf-8"))
        if ours != theirs or ours["rows"] != self._rows:
            raise ProcessError(
                f"The published warehouse holds {ours}, pandas found {theirs}; {self._rows} rows were written."
            )

    @staticmethod
    def _tell(sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)  # noqa: T201  (a command)


@contextmanager
def _working_folder(chosen: Path | None) -> Iterator[Path]:
    if chosen is not None:
        chosen.mkdir(parents=True, exist_ok=True)
        yield chosen.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="csp-bench-") as folder:
        yield Path(folder)


def main() -> int:
    """Run the benchmark; 0 when every bound is kept, 1 when one is missed or a process failed."""
    parser = argparse.ArgumentParser(prog="python -m csp_pipeline_tests.benchmarks", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="daily usage rows of the month")
    parser.add_argument("--format", choices=("jsonl", "csv"), default="jsonl", help="how the usage rows are packed")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    parser.add_argument("--folder", type=Path, help="keep month, homes and logs here and use the month again")
    chosen = parser.parse_args()
    try:
        with _working_folder(chosen.folder) as folder:
            measured = Bench(folder, chosen.rows, chosen.format).run()
    except ProcessError as failure:
        print(failure, file=sys.stderr)  # noqa: T201
        return 1
    promises = bounds(measured)
    print(json.dumps(as_json(measured, promises)) if chosen.json else as_table(measured, promises))  # noqa: T201
    return 0 if all(promise.is_kept for promise in promises) else 1


if __name__ == "__main__":
    sys.exit(main())
