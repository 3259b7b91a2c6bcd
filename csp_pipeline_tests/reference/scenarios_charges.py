"""Scenarios of charge models: tiers, totals that were agreed, bundles, trials, one-time charges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline_tests.reference.scenario_files import OTHER_SEATS, SEATS, Partner
from csp_pipeline_tests.reference.scenarios import FEBRUARY, JANUARY, seat_partner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _tier(partner: Partner, line: str, above: int, unit: object, **others: object) -> None:
    row = {"flat_amount": "", "package_size": ""} | others
    partner.row("price_tiers", contract_line_id=line, from_quantity=above, unit_price=unit, **row)


def _three_seats_more(partner: Partner) -> None:
    """From ten to thirteen seats on January 16, on both sides."""
    partner.change("2026-01-16T10:00:00Z", 10, 13)
    for quantity, subtotal in ((10, "-51.61"), (13, "67.09")):
        partner.line(JANUARY, "2026-01-16", "2026-01-31", quantity, subtotal, ChargeType="addQuantity")
    partner.line(FEBRUARY, "2026-02-01", "2026-02-28", 13, 130)


def seats_known_from_lines(folder: Path) -> str:
    """No change log: ten seats on the lines of January, none in February, which has another subscription's."""
    partner = seat_partner()
    partner.changes.clear()
    partner.contract("L2", subscription_id=OTHER_SEATS, unit_price=12)
    for invoice, start, end in ((JANUARY, "2026-01-01", "2026-01-31"), (FEBRUARY, "2026-02-01", "2026-02-28")):
        partner.line(invoice, start, end, 3, 30, SubscriptionId=OTHER_SEATS)
    partner.write(folder)
    return "2026-02"


def graduated_seats(folder: Path) -> str:
    """Ten seats at 14, the others at 11 and a fee of 3.50 once there are any: the three added cost 36.50 a month."""
    partner = seat_partner(pricing_model="graduated", unit_price="")
    _tier(partner, "L1", 0, 14)
    _tier(partner, "L1", 10, 11, flat_amount="3.50")
    _three_seats_more(partner)
    partner.write(folder)
    return "2026-02"


def volume_seats(folder: Path) -> str:
    """All seats at 14 up to twelve and at 12.50 above, with a monthly fee of 5."""
    partner = seat_partner(pricing_model="volume", unit_price="")
    _tier(partner, "L1", 0, 14, flat_amount=5)
    _tier(partner, "L1", 12, "12.50", flat_amount=5)
    _three_seats_more(partner)
    partner.write(folder)
    return "2026-02"


def packages_of_own_work(folder: Path) -> str:
    """37 hours in packages of ten of which the first seven are free: three packages; and a tier of packages of 25."""
    partner = seat_partner()
    own = {"cost_source": "own", "quantity_source": "fixed"}
    partner.contract("P1", pricing_model="package", quantity=37, **own)
    _tier(partner, "P1", 7, 900, package_size=10)
    partner.contract("P2", pricing_model="graduated", quantity=130, **own)
    _tier(partner, "P2", 0, 90, flat_amount=20, package_size=10)
    _tier(partner, "P2", 100, 200, flat_amount=15, package_size=25)
    partner.write(folder)
    return "2026-01"


def minimum_on_seats(folder: Path) -> str:
    """Ten seats at 12 with a minimum of 150, in a line from January 10: 22 of 31 days of both."""
    partner = seat_partner(minimum_amount=150, starts_on="2026-01-10")
    partner.line(FEBRUARY, "2026-02-01", "2026-02-28", 10, 100)
    partner.write(folder)
    return "2026-02"


def maximum_and_amount_off(folder: Path) -> str:
    """Thirteen seats at 12 with 9.99 off through January and never more than 140."""
    partner = seat_partner(discount_amount="9.99", discount_ends_on="2026-01-31", maximum_amount=140)
    _three_seats_more(partner)
    partner.write(folder)
    return "2026-02"


def minimum_on_cost_plus(folder: Path) -> str:
    """Azure at cost plus 10 % with a minimum of 100, in a month with cost of 60 and in one without any."""
    partner = Partner()
    partner.account()
    partner.contract("L1", product_id="SAVE", pricing_model="cost_plus", markup_percent=10, minimum_amount=100)
    partner.line(JANUARY, "2026-01-01", "2026-01-31", 1, 60, ProductId="SAVE", SubscriptionId="", BillingFrequency="")
    partner.contract("L2", subscription_id=SEATS, unit_price=12)
    partner.line(FEBRUARY, "2026-02-01", "2026-02-28", 10, 100)
    partner.write(folder)
    return "2026-02"


def bundle_of_seats_and_work(folder: Path) -> str:
    """Two components of own work for 100.00 over weights 2 and 1, beside healthy seats: 66.67 and 33.33."""
    partner = seat_partner()
    partner.row("bundles", bundle_id="B1", name="Care", unit_price=100, currency="EUR")
    for name, weight in (("B-1", 2), ("B-2", 1)):
        partner.contract(name, unit_price=weight, quantity=3, bundle_id="B1", cost_source="own")
    partner.write(folder)
    return "2026-01"


def bundle_of_seats(folder: Path) -> str:
    """Two subscriptions of ten and five seats for 25.00 a seat over equal weights: 12.50 each."""
    partner = seat_partner(unit_price="", bundle_id="B1")
    partner.row("bundles", bundle_id="B1", name="Work", unit_price=25, currency="EUR")
    partner.contract("L2", subscription_id=OTHER_SEATS, bundle_id="B1")
    partner.change("2025-12-01T09:00:00Z", 0, 5, OTHER_SEATS)
    partner.line(JANUARY, "2026-01-01", "2026-01-31", 5, 45, SubscriptionId=OTHER_SEATS)
    partner.write(folder)
    return "2026-01"


def bundle_that_grows(folder: Path) -> str:
    """Work that joins the bundle of the seats in February: 25.00 for the seats, from then on 12.50 each."""
    partner = seat_partner(unit_price="", bundle_id="B1")
    partner.row("bundles", bundle_id="B1", name="Work", unit_price=25, currency="EUR")
    own = {"cost_source": "own", "quantity_source": "fixed", "quantity": 10, "anchor_day": ""}
    partner.contract("L2", bundle_id="B1", starts_on="2026-02-01", **own)
    partner.line(FEBRUARY, "2026-02-01", "2026-02-28", 10, 100)
    partner.write(folder)
    return "2026-02"


def bundle_that_grows_inside_a_month(folder: Path) -> str:
    """Work that joins the bundle of the seats on February 15: a version of the price inside the provider's month."""
    partner = seat_partner(unit_price="", bundle_id="B1")
    partner.row("bundles", bundle_id="B1", name="Work", unit_price=28, currency="EUR")
    own = {"cost_source": "own", "quantity_source": "fixed", "quantity": 10, "anchor_day": ""}
    partner.contract("L2", bundle_id="B1", starts_on="2026-02-15", **own)
    partner.line(FEBRUARY, "2026-02-01", "2026-02-28", 10, 100)
    partner.write(folder)
    return "2026-02"


def bundle_that_grows_in_another_rhythm(folder: Path) -> str:
    """The same against provider cycles from the 17th: a version of the price and other day counts on the same days."""
    partner = seat_partner(unit_price="", bundle_id="B1")
    partner.lines.clear()
    partner.row("bundles", bundle_id="B1", name="Work", unit_price=31, currency="EUR")
    own = {"cost_source": "own", "quantity_source": "fixed", "quantity": 10, "anchor_day": ""}
    partner.contract("L2", bundle_id="B1", starts_on="2026-02-10", **own)
    begun = {"SubscriptionStartDate": "2025-12-17"}
    partner.line(JANUARY, "2026-01-17", "2026-02-16", 10, 100, **begun)
    partner.line(FEBRUARY, "2026-02-17", "2026-03-16", 10, 100, **begun)
    partner.write(folder)
    return "2026-02"


def discount_that_ends_inside_the_providers_year(folder: Path) -> str:
    """10 % off the cycles that start in January; the provider's year began with it."""
    partner = seat_partner(discount_percent=10, discount_ends_on="2026-01-31")
    partner.lines.clear()
    partner.line(
        JANUARY, "2026-01-01", "2026-12-31", 10, 1200, ChargeType="new", BillingFrequency="Annual", UnitPrice="120"
    )
    partner.write(folder)
    return "2026-03"


def contract_that_begins_late(folder: Path) -> str:
    """Seats from January, the contract line from February 10: nobody billed the days before."""
    partner = seat_partner(starts_on="2026-02-10")
    partner.line(FEBRUARY, "2026-02-01", "2026-02-28", 10, 100)
    partner.write(folder)
    return "2026-02"


def bundle_of_a_year_that_grows(folder: Path) -> str:
    """A year in advance of seats and work; more work joins on July 15, which makes the others cheaper."""
    partner = seat_partner(unit_price="", bundle_id="B1", billing_cycle="annual", billing_timing="advance")
    partner.row("bundles", bundle_id="B1", name="Work", unit_price=300, currency="EUR")
    own = {"cost_source": "own", "quantity_source": "fixed", "quantity": 10, "anchor_day": ""}
    year = {"bundle_id": "B1", "billing_cycle": "annual", "billing_timing": "advance"}
    partner.contract("L2", **year, **own)
    partner.contract("L3", starts_on="2026-07-15", **year, **own)
    partner.line(FEBRUARY, "2026-02-01", "2026-02-28", 10, 100)
    partner.write(folder)
    return "2026-02"


def minimum_on_a_bundle_that_grows(folder: Path) -> str:
    """Work at 25.00, from January 12 at 12.50: 169.36 of at least 180.00 for all of January, beside healthy seats."""
    partner = seat_partner()
    partner.row("bundles", bundle_id="B1", name="Care", unit_price=25, currency="EUR")
    own = {"bundle_id": "B1", "cost_source": "own", "quantity": 10}
    partner.contract("B-1", minimum_amount=180, **own)
    partner.contract("B-2", starts_on="2026-01-12", anchor_day="", **own)
    partner.write(folder)
    return "2026-01"


def trial_of_seats(folder: Path) -> str:
    """Seats that are free through January 20: 11 of 31 days, and all of February."""
    partner = seat_partner(trial_ends_on="2026-01-20")
    partner.line(FEBRUARY, "2026-02-01", "2026-02-28", 10, 100)
    partner.write(folder)
    return "2026-02"


def trial_beyond_the_month(folder: Path) -> str:
    """Seats that are free through February 10; January has cost and nothing to charge."""
    partner = seat_partner(trial_ends_on="2026-02-10")
    partner.line(FEBRUARY, "2026-02-01", "2026-02-28", 10, 100)
    partner.write(folder)
    return "2026-02"


def one_time_work(folder: Path) -> str:
    """A set-up of 500.00 less 10 % and two workshops at 80.00 less 15.00 on January 20, beside healthy seats."""
    partner = seat_partner()
    day = {
        "starts_on": "2026-01-20",
        "ends_on": "2026-01-20",
        "billing_cycle": "",
        "anchor_day": "",
        "cost_source": "own",
    }
    partner.contract("O1", pricing_model="flat", unit_price=500, discount_percent=10, **day)
    partner.contract("O2", unit_price=80, quantity=2, discount_amount=15, **day)
    partner.write(folder)
    return "2026-01"


CHARGES: tuple[Callable[[Path], str], ...] = (
    seats_known_from_lines,
    graduated_seats,
    volume_seats,
    packages_of_own_work,
    minimum_on_seats,
    maximum_and_amount_off,
    minimum_on_cost_plus,
    bundle_of_seats_and_work,
    bundle_of_seats,
    bundle_that_grows,
    bundle_that_grows_inside_a_month,
    bundle_that_grows_in_another_rhythm,
    discount_that_ends_inside_the_providers_year,
    contract_that_begins_late,
    bundle_of_a_year_that_grows,
    minimum_on_a_bundle_that_grows,
    trial_of_seats,
    trial_beyond_the_month,
    one_time_work,
)
