"""How fast a service is asked: never more than allowed in any minute, whatever the threads do."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csp_pipeline.sources.pace import Pace


class Time:
    """A clock that only sleeping moves forward."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def turns(pace: Pace, time: Time, pauses: list[float]) -> list[float]:
    taken = []
    for pause in pauses:
        time.now += pause
        pace.wait("customers")
        taken.append(time.now)
    return taken


@given(
    st.integers(1, 7),
    st.lists(st.floats(0, 40, allow_nan=False).map(lambda seconds: round(seconds, 3)), min_size=1, max_size=40),
)
def test_no_sixty_seconds_hold_more_requests_than_allowed(per_minute: int, pauses: list[float]) -> None:
    time = Time()
    taken = turns(Pace(per_minute, clock=time.clock, sleep=time.sleep), time, pauses)
    for start in taken:
        assert sum(start <= turn < start + 60 - 1e-6 for turn in taken) <= per_minute


def test_a_slow_caller_never_waits() -> None:
    time = Time()
    assert turns(Pace(2, clock=time.clock, sleep=time.sleep), time, [30.0] * 5) == [30.0, 60.0, 90.0, 120.0, 150.0]


def test_resources_do_not_wait_for_each_other() -> None:
    time = Time()
    pace = Pace(1, clock=time.clock, sleep=time.sleep)
    for resource in ("customers", "subscriptions", "orders"):
        pace.wait(resource)
    assert time.now == 0.0
    pace.wait("orders")
    assert time.now == 60.0


def test_a_pause_that_the_service_asked_for_holds_everybody_back() -> None:
    time = Time()
    pace = Pace(clock=time.clock, sleep=time.sleep)
    pace.hold("orders", 20.0)
    pace.hold("orders", 5.0)
    pace.wait("customers")
    assert time.now == 0.0
    pace.wait("orders")
    assert time.now == 20.0


def test_a_pause_that_is_asked_for_holds_those_back_who_wait_for_their_turn_already() -> None:
    time = Time()

    def sleep(seconds: float) -> None:
        if not time.now:
            pace.hold("orders", 90.0)
        time.sleep(seconds)

    pace = Pace(1, clock=time.clock, sleep=sleep)
    pace.wait("orders")
    pace.wait("orders")
    assert time.now == 90.0


def test_threads_share_the_allowance() -> None:
    slept: list[float] = []
    lock = threading.Lock()

    def sleep(seconds: float) -> None:
        with lock:
            slept.append(seconds)

    pace = Pace(50, clock=lambda: 0.0, sleep=sleep)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: pace.wait("invoices"), range(150)))
    assert sorted(slept) == [60.0] * 50 + [120.0] * 50


def test_a_pace_without_requests_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Pace(0)
