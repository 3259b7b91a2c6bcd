"""The client against the sandbox server: the same code that reads Microsoft's service, login included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from csp_pipeline.sandbox.server.app import running
from csp_pipeline.settings import Settings
from csp_pipeline.sources.calls import Calls
from csp_pipeline.sources.login import PARTNER_CENTER_SCOPE, Login
from csp_pipeline.sources.partner_center import PartnerCenter

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def center() -> Iterator[PartnerCenter]:
    with running(faults=("duplicate-page",)) as connection:
        settings = Settings(
            _env_file=None,
            partner_tenant_id=connection.tenant_id,
            client_id=connection.client_id,
            client_secret=connection.client_secret,
            refresh_token=connection.refresh_token,
            login_url=connection.login_url,
        )
        login = Login(settings)
        with Calls(connection.partner_center_url, login, PARTNER_CENTER_SCOPE) as calls:
            yield PartnerCenter(calls)
        login.close()


def test_every_customer_comes_once_although_a_page_is_sent_twice(center: PartnerCenter) -> None:
    pages = list(center.customers())
    ids = [item["id"] for page in pages for item in page.items]
    assert len(pages) > 1
    assert len(ids) == len(set(ids)) == 14


def test_adding_a_seat_resets_nothing_else(center: PartnerCenter) -> None:
    found = (
        (str(customer["id"]), item)
        for page in center.customers()
        for customer in page.items
        for subscriptions in center.subscriptions(str(customer["id"]))
        for item in subscriptions.items
    )
    customer_id, before = next(
        (customer_id, item)
        for customer_id, item in found
        if item["autoRenewEnabled"] and item["billingType"] == "license" and item["status"] == "active"
    )
    change = center.change_quantity(customer_id, str(before["id"]), int(str(before["quantity"])) + 1, "request-1")
    (after,) = center.subscription(customer_id, str(before["id"])).items
    assert change.outcome == "applied"
    reported = {"quantity", "refundableQuantity", "attributes"}
    assert {name: value for name, value in after.items() if name not in reported} == {
        name: value for name, value in before.items() if name not in reported
    }
    assert int(str(after["quantity"])) == change.quantity_before + 1
