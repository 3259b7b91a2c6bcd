"""The lists of what was put aside are read whole, whatever their number, within the memory of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.formats.casting import Reject
from csp_pipeline.storage import quarantine
from csp_pipeline.storage.file_catalogue import load_quarantine
from csp_pipeline.storage.warehouse import writing

if TYPE_CHECKING:
    from csp_pipeline.storage.home import Home

FILES = 50
AWKWARD = 'a, "b"\r\nc \0' + "é" * 20_000


def test_many_lists_are_read_within_little_memory(home: Home) -> None:
    home.create()
    lists = [home.quarantine / f"{number:064x}.csv" for number in range(FILES)]
    for number, path in enumerate(lists):
        rejects = [Reject(2, "Subtotal", AWKWARD, f"unreadable {AWKWARD}", "G1"), Reject(1, None, None, "short")]
        quarantine.write(path, f"f{number}.csv", rejects)
    with writing(home) as connection:
        connection.execute(
            "INSERT INTO meta.files BY NAME SELECT format('{:064x}', range) AS file_sha256, 'reconciliation' AS kind "
            f"FROM range({FILES})"
        )
        connection.execute("SET memory_limit = '64MB'")
        load_quarantine(connection, [*lists, home.quarantine / "none.csv"])
        found = connection.execute(
            """SELECT count(*), count(DISTINCT source_file), count(DISTINCT file_sha256), min(kind), sum(source_row),
            count(value), max(length(value)), bool_and(value IS NULL OR starts_with(value, ?)) FROM meta.quarantine""",
            ['a, "b"\r\nc é'],
        ).fetchall()
        one = connection.execute("SELECT file_sha256 FROM meta.quarantine WHERE source_file = 'f7.csv'").fetchall()
    assert found == [(2 * FILES, FILES, FILES, "reconciliation", 3 * FILES, FILES, 499, True)]
    assert set(one) == {(f"{7:064x}",)}
