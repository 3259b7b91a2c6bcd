"""What BI reads of provisioning, against numbers counted by hand: performance, agreement gaps, reported problems."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from csp_pipeline.domain.provisioning import ChangeRequest, Finding
from csp_pipeline.domain.provisioning_gates import Hold
from csp_pipeline.domain.provisioning_records import intent_record, outcome_record, request_record, waiting_record
from csp_pipeline.settings import Settings
from csp_pipeline.steps.journal import Journal
from csp_pipeline.steps.provisioning_tables import build_provisioning
from csp_pipeline_tests.steps.provisioning_case import open_warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from csp_pipeline.storage.home import Home

NOW = datetime(2026, 10, 5, 12)  # noqa: DTZ001  (UTC without zone, as everywhere)
A, B = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
SECONDS, MINUTES = timedelta(seconds=1), timedelta(minutes=1)
REFUSED = Finding("failed", "answer", "Too many seats.", "800067", "business_rule")
BROKEN = Finding("failed", "answer", "It did not work.", "800094", "technical")
DONE = Finding("succeeded", "provisioning_status", "Done.")


class Tables:
    """A warehouse whose rows and a ledger whose records a test writes."""

    def __init__(self, con: duckdb.DuckDBPyConnection, home: Home) -> None:
        self.con, self.home = con, home
        self.journal = Journal(home, lambda: NOW)

    def add(self, table: str, **values: Any) -> None:  # noqa: ANN401  (cells)
        """A row; what it does not say is NULL."""
        cells = ", ".join(f"${name} AS {name}" for name in values)
        self.con.execute(f"INSERT INTO {table} BY NAME SELECT {cells}", values)

    def ask(
        self, request_id: str, customer_id: str = A, operation: str = "change_quantity", **others: object
    ) -> ChangeRequest:
        """A request of an hour ago in the commercial terms."""
        asked = ChangeRequest(
            **{
                "request_id": request_id,
                "account_id": None,
                "customer_id": customer_id,
                "subscription_id": f"subscription of {request_id}",
                "requested_at": NOW - 60 * MINUTES,
                "requested_by": None,
                "channel": "portal",
                "operation": operation,
                "new_quantity": Decimal(5),
                **others,
            }
        )
        row = {name: value for name, value in request_record(asked).items() if name != "type"}
        self.add("reference.license_change_requests", **row)
        return asked

    def sent(
        self, asked: ChangeRequest, after: timedelta, finding: Finding | None, took: timedelta = 10 * SECONDS
    ) -> None:
        """The ledger's word that a request was sent some time after it was asked for, and how it ended."""
        assert asked.requested_at is not None
        at = asked.requested_at + after
        self.journal.note(intent_record(asked, "partner_center", f"id of {asked.request_id}", 3, "v1", at))
        if finding is not None:
            self.journal.note(outcome_record(asked.request_id, finding, at + took))

    def rows(self, select: str) -> list[tuple[Any, ...]]:
        """What a SELECT says after the schema was filled."""
        self.journal.commit()
        settings = Settings(_env_file=None, home_path=self.home.root, source="sandbox")
        build_provisioning(self.con, settings, NOW)
        return self.con.execute(select).fetchall()


@pytest.fixture
def tables(home: Home) -> Iterator[Tables]:
    con = open_warehouse()
    con.execute(
        "CREATE TEMP TABLE staged_audit_records (customer_id VARCHAR, operation_date TIMESTAMP, "
        "operation_type VARCHAR, operation_status VARCHAR, resource_new_value VARCHAR, resource_old_value VARCHAR)"
    )
    yield Tables(con, home)
    con.close()


PERFORMANCE = """
SELECT
    requests, succeeded, failed, failed_technical, waiting, pending, cancelled, success_percent, median_seconds,
    longest_seconds, median_sent_seconds
FROM provisioning.performance
WHERE customer_id = '{}' AND operation = '{}'
"""


def test_success_and_time_are_counted_by_customer_and_operation(tables: Tables) -> None:
    # asked at 11:00; sent after 50 s, 290 s and an hour less 20 s, each done 10, 10 and 20 s later
    for number, (after, took) in enumerate(((50, 10), (290, 10), (3580, 20))):
        tables.sent(tables.ask(f"S-{number}"), after * SECONDS, DONE, took * SECONDS)
    tables.sent(tables.ask("F-1"), MINUTES, REFUSED)
    tables.sent(tables.ask("F-2"), MINUTES, BROKEN)
    tables.sent(tables.ask("P-1"), MINUTES, None)
    held = Hold("credit_hold", "On hold.", "Settle it.")
    tables.journal.note(waiting_record(tables.ask("W-1").request_id, held, NOW))
    cancelled = {"type": "decision", "request_id": tables.ask("C-1").request_id, "decision": "cancel", "by": "somebody"}
    tables.journal.note({**cancelled, "at": NOW.isoformat()})
    tables.sent(tables.ask("S-9", operation="cancel", new_quantity=None), 5 * MINUTES, DONE)
    tables.sent(tables.ask("S-8", B), 2 * MINUTES, DONE)
    # 60, 300 and 3600 seconds: the middle one is 300; 3 of 5 is 60 %; what a person cancelled counts on neither side
    counted = (8, 3, 2, 1, 1, 1, 1, Decimal("60.0000"), 300, 3600, 10)
    assert tables.rows(PERFORMANCE.format(A, "change_quantity")) == [counted]
    assert tables.rows(PERFORMANCE.format(A, "cancel")) == [(1, 1, 0, 0, 0, 0, 0, Decimal("100.0000"), 310, 310, 10)]
    assert tables.rows(PERFORMANCE.format(B, "change_quantity"))[0][:3] == (1, 1, 0)


@pytest.mark.parametrize(
    ("done", "failed", "percent"),
    [(1, 2, "33.3333"), (2, 1, "66.6667"), (0, 1, "0.0000"), (1, 6, "14.2857"), (1, 31, "3.1250"), (2, 13, "13.3333")],
)
def test_the_share_is_rounded_half_up_to_four_decimals(tables: Tables, done: int, failed: int, percent: str) -> None:
    for number in range(done + failed):
        tables.sent(tables.ask(f"R-{number}"), MINUTES, DONE if number < done else REFUSED)
    assert tables.rows("SELECT success_percent FROM provisioning.performance") == [(Decimal(percent),)]


def test_without_an_outcome_there_is_no_share_and_of_two_times_the_lower_is_the_median(tables: Tables) -> None:
    tables.sent(tables.ask("P-1", B), MINUTES, None)
    for number, after in enumerate((50, 290)):
        tables.sent(tables.ask(f"S-{number}"), after * SECONDS, DONE)
    select = "SELECT success_percent, median_seconds FROM provisioning.performance ORDER BY customer_id"
    assert tables.rows(select) == [(Decimal(100), 60), (None, None)]


def test_a_customer_written_in_another_case_or_with_a_prefix_is_the_same_customer(tables: Tables) -> None:
    tables.sent(tables.ask("S-1"), MINUTES, DONE)
    tables.sent(tables.ask("S-2", f"org:{A.upper()}"), MINUTES, DONE)
    assert tables.rows("SELECT requests FROM provisioning.performance") == [(2,)]


def test_agreement_gaps_tell_who_has_none_and_what_that_blocks(tables: Tables) -> None:
    names = {A: "Adatum", B: "Blue Yonder", "c": "Contoso", "d": "Fabrikam", "e": "Litware"}
    for customer_id, name in names.items():
        signed = "2026-01-02" if customer_id == "e" else None
        tables.add("partner_center.customers", customer_id=customer_id, name=name, mca_accepted_on=signed)
        tables.add("reference.account_tenants", account_id=f"A-{name}", customer_id=customer_id)
    for customer_id, confirmed in ((B, False), ("c", True)):
        tables.add(
            "reference.agreement_acceptances",
            customer_id=customer_id,
            first_name="Ada",
            last_name="Example",
            email="ada@example.com",
            accepted_at=NOW - timedelta(days=3),
            confirmed=confirmed,
        )
    for subscription_id, status in (("1", "active"), ("2", "Active"), ("3", "deleted")):
        tables.add("partner_center.subscriptions", customer_id=A, subscription_id=subscription_id, status=status)
    for number, quantity in ((1, 5), (2, 7)):
        asked = tables.ask(f"W-{number}", requested_at=NOW - number * 60 * MINUTES, new_quantity=Decimal(quantity))
        held = Hold("agreement_missing", "Not accepted.", "Have it accepted.")
        tables.journal.note(waiting_record(asked.request_id, held, NOW))
    tables.journal.note(
        {"type": "attestation", "customer_id": "D", "content": "", "request_id": "", "is_accepted": True}
    )
    gaps = """
        SELECT name, account_id, acceptance, active_subscriptions, blocked_requests, blocked_quantity, first_blocked_at
        FROM provisioning.agreement_gaps ORDER BY name
    """
    assert tables.rows(gaps) == [
        ("Adatum", "A-Adatum", "missing", 2, 2, 12, NOW - 120 * MINUTES),
        ("Blue Yonder", "A-Blue Yonder", "to_confirm", 0, 0, 0, None),
        ("Contoso", "A-Contoso", "to_attest", 0, 0, 0, None),
    ]


@pytest.mark.parametrize(
    ("line", "price", "target"),
    [
        ({"product_id": "P", "sku_id": "1", "unit_price": "12.5"}, Decimal("62.5"), "partner_center"),
        ({"product_id": "P", "unit_price": "3", "cost_source": "distributor"}, Decimal(15), "distributor"),
        ({"product_id": "P", "sku_id": "2", "unit_price": "12.5"}, None, "partner_center"),
        ({"product_id": "P", "sku_id": "1", "unit_price": "12.5", "subscription_id": "s"}, None, "partner_center"),
    ],
)
def test_a_purchase_is_worth_what_the_line_for_its_product_says_and_goes_to_whom_that_names(
    tables: Tables, line: dict[str, str], price: Decimal | None, target: str
) -> None:
    tables.add("reference.contract_lines", contract_line_id="C", customer_id=A, currency="EUR", **line)
    tables.ask("R-1", operation="purchase", subscription_id=None, product_id="p", sku_id="1")
    assert tables.rows("SELECT price_affected_amount, target FROM provisioning.requests") == [(price, target)]


REPORTED = "SELECT code, outcome, failure_class, operation, source FROM provisioning.reported_problems ORDER BY ALL"
ALERTED = "SELECT subscription_id, code FROM provisioning.events WHERE request_id IS NULL ORDER BY ALL"


def told(
    tables: Tables, status: str, *, subscription_id: str = "s", asked: int = 5, have: int = 5, **others: object
) -> None:
    """A status of provisioning that a snapshot of today tells."""
    row = {"subject": "subscription", "customer_id": A, "subscription_id": subscription_id, "status": status}
    row |= {"quantity_requested": asked, "quantity_provisioned": have, "snapshot_on": NOW.date(), **others}
    tables.add("partner_center.provisioning", **row)


@pytest.mark.parametrize(
    ("status", "have", "changed_days_ago", "found"),
    [
        ("success", 5, 9, []),
        ("success", 4, 9, [("quantity_differs", "failed", "technical", "change_quantity", "provisioning_status")]),
        ("success", 4, 1, [("quantity_differs", "pending", None, "change_quantity", "provisioning_status")]),
        ("pending", 5, 0, [("pending_too_long", "pending", None, "change_quantity", "provisioning_status")]),
        ("pending", 5, 2, [("pending_too_long", "failed", "technical", "change_quantity", "provisioning_status")]),
        ("failed", 5, 0, [("not_provisioned", "failed", "business_rule", "change_quantity", "provisioning_status")]),
    ],
)
def test_a_status_is_a_problem_when_it_failed_or_is_older_than_a_day(
    tables: Tables, status: str, have: int, changed_days_ago: int, found: list[tuple[str | None, ...]]
) -> None:
    changed_at = NOW - timedelta(days=changed_days_ago)
    tables.add("partner_center.subscription_changes", customer_id=A, subscription_id="s", changed_at=changed_at)
    told(tables, status, have=have)
    assert tables.rows(REPORTED) == found


@pytest.mark.parametrize(
    ("status", "ordered_days_ago", "found"),
    [
        ("fulfilled", 9, []),
        ("prefulfillmentpending", 0, [("pending_too_long", "pending")]),
        ("prefulfillmentpending", 2, [("pending_too_long", "failed")]),
        ("unfulfilled", 0, [("not_provisioned", "failed")]),
    ],
)
def test_a_line_of_an_order_is_judged_by_the_day_of_its_order(
    tables: Tables, status: str, ordered_days_ago: int, found: list[tuple[str, str]]
) -> None:
    ordered_at = NOW - timedelta(days=ordered_days_ago)
    tables.add("partner_center.orders", customer_id=A, order_id="o", line_number=0, ordered_at=ordered_at)
    told(tables, status, subject="order_line", order_id="o", line_number=0)
    rows = [(code, outcome) for code, outcome, _, operation, _ in tables.rows(REPORTED) if operation == "purchase"]
    assert rows == found


def failed_operation(tables: Tables, at: datetime, subscription_id: str = "s", quantity: int = 9) -> None:
    """A change that the activity log says failed."""
    tables.add(
        "staged_audit_records",
        customer_id=A,
        operation_date=at,
        operation_type="update_subscription",
        operation_status="failed",
        resource_new_value=f'{{"Id": "{subscription_id}", "Quantity": {quantity}}}',
        resource_old_value=f'{{"Id": "{subscription_id}", "Quantity": 5}}',
    )


@pytest.mark.parametrize(("changed_after", "count"), [(-MINUTES, 1), (MINUTES, 0)])
def test_a_failed_operation_is_a_problem_until_a_later_change_succeeds(
    tables: Tables, changed_after: timedelta, count: int
) -> None:
    at = NOW - timedelta(hours=3)
    failed_operation(tables, at)
    tables.add("partner_center.subscription_changes", customer_id=A, subscription_id="s", changed_at=at + changed_after)
    assert len(tables.rows(REPORTED)) == count


def test_the_same_report_bears_the_same_event_on_the_next_day(tables: Tables) -> None:
    told(tables, "failed")
    select = "SELECT event_id FROM provisioning.reported_problems"
    first = tables.rows(select)
    tables.con.execute("UPDATE partner_center.provisioning SET snapshot_on = snapshot_on + 1")
    assert tables.rows(select) == first


def test_what_is_the_outcome_of_a_request_is_not_reported_a_second_time(tables: Tables) -> None:
    asked = tables.ask("R-1", subscription_id="s", new_quantity=Decimal(9))
    tables.sent(asked, MINUTES, REFUSED)
    told(tables, "failed")
    failed_operation(tables, NOW - 59 * MINUTES)
    assert tables.rows(ALERTED) == []


def test_what_fails_for_others_long_after_a_request_is_reported(tables: Tables) -> None:
    asked = tables.ask("R-1", subscription_id="s", requested_at=NOW - timedelta(days=20))
    tables.sent(asked, MINUTES, DONE)
    failed_operation(tables, NOW - timedelta(hours=2))
    assert tables.rows(ALERTED) == [("s", "not_provisioned")]


def test_a_status_is_the_requests_until_somebody_else_changes_the_subscription(tables: Tables) -> None:
    asked = tables.ask("R-1", subscription_id="s", requested_at=NOW - timedelta(days=20))
    tables.sent(asked, MINUTES, REFUSED)
    told(tables, "failed")
    assert tables.rows(ALERTED) == []
    changed_at = NOW - timedelta(days=4)
    tables.add("partner_center.subscription_changes", customer_id=A, subscription_id="s", changed_at=changed_at)
    assert tables.rows(ALERTED) == [("s", "not_provisioned")]


@pytest.mark.parametrize(("days_ago", "found"), [(0, []), (20, [("s", "not_provisioned")])])
def test_a_status_long_after_a_request_was_done_is_not_the_requests(
    tables: Tables, days_ago: int, found: list[tuple[str, str]]
) -> None:
    asked = tables.ask("R-1", subscription_id="s", requested_at=NOW - timedelta(days=days_ago, hours=1))
    tables.sent(asked, MINUTES, DONE)
    told(tables, "failed")
    assert tables.rows(ALERTED) == found


def test_the_order_of_a_purchase_made_here_is_not_reported_beside_its_request(tables: Tables) -> None:
    bought = tables.ask("R-1", operation="purchase", subscription_id=None, product_id="P", sku_id="1")
    tables.sent(bought, MINUTES, REFUSED)
    for order_id, name in (("mine", "csp-pipeline id of R-1"), ("other", "E3")):
        tables.add(
            "partner_center.orders",
            customer_id=A,
            order_id=order_id,
            line_number=0,
            subscription_id=f"bought by {order_id}",
            product_name=name,
            ordered_at=NOW,
        )
        told(
            tables,
            "unfulfilled",
            subscription_id=f"bought by {order_id}",
            subject="order_line",
            order_id=order_id,
            line_number=0,
        )
    assert tables.rows(ALERTED) == [("bought by other", "not_provisioned")]
