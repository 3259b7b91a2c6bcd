"""The provider's files of a small partner, as rows that can be changed, put in another order, split and packed anew.

What belongs here: reading generated files back into rows of text by their portal names, and writing rows in each of the
ways files arrive. What the pipeline makes of them is for the tests to say.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
import zipfile
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.sandbox.wire import RECON_COLUMNS, USAGE_COLUMNS
from csp_pipeline_tests.sandbox.received import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

Row = dict[str, str]
Document = tuple[str, str]
"""Kind (`reconciliation`, `dailyratedusage`) and invoice number."""

COLUMNS = {"reconciliation": RECON_COLUMNS, "dailyratedusage": USAGE_COLUMNS}
PACKINGS = ("csv", "csv.gz", "members.csv.gz", "zip", "portal.jsonl", "api.jsonl", "api.json.gz")
NUMBERS = frozenset(
    {
        "UnitPrice", "Quantity", "Subtotal", "TaxTotal", "Total", "EffectiveUnitPrice", "BillableQuantity",
        "PCToBCExchangeRate", "BillingPreTaxTotal", "PricingPreTaxTotal", "PartnerEarnedCreditPercentage",
        "CreditPercentage", "rateOfPartnerEarnedCredit", "rateOfCredit",
    }
)  # fmt: skip
API_NAMES = {
    "Tier2MpnId": "resellerMpnId",
    "Total": "totalForCustomer",
    "Unit": "unitOfMeasure",
    "ResourceURI": "resourceUri",
    "PCToBCExchangeRate": "pcToBCExchangeRate",
    "PCToBCExchangeRateDate": "pcToBCExchangeRateDate",
}
RATES = {"PartnerEarnedCreditPercentage": "rateOfPartnerEarnedCredit", "CreditPercentage": "rateOfCredit"}


@dataclass(frozen=True)
class ProviderFiles:
    """A made-up partner whose reconciliation and usage rows are held as text.

    Attributes:
        folder: where it was generated; everything but those two kinds is taken over as it is.
        documents: the rows of each document, by portal name, in the order of the files.
    """

    folder: Path
    documents: dict[Document, list[Row]]

    @classmethod
    def read(cls, folder: Path) -> ProviderFiles:
        """Take up a generated partner."""
        documents: dict[Document, list[Row]] = {}
        for kind, columns in COLUMNS.items():
            for row in rows_of(folder / "inbox", kind):
                named = {column: row[column.lower()].removeprefix("'") for column in columns}
                documents.setdefault((kind, named["InvoiceNumber"]), []).append(named)
        return cls(folder, documents)

    def home(self, folder: Path) -> Path:
        """A new home with the terms and all that is not a reconciliation or usage file; returns it."""
        shutil.copytree(self.folder / "commercial", folder / "commercial")
        (folder / "inbox").mkdir(parents=True)
        for path in (self.folder / "inbox").iterdir():
            if not any(f"_{kind}" in path.name for kind in COLUMNS):
                shutil.copy(path, folder / "inbox")
        return folder

    def write(self, folder: Path, changed: Mapping[Document, Sequence[Row]] | None = None) -> Path:
        """A new home with every document as one CSV file, some of them with other rows; returns it."""
        home = self.home(folder)
        for (kind, number), rows in {**self.documents, **(changed or {})}.items():
            put(home, f"{number}_{kind}", kind, rows)
        return home


def put(home: Path, stem: str, kind: str, rows: Sequence[Row], packing: str = "csv") -> Path:
    """Write rows into the inbox, packed in one of `PACKINGS`; returns the file."""
    path = home / "inbox" / f"{stem}.{packing}"
    path.write_bytes(_packed(kind, rows, packing))
    return path


def csv_bytes(columns: Iterable[str], rows: Iterable[Row]) -> bytes:
    """A CSV file as the portal hands it out."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig")


def _packed(kind: str, rows: Sequence[Row], packing: str) -> bytes:
    if "json" in packing:
        lines = "".join(_json_line(row if packing.startswith("portal") else _api(row)) for row in rows).encode()
        return gzip.compress(lines, 1) if packing.endswith("gz") else lines
    table = csv_bytes(COLUMNS[kind], rows)
    if packing == "members.csv.gz":
        return gzip.compress(table[: len(table) // 2], 1) + gzip.compress(table[len(table) // 2 :], 1)
    if packing == "csv.gz":
        return gzip.compress(table, 1)
    if packing == "zip":
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
            opened.writestr(f"{kind}.csv", table)
        return archive.getvalue()
    return table


def _api(row: Row) -> Row:
    """A row under the API's names; a credit is a rate there."""
    named = {}
    for column, value in row.items():
        if column in RATES:
            named[RATES[column]] = f"{Decimal(value) / 100:f}" if value else ""
        else:
            named[API_NAMES.get(column, column[0].lower() + column[1:])] = value
    return named


def _json_line(row: Row) -> str:
    numbers = {name.lower() for name in NUMBERS}
    parts = [
        f"{json.dumps(name)}:{(value or 'null') if name.lower() in numbers else json.dumps(value, ensure_ascii=False)}"
        for name, value in row.items()
    ]
    return "{" + ",".join(parts) + "}\n"
