"""The drafts of a month as they were when somebody last looked at them, so that the next look shows what changed since.

What belongs here: keeping them, below `reports/`; they may be deleted, and then there is nothing to compare with.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from csp_pipeline.domain.invoice_changes import ComparedLine
from csp_pipeline.domain.ledger_records import as_record, from_record
from csp_pipeline.storage.durable import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from csp_pipeline.storage.home import Home


def read_reviewed(home: Home, month: str) -> list[ComparedLine] | None:
    """The lines of a month's drafts at the last look; None when there was none or it cannot be read."""
    path = _path(home, month)
    if not path.is_file():
        return None
    try:
        return [from_record(ComparedLine, record) for record in json.loads(path.read_text("utf-8"))]
    except (ValueError, TypeError, KeyError):
        return None


def keep_reviewed(home: Home, month: str, lines: Iterable[ComparedLine]) -> None:
    """Keep the lines that somebody looks at now."""
    text = json.dumps([as_record(line) for line in lines], ensure_ascii=False, indent=0)
    write_text(_path(home, month), f"{text}\n")


def _path(home: Home, month: str) -> Path:
    return home.reports / "invoices" / "reviewed" / f"{month}.json"
