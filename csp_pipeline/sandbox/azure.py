"""Azure plans: their Azure subscriptions and the resources in them.

What is there and whether the partner has access to it, and since when no longer; the usage rows and invoice lines
that follow from it are in `usage`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from csp_pipeline.sandbox.catalogue import (
    COST_CENTRES,
    CREDITED_METER,
    MARKETPLACE_METER,
    METERS,
    RESERVED_METER,
    RESOURCE_GROUPS,
    SAVINGS_METER,
    SPOT_METER,
    Meter,
)
from csp_pipeline.sandbox.facts import new_id

if TYPE_CHECKING:
    import random
    from datetime import date

    from csp_pipeline.sandbox.facts import Customer

CREDIT_PERCENT = 15
UNMANAGED_EVERY, UNMANAGED_AT = 11, 6
LOSING_EVERY, LOSING_AT = 5, 1
OWNER_TAG_EVERY, OWNER_TAG_AT = 7, 2
Access = Literal["managed", "never", "lost"]
Benefit = Literal["", "reservation", "savings_plan", "payg_remainder", "azure_credit", "spot", "marketplace"]


@dataclass(frozen=True)
class Entitlement:
    """One Azure subscription under a plan."""

    entitlement_id: str
    name: str
    region: tuple[str, str]


@dataclass(frozen=True)
class Resource:
    """One resource and meter, billed every day it lives.

    Attributes:
        lost_on: First day without the partner's access, for access `lost`.
        days: How many days it lives, from the first month's start or from `first_on`.
        first_on: First day with usage, where it is later than the first month's start.
    """

    entitlement: Entitlement
    meter: Meter
    group: str
    uri: str
    tags: str
    additional_info: str
    access: Access
    benefit: Benefit
    benefit_order_id: str
    day_quantity: int
    lost_on: date | None
    days: int
    seed: int
    first_on: date | None = None

    @property
    def is_free(self) -> bool:
        """Covered by a benefit or a credit, so that its rows cost nothing."""
        return self.benefit in ("reservation", "savings_plan", "azure_credit")

    def credit_percent(self, on: date) -> int:
        """15 on a day with managed access to an eligible resource, else 0."""
        if self.benefit not in ("", "payg_remainder") or self.access == "never":
            return 0
        return 0 if self.lost_on and on >= self.lost_on else CREDIT_PERCENT

    @property
    def is_eligible(self) -> bool:
        """Whether consumption without credit counts as credit forgone."""
        return self.benefit in ("", "payg_remainder")


@dataclass
class AzurePlan:
    """An Azure plan of a customer with its Azure subscriptions; `weight` is its share of all usage rows.

    Attributes:
        is_managed: Whether the partner manages each of its resources from the start.
        arrives_on: First day of its usage, for a plan to which an Azure subscription moves within the months.
    """

    customer: Customer
    subscription_id: str
    order_id: str
    entitlements: tuple[Entitlement, ...]
    starts_on: date
    weight: int
    special: tuple[Benefit, ...] = ()
    loses_credit_on: date | None = None
    is_managed: bool = False
    reservation_order_id: str = ""
    savings_order_id: str = ""
    arrives_on: date | None = None
    resources: list[Resource] = field(default_factory=list)


def add_resources(plan: AzurePlan, rows: int, days: int, source: random.Random) -> None:
    """Give a plan resources that make exactly `rows` usage rows over `days` days; the last one lives shorter."""
    number = 0
    while rows > 0:
        lifetime = min(days, rows)
        plan.resources.append(_resource(plan, number, lifetime, source))
        rows -= lifetime
        number += 1


def _resource(plan: AzurePlan, number: int, days: int, source: random.Random) -> Resource:
    benefit: Benefit = plan.special[number] if number < len(plan.special) else ""
    meter = _meter_of(benefit, number, source)
    entitlement = plan.entitlements[number % len(plan.entitlements)]
    access: Access = "managed"
    if number % UNMANAGED_EVERY == UNMANAGED_AT and not plan.is_managed:
        access = "never"
    elif plan.loses_credit_on and number % LOSING_EVERY == LOSING_AT:
        access = "lost"
    name = f"{meter.key}-{number:04d}"
    group = RESOURCE_GROUPS[source.randrange(len(RESOURCE_GROUPS))]
    order_id = {"reservation": plan.reservation_order_id, "savings_plan": plan.savings_order_id}.get(benefit, "")
    return Resource(
        entitlement=entitlement,
        meter=meter,
        group=group,
        uri=f"/subscriptions/{entitlement.entitlement_id}/resourceGroups/{group}/providers/{meter.service}"
        f"/{meter.resource_type}/{name}",
        tags=_tags(number, source),
        additional_info=_additional_info(meter, benefit, name, order_id, source),
        access=access,
        benefit=benefit,
        benefit_order_id=order_id,
        day_quantity=meter.day_quantity if meter.is_steady else meter.day_quantity * source.randrange(40, 160) // 100,
        lost_on=plan.loses_credit_on if access == "lost" else None,
        days=days,
        seed=source.getrandbits(31) | 1,
        first_on=plan.arrives_on,
    )


def _meter_of(benefit: Benefit, number: int, source: random.Random) -> Meter:
    special = {
        "spot": SPOT_METER,
        "reservation": RESERVED_METER,
        "savings_plan": SAVINGS_METER,
        "payg_remainder": SAVINGS_METER,
        "azure_credit": CREDITED_METER,
        "marketplace": MARKETPLACE_METER,
    }
    if benefit:
        return special[benefit]
    return METERS[number % len(METERS)] if number < len(METERS) else METERS[source.randrange(len(METERS))]


def _tags(number: int, source: random.Random) -> str:
    if number % 4 == 1:
        return ""
    tags = {"costCenter": COST_CENTRES[source.randrange(len(COST_CENTRES))], "env": source.choice(("prod", "test"))}
    if number % OWNER_TAG_EVERY == OWNER_TAG_AT:
        tags["owner"] = 'Ines, "platform" team'
    return json.dumps(tags, separators=(",", ":"))


def _additional_info(meter: Meter, benefit: Benefit, name: str, order_id: str, source: random.Random) -> str:
    if benefit == "reservation":
        information = {"ReservationOrderId": order_id, "ReservationId": new_id(source), "VCPUs": 4}
    elif meter.resource_type == "virtualMachines":
        information = {"ImageType": "Canonical", "ServiceType": "Standard_D4s_v5", "VMName": name, "UsageType": None}
    else:
        return ""
    return json.dumps(information)
