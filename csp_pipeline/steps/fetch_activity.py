"""The activity log of Partner Center, day by day: who changed what.

What belongs here: which days are asked for. The log of a day can still grow, and reaches back a bounded time, so the
last days fetched are fetched again and the latest delivery of a day counts.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from csp_pipeline.sources.partner_center import AUDIT_DAYS
from csp_pipeline.steps.answers import (
    FAILURES,
    PARTNER_CENTER,
    FetchReport,
    in_order,
    land_answers,
    record_empty,
    silent,
    told,
)
from csp_pipeline.storage.arrivals import Origin, known_origins
from csp_pipeline.storage.warehouse import exclusive

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from csp_pipeline.sources.paging import Page
    from csp_pipeline.sources.partner_center import PartnerCenter
    from csp_pipeline.sources.provider import Provider
    from csp_pipeline.storage.home import Home

RESOURCE = "auditrecords"
DAYS_AGAIN = 2
"""How many days before the last one fetched are fetched again, as records come in late."""


def fetch_audit(
    home: Home, provider: Provider, today: date, *, on_progress: Callable[[str], None] = silent
) -> FetchReport:
    """Deliver the activity log from where it was left, at first as far back as it reaches; one file a day.

    Args:
        home: the folders.
        provider: the clients.
        today: the UTC day it is.
        on_progress: told one sentence.

    Returns:
        The files delivered, and what could not be fetched; days after a failure are left for the next run.

    Raises:
        ProviderError: the login is refused.
    """
    with exclusive(home, on_wait=on_progress):
        known = [origin.snapshot_on for origin in known_origins(home, RESOURCE) if origin.snapshot_on]
        earliest = today - timedelta(days=AUDIT_DAYS - 1)
        left_at = max((day for day in known if day <= today), default=None)  # a clock may have run ahead
        start = max(earliest, left_at - timedelta(days=DAYS_AGAIN)) if left_at else earliest
        report = _gap(left_at, earliest)
        days = [start + timedelta(days=step) for step in range((today - start).days + 1)]
        on_progress(f"Fetching the activity log from {start}.")
        try:
            for day, pages in in_order(partial(_log_of, provider.partner_center), days):
                if any(page.items for page in pages):
                    report += land_answers(home, RESOURCE, pages, snapshot_on=day)
                else:
                    record_empty(home, Origin(PARTNER_CENTER, RESOURCE, snapshot_on=day))
        except FAILURES as error:
            report += told("The activity log", error)
        return report


def _log_of(service: PartnerCenter, day: date) -> list[Page]:
    return list(service.audit_records(day, day))


def _gap(left_at: date | None, earliest: date) -> FetchReport:
    """Days that nobody fetched while they could be had."""
    if left_at is None or left_at + timedelta(days=1) >= earliest:
        return FetchReport()
    first, last = left_at + timedelta(days=1), earliest - timedelta(days=1)
    return FetchReport(
        problems=(
            f"The activity log of {first} to {last} was not fetched in time and is gone; changes of those days are "
            "known from snapshots and invoices only.",
        )
    )
