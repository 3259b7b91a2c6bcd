"""How legacy and distributor files arrive changes no figure: order, cuts, repetitions, an earlier version first.

The same promise for new commerce, through to drafts, is in `end_to_end/test_arrangement`.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from csp_pipeline_tests.end_to_end.contents import FILES, PLACES, SCAN_DAYS, Contents, contents, differing
from csp_pipeline_tests.steps.other_documents_case import HEADERS, Files, cost_of, made

if TYPE_CHECKING:
    from collections.abc import Mapping

MADE = made(first_month="2026-08").files
DAYS = "\r\n\r\nDaily usage\r\n"


def outcome(*scans: Mapping[str, str]) -> Contents:
    """What every table of cost holds after files were taken in, but for where rows stand in files."""
    with TemporaryDirectory() as folder, cost_of(Path(folder), *scans) as con:
        found = contents(con, without_tables=FILES, without_columns=PLACES | SCAN_DAYS)
        return {table: rows for table, rows in found.items() if table.startswith("cost.")}


@pytest.fixture(scope="module")
def plain() -> Contents:
    found = outcome(MADE)
    assert found["cost.invoice_lines"][0] > 12
    assert found["cost.legacy_usage_days"][0] > 120
    return found


def _sections(name: str, text: str) -> list[list[str]]:
    """The sections of a file as lines, each with its header first."""
    parts = text.split(DAYS) if name.endswith("_usage.csv") else [text]
    return [part.strip("\r\n").split("\r\n") for part in parts]


def _joined(sections: list[list[str]]) -> str:
    return DAYS.join("\r\n".join(lines) for lines in sections) + "\r\n"


def arranged(seed: int) -> Files:
    """The same rows in another order, each file cut in two at most, under other names and in another order."""
    drawn = Random(seed)
    found: list[tuple[str, str]] = []
    for name, text in MADE.items():
        if name == HEADERS:
            found.append((name, text))
            continue
        sections = [[lines[0], *drawn.sample(lines[1:], len(lines) - 1)] for lines in _sections(name, text)]
        charges = sections[0]
        cut = drawn.randrange(1, len(charges))
        found.append((f"a_{name}", _joined([charges[:1] + charges[1 : cut + 1], *sections[1:]])))
        if charges[cut + 1 :]:
            found.append((f"b_{name}", _joined([charges[:1] + charges[cut + 1 :]])))
    return {f"{place:02d}_{name}": text for place, (name, text) in enumerate(drawn.sample(found, len(found)))}


@pytest.mark.long
@settings(max_examples=3, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**16))
def test_order_and_cuts_change_nothing(seed: int, plain: Contents) -> None:
    assert differing(plain, outcome(arranged(seed))) == []


@pytest.mark.long
@settings(max_examples=1, deadline=None, derandomize=True)
@example(later=())
@given(later=st.sets(st.sampled_from(sorted(MADE))).map(tuple))
def test_files_of_later_scans_and_copies_change_nothing(later: tuple[str, ...], plain: Contents) -> None:
    files = MADE
    first = {name: text for name, text in files.items() if name not in later}
    second = {name: files[name] for name in later} | {f"copy_of_{name}": text for name, text in files.items()}
    assert differing(plain, outcome(first, second)) == []


@pytest.mark.long
def test_a_restated_file_and_the_right_file_first_give_the_same_end_state(plain: Contents) -> None:
    files = MADE
    wrong = {
        name: text
        if name == HEADERS
        else _joined([lines[:-1] if len(lines) > 2 else lines for lines in _sections(name, text)])
        for name, text in files.items()
    }
    assert differing(plain, outcome(wrong)) != []
    restated = {f"restated_{name}": text for name, text in files.items() if name != HEADERS}
    assert differing(plain, outcome(wrong, restated)) == []
