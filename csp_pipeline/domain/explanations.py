"""One plain sentence for each part of a difference, for the person who has to decide.

What belongs here: words. Which cause a part has is decided in `differences`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

_ON_SOME_DAYS, _NOT_COMPARED = "quantity_mismatch on some days", "quantity_mismatch of what is not compared"
_SENTENCES = {
    "unmapped_customer": (
        "The tenant {customer} belongs to no account, so its cost is charged to nobody; add it to account_tenants."
    ),
    "replaced_subscription": (
        "One subscription took the place of another: we charge it under one, the provider under the other."
    ),
    "credit": "The provider granted a one-off credit that no contract line passes on.",
    "timing": (
        "We charged {quantity} seats that were changed after the provider's bill; the change is expected on "
        "the provider's invoice of {expected}."
    ),
    "period": "The other side of these days stands on a document that is not loaded or not drafted yet.",
    "price_version": (
        "Our price changed inside the provider's charge: charged by one version of the price, compared at another."
    ),
    "proration": "The provider's cycle and ours spread the same price over different days.",
    "fx_rate": "The exchange rate of the charge and that of the provider's document differ.",
    "rounding": "Amounts on our documents are rounded to the minor unit.",
    "unbilled_cost": (
        "The provider charges this, and no invoice of ours passes it on; add a contract line or cancel the service."
    ),
    "revenue_without_cost": "We charge this, and the provider does not; check whether the service still exists.",
    "contract_expired": (
        "The contract line has ended, and the provider still charges the service; renew the one or cancel the other."
    ),
    "quantity_mismatch": (
        "We and the provider charge different quantities ({quantity}), and no pending change explains it; "
        "compare the seats with Partner Center."
    ),
    _ON_SOME_DAYS: (
        "We and the provider charge the same quantity at the month's end, but another one on some days before; compare "
        "the days of the changes with Partner Center."
    ),
    _NOT_COMPARED: (
        "We and the provider charge different quantities on some days; compare the days of the changes with Partner "
        "Center."
    ),
    "unexplained": "No rule explains this part; look at the rows in the evidence.",
}


def explain(cause: str, *, customer: str | None, quantity: Decimal | None, expected_on_month: str | None) -> str:
    """The sentence of a part.

    Args:
        cause: one of the causes in `difference_facts.ORDER`.
        customer: the tenant's name or id.
        quantity: the part's quantity, if quantities are compared.
        expected_on_month: for timing, when the provider should catch up.
    """
    if cause == "quantity_mismatch" and not quantity:
        cause = _NOT_COMPARED if quantity is None else _ON_SOME_DAYS
    seats = "the same" if not quantity else f"{quantity.normalize():+f}"
    return _SENTENCES[cause].format(customer=customer or "without id", quantity=seats, expected=expected_on_month or "")
