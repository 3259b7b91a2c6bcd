"""Exchange rates and price sheets, from the provider's pricing service.

What belongs here: which months and markets are asked for, and when again. No amount is computed from these files: a
charge carries its own price and rate. So a service that cannot be had is told in a note, and stops nothing.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast, get_args

import duckdb

from csp_pipeline.domain.calendar import month_of
from csp_pipeline.formats import customers
from csp_pipeline.sources.partner_center import PriceView
from csp_pipeline.sources.provider_errors import RefusedError
from csp_pipeline.steps.answers import FAILURES, PARTNER_CENTER, FetchReport, is_absent, record_empty, silent
from csp_pipeline.steps.fetch_documents import documents_in
from csp_pipeline.storage.arrivals import Origin, known_origins, open_delivery
from csp_pipeline.storage.warehouse import exclusive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date
    from typing import BinaryIO

    from csp_pipeline.sources.partner_center import PartnerCenter
    from csp_pipeline.sources.provider import Provider
    from csp_pipeline.storage.home import Home

RATES, SHEETS = "fxrates", "pricesheets"
MARKETS_AT_MOST = 3
"""The markets with the most customers whose price sheets are fetched; a sheet can be large."""
_COUNTRIES = "SELECT country_code FROM partner_center.customers WHERE country_code IS NOT NULL"
_MARKET_LETTERS = 2


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A file to ask for: what it is called in sentences, where it comes from, and how to get it."""

    title: str
    origin: Origin
    ask: Callable[[], Iterator[bytes]]


def fetch_prices(
    home: Home, provider: Provider, today: date, *, on_progress: Callable[[str], None] = silent
) -> FetchReport:
    """Deliver the exchange rates of the documents' months and of this one, and this month's price sheets.

    A month's rates are fetched once that month is over, and once a day until then; a price sheet once a month.

    Args:
        home: the folders.
        provider: the clients.
        today: the UTC day it is.
        on_progress: told one sentence, and each note.

    Returns:
        The files delivered, and in notes what could not be fetched.

    Raises:
        ProviderError: the headers or the customers cannot be fetched.
    """
    with exclusive(home, on_wait=on_progress):
        on_progress("Fetching exchange rates and price sheets.")
        report = FetchReport()
        for one in _wanted(home, provider.partner_center, today):
            try:
                report += _deliver(home, one)
            except FAILURES as error:
                report += FetchReport(notes=(f"{one.title} could not be fetched: {error}",))
                if not isinstance(error, RefusedError):
                    break
                if is_absent(error):
                    record_empty(home, one.origin)
        for note in report.notes:
            on_progress(note)
        return report


def _wanted(home: Home, service: PartnerCenter, today: date) -> list[_Wanted]:
    """What is not there yet, or may have changed since it was fetched."""
    this_month, fetched = month_of(today), _fetched(home)
    wanted = []
    for month in sorted({document.month for document in documents_in(service.invoices())} | {this_month}):
        last_on = fetched.get((RATES, month))
        if month and month <= this_month and (last_on is None or (last_on < today and month_of(last_on) <= month)):
            origin = Origin(PARTNER_CENTER, RATES, month, snapshot_on=today)
            wanted.append(_Wanted(f"The exchange rates of {month}", origin, partial(service.exchange_rates, month)))
    for market in _markets(home, service):
        for view in get_args(PriceView):
            last_on = fetched.get((SHEETS, f"{market}/{view}"))
            if last_on is None or month_of(last_on) < this_month:
                origin = Origin(PARTNER_CENTER, SHEETS, f"{market}/{view}", snapshot_on=today)
                title = f"The price sheet {view} of {market}"
                wanted.append(_Wanted(title, origin, partial(service.price_sheet, market, view)))
    return wanted


def _fetched(home: Home) -> dict[tuple[str, str], date]:
    """The last day on which each file was fetched, by resource and scope."""
    origins = [*known_origins(home, RATES), *known_origins(home, SHEETS)]
    return {(one.resource, one.scope): one.snapshot_on for one in origins if one.snapshot_on}


def _markets(home: Home, service: PartnerCenter) -> list[str]:
    """The countries of most customers: as published last, else from Partner Center's list, which may leave them out."""
    known = _published_countries(home)
    if not known:
        rows = (row for page in service.customers() for item in page.items for row in customers.flatten(item, {}))
        known = [str(row["country_code"] or "") for row in rows]
    counted = Counter(country.upper() for country in known if len(country) == _MARKET_LETTERS and country.isalpha())
    return sorted(counted, key=lambda country: (-counted[country], country))[:MARKETS_AT_MOST]


def _published_countries(home: Home) -> list[str]:
    """A country per customer from the published copy; none where there is no copy, or one of another version."""
    if not home.published.is_file():
        return []
    try:
        with duckdb.connect(str(home.published), read_only=True) as connection:
            return [country for (country,) in connection.execute(_COUNTRIES).fetchall()]
    except duckdb.Error:
        return []


def _deliver(home: Home, one: _Wanted) -> FetchReport:
    """Deliver a file as it comes; a sheet with a header only is kept as empty."""
    home.landing.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=home.landing) as content:
        content.writelines(one.ask())
        content.seek(0)
        content.readline()
        if not content.readline().strip():
            record_empty(home, one.origin)
            return FetchReport(notes=(f"{one.title} holds no rows.",))
        content.seek(0)
        delivery = open_delivery(home, one.origin)
        delivery.take(f"{one.origin.snapshot_on}.csv", cast("BinaryIO", content))
        delivery.complete()
    return FetchReport(files=1)
