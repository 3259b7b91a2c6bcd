"""The gates before a request is sent: what makes it wait, in which order, and what has to happen for it to go on.

What belongs here: the rules. A credit hold and a missing agreement stand for everybody; the other gates can be lifted
by a person who releases the request.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from csp_pipeline.domain.offers import meant

if TYPE_CHECKING:
    from datetime import datetime

    from csp_pipeline.domain.offers import Offer
    from csp_pipeline.domain.provisioning import ChangeRequest

LIFTED_BY_A_PERSON = frozenset({"stale", "seat_limit", "window_closed"})
"""Reasons to wait that a release by a person lifts."""
STALE_AFTER = timedelta(days=30)
"""A request older than this that nobody carried out is not sent by itself: what was wanted may have changed."""


@dataclass(frozen=True, slots=True)
class SeatLimits:
    """The fewest and the most units of a product and SKU that are known; None where no limit is."""

    minimum_quantity: int | None = None
    maximum_quantity: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a request's account, customer and subscription before it is sent.

    Attributes:
        account_id: the account that owns the tenant; None when no account does.
        is_on_hold: whether the account is on credit hold.
        has_agreement: whether the customer accepted the Microsoft Customer Agreement.
        earlier_request: an earlier request on the same subscription that is not finished.
        quantity: units now; None before the provider was asked, or where it is not asked.
        refundable_quantity: units that may be cut now; None where it is not told.
        commitment_ends_on: last day of the term, ISO; None where it is not told.
        offers: the ways to buy what is to be bought; None before the provider was asked, or where it is not asked.
    """

    account_id: str | None
    is_on_hold: bool
    has_agreement: bool
    earlier_request: str | None = None
    limits: SeatLimits = SeatLimits()
    quantity: int | None = None
    refundable_quantity: int | None = None
    commitment_ends_on: str | None = None
    offers: tuple[Offer, ...] | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a request waits.

    Attributes:
        reason: credit_hold, agreement_missing, account_unknown, earlier_request, stale, seat_limit, window_closed,
            not_offered or term_unclear.
        is_absolute: whether a release by a person does not lift it.
    """

    reason: str
    message: str
    next_step: str
    is_absolute: bool = False


def hold_on(request: ChangeRequest, standing: Standing, now: datetime, *, is_released: bool) -> Hold | None:
    """The first gate that keeps a request from being sent.

    Args:
        request: a request without fault.
        standing: what is known; asked once before the provider is asked, and again with its quantities.
        now: UTC without zone.
        is_released: whether a person released the request.

    Returns:
        The hold, or None when the request may go out.
    """
    for hold in (
        _account(standing),
        _agreement(request, standing),
        _earlier(standing),
        _stale(request, now),
        _limits(request, standing),
        _window(request, standing),
        _offer(request, standing),
    ):
        if hold is not None and (hold.is_absolute or not is_released):
            return hold
    return None


def _account(standing: Standing) -> Hold | None:
    if standing.account_id is None:
        return Hold(
            "account_unknown",
            "The customer belongs to no account, so nobody would pay for the change.",
            "Add the tenant to account_tenants; the request then goes out by itself.",
            is_absolute=True,
        )
    if standing.is_on_hold:
        return Hold(
            "credit_hold",
            f"Account {standing.account_id} is on credit hold; nothing is provisioned for it meanwhile.",
            "Set credit_hold of the account to false when it is settled; the request then goes out by itself.",
            is_absolute=True,
        )
    return None


def _agreement(request: ChangeRequest, standing: Standing) -> Hold | None:
    if standing.has_agreement:
        return None
    return Hold(
        "agreement_missing",
        f"Customer {request.customer_id} has not accepted the Microsoft Customer Agreement.",
        "Have it accepted and confirm that in Partner Center or in agreement_acceptances; the request then goes out "
        "by itself.",
        is_absolute=True,
    )


def _earlier(standing: Standing) -> Hold | None:
    if standing.earlier_request is None:
        return None
    return Hold(
        "earlier_request",
        f"Request {standing.earlier_request} on the same subscription is not finished yet.",
        f"Nothing to do: it goes out after {standing.earlier_request}. To change the order, cancel that one.",
        is_absolute=True,
    )


def _stale(request: ChangeRequest, now: datetime) -> Hold | None:
    if request.requested_at is None or now - request.requested_at <= STALE_AFTER:
        return None
    return Hold(
        "stale",
        f"It was asked for on {request.requested_at.date()}, more than {STALE_AFTER.days} days ago, and never done.",
        "Ask the customer whether it is still wanted, then release or cancel it.",
    )


def _limits(request: ChangeRequest, standing: Standing) -> Hold | None:
    fewest, most = standing.limits.minimum_quantity, standing.limits.maximum_quantity
    if request.operation == "cancel":
        return None
    if (fewest is None or request.quantity >= fewest) and (most is None or request.quantity <= most):
        return None
    allowed = f"at least {fewest}" if fewest is not None and request.quantity < fewest else f"at most {most}"
    return Hold(
        "seat_limit",
        f"{request.quantity} units were asked for, but {allowed} are allowed of this product.",
        "Cancel it and ask for a quantity within the limits, or release it to let the provider decide.",
    )


def _window(request: ChangeRequest, standing: Standing) -> Hold | None:
    if request.operation == "purchase" or standing.quantity is None or standing.refundable_quantity is None:
        return None
    cut = standing.quantity - request.quantity
    if cut <= standing.refundable_quantity:
        return None
    until = f" The term ends on {standing.commitment_ends_on}." if standing.commitment_ends_on else ""
    return Hold(
        "window_closed",
        f"{cut} units are to be returned, but only {standing.refundable_quantity} may be: the window of seven days "
        "after they were bought has closed for the others.",
        f"It goes out by itself once they may be returned.{until} Schedule the cut for the renewal, or cancel it.",
    )


def _offer(request: ChangeRequest, standing: Standing) -> Hold | None:
    if request.operation != "purchase" or standing.offers is None:
        return None
    found = meant(request, standing.offers)
    if len(found) == 1:
        return None
    ways = "; ".join(str(offer) for offer in sorted(found or standing.offers)) or "in no way at all"
    if not found:
        return Hold(
            "not_offered",
            f"SKU {request.sku_id} of product {request.product_id} is not sold to this customer as asked for; it is "
            f"sold: {ways}.",
            "Correct product_id, sku_id, term_duration or billing_cycle of the request, and it goes out by itself; one "
            "made by command is cancelled and asked for again.",
            is_absolute=True,
        )
    return Hold(
        "term_unclear",
        f"It is sold in several ways and the request does not say which: {ways}. A term binds the customer, so none is "
        "chosen for it.",
        "Say so in term_duration and billing_cycle of the request, and it goes out by itself; one made by command is "
        "cancelled and asked for again with --term and --billing-cycle.",
        is_absolute=True,
    )
