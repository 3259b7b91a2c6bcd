"""Commercial terms into `reference`: read every table, check what needs two tables, write, and report in sentences.

What belongs here: the order of the work and the checks across tables. Reading cells is `formats/commercial_rows`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from csp_pipeline.domain.currencies import minor_unit_decimals
from csp_pipeline.errors import InputFileError
from csp_pipeline.formats.commercial import COMMERCIAL_TABLES, CommercialTable
from csp_pipeline.formats.commercial_rows import Notice, RawRows, Severity, currency_codes, empty_rows, read_rows
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.sources.commercial_terms import (
    connect_terms_database,
    find_csv_files,
    read_csv_table,
    read_database_table,
)
from csp_pipeline.storage.warehouse import replace_rows

if TYPE_CHECKING:
    import duckdb

    from csp_pipeline.settings import Settings

_NOTICE_SCHEMA = {
    "table_name": pl.String(),
    "source_file": pl.String(),
    "source_row": pl.Int64(),
    "column_name": pl.String(),
    "severity": pl.String(),
    "message": pl.String(),
}


@dataclass(frozen=True)
class CommercialReport:
    """What was read.

    Attributes:
        rows: usable rows by table.
        missing: required tables that are not there or cannot be read; without them there are no drafts.
        notices: everything a person should know, as in reference.notices.
    """

    rows: dict[str, int]
    missing: tuple[str, ...]
    notices: tuple[Notice, ...]

    @property
    def refused(self) -> tuple[Notice, ...]:
        """The notices about rows and tables that are not used."""
        return tuple(notice for notice in self.notices if notice.severity == "refused")


def load_commercial_terms(con: duckdb.DuckDBPyConnection, settings: Settings) -> CommercialReport:
    """Replace every table of `reference` by what the terms say now.

    Args:
        con: a connection from `writing`.
        settings: `home.commercial` or `commercial_url` says where the terms are.

    Returns:
        Rows by table, missing required tables, notices.

    Raises:
        CspError: when a database is set and cannot be read.
    """
    find = (
        _database_reader(settings.commercial_url.get_secret_value())
        if settings.commercial_url
        else _csv_reader(settings)
    )
    frames: dict[str, pl.DataFrame] = {}
    notices: list[Notice] = []
    missing: list[str] = []
    for table in COMMERCIAL_TABLES:
        frame, found = _read_table(table, find)
        notices += found
        if frame is None and table.is_required:
            missing.append(table.name)
        frames[table.name] = empty_rows(table) if frame is None else frame
    if not settings.commercial_url:
        notices += _unknown_files(settings)
    if not missing:
        notices += _check_across(frames)
    for name, frame in frames.items():
        _write(con, name, frame)
    codes = currency_codes()
    _write(
        con, "currencies", pl.DataFrame({"currency": codes, "decimals": [minor_unit_decimals(code) for code in codes]})
    )
    _fill(con, "bundle_prices")
    notices += _refused_lines(con)
    _write(con, "notices", pl.DataFrame([_as_row(notice) for notice in notices], schema=_NOTICE_SCHEMA, orient="row"))
    return CommercialReport({name: frame.height for name, frame in frames.items()}, tuple(missing), tuple(notices))


def missing_required_tables(con: duckdb.DuckDBPyConnection) -> list[str]:
    """The required tables that the last load did not find; drafts are not made while there is one."""
    rows = con.execute(
        """
        SELECT DISTINCT table_name
        FROM reference.notices
        WHERE severity = 'refused' AND source_row IS NULL
        ORDER BY table_name
        """
    ).fetchall()
    required = {table.name for table in COMMERCIAL_TABLES if table.is_required}
    return [name for (name,) in rows if name in required]


Finder = Callable[[CommercialTable], RawRows | None]


def _csv_reader(settings: Settings) -> Finder:
    files = find_csv_files(settings.home.commercial)
    return lambda table: read_csv_table(files[table.name], table.name) if table.name in files else None


def _database_reader(url: str) -> Finder:
    engine = connect_terms_database(url)
    return lambda table: read_database_table(engine, table.name)


def _read_table(table: CommercialTable, find: Finder) -> tuple[pl.DataFrame | None, list[Notice]]:
    severity: Severity = "refused" if table.is_required else "notice"
    try:
        raw = find(table)
    except InputFileError as error:
        return None, [Notice(table.name, f"{table.name}.csv", None, None, "refused", str(error))]
    if raw is None:
        effect = "no invoice can be drafted without it" if table.is_required else "it counts as empty"
        return None, [
            Notice(table.name, table.name, None, None, severity, f"The table {table.name} is missing; {effect}.")
        ]
    try:
        return read_rows(table, raw)
    except InputFileError as error:
        return None, [*raw.notices, Notice(table.name, raw.source_file, None, None, "refused", str(error))]


def _unknown_files(settings: Settings) -> list[Notice]:
    known = {table.name for table in COMMERCIAL_TABLES}
    return [
        Notice(
            name, path.name, None, None, "notice", f"{path.name} is no table of the commercial terms and is ignored."
        )
        for name, path in find_csv_files(settings.home.commercial).items()
        if name not in known
    ]


def _check_across(frames: dict[str, pl.DataFrame]) -> list[Notice]:
    """Refuse rows of accounts that do not exist (the frames are cut), and remark on what does not go together."""
    notices: list[Notice] = []
    accounts = frames["accounts"]
    for name in ("account_tenants", "contract_lines", "account_resellers"):
        known = pl.col("account_id").is_in(accounts["account_id"].to_list())
        notices += _tell(
            name,
            frames[name].filter(~known),
            "account_id",
            "refused",
            "account {account_id} is not in accounts; this row is not used.",
        )
        frames[name] = frames[name].filter(known)
    lost = frames["price_tiers"].join(
        frames["contract_lines"], on="contract_line_id", how="anti", maintain_order="left"
    )
    text = "contract line {contract_line_id} is not in contract_lines; the tier has no effect."
    notices += _tell("price_tiers", lost, "contract_line_id", "notice", text)
    tenants, lines, rates = frames["account_tenants"], frames["contract_lines"], frames["tax_rates"]
    resellers = frames["account_resellers"].select("account_id").unique()
    homeless = accounts.join(tenants, on="account_id", how="anti", maintain_order="left")
    homeless = homeless.join(resellers, on="account_id", how="anti", maintain_order="left")
    text = (
        "account {account_id} has no tenant in account_tenants and no reseller in account_resellers; no provider cost "
        "reaches it until one is added."
    )
    notices += _tell("accounts", homeless, "account_id", "notice", text)
    taxed = accounts.filter(pl.col("tax_rate_id").is_not_null())
    untaxed = taxed.join(rates, on="tax_rate_id", how="anti", maintain_order="left")
    notices += _tell(
        "accounts", untaxed, "tax_rate_id", "notice", "tax rate {tax_rate_id} is not in tax_rates; no tax is charged."
    )
    without_product = lines.filter(pl.col("sku_id").is_not_null() & pl.col("product_id").is_null())
    text = "sku_id {sku_id} is a key only together with product_id, which is empty; it is not compared."
    notices += _tell("contract_lines", without_product, "sku_id", "notice", text)
    key = pl.col("customer_id").str.to_lowercase().str.strip_prefix("org:").alias("tenant")
    owned = tenants.select("account_id", key)
    strangers = lines.filter(pl.col("customer_id").is_not_null()).with_columns(key)
    strangers = strangers.join(owned, on=["account_id", "tenant"], how="anti", maintain_order="left")
    strangers = strangers.join(resellers, on="account_id", how="anti", maintain_order="left")
    text = "customer {customer_id} is no tenant of account {account_id}; no provider cost reaches {contract_line_id}."
    return notices + _tell("contract_lines", strangers, "customer_id", "notice", text)


def _tell(name: str, rows: pl.DataFrame, column: str, severity: Severity, text: str) -> list[Notice]:
    return [
        Notice(
            name,
            row["source_file"],
            row["source_row"],
            column,
            severity,
            f"{row['source_file']}, line {row['source_row']}, column {column}: {text.format(**row)}",
        )
        for row in rows.iter_rows(named=True)
    ]


def _refused_lines(con: duckdb.DuckDBPyConnection) -> list[Notice]:
    _fill(con, "refused_contract_lines")
    rows = con.execute(
        """
        SELECT source_file, source_row, column_name, message
        FROM reference.refused_contract_lines
        ORDER BY source_row, column_name
        """
    ).fetchall()
    return [Notice("contract_lines", file, row, column, "refused", message) for file, row, column, message in rows]


def _fill(con: duckdb.DuckDBPyConnection, name: str) -> None:
    table = load_catalogue()[f"reference.{name}"]
    replace_rows(con, table, table.select() or "")


def _write(con: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    con.register("found_terms", frame)
    replace_rows(con, load_catalogue()[f"reference.{name}"], "SELECT * FROM found_terms")
    con.unregister("found_terms")


def _as_row(notice: Notice) -> tuple[str, str, int | None, str | None, str, str]:
    return (
        notice.table_name,
        notice.source_file,
        notice.source_row,
        notice.column_name,
        notice.severity,
        notice.message,
    )
