"""What the sandbox server knows and remembers: a made-up partner, and what requests have changed since the start.

What belongs here: customers, subscriptions, orders, agreements and the activity log as they are now, and finding them.
Changes of quantity are in `provisioning`, invoices in `invoices`; how answers look on the wire is in `partner_center`.
The server asks from one event loop and from the thread that writes exports: what changes is replaced whole.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from csp_pipeline.sandbox import resources, sold_items
from csp_pipeline.sandbox.partner import Arguments, Partner, build_partner, read_arguments
from csp_pipeline.sandbox.server.faults import Faults
from csp_pipeline.sandbox.server.invoices import Invoices
from csp_pipeline.sandbox.server.provisioning import Provisioning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from csp_pipeline.sandbox.documents import Document
    from csp_pipeline.sandbox.facts import Customer
    from csp_pipeline.sandbox.json_text import Json
    from csp_pipeline.sandbox.scenario import Scenario


def utc_now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


class State:
    """A made-up partner as the server tells of it.

    Args:
        partner: The facts.
        faults: late-invoice and the two of provisioning strike here.
        folder: A folder that `generate` wrote, whose invoice headers and legacy lines are told; None without one.
        clock: The present moment in UTC.

    Attributes:
        customers: Customers by id.
        customer_items: Items of `/customers`, in order.
        subscriptions: Items of the subscriptions of each customer by id; a change replaces an item.
        orders: Items of the orders of each customer by id.
        entitlements: Items of `azureEntitlements` by the id of the Azure plan.
        agreements: Attested agreements of each customer.
        audit_records: The activity log, oldest first.
        invoices: Headers and lines.
        provisioning: Changes of quantity and how they ended.
    """

    def __init__(
        self,
        partner: Partner,
        *,
        faults: Faults | None = None,
        folder: Path | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.partner = partner
        self.faults = faults or Faults()
        self.clock = clock
        scenario = partner.scenario
        self.customers: dict[str, Customer] = {customer.customer_id: customer for customer in scenario.customers}
        self.customer_items = [resources.customer_item(customer) for customer in scenario.customers]
        self.subscriptions = _by_customer(sold_items.subscription_items(scenario))
        self.orders = _by_customer(sold_items.order_items(scenario))
        self.entitlements = {
            plan.subscription_id: [resources.entitlement_item(plan, entitlement) for entitlement in plan.entitlements]
            for plan in scenario.plans
        }
        self.agreements: dict[str, list[Json]] = defaultdict(list)
        for customer in scenario.customers:
            if agreement := resources.agreement_item(customer):
                self.agreements[customer.customer_id].append(agreement)
        self.audit_records = [resources.audit_item(scenario, change) for change in partner.changes]
        self.invoices = Invoices(partner, self.faults, folder)
        self.provisioning = Provisioning(self)

    @property
    def scenario(self) -> Scenario:
        """The facts the partner is made of."""
        return self.partner.scenario

    def is_listed(self, number: str) -> bool:
        """Whether the invoice of this number is there (see `Invoices.is_listed`)."""
        return self.invoices.is_listed(number)

    def restate(self, document: Document) -> None:
        """Let the header of an invoice follow a restated version of its lines."""
        self.invoices.restate(document.number, document.total)

    def has_accepted(self, customer_id: str) -> bool:
        """Whether a customer has accepted the Microsoft Customer Agreement, on either way."""
        return self.customers[customer_id].has_signed_directly or bool(self.agreements[customer_id])


def _by_customer(items: list[tuple[Customer, Json]]) -> dict[str, dict[str, Json]]:
    found: dict[str, dict[str, Json]] = defaultdict(dict)
    for customer, item in items:
        found[customer.customer_id][item["id"]] = item
    return found


def open_state(
    folder: Path | None = None, faults: Faults | None = None, *, clock: Callable[[], datetime] = utc_now
) -> State:
    """The state of a partner that `generate` wrote, or of the default one.

    Args:
        folder: A folder with `scenario.json`; None for what `generate` writes without arguments.
        faults: The faults that are on.
        clock: The present moment in UTC.

    Returns:
        The state at the start.

    Raises:
        UsageError: The folder is not one that `generate` wrote.
    """
    partner = build_partner(read_arguments(folder) if folder else Arguments())
    return State(partner, faults=faults, folder=folder, clock=clock)
