"""What all documents of providers share: a number, a month, lines with their tax, and sums; and those without usage.

`Document` (in `documents`) is an invoice of new commerce. The others, legacy invoices and invoices of distributors, are
an `OtherDocument`: their lines carry every amount, and no usage with money stands behind them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from csp_pipeline.sandbox.facts import round_away

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from csp_pipeline.sandbox.catalogue import Currency
    from csp_pipeline.sandbox.facts import Customer
    from csp_pipeline.sandbox.usage import PlanMonth

MICROSOFT_PROVIDER = "microsoft"


class CostLine(Protocol):
    """What of a line decides which contract line takes its cost, and when."""

    @property
    def customer(self) -> Customer:
        """Whose cost it is."""

    @property
    def subscription_id(self) -> str:
        """The subscription, by the id that Partner Center gives it."""

    @property
    def product_id(self) -> str:
        """The product or legacy offer."""

    @property
    def sku_id(self) -> str:
        """The SKU; blank without one."""

    @property
    def subtotal(self) -> Decimal:
        """The amount before tax."""

    @property
    def charge_start_on(self) -> date:
        """First day charged."""

    @property
    def charge_end_on(self) -> date:
        """Last day charged."""


class ProviderDocument(Protocol):
    """A document with the sums that books are made of."""

    @property
    def provider(self) -> str:
        """Whose document it is, as the warehouse names it."""

    @property
    def number(self) -> str:
        """Its number."""

    @property
    def month(self) -> str:
        """Its billing month."""

    @property
    def currency(self) -> Currency:
        """Its currency."""

    @property
    def lines(self) -> Sequence[tuple[CostLine, Decimal]]:
        """Its lines, each with its tax."""

    @property
    def usage(self) -> Sequence[PlanMonth]:
        """What every Azure plan on it used."""

    @property
    def subtotal(self) -> Decimal:
        """Sum of the lines before tax."""

    @property
    def line_tax(self) -> Decimal:
        """Sum of the tax on the lines."""

    @property
    def document_tax(self) -> Decimal:
        """Tax that stands on the document only."""

    @property
    def total(self) -> Decimal:
        """What is to be paid."""


@dataclass(frozen=True)
class OtherLine:
    """A charge on a legacy invoice or on one of a distributor.

    Attributes:
        list_amount: Before the discount that is the partner's margin.
        quantity: Signed: a refund has a negative quantity.
    """

    customer: Customer
    subscription_id: str
    product_id: str
    sku_id: str
    product_name: str
    charge_type: str
    charge_start_on: date
    charge_end_on: date
    unit_price: Decimal
    quantity: Decimal
    list_amount: Decimal
    subtotal: Decimal

    @property
    def discount(self) -> Decimal:
        """The margin in the price."""
        return self.list_amount - self.subtotal


@dataclass
class OtherDocument:
    """A document whose lines carry every amount.

    Attributes:
        has_line_tax: Tax stands on the lines whatever the market does; otherwise where Microsoft shows it there.
    """

    provider: str
    number: str
    month: str
    currency: Currency
    issued_on: date
    lines: list[tuple[OtherLine, Decimal]] = field(default_factory=list)
    has_line_tax: bool = False

    @property
    def usage(self) -> tuple[PlanMonth, ...]:
        """No usage of an Azure plan is on it."""
        return ()

    @property
    def subtotal(self) -> Decimal:
        """Sum of the lines before tax."""
        return sum((line.subtotal for line, _ in self.lines), Decimal(0))

    @property
    def line_tax(self) -> Decimal:
        """Sum of the tax on the lines."""
        return sum((tax for _, tax in self.lines), Decimal(0))

    @property
    def document_tax(self) -> Decimal:
        """Tax that stands on the document only."""
        if self.has_line_tax or self.currency.tax_mode != "document":
            return Decimal(0)
        return self._tax(self.subtotal)

    @property
    def total(self) -> Decimal:
        """What is to be paid."""
        return self.subtotal + self.line_tax + self.document_tax

    def charge(self, lines: Sequence[OtherLine]) -> None:
        """Add lines, each with the tax of the market."""
        for line in lines:
            is_taxed = self.currency.tax_mode == "line" or self.has_line_tax
            self.lines.append((line, self._tax(line.subtotal) if is_taxed else Decimal(0)))

    def _tax(self, amount: Decimal) -> Decimal:
        percent = self.currency.tax_percent if self.currency.tax_mode != "none" else Decimal(0)
        return round_away(amount * percent / 100, self.currency.minor_unit)
