"""Exchange rates and price sheets are fetched when they are due, and their absence stops nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.domain.calendar import month_of, shift_month
from csp_pipeline.sandbox.generate import generate
from csp_pipeline.sandbox.server.app import Conduct
from csp_pipeline.steps.fetch import fetch_prices
from csp_pipeline.storage.arrivals import known_origins, read_arrivals
from csp_pipeline_tests.fetching import delivered, provider_of, staged, today

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from csp_pipeline.sources.provider import Provider
    from csp_pipeline.storage.home import Home

VIEWS = ("azure_consumption", "azure_reservations", "updatedlicensebased", "marketplace", "software")


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prices") / "scenario"
    generate(folder, customers=4, usage_rows=20, months=("2026-08", "2026-09"), currencies=("EUR", "USD"))
    return folder


@pytest.fixture(scope="module")
def provider(scenario: Path) -> Iterator[Provider]:
    with provider_of(scenario) as connected:
        yield connected


def _months(home: Home) -> list[str]:
    return sorted({origin.scope for origin in known_origins(home, "fxrates")})


def test_rates_of_the_documents_months_and_of_this_one_and_sheets_of_the_markets_are_staged(
    home: Home, provider: Provider
) -> None:
    told: list[str] = []
    report = fetch_prices(home, provider, today(), on_progress=told.append)
    assert not report.problems
    this_month = month_of(today())
    assert _months(home) == sorted({"2026-08", "2026-09", this_month})
    sheets = {arrival.origin.scope for arrival in read_arrivals(home) if arrival.origin.resource == "pricesheets"}
    assert sheets == {f"{market}/{view}" for market in ("DE", "US") for view in VIEWS}
    empty = [f"The price sheet software of {market} holds no rows." for market in ("DE", "US")]
    assert list(report.notes) == empty == told[-2:]
    rows = staged(home, "price_sheet", "fx_rates")
    assert all(len(found) > 10 for found in rows.values())


def test_nothing_is_asked_for_twice_but_the_rates_of_the_running_month_each_day(home: Home, provider: Provider) -> None:
    first = today().replace(day=1)
    assert fetch_prices(home, provider, first).files > 10
    assert fetch_prices(home, provider, first).files == 0
    fetch_prices(home, provider, first + timedelta(days=1))
    again = [origin.scope for origin in known_origins(home, "fxrates") if origin.snapshot_on != first]
    assert again == [month_of(first)]


def test_a_new_month_brings_new_sheets_and_the_last_rates_of_the_month_before(home: Home, provider: Provider) -> None:
    before = f"{shift_month(month_of(today()), -1)}-20"
    last_month = type(today()).fromisoformat(before)
    fetch_prices(home, provider, last_month)
    report = fetch_prices(home, provider, today())
    again = {origin.scope for origin in known_origins(home, "fxrates") if origin.snapshot_on == today()}
    sheets = [origin for origin in known_origins(home, "pricesheets") if origin.snapshot_on == today()]
    assert month_of(today()) in again
    assert len(sheets) == 2 * len(VIEWS)
    assert report.files == len(again) + 2 * (len(VIEWS) - 1)


def test_a_permission_that_is_missing_is_told_in_one_note_and_stops_nothing(scenario: Path, home: Home) -> None:
    with provider_of(scenario, conduct=Conduct(without_consent=("/v1.0/sales",))) as provider:
        report = fetch_prices(home, provider, today())
    assert not report.problems
    (note,) = report.notes
    assert "could not be fetched" in note
    assert delivered(home) == {}


def test_a_pricing_host_that_cannot_be_reached_is_told_in_one_note(scenario: Path, home: Home) -> None:
    with provider_of(scenario, pricing_url="http://127.0.0.1:9") as provider:
        report = fetch_prices(home, provider, today())
    assert not report.problems
    (note,) = report.notes
    assert note.startswith("The exchange rates of 2026-08 could not be fetched")
