"""Everything a run fetches from the provider, in the order in which one part decides what the next one asks for.

What belongs here: that order. What each part fetches, and what its empty answers mean, is in the modules `fetch_…`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.steps.answers import FetchReport, silent
from csp_pipeline.steps.fetch_activity import fetch_audit
from csp_pipeline.steps.fetch_documents import fetch_documents
from csp_pipeline.steps.fetch_open_month import fetch_open_month
from csp_pipeline.steps.fetch_prices import fetch_prices
from csp_pipeline.steps.fetch_snapshots import fetch_snapshots

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from csp_pipeline.settings import Settings
    from csp_pipeline.sources.provider import Provider

    Part = Callable[[Settings, Provider, date, Callable[[str], None]], FetchReport]

__all__ = [
    "PARTS",
    "FetchReport",
    "fetch_all",
    "fetch_audit",
    "fetch_documents",
    "fetch_open_month",
    "fetch_prices",
    "fetch_snapshots",
]


def _snapshots(settings: Settings, provider: Provider, today: date, tell: Callable[[str], None]) -> FetchReport:
    return fetch_snapshots(settings.home.create(), provider, today, on_progress=tell)


def _activity_log(settings: Settings, provider: Provider, today: date, tell: Callable[[str], None]) -> FetchReport:
    return fetch_audit(settings.home.create(), provider, today, on_progress=tell)


def _documents(settings: Settings, provider: Provider, _today: date, tell: Callable[[str], None]) -> FetchReport:
    return fetch_documents(settings.home.create(), provider, on_progress=tell)


def _open_month(settings: Settings, provider: Provider, today: date, tell: Callable[[str], None]) -> FetchReport:
    currency = settings.reporting_currency
    return fetch_open_month(settings.home.create(), provider, today, reporting_currency=currency, on_progress=tell)


def _prices(settings: Settings, provider: Provider, today: date, tell: Callable[[str], None]) -> FetchReport:
    return fetch_prices(settings.home.create(), provider, today, on_progress=tell)


PARTS: dict[str, Part] = {
    "snapshots": _snapshots,
    "activity_log": _activity_log,
    "documents": _documents,
    "open_month": _open_month,
    "prices": _prices,
}
"""What is fetched, by name, in the order of a run."""


def fetch_all(
    settings: Settings, provider: Provider, today: date, *, on_progress: Callable[[str], None] = silent
) -> FetchReport:
    """Deliver today's snapshots, the activity log, the documents, what is not billed yet, and prices.

    Args:
        settings: where to.
        provider: the clients.
        today: the UTC day it is.
        on_progress: told one sentence at a time.

    Returns:
        The files delivered, what could not be fetched, and what was empty and in order.

    Raises:
        ProviderError: the login is refused, or the customers or headers cannot be fetched.
    """
    report = FetchReport()
    for part in PARTS.values():
        report += part(settings, provider, today, on_progress)
    return report
