"""Customers, subscriptions, and each change of seats once."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.steps.partner_center import build_partner_center
from csp_pipeline_tests.models.staged_rows import line, seats

if TYPE_CHECKING:
    from csp_pipeline_tests.models.staged_rows import Row, StagedPartner

CHANGES = """
    SELECT source, CAST(changed_at AS DATE) AS day, quantity_before, quantity_after
    FROM partner_center.subscription_changes
    ORDER BY ALL
"""
SEPTEMBER_7 = date(2026, 9, 7)


def _build(partner: StagedPartner, **rows: list[Row]) -> StagedPartner:
    partner.stage(**rows)
    build_partner_center(partner.con, partner.home)
    return partner


def _inbox(before: str, after: str, at: str = "2026-09-07 10:00:00") -> Row:
    return {
        "change_id": "c1",
        "customer_id": "tenant-a",
        "subscription_id": "SEAT-A",
        "changed_at": at,
        "event": "quantity_changed",
        "quantity_before": before,
        "quantity_after": after,
        "actor": "ann",
    }


def _audit(before: int, after: int, at: str = "2026-09-07 23:59:00", **more: object) -> Row:
    row: Row = {
        "customer_id": "tenant-a",
        "resource_type": "subscription",
        "operation_type": "update_subscription",
        "operation_status": "succeeded",
        "operation_date": at,
        "resource_old_value": json.dumps({"id": "seat-a", "quantity": before}),
        "resource_new_value": json.dumps({"Id": "seat-a", "Quantity": after}),
        "user_principal_name": "bob",
    }
    return row | more


def _pair(
    before: str, after: str, day: str = "2026-09-07", reference: str = "ref-1", kind: str = "addQuantity"
) -> list[Row]:
    shared: Row = {
        "reference_id": reference,
        "charge_type": kind,
        "charge_start_date": day,
        "charge_end_date": "2026-10-04",
    }
    return [seats("-112.25", billable_quantity=before, **shared), seats("168.38", billable_quantity=after, **shared)]


def test_a_change_made_again_after_it_was_undone_is_one_of_its_own(partner: StagedPartner) -> None:
    times = {"10": (5, 7), "11": (5, 7), "12": (7, 5), "13": (5, 7)}
    told = [_audit(*change, at=f"2026-09-07 {hour}:00:00") for hour, change in times.items()]
    _build(partner, audit_records=told, subscription_changes=[_inbox("5", "7", at="2026-09-07 00:00:00")])
    found = partner.rows(CHANGES.replace("ORDER BY ALL", "ORDER BY changed_at"))
    assert [(row["source"], row["quantity_before"], row["quantity_after"]) for row in found] == [
        ("inbox", 5, 7),
        ("audit", 7, 5),
        ("audit", 5, 7),
    ]


def test_a_recon_pair_of_wipe_and_recreate_is_one_change_of_totals(partner: StagedPartner) -> None:
    # NCE-102: 10 seats become 15 on the 7th
    # kvamseek/partner-center@85eb3c40 common-billing-scenarios-onetime-recurring.md:303
    assert _build(partner, reconciliation=_pair("10", "15")).only(CHANGES) == {
        "source": "recon",
        "day": SEPTEMBER_7,
        "quantity_before": Decimal(10),
        "quantity_after": Decimal(15),
    }


def test_lines_are_paired_by_a_reference_that_is_a_json_object(partner: StagedPartner) -> None:
    one, two = _pair("10", "15", kind="ADDQUANTITY")
    one["reference_id"], two["reference_id"] = '{"osId":"x","id":"Ref-9","v":1}', '{"id":"ref-9","osId":"y","v":2}'
    assert _build(partner, reconciliation=[one, two]).only(CHANGES)["quantity_after"] == 15


def test_a_single_seat_line_is_no_change(partner: StagedPartner) -> None:
    assert _build(partner, reconciliation=_pair("10", "15")[1:]).rows(CHANGES) == []


def test_the_two_lines_of_a_calling_licence_are_one_change(partner: StagedPartner) -> None:
    twin = [row | {"sku_id": "0002"} for row in _pair("10", "15")]
    assert len(_build(partner, reconciliation=[*_pair("10", "15"), *twin]).rows(CHANGES)) == 1


@pytest.mark.parametrize(
    ("sources", "winner"), [("inbox audit recon", "inbox"), ("audit recon", "audit"), ("recon", "recon")]
)
def test_the_same_day_before_and_after_is_one_change_and_the_best_source_tells_it(
    partner: StagedPartner, sources: str, winner: str
) -> None:
    _build(
        partner,
        subscription_changes=[_inbox("10", "15")] if "inbox" in sources else [],
        audit_records=[_audit(10, 15)] if "audit" in sources else [],
        reconciliation=_pair("10", "15"),
    )
    assert partner.only(CHANGES)["source"] == winner


def test_other_quantities_or_another_day_are_another_change(partner: StagedPartner) -> None:
    _build(
        partner,
        subscription_changes=[_inbox("10", "15")],
        audit_records=[_audit(15, 16), _audit(10, 15, "2026-09-08 00:00:00")],
    )
    assert len(partner.rows(CHANGES)) == 3


@pytest.mark.parametrize(
    "change",
    [{"operation_status": "failed"}, {"operation_type": "update_company_info"}, {"resource_new_value": "no json"}],
)
def test_operations_that_changed_no_seats_tell_nothing(partner: StagedPartner, change: Row) -> None:
    assert _build(partner, audit_records=[_audit(10, 15) | change]).rows(CHANGES) == []


def test_an_order_starts_each_of_its_subscriptions_from_nothing(partner: StagedPartner) -> None:
    # shape of the sample of GET /auditrecords, MicrosoftDocs/partner-center-sdk@de1e6854
    order = {
        "Id": "order-1",
        "LineItems": [{"SubscriptionId": "s1", "Quantity": 25}, {"SubscriptionId": "s2", "Quantity": 1}],
    }
    record = _audit(0, 0, operation_type="create_order", resource_old_value=None, resource_new_value=json.dumps(order))
    _build(partner, audit_records=[record])
    found = partner.rows(
        "SELECT subscription_id, quantity_before, quantity_after FROM partner_center.subscription_changes ORDER BY 1"
    )
    assert [tuple(row.values()) for row in found] == [("s1", 0, 25), ("s2", 0, 1)]


def test_two_snapshots_that_differ_tell_a_change_only_when_nothing_else_does(partner: StagedPartner) -> None:
    def snapshot(day: str, quantity: str, scan: int) -> Row:
        return {
            "customer_id": "tenant-a",
            "subscription_id": "seat-a",
            "quantity": quantity,
            "snapshot_on": day,
            "scan_number": scan,
        }

    snapshots = [snapshot("2026-09-01", "10", 1), snapshot("2026-09-10", "15", 2)]
    assert _build(partner, subscriptions=snapshots).only(CHANGES)["source"] == "snapshot"
    assert (
        _build(partner, subscriptions=snapshots, subscription_changes=[_inbox("10", "15")]).only(CHANGES)["source"]
        == "inbox"
    )


def test_changes_of_state_alone_are_told_each_once_however_often_they_were_fetched(partner: StagedPartner) -> None:
    def turned(before: str, after: str, at: str, **more: object) -> Row:
        values = (json.dumps({"id": "seat-a", "status": state, **more}) for state in (before, after))
        return _audit(0, 0, at) | dict(zip(("resource_old_value", "resource_new_value"), values, strict=True))

    records = [
        turned("active", "suspended", "2026-09-07 08:00:00", quantity=5),
        turned("suspended", "active", "2026-09-07 09:00:00", quantity=5),
        turned("active", "suspended", "2026-09-08 08:00:00"),
        turned("active", "active", "2026-09-09 08:00:00", quantity=5),
    ]
    _build(partner, audit_records=[*records, *records])
    found = partner.rows(
        "SELECT quantity_before, quantity_after, status_before, status_after, source, actor "
        "FROM partner_center.subscription_changes ORDER BY changed_at"
    )
    assert [tuple(row.values()) for row in found] == [
        (5, 5, "active", "suspended", "audit", "bob"),
        (5, 5, "suspended", "active", "audit", "bob"),
        (None, None, "active", "suspended", "audit", "bob"),
    ]


def test_an_audit_record_fetched_twice_is_one_change(partner: StagedPartner) -> None:
    assert len(_build(partner, audit_records=[_audit(10, 15)] * 2).rows(CHANGES)) == 1


def test_an_operation_without_a_person_was_done_by_the_application(partner: StagedPartner) -> None:
    record = _audit(10, 15, user_principal_name=None, application_id="nightly job")
    _build(partner, audit_records=[record])
    assert partner.only("SELECT actor FROM partner_center.subscription_changes")["actor"] == "nightly job"


def _snapshot(day: int, quantity: str, status: str = "active") -> Row:
    return {
        "customer_id": "tenant-a",
        "subscription_id": "seat-a",
        "quantity": quantity,
        "status": status,
        "snapshot_on": f"2026-09-{day:02}",
        "scan_number": day,
    }


STATES = """
    SELECT CAST(changed_at AS DATE) AS day, quantity_before, quantity_after, status_before, status_after, source
    FROM partner_center.subscription_changes
    ORDER BY ALL
"""


def test_a_state_that_only_snapshots_show_is_told(partner: StagedPartner) -> None:
    _build(partner, subscriptions=[_snapshot(6, "5"), _snapshot(7, "5", "Suspended"), _snapshot(8, "5", "suspended")])
    assert tuple(partner.only(STATES).values()) == (SEPTEMBER_7, 5, 5, "active", "suspended", "snapshot")


def test_a_state_that_the_activity_log_tells_is_not_told_by_snapshots_again(partner: StagedPartner) -> None:
    record = _audit(5, 5) | {
        "resource_old_value": json.dumps({"id": "seat-a", "quantity": 5, "status": "active"}),
        "resource_new_value": json.dumps({"id": "seat-a", "quantity": 5, "status": "suspended"}),
    }
    _build(partner, subscriptions=[_snapshot(6, "5"), _snapshot(8, "5", "suspended")], audit_records=[record])
    assert partner.only(STATES)["source"] == "audit"


def test_seats_told_by_the_log_and_a_state_told_by_nobody_are_two_rows_and_the_second_names_no_seats(
    partner: StagedPartner,
) -> None:
    _build(
        partner,
        subscriptions=[_snapshot(6, "10"), _snapshot(8, "0", "deleted")],
        subscription_changes=[_inbox("10", "0")],
    )
    assert [tuple(row.values()) for row in partner.rows(STATES)] == [
        (SEPTEMBER_7, 10, 0, None, None, "inbox"),
        (date(2026, 9, 8), None, None, "active", "deleted", "snapshot"),
    ]


def test_a_change_that_the_earlier_snapshot_holds_already_does_not_hide_the_next_one(partner: StagedPartner) -> None:
    _build(
        partner,
        subscriptions=[_snapshot(7, "15"), _snapshot(8, "20")],
        subscription_changes=[_inbox("10", "15")],
    )
    assert [(row["source"], row["quantity_after"]) for row in partner.rows(STATES)] == [("inbox", 15), ("snapshot", 20)]


def test_a_change_later_on_the_day_of_the_earlier_snapshot_is_not_told_again(partner: StagedPartner) -> None:
    _build(
        partner,
        subscriptions=[_snapshot(7, "10"), _snapshot(8, "15")],
        subscription_changes=[_inbox("10", "15")],
    )
    assert partner.only(STATES)["source"] == "inbox"


def test_customers_come_from_snapshots_and_lines_with_their_latest_agreement(partner: StagedPartner) -> None:
    agreement = {
        "customer_id": "TENANT-A",
        "agreement_type": "MicrosoftCustomerAgreement",
        "method": "partner_attested",
    }
    _build(
        partner,
        customers=[
            {"customer_id": "Tenant-A", "name": "Contoso AG", "country_code": "CH", "snapshot_on": "2026-10-09"}
        ],
        agreements=[
            {**agreement, "date_agreed": "2024-01-01", "signer_name": "Old"},
            {**agreement, "date_agreed": "2025-05-05", "signer_name": "New"},
            {**agreement, "date_agreed": "2026-01-01", "agreement_type": "MicrosoftCloudAgreement"},
        ],
        reconciliation=[
            seats("10", customer_id="org:tenant-a"),
            seats("10", customer_id="tenant-b", customer_name="Fabrikam"),
        ],
    )
    first, second = partner.rows("SELECT * FROM partner_center.customers ORDER BY name")
    assert (first["customer_id"], first["partner_id"], first["mca_accepted_on"]) == (
        "Tenant-A",
        "partner",
        date(2025, 5, 5),
    )
    assert (first["mca_signer_name"], first["first_seen_on"], first["last_seen_on"]) == (
        "New",
        date(2026, 9, 1),
        date(2026, 10, 9),
    )
    assert (second["name"], second["last_seen_on"], second["mca_accepted_on"]) == ("Fabrikam", date(2026, 9, 30), None)


def test_a_subscription_has_the_snapshot_s_quantity_else_that_of_its_latest_line(partner: StagedPartner) -> None:
    _build(
        partner,
        subscriptions=[
            {
                "subscription_id": "Seat-A",
                "offer_id": "CFQ7TTC0LH18:0001:AV",
                "offer_name": "Microsoft 365 E3",
                "quantity": "12",
                "status": "active",
                "billing_cycle": "Monthly",
                "snapshot_on": "2026-10-01",
                "scan_number": 1,
            }
        ],
        reconciliation=[
            seats("10"),
            seats(
                "10",
                subscription_id="seat-b",
                billable_quantity="3",
                subscription_start_date="2026-01-01",
                subscription_end_date="2026-12-31",
            ),
            seats("-9", subscription_id="seat-b", billable_quantity="9", charge_start_date="2026-09-20"),
            line("5"),
        ],
    )
    found = {str(row["subscription_id"]): row for row in partner.rows("SELECT * FROM partner_center.subscriptions")}
    assert {name: row["quantity"] for name, row in found.items()} == {"Seat-A": 12, "seat-b": 3, "plan-a": None}
    assert (found["Seat-A"]["customer_id"], found["Seat-A"]["sku_id"], found["seat-b"]["term_code"]) == (
        "tenant-a",
        "0001",
        "P1Y",
    )
    assert found["plan-a"]["product_family"] == "azure_plan"
