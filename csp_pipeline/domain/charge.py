"""A charge: an amount for a service period, as it is expected from the facts or stands on an issued document.

What belongs here: the value and its key. How charges follow from terms is `charges`, what is left after what was issued
is `deltas`, how a charge reads is `descriptions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal

ChargeKind = Literal[
    "recurring", "change", "usage", "one_time", "discount", "maximum", "minimum", "correction", "refund"
]
"""`correction` and `refund` are what documents say of a reversal; a charge keeps the kind of what it corrects.
`maximum` is what lies above an agreed maximum; documents call it a discount, as they do an amount off."""

Reason = Literal["price", "quantity", "amount", "cost", "ended"]

ChargeKey = tuple[str, ChargeKind, "date", "date"]


@dataclass(frozen=True, slots=True)
class Correction:
    """Why a charge corrects what was issued.

    Attributes:
        reason: what changed; `ended` when the days are no longer charged at all.
        before: the price or quantity that was issued, None where it has no number.
        after: the price or quantity that is right.
        takes_back: the charge takes back what was issued; otherwise it charges anew.
    """

    reason: Reason
    before: Decimal | None = None
    after: Decimal | None = None
    takes_back: bool = True


@dataclass(frozen=True, slots=True)
class Charge:
    """An amount for a service period, half-open; the key of delta billing is contract line, kind and period.

    Attributes:
        quantity: signed; None where nothing is counted.
        unit_price: for a full cycle; None where the price is no price of a unit (tiers, cost, totals).
        is_correction: it takes back issued amounts; quantity and amount have the opposite sign of what they take back.
        correction: why, for the sentence on the line.
        charge_id: identifies an issued charge, where the ledger knows it.
        reverses: the `charge_id` that a correction takes back or lowers, where the ledger knows it. A correction
            that reverses without a quantity lowers the amount (a credit given by hand) and leaves the service charged.
    """

    contract_line_id: str
    kind: ChargeKind
    start: date
    end: date
    quantity: Decimal | None
    unit_price: Decimal | None
    net_amount: Decimal
    invoice_month: str
    is_estimate: bool = False
    is_correction: bool = False
    correction: Correction | None = None
    charge_id: str = ""
    reverses: str = ""

    @property
    def key(self) -> ChargeKey:
        """What may be charged only once."""
        return (self.contract_line_id, self.kind, self.start, self.end)

    @property
    def days(self) -> int:
        """Days of the service period."""
        return (self.end - self.start).days

    @property
    def is_credit_by_hand(self) -> bool:
        """Whether it lowers the amount of a charge that it names, without a quantity and without a derived reason."""
        return self.is_correction and bool(self.reverses) and self.quantity is None and self.correction is None

    @property
    def stated_kind(self) -> ChargeKind:
        """What documents call its kind, corrections aside."""
        return "discount" if self.kind == "maximum" else self.kind

    @property
    def charge_kind(self) -> ChargeKind:
        """What the invoice line is called: money back for days that are no longer charged is a refund."""
        if not self.is_correction:
            return self.stated_kind
        is_ended = self.correction is not None and self.correction.reason == "ended"
        return "refund" if is_ended and self.net_amount < 0 else "correction"
