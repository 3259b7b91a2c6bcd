"""More scenarios: what the rules say plainly, and (``OPEN``) what hangs on how a sentence of them is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline_tests.reference.scenario_files import OTHER_SEATS, SEATS, Partner
from csp_pipeline_tests.reference.scenarios import FEBRUARY, JANUARY, seat_partner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def timing_settled(folder: Path) -> str:
    """Two seats added on January 20; February's invoice carries the change and bills twelve."""
    partner = seat_partner()
    partner.change("2026-01-20T10:00:00Z", 10, 12)
    for quantity, subtotal in ((10, "-38.70"), (12, "46.45")):
        partner.line(FEBRUARY, "2026-01-20", "2026-01-31", quantity, subtotal, ChargeType="addQuantity")
    partner.line(FEBRUARY, "2026-02-01", "2026-02-28", 12, 120)
    partner.write(folder)
    return "2026-02"


def contract_ended(folder: Path) -> str:
    """The contract line ends on February 14, the provider bills all of February and March."""
    partner = seat_partner(ends_on="2026-02-14")
    partner.line(FEBRUARY, "2026-02-01", "2026-02-28", 10, 100)
    partner.line("G202603-1", "2026-03-01", "2026-03-31", 10, 100)
    partner.write(folder)
    return "2026-03"


def void_and_replacement(folder: Path) -> str:
    """January's invoice of 100 is voided without a file and replaced by one of 90."""
    partner = seat_partner()
    partner.void_notes[JANUARY] = "G202601-2"
    partner.line("G202601-3", "2026-01-01", "2026-01-31", 10, 90, ChargeType="new", UnitPrice="9")
    partner.write(folder)
    return "2026-01"


def seats_cut_at_midnight(folder: Path) -> str:
    """From ten to four at 00:00 on February 1: the recurring charge has four, and no change line stands beside it."""
    partner = seat_partner()
    partner.change("2026-02-01T00:00:00Z", 10, 4)
    partner.line(FEBRUARY, "2026-02-01", "2026-02-28", 4, 40)
    partner.write(folder)
    return "2026-02"


def seats_over_a_missing_month(folder: Path) -> str:
    """February's document is missing; March's has four of the other seats and none of the first, by lines alone."""
    partner = Partner()
    partner.account()
    partner.contract("L1", subscription_id=SEATS, unit_price=12)
    partner.contract("L2", subscription_id=OTHER_SEATS, unit_price=12)
    partner.line(JANUARY, "2026-01-01", "2026-01-31", 10, 100)
    partner.line(JANUARY, "2026-01-01", "2026-01-31", 5, 50, SubscriptionId=OTHER_SEATS)
    partner.line("G202603-1", "2026-03-01", "2026-03-31", 4, 40, SubscriptionId=OTHER_SEATS)
    partner.write(folder)
    return "2026-04"


def billing_starts_later(folder: Path) -> str:
    """Cycles from the 17th in arrears; the one of December 17 began before January, the first billed month."""
    partner = seat_partner(anchor_day=17, starts_on="2025-11-17", unit_price=31)
    partner.line(FEBRUARY, "2026-02-01", "2026-02-28", 10, 100)
    partner.write(folder)
    return "2026-02"


def discounted_seats(folder: Path) -> str:
    """A discount of 10 % that was agreed is no difference."""
    partner = seat_partner(discount_percent=10)
    partner.write(folder)
    return "2026-01"


def credit_on_a_contract_line(folder: Path) -> str:
    """A credit of 20 for a subscription that has a contract line lowers its cost and nothing else."""
    partner = seat_partner()
    partner.line(
        JANUARY, "2026-01-01", "2026-01-31", 1, -20, ChargeType="customerCredit", CreditReasonCode="Service credit"
    )
    partner.write(folder)
    return "2026-01"


def two_products_one_seat(folder: Path) -> str:
    """Telephony: two lines per subscription that differ only in product, 60 and 40; the ten seats count once."""
    partner = Partner()
    partner.account()
    partner.contract("L1", subscription_id=SEATS, unit_price=12)
    partner.subscription(10, "2026-01-01")
    partner.line(JANUARY, "2026-01-01", "2026-01-31", 10, 60, UnitPrice="6")
    partner.line(JANUARY, "2026-01-01", "2026-01-31", 10, 40, UnitPrice="4", ProductId="CFQ7TTC0CALL")
    partner.write(folder)
    return "2026-01"


def prepaid_keeps_its_rate(folder: Path) -> str:
    """A savings plan of 365 USD for a year; 0.9 in January, 0.8 later; sold in EUR at cost plus 10 %."""
    partner = Partner(currency="USD")
    partner.account(currency="EUR")
    partner.contract(
        "L1", product_id="SAVE", pricing_model="cost_plus", markup_percent=10, cost_basis="net", currency="EUR"
    )
    for month in range(1, 13):
        rate = "0.9" if month == 1 else "0.8"
        partner.row(
            "exchange_rates",
            rate_month=f"2026-{month:02d}",
            from_currency="USD",
            to_currency="EUR",
            rate=rate,
            source="bank",
        )
    plan = {"ProductId": "SAVE", "SkuName": "Compute Savings Plan 1 Year", "ReservationOrderId": "sp-order-1"}
    partner.line(JANUARY, "2026-01-01", "2026-12-31", 1, 365, ChargeType="new", BillingFrequency="Annual", **plan)
    partner.write(folder)
    return "2026-02"


def advance_with_a_pending_change(folder: Path) -> str:
    """Two seats added on January 20 and February billed in advance, before the provider's February invoice."""
    partner = seat_partner(billing_timing="advance")
    partner.change("2026-01-20T10:00:00Z", 10, 12)
    partner.write(folder)
    return "2026-01"


def flat_fees(folder: Path) -> str:
    """A flat fee for seats of any number, and one for a subscription that the provider does not bill."""
    partner = seat_partner(pricing_model="flat", unit_price=130)
    partner.contract("L2", subscription_id=OTHER_SEATS, pricing_model="flat", unit_price=50)
    partner.write(folder)
    return "2026-01"


def a_cent_per_line_on_top_of_a_mismatch(folder: Path) -> str:
    """Thirteen seats by the log from January 16, ten and a wrong twelve at the provider."""
    partner = seat_partner()
    partner.change("2026-01-16T10:00:00Z", 10, 13)
    for quantity, subtotal in ((10, "-51.61"), (12, "61.93")):
        partner.line(JANUARY, "2026-01-16", "2026-01-31", quantity, subtotal, ChargeType="addQuantity")
    partner.line(FEBRUARY, "2026-02-01", "2026-02-28", 12, 120)
    partner.write(folder)
    return "2026-02"


MORE: tuple[Callable[[Path], str], ...] = (
    timing_settled,
    contract_ended,
    void_and_replacement,
    seats_cut_at_midnight,
    seats_over_a_missing_month,
    billing_starts_later,
)
OPEN: tuple[Callable[[Path], str], ...] = (
    discounted_seats,
    credit_on_a_contract_line,
    two_products_one_seat,
    prepaid_keeps_its_rate,
    advance_with_a_pending_change,
    flat_fees,
    a_cent_per_line_on_top_of_a_mismatch,
)
