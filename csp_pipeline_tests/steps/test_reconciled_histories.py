"""Random histories of seats, prices, credits and currencies: every difference has a cause, and its parts are exact."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from csp_pipeline.domain.calendar import first_day_of, last_day_of, month_of
from csp_pipeline.quality.identities import IDENTITIES, violations
from csp_pipeline.steps.drill_down import fill_drill_down
from csp_pipeline.steps.reconciliation import reconcile
from csp_pipeline_tests.steps.billing_case import Case, billing_case

if TYPE_CHECKING:
    from collections.abc import Iterator

MONTHS = ("2026-01", "2026-02", "2026-03")
ACCOUNTS = {"EUR": "A1", "USD": "A2"}
LINES = (
    "contract_line_id,account_id,customer_id,subscription_id,pricing_model,unit_price,currency,billing_timing,"
    "anchor_day,proration,starts_on,ends_on"
)
PRICE = Decimal("7.31")


@dataclass(frozen=True)
class SeatChange:
    """A change in the log, and whether the provider's lines have it: at once, from the next cycle on, or never."""

    day: int
    quantity: int
    known: str


@dataclass(frozen=True)
class History:
    """One subscription with its contract lines over the months."""

    currency: str
    seats: int
    changes: tuple[SeatChange, ...]
    price: Decimal
    new_price: tuple[int, Decimal] | None
    credit: tuple[int, bool] | None
    cancelled: int | None
    timing: str
    anchor_day: int
    proration: str


CHANGES = st.builds(
    SeatChange,
    day=st.integers(1, 85),
    quantity=st.integers(0, 30),
    known=st.sampled_from(("at once", "later", "never")),
)
PRICES = st.decimals("0.01", "99.99", places=2)
HISTORIES = st.builds(
    History,
    currency=st.sampled_from(tuple(ACCOUNTS)),
    seats=st.integers(1, 30),
    changes=st.lists(CHANGES, max_size=3, unique_by=lambda change: change.day).map(
        lambda found: tuple(sorted(found, key=lambda change: change.day))
    ),
    price=PRICES,
    new_price=st.none() | st.tuples(st.integers(1, 85), PRICES),
    credit=st.none() | st.tuples(st.integers(0, 2), st.booleans()),
    cancelled=st.none() | st.integers(1, 85),
    timing=st.sampled_from(("advance", "arrears")),
    anchor_day=st.sampled_from((1, 17)),
    proration=st.sampled_from(("daily", "none")),
)

IN_FULL = History(
    currency="EUR",
    seats=10,
    changes=(),
    price=Decimal(12),
    new_price=(14, Decimal(15)),
    credit=None,
    cancelled=None,
    timing="advance",
    anchor_day=1,
    proration="none",
)
"""A price that ends on 14 January; without proration the whole of January is charged by it."""

CANCELLED = replace(IN_FULL, new_price=(72, Decimal(15)), cancelled=74, proration="daily")
"""The provider's month stands on the former price, its cancellation on the new one."""


def write(case: Case, histories: list[History]) -> None:
    """Terms, change log and provider lines of all histories."""
    case.terms("accounts", "account_id,name,currency", "A1,Contoso,EUR", "A2,Fabrikam,USD")
    case.terms("account_tenants", "account_id,customer_id", "A1,c1", "A2,c2")
    rates = (f"{month},EUR,USD,1.0{number}37" for number, month in enumerate(MONTHS))
    case.terms("exchange_rates", "rate_month,from_currency,to_currency,rate", *rates)
    rows = [row for number, history in enumerate(histories) for row in contract_lines(number, history)]
    case.terms("contract_lines", LINES, *rows)
    for number, history in enumerate(histories):
        _write_log(case, number, history)
        for place, (start, end, quantity, kind) in enumerate(provider_lines(history)):
            _write_line(case, f"x{number}-{place}", number, history, start, end, quantity, kind)


def contract_lines(number: int, history: History) -> Iterator[str]:
    """One contract line, or two where the price changes."""
    changed_on = None if history.new_price is None else day_of(history.new_price[0])
    spans = [("a", history.price, date(2026, 1, 1), changed_on and changed_on - timedelta(days=1))]
    if history.new_price is not None:
        spans.append(("b", history.new_price[1], day_of(history.new_price[0]), None))
    for name, price, start, end in spans:
        yield (
            f"L{number}{name},{ACCOUNTS[history.currency]},{customer(history)},s{number},per_unit,{price},"
            f"{history.currency},{history.timing},{history.anchor_day},{history.proration},{start},{end or ''}"
        )


def provider_lines(history: History) -> Iterator[tuple[date, date, int, str]]:
    """First and last day, signed seats and charge type of the provider's lines, month by month."""
    quantity = history.seats
    waiting: int | None = None
    for month in MONTHS:
        quantity, waiting = (quantity if waiting is None else waiting), None
        end = last_day_of(month)
        ended = history.cancelled is not None and day_of(history.cancelled) <= first_day_of(month)
        if ended:
            return
        yield first_day_of(month), end, quantity, "cycleCharge"
        for change in history.changes:
            day = day_of(change.day)
            if month_of(day) != month or (history.cancelled is not None and change.day >= history.cancelled):
                continue
            if change.known == "at once":
                yield day, end, -quantity, "removeQuantity"
                yield day, end, change.quantity, "addQuantity"
                quantity = change.quantity
            elif change.known == "later":
                waiting = change.quantity
        if history.cancelled is not None and month_of(day_of(history.cancelled)) == month:
            yield day_of(history.cancelled), end, -quantity, "cancelImmediate"
    if history.credit is not None:
        month = MONTHS[history.credit[0]]
        yield first_day_of(month), last_day_of(month), 0, "customerCredit"


def day_of(number: int) -> date:
    """A day of the first quarter."""
    return date(2026, 1, 1) + timedelta(days=number)


def customer(history: History) -> str:
    """The tenant of a history's account."""
    return "c1" if history.currency == "EUR" else "c2"


def _write_log(case: Case, number: int, history: History) -> None:
    steps = [(date(2025, 12, 1), history.seats)]
    cancelled = 1000 if history.cancelled is None else history.cancelled
    steps += [(day_of(change.day), change.quantity) for change in history.changes if change.day < cancelled]
    steps += [] if history.cancelled is None else [(day_of(history.cancelled), 0)]
    before = 0
    for place, (day, after) in enumerate(steps):
        case.facts(
            "partner_center.subscription_changes",
            {
                "change_id": f"s{number}-{place}",
                "customer_id": customer(history),
                "subscription_id": f"s{number}",
                "changed_at": day.isoformat(),
                "quantity_before": before,
                "quantity_after": after,
                "source": "inbox",
            },
        )
        before = after


def _write_line(  # noqa: PLR0913, PLR0917  (a line's columns)
    case: Case, line_id: str, number: int, history: History, start: date, end: date, quantity: int, kind: str
) -> None:
    days, whole = (end - start).days + 1, end.day
    amount = Decimal(-5) if kind == "customerCredit" else round(PRICE * quantity * days / whole, 2)
    case.cost(
        line_id,
        str(amount),
        start.isoformat(),
        end.isoformat(),
        customer_id=customer(history),
        subscription_id=f"s{number}",
        billable_quantity=quantity,
        product_id="P1",
        sku_id="S1",
        charge_type=kind,
        unit_price=str(PRICE),
        billing_frequency="Monthly",
        credit_reason_code="service" if kind == "customerCredit" and (history.credit or (0, False))[1] else None,
    )


@settings(
    max_examples=2, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate]
)
@example([IN_FULL, CANCELLED])
@given(st.lists(HISTORIES, min_size=30, max_size=30))
def test_no_history_leaves_anything_unexplained_and_parts_sum_exactly(histories: list[History]) -> None:
    """And nothing counts as pending where the provider's lines have every change."""
    with TemporaryDirectory() as folder, billing_case(Path(folder)) as case:
        write(case, histories)
        case.draft(*MONTHS)
        reconcile(case.con, case.settings, MONTHS)
        unexplained = case.con.execute(
            """
            SELECT service_month, contract_line_id, amount, quantity
            FROM reconciliation.differences
            WHERE cause = 'unexplained'
            ORDER BY ALL
            """
        ).fetchall()
        assert unexplained == []
        pending = case.con.execute(
            "SELECT DISTINCT subscription_id FROM reconciliation.differences WHERE cause = 'timing'"
        ).fetchall()
        assert {int(subscription[1:]) for (subscription,) in pending} <= {
            number
            for number, history in enumerate(histories)
            if any(change.known != "at once" for change in history.changes)
        }
        fill_drill_down(case.con)
        for identity in IDENTITIES:
            if identity.table.startswith("reconciliation."):
                assert violations(case.con, identity) == []
