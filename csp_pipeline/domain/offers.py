"""What of a SKU can be bought: terms and billing cycles, and which of them a request means.

What belongs here: the choice. A term binds a customer for as long as it runs, so none is ever guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from csp_pipeline.domain.provisioning import ChangeRequest


@dataclass(frozen=True, slots=True, order=True)
class Offer:
    """One way to buy a SKU.

    Attributes:
        term_duration: ISO 8601, such as P1Y.
        billing_cycle: monthly, annual, …, in lower case.
        catalog_item_id: product, SKU and availability, with colons between.
    """

    term_duration: str
    billing_cycle: str
    catalog_item_id: str

    def __str__(self) -> str:
        """As a person reads it."""
        return f"{self.term_duration or 'no term'} billed {self.billing_cycle or 'once'}"


def meant(request: ChangeRequest, offers: Sequence[Offer]) -> list[Offer]:
    """The offers that have the term and the billing cycle of a request, where it names them."""
    term, cycle = request.term_duration, request.billing_cycle
    return sorted(
        offer
        for offer in offers
        if (not term or offer.term_duration.upper() == term.strip().upper())
        and (not cycle or offer.billing_cycle == cycle.strip().lower())
    )
