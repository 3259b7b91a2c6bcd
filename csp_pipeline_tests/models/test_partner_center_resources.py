"""Agreements, orders, entitlements and provisioning: what the latest snapshot tells, each thing once."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.steps.partner_center import build_partner_center

if TYPE_CHECKING:
    from csp_pipeline_tests.models.staged_rows import Row, StagedPartner

MCA = "MicrosoftCustomerAgreement"


def _seen_on(day: int) -> Row:
    return {"snapshot_on": f"2026-10-0{day}", "scan_number": day, "file_sha256": str(day)}


FIRST, SECOND, THIRD = _seen_on(1), _seen_on(2), _seen_on(3)


def _build(partner: StagedPartner, **rows: list[Row]) -> StagedPartner:
    partner.stage(**rows)
    written = build_partner_center(partner.con, partner.home)
    assert "partner_center.provisioning" in written
    return partner


def _agreement(day: Row, **more: object) -> Row:
    row: Row = {"customer_id": "tenant-a", "agreement_type": MCA, "template_id": "t", "method": "partner_attested"}
    return row | {"date_agreed": "2025-05-05", "signer_name": "Tania Carr"} | day | more


def _signed(day: Row, *, is_signed: bool) -> Row:
    return {"customer_id": "Tenant-A", "is_signed": is_signed, **day}


def _order(day: Row, line: int | None, **more: object) -> Row:
    row: Row = {"customer_id": "tenant-a", "order_id": "O-1", "line_number": line, "status": "Pending", "quantity": 25}
    row |= {"subscription_id": "seat-a", "offer_id": "CFQ7TTC0LH18:0001:AV", "transaction_type": "UserPurchase"}
    return row | day | more


def test_an_agreement_in_two_snapshots_is_one_and_the_latest_snapshot_decides(partner: StagedPartner) -> None:
    _build(
        partner,
        agreements=[
            _agreement(FIRST),
            _agreement(FIRST, date_agreed="2024-01-01"),
            _agreement(SECOND),
            _agreement(SECOND, customer_id="TENANT-A", source_row=9),
            _agreement(FIRST, customer_id="tenant-b"),
        ],
    )
    found = partner.rows("SELECT lower(customer_id) AS customer, agreed_on, snapshot_on FROM partner_center.agreements")
    assert sorted(tuple(row.values()) for row in found) == [
        ("tenant-a", date(2025, 5, 5), date(2026, 10, 2)),
        ("tenant-b", date(2025, 5, 5), date(2026, 10, 1)),
    ]


def test_direct_signing_is_accepted_on_the_first_day_that_says_so(partner: StagedPartner) -> None:
    signed = [_signed(FIRST, is_signed=False), _signed(SECOND, is_signed=True), _signed(THIRD, is_signed=True)]
    _build(partner, customers=[{"customer_id": "tenant-a", **THIRD}], direct_signed=signed)
    customer = partner.only("SELECT mca_accepted_on, mca_method, mca_signer_name FROM partner_center.customers")
    assert tuple(customer.values()) == (date(2026, 10, 2), "direct_signed", None)


def test_what_was_attested_is_told_before_direct_signing_whose_day_is_not_known(partner: StagedPartner) -> None:
    _build(
        partner,
        customers=[{"customer_id": "tenant-a", **FIRST}],
        agreements=[_agreement(FIRST)],
        direct_signed=[_signed(FIRST, is_signed=True)],
    )
    customer = partner.only("SELECT mca_accepted_on, mca_method FROM partner_center.customers")
    assert tuple(customer.values()) == (date(2025, 5, 5), "partner_attested")


def test_an_agreement_that_is_no_longer_signed_does_not_count(partner: StagedPartner) -> None:
    signed = [_signed(FIRST, is_signed=True), _signed(SECOND, is_signed=False)]
    _build(partner, customers=[{"customer_id": "tenant-a", **SECOND}], direct_signed=signed)
    assert partner.only("SELECT mca_accepted_on FROM partner_center.customers")["mca_accepted_on"] is None


def test_an_order_has_the_lines_and_the_state_of_the_latest_snapshot_that_lists_it(partner: StagedPartner) -> None:
    _build(
        partner,
        orders=[
            _order(FIRST, 0),
            _order(FIRST, 1),
            _order(SECOND, 0, status="completed", line_transaction_type="New", creation_date="2026-03-07 01:37:05"),
            _order(FIRST, None, order_id="O-2"),
        ],
    )
    found = partner.rows(
        "SELECT order_id, line_number, status, product_id, sku_id, transaction_type "
        "FROM partner_center.orders ORDER BY order_id"
    )
    assert [tuple(row.values()) for row in found] == [
        ("O-1", 0, "completed", "CFQ7TTC0LH18", "0001", "New"),
        ("O-2", None, "pending", "CFQ7TTC0LH18", "0001", "UserPurchase"),
    ]


def test_an_entitlement_that_left_the_plan_is_gone_and_one_that_moved_stands_under_its_new_plan(
    partner: StagedPartner,
) -> None:
    def entitlement(day: Row, plan: str, azure: str, **more: object) -> Row:
        return (
            {"customer_id": "tenant-a", "subscription_id": plan, "entitlement_id": azure, "status": "Active"}
            | day
            | more
        )

    _build(
        partner,
        azure_entitlements=[
            entitlement(FIRST, "plan-a", "ent-1"),
            entitlement(FIRST, "plan-a", "ent-2"),
            entitlement(SECOND, "plan-a", "ENT-1", friendly_name="Shop"),
            entitlement(SECOND, "plan-b", "ent-2", customer_id=None),
        ],
        subscriptions=[{"customer_id": "tenant-b", "subscription_id": "Plan-B", "quantity": 1, **FIRST}],
    )
    found = partner.rows(
        "SELECT customer_id, subscription_id, entitlement_id, name, status "
        "FROM partner_center.azure_entitlements ORDER BY subscription_id"
    )
    assert [tuple(row.values()) for row in found] == [
        ("tenant-a", "plan-a", "ENT-1", "Shop", "active"),
        ("tenant-b", "plan-b", "ent-2", None, "active"),
    ]


def test_what_was_provisioned_of_a_subscription_stands_beside_what_it_has(partner: StagedPartner) -> None:
    status: Row = {"customer_id": "Tenant-A", "subscription_id": "SEAT-A", "sku_id": "sku", "end_date": "2027-05-10"}
    _build(
        partner,
        subscriptions=[{"customer_id": "tenant-a", "subscription_id": "seat-a", "quantity": 12, **SECOND}],
        subscription_provisioning=[
            status | {"status": "success", "quantity": 10} | FIRST,
            status | {"status": "Pending", "quantity": 11} | SECOND,
        ],
    )
    row = partner.only("SELECT * EXCLUDE (ends_on, customer_id, sku_id) FROM partner_center.provisioning")
    assert row == {
        "subject": "subscription",
        "subscription_id": "SEAT-A",
        "order_id": None,
        "line_number": None,
        "status": "pending",
        "quantity_requested": 12,
        "quantity_provisioned": 11,
        "snapshot_on": date(2026, 10, 2),
    }


@pytest.mark.parametrize(
    ("parts", "provisioned"),
    [
        ([("Fulfilled", 20), ("Unfulfilled", 5)], 20),
        ([("Fulfilled", 20), ("fulfilled", 5)], 25),
        ([("Unfulfilled", 25)], 0),
        ([(None, None)], None),
    ],
)
def test_of_an_order_line_the_fulfilled_parts_are_provisioned(
    partner: StagedPartner, parts: list[tuple[str | None, int | None]], provisioned: int | None
) -> None:
    line: Row = {"customer_id": "tenant-a", "order_id": "o-1", "line_number": 0, "status": "Unfulfilled"}
    _build(
        partner,
        orders=[_order(SECOND, 0)],
        order_provisioning=[
            line | {"quantity": 7, "quantity_status": "Fulfilled"} | FIRST,
            *(line | {"quantity": quantity, "quantity_status": status} | SECOND for status, quantity in parts),
        ],
    )
    row = partner.only(
        "SELECT subject, subscription_id, status, quantity_requested, quantity_provisioned "
        "FROM partner_center.provisioning"
    )
    assert tuple(row.values()) == ("order_line", "seat-a", "unfulfilled", 25, provisioned)
