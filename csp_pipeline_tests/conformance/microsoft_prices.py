"""Microsoft's worked examples of prices: Subtotal formulas, earned credit, savings plans, exchange rates, plans.

What belongs here: which fields of a vector go into which rule of the product.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from csp_pipeline.domain.calendar import first_day_of, last_day_of
from csp_pipeline.domain.currencies import minor_unit_decimals
from csp_pipeline.domain.money import truncate
from csp_pipeline.domain.provider_prices import (
    earned_credit_price,
    monthly_plan_price,
    rate_from_inverse,
    rate_set_on,
    savings_plan_day,
)
from csp_pipeline.domain.subtotals import CENTS, cut, half_up, subtotal
from csp_pipeline_tests.conformance.outcomes import NotSupportedError, Vector, Verdict, compare, decimals_of

if TYPE_CHECKING:
    from collections.abc import Callable

YEARS_OF_THE_PAGES = range(2021, 2024)
"""The page names a day and no year; its editions are of these years."""
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
EFFECTIVE_PRICE_DECIMALS = 15


def check_subtotal_formulas(vector: Vector) -> Verdict:
    """The two published formulas: of usage and of licences."""
    given = vector.input
    price, quantity = given.number("effective_unit_price"), given.number("billable_quantity")
    rate = given.number("pc_to_bc_exchange_rate") if "pc_to_bc_exchange_rate" in given else 1
    decimals = minor_unit_decimals(str(given.get("currency", "USD")))
    return compare(
        vector.expected,
        {
            "usage_subtotal": subtotal("usage", price, quantity, Fraction(rate), decimals),
            "license_subtotal": subtotal("B", price, quantity, Fraction(rate), decimals),
        },
    )


def check_earned_credit_price(vector: Vector) -> Verdict:
    """Cost and effective price of a meter, from its consumption of the month so far."""
    given = vector.input
    percent = (
        given.number("pec_rate") * 100 if "pec_rate" in given else given.number("partner_earned_credit_percentage")
    )
    units = given.number("billable_consumption_units_to_date", "billable_consumption_units")
    cost, price = earned_credit_price(given.number("unit_price"), units, percent)
    decimals = decimals_of(vector.expected.get("effective_unit_price", 0))
    shown = half_up(price, min(decimals, EFFECTIVE_PRICE_DECIMALS) or CENTS)
    return compare(vector.expected, {"billable_cost": cost, "effective_unit_price": shown})


def check_savings_plan(vector: Vector) -> Verdict:
    """A day under a savings plan; the page cuts what it prints."""
    given = vector.input
    day = savings_plan_day(given.number("commit"), given.number("payg"), given.number("sp_rate"), given.whole("hours"))
    found = {
        "sp_hours_per_hour": day.covered_hours_per_hour,
        "payg_hours_day": day.payg_hours,
        "payg_cost_day": day.payg_cost,
        "total_day": day.total_cost,
    }
    shown = {name: cut(value, decimals_of(vector.expected.get(name, 0))) for name, value in found.items()}
    return compare(vector.expected, shown)


def check_document_rounding(vector: Vector) -> Verdict:
    """A meter's sum cut to the currency's minor unit, and the record of what was cut off."""
    total = vector.input.number("meter_total")
    invoiced = truncate(total, minor_unit_decimals(vector.input["currency"]))
    return compare(vector.expected, {"invoiced": invoiced, "rounding_adjustment": invoiced - total})


def check_rate_day(vector: Vector) -> Verdict:
    """The day whose exchange rate holds for a month."""
    named = re.search(rf"({'|'.join(MONTHS)})", str(vector.content.get("scenario", "")))
    if named is None:
        raise NotSupportedError("the scenario names no month")
    month = MONTHS.index(named[1]) + 1
    found: list[dict[str, Any]] = []
    for year in YEARS_OF_THE_PAGES:
        asked = f"{year}-{month:02d}"
        set_on, first, last = rate_set_on(asked), first_day_of(asked), last_day_of(asked)
        applies = f"{first:%b} {first.day}..{last.day}"
        found.append({"rate_set": f"{set_on:%b} {set_on.day}, 16:00 UTC", "applies": applies})
    expected = {**vector.expected, "rate_set": str(vector.expected["rate_set"]).partition(" (")[0]}
    verdicts = [compare(expected, got) for got in found]
    return next((verdict for verdict in verdicts if not verdict.differs), verdicts[0])


def check_rates_file(vector: Vector) -> Verdict:
    """A rate from the file of rates, which has it the other way round."""
    rate = rate_from_inverse(vector.input.number("USDPerUnit"))
    name = f"usd_to_{str(vector.input['CurrencyCode']).lower()}"
    return compare(vector.expected, {name: half_up(rate, decimals_of(vector.expected.get(name, 0)))})


def check_monthly_plan(vector: Vector) -> Verdict:
    """The monthly plan of an annual price, and twelve of its charges."""
    given = vector.input
    monthly = monthly_plan_price(given.number("annual_annual"))
    expected = {**vector.expected, "annual_monthly": given["annual_monthly"]}
    return compare(expected, {"monthly": monthly, "annual_monthly": monthly * 12})


CHECKS: dict[str, Callable[[Vector], Verdict]] = {
    "derived_from_formula": check_subtotal_formulas,
    "pec_effective_unit_price": check_earned_credit_price,
    "azure_pec_effective_unit_price": check_earned_credit_price,
    "savings_plan": check_savings_plan,
    "invoice_rounding": check_document_rounding,
    "fx_date": check_rate_day,
    "fx_file": check_rates_file,
    "pricelist_billing_plan": check_monthly_plan,
}
