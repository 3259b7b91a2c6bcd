"""Rows of contract lines with seats: a month after the last document is taken as a whole, to the same parts."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from hypothesis import assume, event, given
from hypothesis import strategies as st

from csp_pipeline.domain.books import documents_of
from csp_pipeline.domain.difference_facts import OwnCycle, RevenueLine
from csp_pipeline.domain.reconciled import finish
from csp_pipeline.domain.revenue_vs_cost import MICROSOFT, collect_rows
from csp_pipeline.domain.seat_rows import explained_by_days, lacks_every_document
from csp_pipeline.domain.tiers import PriceTiers, Tier
from csp_pipeline_tests.domain.reconciled_case import books, contract, piece

if TYPE_CHECKING:
    from csp_pipeline.domain.books import Books, Finished

OCTOBER, FIRST, LAST = "2026-10", date(2026, 10, 1), date(2026, 10, 31)
DAYS = st.dates(date(2026, 8, 15), LAST)
LINES = st.lists(
    st.builds(
        lambda number, kind, start, days, quantity, cents: RevenueLine(
            f"doc:{number}", kind, start, start + timedelta(days), Decimal(quantity), cents * 10**8
        ),
        st.integers(1, 99),
        st.sampled_from(("recurring", "change", "refund", "correction", "discount", "minimum")),
        DAYS,
        st.integers(0, 60),
        st.integers(-9, 9),
        st.integers(-99_999, 99_999),
    ),
    min_size=1,
    max_size=5,
).filter(lambda lines: any(line.end >= FIRST for line in lines))
PRICED = (
    {"pricing_model": "per_unit"},
    {"pricing_model": "flat"},
    {"pricing_model": "graduated", "tiers": PriceTiers("graduated", (Tier(Decimal(0), Decimal(9), Decimal(5)),))},
)
CONTRACTS = st.builds(
    lambda starts_on, ends_on, free_days, is_prorated, priced: contract(
        starts_on=starts_on,
        ends_on=ends_on,
        charges_start_on=starts_on + timedelta(free_days),
        is_prorated=is_prorated,
        **priced,
    ),
    DAYS,
    st.none() | st.dates(date(2026, 9, 1), LAST),
    st.sampled_from((0, 20, 60)),
    st.booleans(),
    st.sampled_from(PRICED),
)
CYCLES = st.sampled_from(
    (
        [],
        [OwnCycle(date(2026, 10, 1), LAST, "2026-09", False, 31)],
        [OwnCycle(date(2026, 9, 17), date(2026, 10, 16), "2026-10", True, 30)],
    )
)
CHANGES = st.lists(st.tuples(DAYS, st.integers(0, 9), st.integers(0, 9)), max_size=3).map(
    lambda found: [(str(day), day, Decimal(before), Decimal(after)) for day, before, after in sorted(found)]
)
LOADED = st.sampled_from(({}, *({(MICROSOFT, "EUR"): ("2026-07", last)} for last in ("2026-08", "2026-09", "2026-10"))))


FACTS = st.builds(
    lambda terms, cycles, changes, loaded, billing_starts_on, earlier: books(
        contracts={"L1": terms},
        cycles={"L1": cycles},
        changes={("c1", "s1"): changes},
        loaded=loaded,
        billing_starts_on=billing_starts_on,
        contract_pieces={"L1": earlier},
    ),
    CONTRACTS,
    CYCLES,
    CHANGES,
    LOADED,
    st.sampled_from((date(2026, 7, 1), date(2026, 10, 9))),
    st.sampled_from(([], [piece("september")])),
)


def october(lines: list[RevenueLine], facts: Books) -> Finished:
    charges = [("A1", "L1", "EUR", line) for line in lines]
    rows = collect_rows([], charges, facts.contracts, {"A1": "EUR"}, facts.rates)
    return finish(next(row for key, row in rows.items() if key.service_month == OCTOBER), facts)[0]


def lacks_document(done: Finished, facts: Books) -> bool:
    terms = facts.contracts["L1"]
    return lacks_every_document(done, terms, documents_of(terms, done, facts), facts)


@given(LINES, FACTS)
def test_a_month_without_any_document_has_the_parts_that_a_comparison_by_days_finds(
    lines: list[RevenueLine], facts: Books
) -> None:
    done, terms = october(lines, facts), facts.contracts["L1"]
    assume(done.difference or done.quantity_difference)
    event("without any document" if lacks_document(done, facts) else "compared by days")
    assert done.parts == explained_by_days(done, terms, [], documents_of(terms, done, facts), facts)


def test_a_change_that_the_provider_has_yet_to_bill_is_looked_for() -> None:
    """Two seats bought on 20 September, after the provider's bill: in October they are timing, not only period."""
    bought = [("change-1", date(2026, 9, 20), Decimal(0), Decimal(2))]
    facts = books(changes={("c1", "s1"): bought})
    line = RevenueLine("doc:1", "recurring", date(2026, 10, 1), LAST, Decimal(2), 24 * 10**10)
    done = october([line], facts)
    assert not lacks_document(done, facts)
    assert [part.cause for part in done.parts] == ["timing", "period"]


def test_a_successor_on_another_row_is_looked_for() -> None:
    facts = books(successors={"L1": [("s2", "link-1")]})
    line = RevenueLine("doc:1", "recurring", date(2026, 10, 1), LAST, Decimal(2), 24 * 10**10)
    assert not lacks_document(october([line], facts), facts)
