"""Closing a month as the command does it: books up to date, the month closed in the ledger, all published.

What belongs here: the order of these, and that the pack of the month is written from what was published. The rules are
in `steps/periods`, the files in `steps/month_end`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from csp_pipeline.errors import CspError
from csp_pipeline.orchestration.month import run_month
from csp_pipeline.steps.month_end import write_pack
from csp_pipeline.steps.periods import ClosedMonth, close_month, read_closed
from csp_pipeline.steps.run import last_month_drafted
from csp_pipeline.storage.warehouse import exclusive, writing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from csp_pipeline.settings import Settings


@dataclass(frozen=True)
class Closing:
    """What came of it.

    Attributes:
        was_closed: the month was closed before; nothing was changed.
        pack: the folder of the month-end pack.
        notices: what a person should know, a sentence each.
        problems: what could not be published elsewhere, a sentence each; a person has to look.
    """

    month: ClosedMonth
    was_closed: bool
    pack: Path
    notices: tuple[str, ...]
    problems: tuple[str, ...]


def close(
    settings: Settings, month: str, *, on_progress: Callable[[str], None], now: datetime | None = None
) -> Closing:
    """Close a month for posting and write its pack.

    Args:
        settings: where and how.
        month: YYYY-MM.
        on_progress: told one sentence at each stage.
        now: the time of closing; the clock's when None.

    Raises:
        CspError: the month cannot be closed; nothing was changed.
    """
    drafted = last_month_drafted(settings.home)
    if drafted is None:
        raise CspError("Nothing can be closed: no month was drafted yet; run csp-pipeline run first.")
    with exclusive(settings.home, on_wait=on_progress):
        was_closed = month in read_closed(settings.home)
        if not was_closed:
            run_month(settings, drafted, on_progress=on_progress, take_files=False)
        with writing(settings.home) as connection:
            closed = close_month(connection, settings.home, month, now or datetime.now(UTC))
            found = connection.execute(
                """
                SELECT
                    (SELECT count(*) FROM billing.invoices WHERE state = 'draft' AND billing_month = $month),
                    (
                        SELECT string_agg(month, ', ' ORDER BY month)
                        FROM meta.periods
                        WHERE month < $month AND state = 'open'
                    )
                """,
                {"month": month},
            ).fetchone()
        outcome = run_month(settings, drafted, on_progress=on_progress, take_files=False)
    drafts, earlier = found or (0, None)
    notices = [
        *([f"{drafts} drafts of {month} are not issued: they post to the first open month."] if drafts else []),
        *([f"Earlier months are still open: {earlier}; late lines of theirs post to them."] if earlier else []),
    ]
    return Closing(closed, was_closed, write_pack(settings.home, month), tuple(notices), outcome.problems)
