"""How rows look on the wire: column names, order, dates and numbers of each form Microsoft hands out.

A `WireForm` turns named values into the text of a row. Files, compression and blobs are in `containers`; what the
values are is decided in `usage` and `seats`.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from csp_pipeline.sandbox.facts import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Value = str | Decimal | date | None

RECON_COLUMNS = tuple(
    """PartnerId CustomerId CustomerName CustomerDomainName CustomerCountry InvoiceNumber MpnId Tier2MpnId OrderId
    OrderDate ProductId SkuId AvailabilityId SkuName ProductName ChargeType UnitPrice Quantity Subtotal TaxTotal Total
    Currency PriceAdjustmentDescription PublisherName PublisherId SubscriptionDescription SubscriptionId
    ChargeStartDate ChargeEndDate TermAndBillingCycle EffectiveUnitPrice UnitType AlternateId BillableQuantity
    BillingFrequency PricingCurrency PCToBCExchangeRate PCToBCExchangeRateDate MeterDescription ReservationOrderId
    CreditReasonCode SubscriptionStartDate SubscriptionEndDate ReferenceId ProductQualifiers PromotionId
    ProductCategory""".split()  # noqa: SIM905  (a block of names reads better)
)
USAGE_COLUMNS = tuple(
    """PartnerId PartnerName CustomerId CustomerName CustomerDomainName CustomerCountry MpnId Tier2MpnId InvoiceNumber
    ProductId SkuId AvailabilityId SkuName ProductName PublisherName PublisherId SubscriptionDescription
    SubscriptionId ChargeStartDate ChargeEndDate UsageDate MeterType MeterCategory MeterId MeterSubCategory MeterName
    MeterRegion Unit ResourceLocation ConsumedService ResourceGroup ResourceURI ChargeType UnitPrice Quantity UnitType
    BillingPreTaxTotal BillingCurrency PricingPreTaxTotal PricingCurrency ServiceInfo1 ServiceInfo2 Tags AdditionalInfo
    EffectiveUnitPrice PCToBCExchangeRate PCToBCExchangeRateDate EntitlementId EntitlementDescription
    PartnerEarnedCreditPercentage CreditPercentage CreditType BenefitOrderId BenefitId BenefitType""".split()  # noqa: SIM905  (a block of names reads better)
)
VARYING = ("UsageDate", "Quantity", "BillingPreTaxTotal", "PricingPreTaxTotal")
_NUMBERS = frozenset(
    """UnitPrice Quantity Subtotal TaxTotal Total EffectiveUnitPrice BillableQuantity PCToBCExchangeRate
    BillingPreTaxTotal PricingPreTaxTotal PartnerEarnedCreditPercentage CreditPercentage""".split()  # noqa: SIM905  (a block of names reads better)
)
_APOSTROPHED = frozenset(("UnitPrice", "EffectiveUnitPrice", "BillableQuantity", "PricingPreTaxTotal"))
_API_NAMES = {
    "Tier2MpnId": "resellerMpnId",
    "Total": "totalForCustomer",
    "Unit": "unitOfMeasure",
    "ResourceURI": "resourceUri",
    "PCToBCExchangeRate": "pcToBCExchangeRate",
    "PCToBCExchangeRateDate": "pcToBCExchangeRateDate",
}
_RATE_NAMES = {"PartnerEarnedCreditPercentage": "rateOfPartnerEarnedCredit", "CreditPercentage": "rateOfCredit"}


@dataclass(frozen=True)
class WireForm:
    """One way in which a month's rows arrive.

    Attributes:
        container: How the files are packed (see `containers`).
        names: Portal column names or the camelCase names of the API.
        has_rates: Credit columns carry `rateOf…` names and fractions (0.15) instead of percentages (15).
        dates: `us` is M/D/YYYY, `iso` a date, `utc` a time stamp with Z.
        has_apostrophes: Some numbers begin with an apostrophe, as spreadsheets leave them.
        has_exponents: Small numbers are written as 7.1E-05 and zero as 0E-20.
    """

    name: str
    container: Literal["csv", "gzip", "zip", "blobs"]
    names: Literal["portal", "api"] = "portal"
    has_rates: bool = False
    dates: Literal["us", "iso", "utc"] = "iso"
    newline: str = "\r\n"
    has_bom: bool = False
    has_apostrophes: bool = False
    has_exponents: bool = False
    charge_type_case: Literal["camel", "title", "lower"] = "camel"

    @property
    def is_json(self) -> bool:
        """One JSON object per line instead of CSV."""
        return self.container == "blobs"

    def header(self, columns: Sequence[str]) -> str:
        """The first line of a file; blank for JSON lines."""
        if self.is_json:
            return ""
        return ("\ufeff" if self.has_bom else "") + self._csv_row([self._name(column) for column in columns])

    def row(self, columns: Sequence[str], values: Mapping[str, Value]) -> str:
        """One complete row; columns without a value are blank."""
        return self.template(columns, values, ()) % ()

    def template(self, columns: Sequence[str], values: Mapping[str, Value], varying: Sequence[str]) -> str:
        """A row as a %-format, with one `%s` for each varying column in column order.

        The same resource gives thousands of rows that differ in a few columns only: rendering the rest once is what
        makes a million rows cheap.
        """
        cells = {column: self._cell(column, values.get(column)) for column in columns}
        if self.is_json:
            text = self._json_row(cells, varying)
        else:
            for column in varying:
                cells[column] = _marker(column)
            text = self._csv_row([cells[column] or "" for column in columns]).replace("%", "%%")
        for column in varying:
            text = text.replace(_marker(column), "'%s" if self._is_apostrophed(column) else "%s")
        return text

    def day(self, on: date) -> str:
        """A date as this form writes it."""
        if self.dates == "us":
            return f"{on.month}/{on.day}/{on.year:04d}"
        return on.isoformat() + ("T00:00:00Z" if self.dates == "utc" else "")

    def number(self, units: int, scale: int) -> str:
        """A number given as an integer and a decimal scale, in this form's notation."""
        if self.has_exponents and abs(units) < 10 ** max(0, scale - 4):
            return _exponent(units, scale)
        if units < 0:
            return "-" + self.number(-units, scale)
        digits = f"{units:0{scale + 1}d}"
        return f"{digits[:-scale]}.{digits[-scale:]}".rstrip("0").rstrip(".")

    def _name(self, column: str) -> str:
        if self.has_rates and column in _RATE_NAMES:
            return _RATE_NAMES[column]
        if self.names == "portal":
            return column
        return _API_NAMES.get(column, column[0].lower() + column[1:])

    def _cell(self, column: str, value: Value) -> str | None:
        if value is None or value == "":
            return None
        if column == "ChargeType":
            return self._charge_type(str(value))
        if isinstance(value, date):
            return self.day(value)
        if isinstance(value, Decimal):
            if self.has_rates and column in _RATE_NAMES:
                value = value / 100
            scale = max(1, -int(value.as_tuple().exponent))
            text = self.number(int(value.scaleb(scale)), scale) if self.has_exponents else plain(value)
            return "'" + text if self._is_apostrophed(column) else text
        return value

    def _is_apostrophed(self, column: str) -> bool:
        return self.has_apostrophes and column in _APOSTROPHED

    def _charge_type(self, charge_type: str) -> str:
        if self.charge_type_case == "lower":
            return charge_type.lower()
        return charge_type[0].upper() + charge_type[1:] if self.charge_type_case == "title" else charge_type

    def _csv_row(self, cells: Sequence[str]) -> str:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator=self.newline).writerow(cells)
        return buffer.getvalue()

    def _json_row(self, cells: Mapping[str, str | None], varying: Sequence[str]) -> str:
        parts = []
        for column, cell in cells.items():
            is_number = column in _NUMBERS
            if column in varying:
                text = _marker(column) if is_number else f'"{_marker(column)}"'
            elif cell is None:
                text = "null" if is_number else '""'
            else:
                text = cell if is_number else json.dumps(cell, ensure_ascii=False)
                text = text.replace("%", "%%")
            parts.append(f'"{self._name(column)}":{text}')
        return "{" + ",".join(parts) + "}\n"


def _marker(column: str) -> str:
    return f"\x01{column}\x01"


def _exponent(units: int, scale: int) -> str:
    if units == 0:
        return "0E-20"
    digits = str(abs(units))
    power = scale - len(digits) + 1
    mantissa = digits.rstrip("0")
    mantissa = mantissa[0] + ("." + mantissa[1:] if len(mantissa) > 1 else ".0")
    return f"{'-' if units < 0 else ''}{mantissa}E-{power:02d}"


FORMS = (
    WireForm("portal", "csv", dates="us", has_bom=True),
    WireForm("portal-gzip", "gzip", newline="\n", dates="utc", charge_type_case="title"),
    WireForm("graph", "blobs", names="api", newline="\n", dates="utc", has_exponents=True),
    WireForm("spreadsheet-zip", "zip", has_apostrophes=True, has_exponents=True, charge_type_case="lower"),
    WireForm("api-names", "csv", names="api", has_rates=True, newline="\n"),
)
