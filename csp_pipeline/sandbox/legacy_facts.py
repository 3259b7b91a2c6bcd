"""What a customer still has on Microsoft's legacy platform: licences by the seat, and classic Azure subscriptions.

Shapes only: what is charged for licences is in `legacy_licences`, for Azure in `legacy_azure`, and who has them in
`legacy_parts`. Quantities of Azure are integers in thousandths of a unit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.sandbox.catalogue import Licence

if TYPE_CHECKING:
    from datetime import date

    from csp_pipeline.sandbox.facts import Customer, SeatEvent

AZURE_OFFER_ID = "MS-AZR-0145P"
AZURE_OFFER_NAME = "Microsoft Azure"


def _offer(durable_offer_id: str, name: str, month_price: str) -> Licence:
    return Licence(durable_offer_id, "", "", name, Decimal(month_price))


EXCHANGE_PLAN_2 = _offer("2f707c7c-2433-49a5-a437-9ca7cf40d3eb", "Exchange Online (Plan 2)", "8.00")
OFFICE_E1 = _offer("91fd106f-4b2c-4938-95ac-f54f74e9a239", "Office 365 E1", "10.00")
INTUNE = _offer("51e95709-dc35-4780-9040-22278cb7c0e1", "Intune", "8.40")


@dataclass(frozen=True)
class LegacyMeter:
    """A resource of classic Azure.

    Attributes:
        resource_guid: What the usage file names it by.
        list_price: US dollars a unit.
        day_quantity: Typical quantity of a day in thousandths.
        included: Free quantity of a cycle in thousandths.
    """

    resource_guid: str
    service: str
    service_type: str
    name: str
    region: str
    unit: str
    list_price: Decimal
    day_quantity: int
    included: int = 0


LEGACY_METERS = (
    LegacyMeter(
        "505db374-df8a-44df-9d8c-13c14b61dee1",
        "Azure App Service",
        "Standard Plan",
        "S1",
        "EU West",
        "1 Hour",
        Decimal("0.085"),
        24_000,
    ),
    LegacyMeter(
        "9995d93a-7d35-4d3f-9c69-7a7fea447ef4",
        "Bandwidth",
        "",
        "Data Transfer Out (GB)",
        "Zone 1",
        "1 GB",
        Decimal("0.087"),
        3_700,
        included=5_000,
    ),
)


@dataclass
class LegacyLicences:
    """A legacy subscription by the seat, charged by the month from the day of its start.

    Attributes:
        subscription_id: Partner Center's id, which files name SyndicationPartnerSubscriptionNumber.
        platform_id: The id of the billing platform, which files name SubscriptionId.
        price: List price of a unit and cycle in the billing currency.
        is_new: Bought within the scenario's months.
    """

    customer: Customer
    licence: Licence
    subscription_id: str
    platform_id: str
    order_id: str
    starts_on: date
    quantity: int
    price: Decimal
    is_new: bool = False
    events: list[SeatEvent] = field(default_factory=list)

    def quantity_on(self, day: date) -> int:
        """Units at the start of a day: what was bought, after the events of earlier days."""
        quantity = self.quantity
        for event in self.events:
            if event.on < day:
                quantity = event.quantity_after
        return quantity

    def current_quantity(self) -> int:
        """Units after everything that happened."""
        return self.events[-1].quantity_after if self.events else self.quantity


@dataclass
class LegacyAzure:
    """A classic Azure subscription.

    Attributes:
        subscription_id: Its id, which it keeps as an Azure subscription under the Azure plan.
        moves_on: First day under the Azure plan; None while it stays.
        scale: By which its typical quantities are multiplied.
    """

    customer: Customer
    subscription_id: str
    order_id: str
    starts_on: date
    scale: int
    moves_on: date | None = None
