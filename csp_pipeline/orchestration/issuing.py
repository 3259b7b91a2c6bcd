"""Issuing a month as the command and the job do it: drafts made up to date and audited, looked at, issued, published.

What belongs here: the order of these, and that what is issued is what was looked at. The work is `steps/issue`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from csp_pipeline.errors import CspError
from csp_pipeline.orchestration.month import run_month
from csp_pipeline.steps.issue import Plan, compared_lines, issue_documents, plan_issue
from csp_pipeline.steps.reviewed_drafts import keep_reviewed
from csp_pipeline.steps.run import last_month_drafted
from csp_pipeline.storage.warehouse import exclusive, writing

if TYPE_CHECKING:
    from collections.abc import Callable

    from csp_pipeline.domain.issued import IssuedDocument
    from csp_pipeline.settings import Settings


@dataclass(frozen=True)
class Issue:
    """What came of it.

    Attributes:
        plan: what was shown.
        documents: what was issued now; empty when nothing was confirmed or left.
        problems: what could not be published elsewhere, a sentence each; a person has to look.
    """

    plan: Plan
    documents: tuple[IssuedDocument, ...] = ()
    problems: tuple[str, ...] = ()


def issue_month(
    settings: Settings,
    month: str,
    *,
    decide: Callable[[Plan], bool],
    on_progress: Callable[[str], None],
    now: datetime | None = None,
) -> Issue:
    """Issue a month's drafts once somebody has seen what that does.

    Args:
        settings: where and how.
        month: YYYY-MM.
        decide: shown the plan, says whether to go on; asked only when there is something to issue. Nobody else is kept
            waiting meanwhile.
        on_progress: told one sentence at each stage.
        now: the time of issue; the clock's when None.

    Raises:
        CspError: nothing can be issued, or the drafts changed between looking and issuing.
    """
    plan, problems = _look(settings, month, on_progress)
    is_wanted = bool(plan.documents) and decide(plan)
    with exclusive(settings.home, on_wait=on_progress):
        if plan.documents:
            keep_reviewed(
                settings.home, month, (line for one in plan.documents for line in compared_lines(one.document))
            )
        if plan.documents and not is_wanted:
            return Issue(plan, problems=problems)
        seen = plan.fingerprint
        plan, problems = _look(settings, month, on_progress)
        if plan.fingerprint != seen:
            raise CspError("The drafts changed while they were looked at: nothing was issued; look at them again.")
        made = issue_documents(settings, plan, now or datetime.now(UTC))
        if made:
            problems = _bring_up_to_date(settings, on_progress)
        return Issue(plan, made, problems)


def _look(settings: Settings, month: str, on_progress: Callable[[str], None]) -> tuple[Plan, tuple[str, ...]]:
    with exclusive(settings.home, on_wait=on_progress):
        problems = _bring_up_to_date(settings, on_progress)
        with writing(settings.home) as connection:
            return plan_issue(connection, settings, month), problems


def _bring_up_to_date(settings: Settings, on_progress: Callable[[str], None]) -> tuple[str, ...]:
    """Draft anew what follows from terms, facts and ledger now, audit and publish it; no file is taken in.

    Returns:
        What could not be published elsewhere, a sentence each.
    """
    drafted = last_month_drafted(settings.home)
    if drafted is None:
        raise CspError("Nothing was drafted yet: run csp-pipeline run first.")
    return run_month(settings, drafted, on_progress=on_progress, take_files=False).problems
