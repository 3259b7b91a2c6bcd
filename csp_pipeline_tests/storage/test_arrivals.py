"""Arrivals: a delivery survives a kill, counts only once complete, and is known by its origin."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.errors import InputFileError
from csp_pipeline.storage.arrivals import Origin, forget_arrivals, known_origins, open_delivery, read_arrivals
from csp_pipeline.storage.landing import ListedDelivery, file_path, read_scans, write_scan

if TYPE_CHECKING:
    from csp_pipeline.storage.home import Home

CUSTOMERS = Origin("partner-center", "customers", snapshot_on=date(2026, 11, 20))
USAGE = Origin("graph", "usage/billed", "G1", version="tag1", version_at=datetime(2026, 11, 7, 3, 4, 5, tzinfo=UTC))


def test_an_unfinished_delivery_goes_on_where_it_stopped(home: Home) -> None:
    first = open_delivery(home, USAGE)
    landed = first.take("a.json.gz", io.BytesIO(b"one"))
    again = open_delivery(home, USAGE)
    assert (again.number, again.taken("a.json.gz"), again.taken("b.json.gz")) == (first.number, landed, None)
    assert open_delivery(home, CUSTOMERS).number == first.number + 1
    assert read_arrivals(home) == []


def test_a_delivery_that_was_withdrawn_was_never_opened(home: Home) -> None:
    open_delivery(home, USAGE).withdraw()
    assert list((home.landing / "deliveries").iterdir()) == []
    assert known_origins(home, "usage/billed") == []


def test_a_file_whose_bytes_are_gone_has_to_be_taken_again(home: Home) -> None:
    delivery = open_delivery(home, USAGE)
    landed = delivery.take("a.json.gz", io.BytesIO(b"one"))
    file_path(home, landed.sha256).unlink()
    assert delivery.taken("a.json.gz") is None


def test_a_complete_delivery_is_an_arrival_with_its_bytes_and_origin(home: Home) -> None:
    delivery = open_delivery(home, USAGE)
    delivery.take("b", io.BytesIO(b"two"))
    delivery.take("a", io.BytesIO(b"damaged"))
    delivery.take("a", io.BytesIO(b"one"))
    delivery.complete()
    (arrival,) = read_arrivals(home)
    assert (arrival.origin, arrival.number, arrival.files) == (USAGE, delivery.number, delivery.files)
    assert [file.name for file in arrival.files] == ["usage/billed/G1/a", "usage/billed/G1/b"]
    assert [file_path(home, file.sha256).read_bytes() for file in arrival.files] == [b"one", b"two"]
    assert {file.origin for file in arrival.files} == {USAGE}


def test_an_arrival_that_a_manifest_lists_is_none_and_its_number_is_not_used_again(home: Home) -> None:
    delivery = open_delivery(home, USAGE)
    delivery.complete()
    write_scan(home, 1, [], [ListedDelivery(delivery.number, USAGE)])
    assert read_arrivals(home) == []
    assert known_origins(home, "usage/billed") == [USAGE]
    forget_arrivals(home, [delivery.number])
    assert list((home.landing / "deliveries").iterdir()) == []
    assert known_origins(home, "usage/billed") == [USAGE]
    assert open_delivery(home, USAGE).number == delivery.number + 1
    assert read_scans(home)[0].deliveries == (ListedDelivery(delivery.number, USAGE),)


def test_origins_are_known_by_resource_once_complete_oldest_first(home: Home) -> None:
    later = Origin("graph", "usage/billed", "G1", version="tag2", version_at=datetime(2026, 11, 9, tzinfo=UTC))
    for origin in (USAGE, CUSTOMERS, later):
        open_delivery(home, origin).complete()
    open_delivery(home, Origin("graph", "usage/billed", "G2"))
    assert known_origins(home, "usage/billed") == [USAGE, later]
    assert known_origins(home, "invoices") == []


def test_origins_of_the_same_moment_are_the_same_whatever_their_zone() -> None:
    moment = datetime(2026, 11, 7, 3, 4, 5)  # noqa: DTZ001  (no zone is the case)
    for zone in (None, UTC, timezone(timedelta(hours=0))):
        assert Origin("graph", "usage/billed", "G1", version="tag1", version_at=moment.replace(tzinfo=zone)) == USAGE


def test_a_stream_longer_than_stated_is_refused_and_leaves_nothing(home: Home) -> None:
    delivery = open_delivery(home, USAGE)
    with pytest.raises(InputFileError, match="longer than the 3 bytes"):
        delivery.take("a", io.BytesIO(b"four"), at_most=3)
    assert delivery.files == ()
    assert list((home.landing / "files").iterdir()) == []


def test_threads_deliver_side_by_side_without_losing_a_file(home: Home) -> None:
    delivery = open_delivery(home, CUSTOMERS)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: delivery.take(f"{number:02d}", io.BytesIO(b"%d" % number)), range(16)))
        opened = list(pool.map(lambda scope: open_delivery(home, Origin("graph", "x", str(scope))).number, range(8)))
    assert len(open_delivery(home, CUSTOMERS).files) == 16
    assert len(set(opened)) == 8
