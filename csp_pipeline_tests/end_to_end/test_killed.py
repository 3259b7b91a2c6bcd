"""A run may be killed at any moment: the next one gives the same rows, and readers never see anything half done."""

from __future__ import annotations

import shutil
import signal
import threading
from typing import TYPE_CHECKING

import duckdb
import pytest

from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.settings import Settings
from csp_pipeline.steps.publish import publish
from csp_pipeline_tests.end_to_end.command import NEEDS_A_PERSON, csp_pipeline, killed_at
from csp_pipeline_tests.end_to_end.contents import FILES, SCAN_DAYS, differing, published
from csp_pipeline_tests.product import warehouse_of

if TYPE_CHECKING:
    from pathlib import Path

    from csp_pipeline_tests.end_to_end.provider_files import ProviderFiles

MOMENTS = (": reconciliation, ", "Computing and proving cost", "Checking the identities of the books and publishing")
"""What each run says when it is killed: while it stages files, fills tables, publishes."""
OTHERS = FILES | {key for key in load_catalogue() if key.startswith("provisioning.")}
"""Tables left out of the comparison: what came in which file, and what only a run with Dagster fills."""
TRUTHS = {
    "every table has the rows that its dictionary counts": None,
    "cost recognised is the subtotal of the lines": """
        SELECT (SELECT sum(cost_original_amount) FROM reconciliation.revenue_vs_cost)
            IS NOT DISTINCT FROM (SELECT sum(subtotal_amount) FROM cost.invoice_lines WHERE NOT is_estimate)""",
    "revenue recognised is what was charged": """
        SELECT (SELECT sum(revenue_amount) FROM reconciliation.revenue_vs_cost)
            IS NOT DISTINCT FROM (SELECT sum(net_amount) FROM billing.invoice_lines)""",
    "Azure plan lines are carried down whole": """
        SELECT (SELECT sum(billed_amount) FROM cost.azure_plan_costs WHERE NOT is_estimate) IS NOT DISTINCT FROM
            (SELECT sum(subtotal_amount) FROM cost.invoice_lines
            WHERE product_family = 'azure_plan' AND NOT is_estimate)""",
    "parts sum to their difference": """
        SELECT (SELECT sum(amount) FROM reconciliation.differences)
            IS NOT DISTINCT FROM (SELECT sum(difference_amount) FROM reconciliation.revenue_vs_cost)""",
    "lines are those of the files": """
        SELECT (SELECT sum(total_amount) FROM cost.invoice_lines WHERE NOT is_estimate) IS NOT DISTINCT FROM
            (SELECT sum(total_staged) FROM meta.file_invoices WHERE kind = 'reconciliation' AND is_current)""",
    "usage rows are those of the files": """
        SELECT (SELECT count(*) FROM cost.daily_usage WHERE NOT is_estimate) =
            (SELECT sum(rows_staged) FROM meta.file_invoices WHERE kind = 'daily_usage' AND is_current)""",
    "rows are staged or quarantined": "SELECT bool_and(rows_total = rows_staged + rows_quarantined) FROM meta.files "
    "WHERE status = 'staged'",
}


class Reader(threading.Thread):
    """Opens the published copy again and again while runs come and go, and holds it against what must be true."""

    def __init__(self, home: Path) -> None:
        super().__init__(daemon=True)
        self.file = home / "published" / "csp.duckdb"
        self.broken: list[str] = []
        self.reads = 0
        self.copies: set[tuple[int, int]] = set()
        self._stop_reading = threading.Event()

    def run(self) -> None:
        """Read until told to stop; a copy already read is opened, but not read, again."""
        while not self._stop_reading.wait(0.2):
            if not self.file.exists():
                continue
            seen = self.file.stat()
            try:
                with duckdb.connect(str(self.file), read_only=True) as connection:
                    if (seen.st_ino, seen.st_mtime_ns) not in self.copies:
                        self.broken += [truth for truth in TRUTHS if not _holds(connection, truth)]
                self.copies.add((seen.st_ino, seen.st_mtime_ns))
                self.reads += 1
            except duckdb.Error as error:
                self.broken.append(f"the published copy could not be read: {error}")

    def stop(self) -> None:
        """Let it end."""
        self._stop_reading.set()
        self.join()


def _holds(connection: duckdb.DuckDBPyConnection, truth: str) -> bool:
    question = TRUTHS[truth]
    if question is not None:
        return connection.execute(question).fetchone() == (True,)
    counted = connection.execute("SELECT schema_name || '.' || table_name, row_count FROM meta.tables").fetchall()
    return bool(counted) and all(
        connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (rows,) for table, rows in counted
    )


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9 here")
@pytest.mark.parametrize(
    "moments",
    [MOMENTS[1:2], pytest.param(MOMENTS, marks=pytest.mark.long)],
    ids=["while it fills tables", "at every moment"],
)
def test_killed_at_any_moment_the_next_run_gives_the_same_rows_and_readers_see_no_half_state(
    moments: tuple[str, ...], small: ProviderFiles, tmp_path: Path
) -> None:
    home, undisturbed = small.home(tmp_path / "home"), small.write(tmp_path / "undisturbed")
    later = [path for path in _documents(undisturbed) if path.name.startswith(_last_invoice(small))]
    for path in _documents(undisturbed):
        if path not in later:
            shutil.copy(path, home / "inbox")
    for one in (undisturbed, home):
        _take_in_and_publish(one)
    reader = Reader(home)
    reader.start()
    for path in later:
        shutil.copy(path, home / "inbox")
    for moment in moments:
        assert killed_at(moment, home, "run"), moment
    last = csp_pipeline(home, "run")
    reader.stop()
    assert last.returncode in (0, NEEDS_A_PERSON), last.stderr
    assert reader.broken == []
    assert reader.reads > len(reader.copies) >= 2
    expected = published(undisturbed, without_tables=OTHERS, without_columns=SCAN_DAYS)
    assert differing(expected, published(home, without_tables=OTHERS, without_columns=SCAN_DAYS)) == []
    _holds_the_same_files(undisturbed, home)


def _take_in_and_publish(home: Path) -> None:
    """All steps in this process, with nothing to disturb them."""
    with warehouse_of(home):
        pass
    publish(Settings(CSP_HOME=home, source="inbox", _env_file=None))


def _documents(home: Path) -> list[Path]:
    return sorted(path for path in (home / "inbox").iterdir() if path.name.startswith("G"))


def _last_invoice(files: ProviderFiles) -> str:
    return max(number for _, number in files.documents)


def _holds_the_same_files(one: Path, other: Path) -> None:
    """Nothing half written stays: both hold the same landed and staged files."""
    for folder in ("landing/files", "staging"):
        names = [{path.name for path in (home / folder).rglob("*") if path.is_file()} for home in (one, other)]
        assert names[0] == names[1]
