"""Invoices of distributors: the one table they are read into, and the mappings that say which column is which.

What belongs here: the columns every distributor's invoice is read into, and the reading of a mapping, a YAML file that
a user keeps under `providers/`. How the rows of a file are told apart belongs to `distributor_rows`.

Each distributor is a kind of its own (`distributor_<provider>`): two of them may use the same invoice number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from csp_pipeline.errors import InputFileError
from csp_pipeline.formats.columns import WireFormat, currency, day, identifier, normalised, number, text

if TYPE_CHECKING:
    from pathlib import Path

    from csp_pipeline.formats.columns import Column

PREFIX = "distributor_"
"""What the kinds of distributors begin with; the name of the provider follows."""

FORMAT = WireFormat(
    kind="distributor_invoice",
    title="distributor invoice",
    signature=(),
    columns=(
        identifier("invoice_number", "invoice_number", required=True),
        day("invoice_date", "invoice_date"),
        day("due_date", "due_date"),
        number("invoice_total", "invoice_total", unit="currency"),
        identifier("customer_id", "customer_id"),
        text("customer_name", "customer_name"),
        text("customer_domain_name", "customer_domain_name"),
        text("customer_country", "customer_country"),
        identifier("reseller_mpn_id", "reseller_mpn_id"),
        identifier("order_id", "order_id"),
        day("order_date", "order_date"),
        identifier("subscription_id", "subscription_id"),
        identifier("product_id", "product_id"),
        identifier("sku_id", "sku_id"),
        text("product_name", "product_name"),
        text("vendor_name", "vendor_name"),
        text("charge_type", "charge_type"),
        text("billing_frequency", "billing_frequency"),
        text("term_and_billing_cycle", "term_and_billing_cycle"),
        day("charge_start_date", "charge_start_date"),
        day("charge_end_date", "charge_end_date"),
        number("quantity", "quantity", unit="units"),
        number("list_price", "list_price", unit="currency"),
        number("unit_price", "unit_price", unit="currency"),
        number("extended_price", "extended_price", unit="currency", required=True),
        number("tax_amount", "tax_amount", unit="currency"),
        number("total_amount", "total_amount", unit="currency"),
        currency("currency", "currency", required=True),
    ),
    invoice="invoice_number",
    currency="currency",
    amount="extended_price",
    tax="tax_amount",
    total="total_amount",
    dates=("charge_start_date", "order_date", "invoice_date"),
)

DateOrder = Literal["M/D/Y", "D/M/Y"]
_DATE_ORDERS: dict[str, DateOrder] = {"M/D/Y": "M/D/Y", "D/M/Y": "D/M/Y"}
_PROVIDER = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TEXTS = ("provider", "title", "currency", "vendor", "delimiter", "decimal", "dates")
_DELIMITERS = (",", ";", "\t", "|")
_DECIMALS = (".", ",")
_CUSTOMER = ("customer_id", "customer_name", "customer_domain_name", "subscription_id")


@dataclass(frozen=True, slots=True)
class InvoiceMapping:
    """How a distributor lays out its invoices.

    Attributes:
        wire_format: the columns under the names that the distributor gives them.
        delimiter, decimal: what stands between the fields, and before the decimals, of its CSV.
        dates: whether month or day comes first in a date that does not begin with the year.
        source: the YAML it was declared in; it is kept with the files that are read by it.
    """

    wire_format: WireFormat
    delimiter: str = ","
    decimal: str = "."
    dates: DateOrder = "M/D/Y"
    source: bytes = b""


def provider_of(kind: str) -> str:
    """The provider's name in the kind of its files."""
    return kind.removeprefix(PREFIX)


def read_mappings(folder: Path) -> tuple[list[InvoiceMapping], list[str]]:
    """The mappings of a folder, by file name.

    Args:
        folder: holds one YAML file per mapping; need not exist.

    Returns:
        The mappings that can be used, and a sentence for each file that cannot.
    """
    mappings, problems = [], []
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]) if folder.is_dir() else []:
        try:
            mappings.append(mapping_in(path.read_bytes()))
        except InputFileError as reason:
            problems.append(f"providers/{path.name}: {reason}")
    return mappings, problems


def mapping_in(source: bytes) -> InvoiceMapping:
    """The mapping that a YAML file declares.

    Raises:
        InputFileError: in one sentence, when it is no YAML, or says something missing, unknown or not of its form.
    """
    return replace(mapping_of(_load(source)), source=source)


def mapping_of(declared: object) -> InvoiceMapping:
    """A mapping as declared.

    Args:
        declared: provider, columns (staging name: column of the file), and what else a mapping may say.

    Raises:
        InputFileError: in one sentence, when something is missing, unknown or not of its form.
    """
    if not isinstance(declared, Mapping):
        raise InputFileError("expected a mapping with provider and columns")
    texts = {name: str(declared[name]) for name in _TEXTS if declared.get(name) is not None}
    unknown = [str(name) for name in declared if name not in (*_TEXTS, "columns", "optional")]
    if unknown:
        raise InputFileError(f"expected no further settings, found {', '.join(unknown)}")
    if not _PROVIDER.fullmatch(texts.get("provider", "")):
        raise InputFileError("expected provider: a name of small letters, digits and underscores")
    if texts["provider"] == "microsoft":
        raise InputFileError("expected provider: the distributor's name, found microsoft, which sends files of its own")
    return InvoiceMapping(
        _wire_format(texts, _columns(declared, texts), declared.get("optional") or ()),
        _choice(texts, "delimiter", _DELIMITERS, ","),
        _choice(texts, "decimal", _DECIMALS, "."),
        _DATE_ORDERS[_choice(texts, "dates", tuple(_DATE_ORDERS), "M/D/Y")],
    )


def _load(source: bytes) -> object:
    import yaml  # noqa: PLC0415  (only a partner with distributors needs it)

    try:
        return yaml.safe_load(source.decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as reason:
        raise InputFileError(f"expected YAML, found something else ({str(reason).splitlines()[0]})") from reason


def _choice(texts: Mapping[str, str], name: str, choices: Sequence[str], default: str) -> str:
    chosen = texts.get(name, default)
    if chosen not in choices:
        raise InputFileError(f"expected {name}: one of {' '.join(map(repr, choices))}, found {chosen!r}")
    return chosen


def _columns(declared: Mapping[object, object], texts: Mapping[str, str]) -> dict[str, str]:
    columns = declared.get("columns")
    if not isinstance(columns, Mapping) or not columns:
        raise InputFileError("expected columns: a list of `name: column of the file`")
    named = {str(name): str(column) for name, column in columns.items()}
    strange = [name for name in named if name not in FORMAT.column]
    if strange:
        raise InputFileError(f"expected columns among {', '.join(FORMAT.column)}; found {', '.join(strange)}")
    missing = [name for name in FORMAT.required if name not in named and name not in texts]
    if missing:
        raise InputFileError(f"expected a column for {', '.join(missing)}")
    if not any(name in named for name in _CUSTOMER):
        raise InputFileError(f"expected a column that tells the customer: one of {', '.join(_CUSTOMER)}")
    if len({normalised(column) for column in named.values()}) < len(named):
        raise InputFileError("expected each column of the file to be used once")
    return named


def _wire_format(texts: Mapping[str, str], named: Mapping[str, str], optional: object) -> WireFormat:
    may_lack = {str(name) for name in optional} if isinstance(optional, (list, tuple)) else set()
    constants = {"currency": texts.get("currency"), "vendor_name": texts.get("vendor")}

    def spelled(column: Column) -> Column:
        return replace(column, portal=named.get(column.name, column.name))

    return replace(
        FORMAT,
        kind=PREFIX + texts["provider"],
        title=texts.get("title", f"invoice of {texts['provider']}"),
        columns=tuple(map(spelled, FORMAT.columns)),
        signature=tuple((column,) for name, column in named.items() if name not in may_lack),
        constants=tuple((name, value) for name, value in constants.items() if value and name not in named),
    )
