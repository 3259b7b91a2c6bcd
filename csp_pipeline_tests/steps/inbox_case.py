"""A CSP_HOME in a temporary folder, files in Microsoft's formats to put in its inbox, and what ingest made of them."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID

from csp_pipeline.formats import daily_usage, reconciliation
from csp_pipeline.steps.ingest import IngestReport, create_staged_views, land_and_stage, load_file_catalogue
from csp_pipeline.storage.home import Home
from csp_pipeline.storage.warehouse import writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from csp_pipeline.formats.columns import WireFormat

_RANDOM = Random(20261122)
CUSTOMER, SUBSCRIPTION, ENTITLEMENT, PARTNER = (str(UUID(int=_RANDOM.getrandbits(128))) for _ in range(4))

AMOUNTS = "SELECT subtotal FROM staged_reconciliation ORDER BY source_file, source_row"
RECON_ROW = {
    "PartnerId": PARTNER,
    "CustomerId": CUSTOMER,
    "CustomerName": "Contoso, Ltd.",
    "CustomerDomainName": "contoso.example.com",
    "CustomerCountry": "DE",
    "InvoiceNumber": "G000000001",
    "MpnId": "1234567",
    "Tier2MpnId": "0",
    "OrderId": "ab12cd34",
    "OrderDate": "2026-10-01T00:00:00Z",
    "ProductId": "CFQ7TTC0LF8R",
    "SkuId": "0001",
    "AvailabilityId": "CFQ7TTC0K971",
    "SkuName": "Office 365 E3",
    "ProductName": "Office 365 E3",
    "ChargeType": "cycleCharge",
    "UnitPrice": "23.1",
    "Quantity": "10",
    "Subtotal": "231.00",
    "TaxTotal": "0",
    "Total": "231.00",
    "Currency": "EUR",
    "PublisherName": "Microsoft",
    "SubscriptionId": SUBSCRIPTION,
    "ChargeStartDate": "10/1/2026",
    "ChargeEndDate": "10/31/2026",
    "EffectiveUnitPrice": "23.1",
    "BillableQuantity": "10",
    "PricingCurrency": "EUR",
    "PCToBCExchangeRate": "1",
    "PCToBCExchangeRateDate": "0001-01-01T00:00:00Z",
}
USAGE_ROW = {
    "CustomerId": CUSTOMER,
    "InvoiceNumber": "G000000001",
    "ProductId": "DZH318Z0BPS6",
    "SkuId": "0001",
    "PublisherName": "Microsoft",
    "SubscriptionId": SUBSCRIPTION,
    "EntitlementId": ENTITLEMENT,
    "ChargeStartDate": "2026-10-01T00:00:00Z",
    "ChargeEndDate": "2026-10-31T00:00:00Z",
    "UsageDate": "2026-10-05T00:00:00Z",
    "UnitPrice": "0.5",
    "EffectiveUnitPrice": "0.425",
    "Quantity": "3",
    "BillingPreTaxTotal": "1.275",
    "BillingCurrency": "EUR",
    "PricingPreTaxTotal": "1.275",
    "PricingCurrency": "USD",
    "PartnerEarnedCreditPercentage": "15",
    "Tags": '{"env":"prod","team":"a, b"}',
}


def csv_of(
    wire_format: WireFormat, rows: Iterable[Mapping[str, str]], header: Sequence[str] | None = None, end: str = "\r\n"
) -> str:
    """A portal file with the given rows by portal name."""
    names = list(header or [column.portal for column in wire_format.columns])
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator=end, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def recon(*changes: Mapping[str, str]) -> str:
    """A reconciliation file whose rows differ from the usual one as stated."""
    return csv_of(reconciliation.FORMAT, [{**RECON_ROW, **change} for change in changes])


def usage(*changes: Mapping[str, str]) -> str:
    """A daily usage file whose rows differ from the usual one as stated."""
    return csv_of(daily_usage.FORMAT, [{**USAGE_ROW, **change} for change in changes])


def usage_lines(*changes: Mapping[str, object]) -> str:
    """Daily usage as JSON lines."""
    return "".join(json.dumps({**USAGE_ROW, **change}) + "\n" for change in changes)


def zipped(**members: str) -> bytes:
    """A zip archive of these members (`__` stands for the dot in a name, `_in_` for the slash)."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", ".").replace("_in_", "/"), content)
    return packed.getvalue()


@dataclass(frozen=True)
class InboxCase:
    """A home with an inbox, and short ways to fill it and to look at what came of it."""

    home: Home

    @classmethod
    def at(cls, folder: Path) -> InboxCase:
        return cls(Home(folder).create())

    def put(self, name: str, content: str | bytes) -> Path:
        path = self.home.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def ingest(self, **files: str | bytes) -> IngestReport:
        """Put files (`__` stands for the dot in a name) and run."""
        for name, content in files.items():
            self.put(name.replace("__", "."), content)
        return land_and_stage(self.home)

    def query(self, sql: str) -> list[tuple[object, ...]]:
        """Rows of a query over the catalogue and the staged views."""
        with writing(self.home) as connection:
            load_file_catalogue(connection, self.home)
            create_staged_views(connection, self.home)
            return connection.execute(sql).fetchall()

    def message(self, **files: str | bytes) -> str:
        """The sentence told about the one file given."""
        (told,) = self.ingest(**files).files
        return f"{told.status}: {told.message}"
