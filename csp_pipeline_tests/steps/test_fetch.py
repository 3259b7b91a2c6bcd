"""What is fetched when, what is not fetched again, and what an empty answer means."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.sandbox.generate import generate
from csp_pipeline.steps.answers import in_order, record_empty
from csp_pipeline.steps.fetch import fetch_audit, fetch_documents, fetch_open_month, fetch_snapshots
from csp_pipeline.steps.fetch_activity import RESOURCE
from csp_pipeline.steps.fetch_documents import documents_in
from csp_pipeline.storage.arrivals import Origin, known_origins, read_arrivals
from csp_pipeline_tests.fetching import answers, delivered, provider_of, staged, today

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from csp_pipeline.sources.provider import Provider
    from csp_pipeline.storage.home import Home


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fetch") / "scenario"
    generate(folder, customers=7, usage_rows=400, months=("2026-07", "2026-09"), currencies=("EUR",))
    return folder


@pytest.fixture(scope="module")
def provider(scenario: Path) -> Iterator[Provider]:
    with provider_of(scenario) as connected:
        yield connected


def test_a_snapshot_is_one_file_of_answers_per_resource_for_the_day(home: Home, provider: Provider) -> None:
    report = fetch_snapshots(home, provider, today())
    assert not report.problems
    arrivals = read_arrivals(home)
    assert {arrival.origin.snapshot_on for arrival in arrivals} == {today()}
    places = [arrival.origin.place for arrival in arrivals]
    assert report.files == len(places) == len(set(places))
    assert {"customers", "subscriptions", "orders", "agreements", "direct_signed", "azure_entitlements"} < set(places)
    uris = [json.loads(line)["uri"] for line in answers(home, "subscriptions").splitlines()]
    assert uris == sorted(uris)
    assert len(uris) == 7
    assert not any("://" in uri for uri in uris)


def test_the_same_state_gives_the_same_bytes(home: Home, provider: Provider) -> None:
    fetch_snapshots(home, provider, today())
    first = delivered(home)
    fetch_snapshots(home, provider, today())
    assert delivered(home) == first


def test_the_activity_log_is_fetched_day_by_day_as_far_back_as_it_reaches(
    home: Home, provider: Provider, scenario: Path
) -> None:
    report = fetch_audit(home, provider, today())
    assert not report.problems
    assert [origin.snapshot_on for origin in known_origins(home, RESOURCE)] == [
        today() - timedelta(days=days) for days in reversed(range(90))
    ]
    log = json.loads((scenario / "inbox" / "auditrecords.json").read_text("utf-8"))["items"]
    expected = [one for one in log if one["operationDate"][:10] >= (today() - timedelta(days=89)).isoformat()]
    assert len(staged(home, "audit_records")["audit_records"]) == len(expected) > 0


def test_the_activity_log_goes_on_where_it_was_left_with_the_last_days_again(home: Home, provider: Provider) -> None:
    record_empty(home, Origin("partner-center", RESOURCE, snapshot_on=today() - timedelta(days=3)))
    assert not fetch_audit(home, provider, today()).problems
    again = [origin.snapshot_on for origin in known_origins(home, RESOURCE)][1:]
    assert again == [today() - timedelta(days=days) for days in (5, 4, 3, 2, 1, 0)]


def test_days_of_the_activity_log_that_nobody_fetched_in_time_are_told(home: Home, provider: Provider) -> None:
    record_empty(home, Origin("partner-center", RESOURCE, snapshot_on=today() - timedelta(days=120)))
    (problem,) = fetch_audit(home, provider, today()).problems
    assert f"{today() - timedelta(days=119)} to {today() - timedelta(days=90)} was not fetched in time" in problem


def test_a_clock_that_ran_ahead_does_not_stop_the_activity_log(home: Home, provider: Provider) -> None:
    for day in (today() - timedelta(days=1), today() + timedelta(days=900)):
        record_empty(home, Origin("partner-center", RESOURCE, snapshot_on=day))
    assert not fetch_audit(home, provider, today()).problems
    again = [origin.snapshot_on for origin in known_origins(home, RESOURCE)][2:]
    assert again == [today() - timedelta(days=days) for days in (3, 2, 1, 0)]


def test_documents_are_delivered_once_and_only_the_latest_months_are_asked_for_again(
    home: Home, provider: Provider
) -> None:
    first = fetch_documents(home, provider)
    assert not first.problems
    arrivals = [arrival for arrival in read_arrivals(home) if arrival.origin.source == "graph"]
    assert all(arrival.origin.version and arrival.origin.version_at for arrival in arrivals)
    assert len({arrival.origin.scope for arrival in arrivals}) == 3
    assert len(arrivals) == 6
    assert fetch_documents(home, provider).files == 1  # the headers


def test_what_is_not_billed_is_fetched_per_currency_and_not_again_while_it_is_the_same(
    home: Home, provider: Provider
) -> None:
    report = fetch_open_month(home, provider, today())
    assert not report.problems
    assert set(delivered(home)) == {"usage/unbilled/EUR|current", "reconciliation/unbilled/EUR|current"}
    assert len(report.notes) == 2  # nothing of the month before, which is billed
    assert fetch_open_month(home, provider, today()).files == 0


def test_a_killed_fetch_goes_on_with_the_blobs_it_has(home: Home, provider: Provider) -> None:
    fetch_documents(home, provider)
    whole = delivered(home)
    for path in (home.landing / "deliveries").glob("*.json"):
        stored = json.loads(path.read_text("utf-8"))
        if stored["origin"]["resource"] == "usage/billed":
            stored["is_complete"] = False
            path.write_text(json.dumps(stored), "utf-8")
    assert fetch_documents(home, provider).files > 1
    assert delivered(home) == whole


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A legacy invoice, one from before Graph's time, one without rows, and a void note without rows."""
    folder = tmp_path / "old"
    generate(folder, customers=2, usage_rows=20, months=("2023-08", "2023-08"), currencies=("EUR",))
    path = folder / "inbox" / "invoices.json"
    headers = json.loads(path.read_text("utf-8"))
    (invoice,) = headers["items"]
    void = {**invoice, "id": "G999000001", "totalCharges": -1, "documentType": "void_note", "amendments": []}
    headers["items"] = [
        {**invoice, "amendments": [void]},
        {**invoice, "id": "D030001AAA", "invoiceType": "Recurring", "totalCharges": 12.5, "invoiceDetails": []},
        {**invoice, "id": "G999000002", "totalCharges": 7, "billingPeriodStartDate": "2026-09-01T00:00:00Z"},
    ]
    path.write_text(json.dumps(headers), "utf-8")
    lines = {
        "totalCount": 1,
        "items": [{"invoiceNumber": "D030001AAA", "invoiceLineItemType": "billing_line_items"}],
        "attributes": {"objectType": "Collection"},
    }
    (folder / "inbox" / "D030001AAA_office.json").write_text(json.dumps(lines), "utf-8")
    return folder


def test_legacy_documents_and_months_before_graphs_time_come_from_v1(home: Home, old: Path) -> None:
    with provider_of(old) as provider:
        documents = documents_in(provider.partner_center.invoices())
        report = fetch_documents(home, provider)
        places = set(delivered(home))
        again = fetch_documents(home, provider)
    numbers = {document.number: document for document in documents}
    (new_commerce,) = set(numbers) - {"D030001AAA", "G999000001", "G999000002"}
    assert numbers["G999000001"].is_amendment
    assert f"lineitems/onetime/billinglineitems/{new_commerce}" in places
    assert f"usage/billed/{new_commerce}" in places
    assert "lineitems/office/billinglineitems/D030001AAA" in places
    assert [problem.split(" of ")[0] for problem in report.problems] == ["Invoice G999000002"]
    assert "the next run asks again" in report.problems[0]
    assert again.problems == report.problems
    assert not any("D030001AAA" in place for place in set(delivered(home)) - places)


def test_fan_out_keeps_the_order_and_stops_at_the_first_failure() -> None:
    assert [answer for _, answer in in_order(lambda one: one * 2, range(100))] == list(range(0, 200, 2))
    asked: list[int] = []

    def fail(one: int) -> int:
        asked.append(one)
        if one == 3:
            raise ValueError("three")
        return one

    with pytest.raises(ValueError, match="three"):
        list(in_order(fail, range(10_000)))
    assert len(asked) < 100
