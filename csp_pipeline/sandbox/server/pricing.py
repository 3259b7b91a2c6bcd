"""Price sheets and exchange rates as CSV, made of the same catalogue as the invoices.

What belongs here: the columns and rows of these files. Which of them a request gets is decided in `partner_center`.
"""

from __future__ import annotations

import csv
import io
import zipfile
from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.sandbox import catalogue
from csp_pipeline.sandbox.catalogue import CURRENCIES, METERS, REGIONS, Licence, Meter
from csp_pipeline.sandbox.containers import ZIP_TIME
from csp_pipeline.sandbox.dates import first_day
from csp_pipeline.sandbox.deals import SELLING_FACTOR, local_price
from csp_pipeline.sandbox.facts import plain
from csp_pipeline.sandbox.usage import QUANTITY_SCALE, meter_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from csp_pipeline.sandbox.catalogue import Currency
    from csp_pipeline.sandbox.scenario import Scenario

_COMMON = "ProductTitle ProductId SkuId SkuTitle Publisher SkuDescription UnitOfMeasure TermDuration"
_PRICE = "Market Currency UnitPrice PricingTierRangeMin PricingTierRangeMax EffectiveStartDate EffectiveEndDate"
AZURE_COLUMNS = tuple(f"{_COMMON} {_PRICE} MeterIds MeterType Tags".split())
LICENCE_COLUMNS = (*f"{_COMMON} BillingPlan {_PRICE} Tags".split(), "ERP Price")
SOFTWARE_COLUMNS = (*LICENCE_COLUMNS, "Segment")
OPEN_END = "11/30/9999 11:59:59 PM"
LICENCES = (
    catalogue.BUSINESS_PREMIUM, catalogue.BUSINESS_STANDARD, catalogue.BUSINESS_BASIC, catalogue.E3, catalogue.E5,
    catalogue.E5_CALLING, catalogue.EXCHANGE, catalogue.POWER_BI, catalogue.VISIO, catalogue.PROJECT,
    catalogue.DEFENDER, catalogue.TEAMS_ROOMS, catalogue.COPILOT,
)  # fmt: skip
RESERVATIONS = (catalogue.RESERVED_VM, catalogue.SAVINGS_PLAN)
VIEWS = ("azure_consumption", "azure_reservations", "updatedlicensebased", "marketplace", "software")
TERMS = (("P1Y", "Annual", 12), ("P1Y", "Monthly", 12), ("P1M", "Monthly", 1))
RATE_DIGITS = 17


def price_sheet(market: str, view: str, month: str) -> bytes | None:
    """A price sheet as CSV.

    Args:
        market: Country code in capitals.
        view: One of `VIEWS`.
        month: `YYYY-MM`, since whose first day the prices hold.

    Returns:
        The file; None for a market or view there is none for.
    """
    currency = next((currency for currency in CURRENCIES.values() if currency.country == market), None)
    if currency is None or view not in VIEWS:
        return None
    day = first_day(month)
    since = f"{day.month}/{day.day}/{day.year} 12:00:00 AM"
    if view == "azure_consumption":
        meters = [(meter, region) for meter in METERS for region in REGIONS]
        return _csv(AZURE_COLUMNS, (_meter_row(meter, region, market, since) for meter, region in meters))
    if view == "software":
        return _csv(SOFTWARE_COLUMNS, ())
    if view == "azure_reservations":
        usd = CURRENCIES["USD"]
        return _csv(LICENCE_COLUMNS, (_licence_row(licence, TERMS[0], market, usd, since) for licence in RESERVATIONS))
    sold = (catalogue.SAAS,) if view == "marketplace" else LICENCES
    rows = (_licence_row(licence, term, market, currency, since) for licence in sold for term in TERMS)
    return _csv(LICENCE_COLUMNS, rows)


def exchange_rates(scenario: Scenario, month: str) -> bytes:
    """The exchange rates of a month as CSV: US dollars for one unit of each currency, 17 digits."""
    rows = []
    for currency in CURRENCIES.values():
        rate = 1 / scenario.fx(currency, month)
        rows.append((currency.code, plain(round(rate, RATE_DIGITS - 1 - rate.adjusted())), month.replace("-", "")))
    return _csv(("CurrencyCode", "USDPerUnit", "Month"), rows)


def zipped(content: bytes, name: str) -> bytes:
    """A file in a zip archive of its own."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name, ZIP_TIME), content)
    return buffer.getvalue()


def _csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return buffer.getvalue().encode()


def _meter_row(meter: Meter, region: tuple[str, str], market: str, since: str) -> Sequence[str]:
    title = f"{meter.product_name} - {meter.name} - {region[0]}"
    price = plain(Decimal(meter.price).scaleb(-QUANTITY_SCALE))
    return (
        meter.product_name, meter.product_id, meter.sku_id, title, meter.publisher_name, title, meter.unit, "payG-1",
        market, "USD", price, "", "", since, OPEN_END, meter_id(meter, region), meter.unit, "Azure;Consumption",
    )  # fmt: skip


def _licence_row(
    licence: Licence, term: tuple[str, str, int], market: str, currency: Currency, since: str
) -> Sequence[str]:
    duration, plan, months = term
    prices = [plain(local_price(licence, currency, factor) * months) for factor in (Decimal(1), SELLING_FACTOR)]
    return (
        licence.name, licence.product_id, licence.sku_id, licence.name, licence.publisher_name, licence.name,
        licence.unit_type, duration, plan, market, currency.code, prices[0], "", "", since, OPEN_END, "", prices[1],
    )  # fmt: skip
