"""Random arrangements: tiers, years, cost-plus, currencies with rates missing or inverse, restated documents, refunds.

Beside the histories of `test_reconciled_histories`: whatever was agreed and whatever came later, every difference has a
cause, its parts are exact, and only what the last document cannot have yet is `timing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from csp_pipeline.domain.calendar import first_day_of, last_day_of, month_of
from csp_pipeline.quality.identities import IDENTITIES, violations
from csp_pipeline.steps.drill_down import fill_drill_down
from csp_pipeline.steps.reconciliation import reconcile
from csp_pipeline_tests.steps.billing_case import Case, billing_case
from csp_pipeline_tests.steps.issuing_case import issue_month
from csp_pipeline_tests.steps.test_reconciled_histories import ACCOUNTS, CHANGES, MONTHS, SeatChange, day_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LINES = (
    "contract_line_id,account_id,customer_id,subscription_id,pricing_model,unit_price,markup_percent,discount_percent,"
    "discount_ends_on,currency,billing_cycle,billing_timing,anchor_day,starts_on,ends_on,trial_ends_on"
)
TIERS = "contract_line_id,from_quantity,unit_price,flat_amount,package_size"
PRICE = Decimal("7.31")
YEAR_END = date(2026, 12, 31)


@dataclass(frozen=True)
class Arrangement:
    """One subscription: what was agreed, what happened, and what the provider says later about January.

    Attributes:
        model: our pricing model.
        is_year: the provider charges a year at once.
        cost_currency: of its documents.
        late: a change in January that both sides learn of after January was issued, or None.
        restated: January's document comes again with another price.
    """

    account_currency: str
    cost_currency: str
    model: str
    seats: int
    changes: tuple[SeatChange, ...]
    is_year: bool
    billing_cycle: str
    billing_timing: str
    anchor_day: int
    discount: tuple[int, int | None]
    starts: int
    ends: int | None
    trial: int | None
    cancelled: int | None
    late: tuple[int, int] | None
    restated: Decimal | None


ARRANGEMENTS = st.builds(
    Arrangement,
    account_currency=st.sampled_from(tuple(ACCOUNTS)),
    cost_currency=st.sampled_from(("EUR", "USD", "GBP")),
    model=st.sampled_from(("per_unit", "graduated", "volume", "package", "cost_plus", "flat")),
    seats=st.integers(1, 30),
    changes=st.lists(CHANGES, max_size=3, unique_by=lambda change: change.day).map(
        lambda found: tuple(sorted(found, key=lambda change: change.day))
    ),
    is_year=st.booleans(),
    billing_cycle=st.sampled_from(("monthly", "quarterly", "annual")),
    billing_timing=st.sampled_from(("advance", "arrears")),
    anchor_day=st.sampled_from((1, 17, 31)),
    discount=st.tuples(st.sampled_from((0, 10, 33)), st.none() | st.integers(1, 85)),
    starts=st.sampled_from((-40, 0, 0, 0, 9, 40)),
    ends=st.none() | st.integers(41, 89),
    trial=st.none() | st.integers(10, 60),
    cancelled=st.none() | st.integers(1, 85),
    late=st.none() | st.tuples(st.integers(1, 29), st.integers(0, 30)),
    restated=st.none() | st.decimals("0.50", "20", places=2),
)


def contract_line(number: int, arranged: Arrangement) -> str:
    """The contract line; cost-plus by calendar month, the others as arranged."""
    is_plus = arranged.model == "cost_plus"
    price = {"per_unit": "9.99", "flat": "123.45"}.get(arranged.model, "")
    percent, discount_ends = arranged.discount
    cycle = "" if is_plus else arranged.billing_cycle
    timing = "" if is_plus else arranged.billing_timing
    anchor = "" if is_plus else arranged.anchor_day
    ends = "" if arranged.ends is None else day_of(arranged.ends)
    trial = "" if arranged.trial is None or arranged.starts >= arranged.trial else day_of(arranged.trial)
    return (
        f"L{number},{ACCOUNTS[arranged.account_currency]},{customer(arranged)},s{number},{arranged.model},{price},"
        f"{10 if is_plus else ''},{percent or ''},{'' if discount_ends is None else day_of(discount_ends)},"
        f"{arranged.account_currency},{cycle},{timing},{anchor},{day_of(arranged.starts)},{ends},{trial}"
    )


def tiers(number: int, arranged: Arrangement) -> Iterator[str]:
    """Two tiers where the model has them."""
    if arranged.model in {"graduated", "volume"}:
        yield f"L{number},0,9.99,,"
        yield f"L{number},10,8.05,3.50,"
    if arranged.model == "package":
        yield f"L{number},0,40,,5"


def customer(arranged: Arrangement) -> str:
    """The tenant of the account."""
    return "c1" if arranged.account_currency == "EUR" else "c2"


def provider_lines(
    arranged: Arrangement, changes: Sequence[SeatChange]
) -> Iterator[tuple[str, date, date, int, str, bool]]:
    """Billing month, first and last day, signed seats, charge type and whether it is of a year."""
    if not arranged.is_year:
        for month in MONTHS:
            yield from _charged(arranged, changes, month, first_day_of(month), last_day_of(month), is_year=False)
        return
    yield from _charged(arranged, changes, MONTHS[0], date(2026, 1, 1), YEAR_END, is_year=True)


def _charged(  # noqa: PLR0913  (a charge's columns)
    arranged: Arrangement, changes: Sequence[SeatChange], month: str, start: date, end: date, *, is_year: bool
) -> Iterator[tuple[str, date, date, int, str, bool]]:
    cancelled = None if arranged.cancelled is None else day_of(arranged.cancelled)
    if cancelled is not None and cancelled <= start:
        return
    quantity = arranged.seats
    for change in changes:
        day = day_of(change.day)
        if day < start and change.known != "never":
            quantity = change.quantity
    yield month, start, end, quantity, "cycleCharge", is_year
    for change in changes:
        day = day_of(change.day)
        if start <= day <= end and change.known == "at once" and (cancelled is None or day < cancelled):
            yield month_of(day), day, end, -quantity, "removeQuantity", is_year
            yield month_of(day), day, end, change.quantity, "addQuantity", is_year
            quantity = change.quantity
    if cancelled is not None and start < cancelled <= end:
        yield month_of(cancelled), cancelled, end, -quantity, "cancelImmediate", is_year


def facts(case: Case, arrangements: Sequence[Arrangement], *, is_later: bool) -> None:
    """The change log and the provider's lines, as known when January is issued, or when everything is."""
    case.con.execute("DELETE FROM partner_center.subscription_changes")
    case.con.execute("DELETE FROM cost.invoice_lines")
    for number, arranged in enumerate(arrangements):
        changes = list(arranged.changes)
        if is_later and arranged.late is not None:
            day, quantity = arranged.late
            changes = [change for change in changes if change.day != day] + [SeatChange(day, quantity, "at once")]
            changes.sort(key=lambda change: change.day)
        _log(case, number, arranged, changes)
        price = arranged.restated if is_later and arranged.restated is not None else PRICE
        for place, line in enumerate(provider_lines(arranged, changes)):
            _provide(case, f"x{number}-{place}", number, arranged, line, price if line[0] == MONTHS[0] else PRICE)


def _log(case: Case, number: int, arranged: Arrangement, changes: Sequence[SeatChange]) -> None:
    cancelled = 1000 if arranged.cancelled is None else arranged.cancelled
    steps = [(date(2025, 11, 1), arranged.seats)]
    steps += [(day_of(change.day), change.quantity) for change in changes if change.day < cancelled]
    steps += [] if arranged.cancelled is None else [(day_of(arranged.cancelled), 0)]
    before = 0
    for place, (day, after) in enumerate(steps):
        row = {
            "change_id": f"s{number}-{place}",
            "customer_id": customer(arranged),
            "subscription_id": f"s{number}",
            "changed_at": day.isoformat(),
            "quantity_before": before,
            "quantity_after": after,
            "source": "inbox",
        }
        case.facts("partner_center.subscription_changes", row)
        before = after


def _provide(  # noqa: PLR0913, PLR0917  (a line's columns)
    case: Case,
    line_id: str,
    number: int,
    arranged: Arrangement,
    line: tuple[str, date, date, int, str, bool],
    price: Decimal,
) -> None:
    month, start, end, quantity, kind, is_year = line
    whole, price = (365, 12 * price) if is_year else (last_day_of(month_of(start)).day, price)
    amount = round(price * quantity * ((end - start).days + 1) / whole, 2)
    row: dict[str, Any] = {
        "customer_id": customer(arranged),
        "subscription_id": f"s{number}",
        "billable_quantity": quantity,
        "product_id": "P1",
        "sku_id": "S1",
        "charge_type": kind,
        "unit_price": str(price),
        "billing_frequency": "Annual" if is_year else "Monthly",
        "subscription_starts_on": "2026-01-01",
        "currency": arranged.cost_currency,
        "billing_month": month,
        "invoice_number": f"G-{month}-{arranged.cost_currency}",
    }
    case.cost(line_id, str(amount), start.isoformat(), end.isoformat(), **row)


def write_terms(case: Case, arrangements: Sequence[Arrangement]) -> None:
    """Accounts in EUR and USD; USD to EUR direct, GBP to EUR inverse and not in February, GBP to USD never."""
    case.terms("accounts", "account_id,name,currency", "A1,Contoso,EUR", "A2,Fabrikam,USD")
    case.terms("account_tenants", "account_id,customer_id", "A1,c1", "A2,c2")
    rates = [f"{month},USD,EUR,0.9{number}37" for number, month in enumerate(MONTHS)]
    rates += [f"{month},EUR,GBP,0.8{number}11" for number, month in enumerate(MONTHS) if month != MONTHS[1]]
    case.terms("exchange_rates", "rate_month,from_currency,to_currency,rate", *rates)
    case.terms("contract_lines", LINES, *(contract_line(number, one) for number, one in enumerate(arrangements)))
    case.terms("price_tiers", TIERS, *(row for number, one in enumerate(arrangements) for row in tiers(number, one)))


def reconciled(arrangements: Sequence[Arrangement], *, is_issued: bool) -> None:
    """Draft, issue January if asked for, learn more, draft again, reconcile; then look at the causes."""
    with TemporaryDirectory() as folder, billing_case(Path(folder)) as case:
        write_terms(case, arrangements)
        if is_issued:
            facts(case, arrangements, is_later=False)
            case.draft(MONTHS[0])
            issue_month(case, MONTHS[0])
        facts(case, arrangements, is_later=True)
        case.draft(*MONTHS)
        reconcile(case.con, case.settings, MONTHS)
        unexplained = case.con.execute(
            "SELECT service_month, contract_line_id, amount, quantity FROM reconciliation.differences "
            "WHERE cause = 'unexplained' ORDER BY ALL"
        ).fetchall()
        assert [(*row, arrangements[int(row[1][1:])]) for row in unexplained] == []
        pending = case.con.execute(
            "SELECT contract_line_id, service_month, expected_on_month FROM reconciliation.differences "
            "WHERE cause = 'timing'"
        ).fetchall()
        for contract_line_id, month, expected_on_month in pending:
            arranged = arrangements[int(contract_line_id[1:])]
            assert (month >= MONTHS[-1], expected_on_month) == (True, "2026-04"), (month, arranged)
            assert any(change.known != "at once" for change in arranged.changes), arranged
        fill_drill_down(case.con)
        for identity in IDENTITIES:
            if identity.table.startswith("reconciliation."):
                assert violations(case.con, identity) == []


ENDED_TIERS = Arrangement(
    account_currency="EUR",
    cost_currency="USD",
    model="graduated",
    seats=18,
    changes=(SeatChange(35, 0, "later"), SeatChange(37, 16, "never"), SeatChange(44, 14, "never")),
    is_year=False,
    billing_cycle="annual",
    billing_timing="arrears",
    anchor_day=17,
    discount=(0, None),
    starts=0,
    ends=78,
    trial=None,
    cancelled=None,
    late=None,
    restated=Decimal("2.58"),
)
"""Fourteen tiered seats until 20 March that the provider no longer charges: at the month's end neither side has any."""
LOOSE: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "phases": [Phase.explicit, Phase.generate],
}


@settings(max_examples=1, **LOOSE)
@example(arrangements=[ENDED_TIERS], is_issued=True)
@given(arrangements=st.lists(ARRANGEMENTS, min_size=40, max_size=40), is_issued=st.booleans())
def test_no_arrangement_leaves_anything_unexplained_nor_a_wrong_timing(
    *, arrangements: list[Arrangement], is_issued: bool
) -> None:
    reconciled(arrangements, is_issued=is_issued)


@pytest.mark.long
@settings(max_examples=40, **LOOSE)
@given(arrangements=st.lists(ARRANGEMENTS, min_size=60, max_size=60), is_issued=st.booleans())
def test_no_arrangement_of_many_does(*, arrangements: list[Arrangement], is_issued: bool) -> None:
    reconciled(arrangements, is_issued=is_issued)
