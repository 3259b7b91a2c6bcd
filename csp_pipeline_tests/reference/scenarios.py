"""Small scenarios, each a function that writes ``inbox/`` and ``commercial/`` under a folder.

Each returns the month through which documents are drafted. The expected numbers are derived in ``test_reference``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline_tests.reference.scenario_files import (
    EARNED_CREDIT,
    ENTITLEMENT_A,
    ENTITLEMENT_B,
    OTHER_SEATS,
    SEATS,
    STRANGER,
    Partner,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

JANUARY, FEBRUARY = "G202601-1", "G202602-1"


def seat_partner(**contract: object) -> Partner:
    """Ten seats at 10 from the provider in January, sold at 12; the change log says ten since December."""
    partner = Partner()
    partner.account()
    partner.contract("L1", subscription_id=SEATS, **({"unit_price": 12} | contract))
    partner.line(JANUARY, "2026-01-01", "2026-01-31", 10, 100, ChargeType="new")
    partner.change("2025-12-01T09:00:00Z", 0, 10)
    return partner


def seats_in_arrears(folder: Path) -> str:
    """Ten seats for two months, everything agrees, 19 % tax."""
    partner = seat_partner()
    partner.tables["accounts"][0]["tax_rate_id"] = "DE"
    partner.row("tax_rates", tax_rate_id="DE", tax_category="standard", rate_percent=19, valid_from="", valid_to="")
    partner.line(FEBRUARY, "2026-02-01", "2026-02-28", 10, 100)
    partner.write(folder)
    return "2026-02"


def seats_in_advance(folder: Path) -> str:
    """The same seats billed in advance."""
    partner = seat_partner(billing_timing="advance")
    partner.line(FEBRUARY, "2026-02-01", "2026-02-28", 10, 100)
    partner.write(folder)
    return "2026-02"


def _add_seats(partner: Partner) -> None:
    """Three seats more from January 16: wipe and recreate for 16 of 31 days, then 13 in February."""
    partner.change("2026-01-16T10:00:00Z", 10, 13)
    for quantity, subtotal in ((10, "-51.61"), (13, "67.09")):
        partner.line(
            JANUARY, "2026-01-16", "2026-01-31", quantity, subtotal, ChargeType="addQuantity", ReferenceId="event-1"
        )
    partner.line(FEBRUARY, "2026-02-01", "2026-02-28", 13, 130)


def mid_cycle_seat_add(folder: Path) -> str:
    """Three seats are added on January 16, on both sides."""
    partner = seat_partner()
    _add_seats(partner)
    partner.write(folder)
    return "2026-02"


def proration_none(folder: Path) -> str:
    """The same, but the contract counts changes from the next cycle only."""
    partner = seat_partner(proration="none")
    _add_seats(partner)
    partner.write(folder)
    return "2026-02"


def cycle_from_the_17th(folder: Path) -> str:
    """The provider bills from the 17th, we bill calendar months; the cycle of December 17 was never loaded."""
    partner = Partner()
    partner.account()
    partner.contract("L1", subscription_id=SEATS, unit_price=31)
    partner.subscription(10, "2025-12-17")
    term = {"SubscriptionStartDate": "2025-12-17", "SubscriptionEndDate": "2026-12-16", "UnitPrice": "28"}
    partner.line(JANUARY, "2026-01-17", "2026-02-16", 10, 280, **term)
    partner.line(FEBRUARY, "2026-02-17", "2026-03-16", 10, 280, **term)
    partner.write(folder)
    return "2026-02"


def anchor_31(folder: Path) -> str:
    """Own work at 280 a month with anchor day 31, from January 31; beside it a seat contract that ends in January."""
    partner = seat_partner(ends_on="2026-01-31")
    partner.contract(
        "OWN", unit_price=280, quantity=1, anchor_day=31, starts_on="2026-01-31", cost_source="own", description="care"
    )
    partner.write(folder)
    return "2026-03"


def annual_prepaid(folder: Path) -> str:
    """Bought for a year at once, sold by the month."""
    partner = Partner()
    partner.account()
    partner.contract("L1", subscription_id=SEATS, unit_price=13)
    partner.subscription(10, "2026-01-01", cycle="annual")
    partner.line(
        JANUARY, "2026-01-01", "2026-12-31", 10, 1200, ChargeType="new", BillingFrequency="Annual", UnitPrice="120"
    )
    partner.write(folder)
    return "2026-02"


def cost_plus_by_entitlement(folder: Path) -> str:
    """Azure in USD, two Azure subscriptions for one customer in EUR: net + 10 %, gross + 5 %, rate 0.9."""
    partner = Partner(currency="USD")
    partner.account(currency="EUR")
    terms = {"pricing_model": "cost_plus", "currency": "EUR", "quantity_source": ""}
    partner.contract("LA", entitlement_id=ENTITLEMENT_A, markup_percent=10, cost_basis="net", **terms)
    partner.contract("LB", entitlement_id=ENTITLEMENT_B, markup_percent=5, cost_basis="gross", **terms)
    partner.row(
        "exchange_rates", rate_month="2026-01", from_currency="USD", to_currency="EUR", rate="0.9", source="bank"
    )
    partner.usage(JANUARY, "2026-01-10", 60, 60)
    partner.usage(
        JANUARY,
        "2026-01-11",
        40,
        34,
        MeterId="meter-2",
        EntitlementId=ENTITLEMENT_B,
        PartnerEarnedCreditPercentage=15,
        CreditType="Partner Earned Credit Applied",
    )
    partner.plan_line(JANUARY, 60, 60)
    partner.plan_line(JANUARY, 40, 34, PriceAdjustmentDescription=EARNED_CREDIT)
    partner.write(folder)
    return "2026-01"


def yen_account(folder: Path) -> str:
    """Three seats at 1,234 yen, a fourth from January 11 (21 of 31 days), 10 % tax, everything in whole yen."""
    partner = Partner(currency="JPY")
    partner.account(tax="JP")
    partner.row("tax_rates", tax_rate_id="JP", tax_category="standard", rate_percent=10, valid_from="", valid_to="")
    partner.contract("L1", subscription_id=SEATS, unit_price=1234)
    partner.change("2026-01-11T03:00:00Z", 3, 4)
    partner.line(JANUARY, "2026-01-01", "2026-01-31", 3, 3000, UnitPrice="1000")
    for quantity, subtotal in ((3, -2032), (4, 2709)):
        partner.line(
            JANUARY, "2026-01-11", "2026-01-31", quantity, subtotal, ChargeType="addQuantity", UnitPrice="1000"
        )
    partner.write(folder)
    return "2026-01"


def earned_credit_lost(folder: Path) -> str:
    """One machine for three days; the credit is gone on the third; nobody has a contract for it."""
    partner = Partner()
    partner.account()
    for day, net, earned in (("2026-01-01", "8.5", 15), ("2026-01-02", "8.5", 15), ("2026-01-03", "10", 0)):
        kind = "Partner Earned Credit Applied" if earned else "Credit Not Applied"
        partner.usage(JANUARY, day, 10, net, PartnerEarnedCreditPercentage=earned, CreditType=kind)
    partner.plan_line(JANUARY, 20, 17, PriceAdjustmentDescription=EARNED_CREDIT)
    partner.plan_line(JANUARY, 10, 10)
    partner.write(folder)
    return "2026-01"


def unmapped_tenant(folder: Path) -> str:
    """Healthy seats, and five seats of a tenant that no account owns."""
    partner = seat_partner()
    partner.line(JANUARY, "2026-01-01", "2026-01-31", 5, 50, CustomerId=STRANGER, SubscriptionId=OTHER_SEATS)
    partner.write(folder)
    return "2026-01"


def one_off_credit(folder: Path) -> str:
    """Healthy seats, and a credit of 25 for the customer without a subscription."""
    partner = seat_partner()
    partner.line(
        JANUARY,
        "2026-01-01",
        "2026-01-01",
        1,
        -25,
        ChargeType="customerCredit",
        CreditReasonCode="Service credit",
        SubscriptionId="",
        ProductId="CREDIT",
        SkuId="",
        BillingFrequency="",
    )
    partner.write(folder)
    return "2026-01"


def unbilled_cost(folder: Path) -> str:
    """Healthy seats, and five seats of the same customer without a contract line."""
    partner = seat_partner()
    partner.line(JANUARY, "2026-01-01", "2026-01-31", 5, 50, SubscriptionId=OTHER_SEATS, SkuId="0002")
    partner.write(folder)
    return "2026-01"


def revenue_without_cost(folder: Path) -> str:
    """Healthy seats, and five seats we bill though the provider does not."""
    partner = seat_partner()
    partner.contract("L2", subscription_id=OTHER_SEATS, unit_price=12)
    partner.change("2025-12-01T09:00:00Z", 0, 5, OTHER_SEATS)
    partner.write(folder)
    return "2026-01"


def timing(folder: Path) -> str:
    """Two seats added on January 20, after the provider's bill."""
    partner = seat_partner()
    partner.change("2026-01-20T10:00:00Z", 10, 12)
    partner.write(folder)
    return "2026-01"


def quantity_mismatch(folder: Path) -> str:
    """The same, and the provider's February invoice comes without the change."""
    partner = seat_partner()
    partner.change("2026-01-20T10:00:00Z", 10, 12)
    partner.line(FEBRUARY, "2026-02-01", "2026-02-28", 10, 100)
    partner.write(folder)
    return "2026-02"


def own_service(folder: Path) -> str:
    """Healthy seats, and own work: two units at 90 a quarter less 10 %, from January 10 with anchor day 1."""
    partner = seat_partner()
    partner.contract(
        "OWN",
        unit_price=90,
        quantity=2,
        billing_cycle="quarterly",
        starts_on="2026-01-10",
        discount_percent=10,
        cost_source="own",
    )
    partner.write(folder)
    return "2026-04"


def savings_plan(folder: Path) -> str:
    """A savings plan of 365 for a year, sold at cost plus 10 %."""
    partner = Partner()
    partner.account()
    partner.contract("L1", product_id="SAVE", pricing_model="cost_plus", markup_percent=10, cost_basis="net")
    partner.line(
        JANUARY,
        "2026-01-01",
        "2026-12-31",
        1,
        365,
        ChargeType="new",
        ProductId="SAVE",
        SkuId="0001",
        SkuName="Compute Savings Plan 1 Year",
        ReservationOrderId="sp-order-1",
        BillingFrequency="Annual",
        UnitPrice="365",
    )
    partner.write(folder)
    return "2026-02"


def marketplace(folder: Path) -> str:
    """Metered consumption of another publisher under the Azure plan, and a seat of another publisher."""
    partner = Partner()
    partner.account()
    other = {"PublisherName": "Contoso Firewalls", "ProductId": "MKT1", "SkuId": "0001"}
    partner.usage(JANUARY, "2026-01-05", 4, 12, **other)
    partner.plan_line(JANUARY, 4, 12, **other)
    partner.line(JANUARY, "2026-01-01", "2026-01-31", 2, 30, **(other | {"ProductId": "MKT2"}))
    partner.write(folder)
    return "2026-01"


def tax_on_document_only(folder: Path) -> str:
    """No tax on lines of 100.00, a header of 119.00."""
    partner = seat_partner()
    partner.header_totals[JANUARY] = "119.00"
    partner.write(folder)
    return "2026-01"


def cent_in_header(folder: Path) -> str:
    """A cent too much in the header."""
    partner = seat_partner()
    partner.header_totals[JANUARY] = "100.01"
    partner.write(folder)
    return "2026-01"


def usage_row_doubled(folder: Path) -> str:
    """A line of 100 for usage of 60 and 40, and the row of 40 stands there twice."""
    partner = Partner()
    partner.account()
    for day, amount in (("2026-01-03", 60), ("2026-01-04", 40), ("2026-01-04", 40)):
        partner.usage(JANUARY, day, amount, amount)
    partner.plan_line(JANUARY, 100, 100)
    partner.write(folder)
    return "2026-01"


def rounding_and_bounds(folder: Path) -> str:
    """Two lines at a rate of 0.9: one matched and truncated twice, one whose quantity says nothing."""
    partner = Partner()
    partner.account()
    rate = {"PricingCurrency": "USD", "PCToBCExchangeRate": "0.9"}
    partner.usage(JANUARY, "2026-01-05", 7, "30.0051", PricingPreTaxTotal="33.339", **rate)
    partner.plan_line(JANUARY, 7, "29.99", **rate)
    other = rate | {"ProductId": "DISK"}
    partner.usage(JANUARY, "2026-01-05", 3, "9.0045", PricingPreTaxTotal="10.005", **other)
    partner.plan_line(JANUARY, 4, "9.00", **other)
    partner.write(folder)
    return "2026-01"


SCENARIOS: tuple[Callable[[Path], str], ...] = (
    seats_in_arrears,
    seats_in_advance,
    mid_cycle_seat_add,
    proration_none,
    cycle_from_the_17th,
    anchor_31,
    annual_prepaid,
    cost_plus_by_entitlement,
    yen_account,
    earned_credit_lost,
    unmapped_tenant,
    one_off_credit,
    unbilled_cost,
    revenue_without_cost,
    timing,
    quantity_mismatch,
    own_service,
    savings_plan,
    marketplace,
    tax_on_document_only,
    cent_in_header,
    usage_row_doubled,
    rounding_and_bounds,
)
