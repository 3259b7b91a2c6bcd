"""A difference that the pipeline must find, as `expected.json` lists it.

What belongs here: its shape. The figures are worked out where an anomaly is planted: in `anomalies` for the partner of
`make run`, in `planted_alone` and `planted_together` for partners of named cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.sandbox.facts import plain, round_fraction

if TYPE_CHECKING:
    from fractions import Fraction

AMOUNT_QUANTUM = Decimal("0.000001")


@dataclass(frozen=True)
class Figure:
    """One part of one row: its cause with amount and quantity (None where quantities are not compared)."""

    cause: str
    service_month: str
    account_id: str
    customer_id: str
    subscription_id: str
    contract_line_id: str
    currency: str
    amount: Fraction
    quantity: int | None
    expected_on_month: str = ""

    def as_json(self) -> dict[str, str | int | None]:
        """The part as `expected.json` lists it."""
        return {
            "cause": self.cause,
            "service_month": self.service_month,
            "account_id": self.account_id or None,
            "customer_id": self.customer_id,
            "subscription_id": self.subscription_id or None,
            "contract_line_id": self.contract_line_id or None,
            "currency": self.currency,
            "amount": plain(round_fraction(self.amount, AMOUNT_QUANTUM)),
            "quantity": self.quantity,
            "expected_on_month": self.expected_on_month or None,
        }
