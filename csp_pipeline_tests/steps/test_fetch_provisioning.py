"""The status of provisioning is asked for only where it can have changed, and what was told before stays in force."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from csp_pipeline.sandbox.generate import generate
from csp_pipeline.sandbox.server.app import running
from csp_pipeline.sources.provider import Provider, connect
from csp_pipeline.sources.provider_errors import RefusedError
from csp_pipeline.steps.fetch import fetch_snapshots
from csp_pipeline.storage.arrivals import read_arrivals
from csp_pipeline_tests.fetching import answers, provider_of, quickly, settings_for, staged, today

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from csp_pipeline.storage.home import Home

RESOURCE = "subscription_provisioning"
STATUS = "GET /v1/customers/{customer_id}/subscriptions/{subscription_id}/provisioningstatus"


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("provisioning") / "scenario"
    generate(folder, customers=4, usage_rows=20, months=("2026-09", "2026-09"), currencies=("EUR",))
    return folder


@pytest.fixture
def served(scenario: Path) -> Iterator[tuple[Provider, str]]:
    """The clients of a server of its own, and its address."""
    with running(scenario) as connection, connect(settings_for(connection, scenario), sleep=quickly) as provider:
        yield provider, connection.partner_center_url


def _asked(url: str) -> int:
    counts = httpx.get(f"{url}/sandbox/requests").json()
    return sum(count for path, count in counts.items() if path.endswith("provisioningstatus") and "orders" not in path)


def _lines(home: Home) -> list[dict[str, object]]:
    return [json.loads(line) for line in answers(home, RESOURCE).splitlines()]


def _files(home: Home) -> int:
    return sum(arrival.origin.resource == RESOURCE for arrival in read_arrivals(home))


def _change_a_subscription(provider: Provider, home: Home) -> str:
    """Add a seat to the first subscription that takes one; returns the address of its status."""
    for line in _lines(home):
        uri = str(line["uri"])
        _, _, _, customer, _, subscription, _ = uri.split("/")
        try:
            item = provider.partner_center.subscription(customer, subscription).items[0]
            provider.partner_center.change_quantity(customer, subscription, int(str(item["quantity"])) + 1, "r1")
        except RefusedError:
            continue
        return uri
    raise AssertionError("no subscription takes a seat")


def test_every_status_is_asked_for_once_and_then_those_of_changed_subscriptions_only(
    served: tuple[Provider, str], home: Home
) -> None:
    provider, url = served
    fetch_snapshots(home, provider, today())
    first = _asked(url)
    assert first == len(_lines(home)) > 5
    fetch_snapshots(home, provider, today())
    assert (_asked(url), _files(home)) == (first, 1)
    changed = _change_a_subscription(provider, home)
    fetch_snapshots(home, provider, today() + timedelta(days=1))
    assert _asked(url) == first + 1
    assert [line["uri"] for line in _lines(home)] == [changed]


def test_what_was_told_earlier_in_the_day_stays_in_the_days_file(served: tuple[Provider, str], home: Home) -> None:
    provider, _ = served
    fetch_snapshots(home, provider, today())
    before = _lines(home)
    changed = _change_a_subscription(provider, home)
    fetch_snapshots(home, provider, today())
    now = _lines(home)
    assert [line["uri"] for line in now] == [line["uri"] for line in before]
    assert [one["uri"] for one, other in zip(now, before, strict=True) if one != other] == [changed]
    assert len(staged(home, RESOURCE)[RESOURCE]) == len(now)


def test_what_was_taken_up_by_a_scan_is_known_too(served: tuple[Provider, str], home: Home) -> None:
    provider, url = served
    fetch_snapshots(home, provider, today())
    staged(home, RESOURCE)
    first = _asked(url)
    fetch_snapshots(home, provider, today() + timedelta(days=1))
    assert _asked(url) == first


def test_an_answer_that_never_came_is_asked_for_again(served: tuple[Provider, str], home: Home) -> None:
    provider, url = served
    fetch_snapshots(home, provider, today())
    first = _asked(url)
    (arrival,) = [one for one in read_arrivals(home) if one.origin.resource == RESOURCE]
    (home.landing / "deliveries" / f"{arrival.number:08d}.json").unlink()
    fetch_snapshots(home, provider, today())
    assert _asked(url) == 2 * first


@pytest.mark.parametrize("fault", ["provisioning-technical", "provisioning-business"])
def test_a_status_that_is_not_success_is_asked_for_again(fault: str, scenario: Path, home: Home) -> None:
    with provider_of(scenario, fault) as provider:
        for day in range(2):
            fetch_snapshots(home, provider, today() + timedelta(days=day))
    (line,) = _lines(home)
    assert '"status":"success"' not in json.dumps(line, separators=(",", ":"))
