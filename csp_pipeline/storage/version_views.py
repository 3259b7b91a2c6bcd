"""Views over every version of provider documents: what earlier ones held beside the one that counts.

What belongs here: the temporary views `staged_line_versions` and `staged_usage_versions`. Which versions there are is
decided in `document_versions`, what they sum to in `models/cost/invoice_versions.sql`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.formats import daily_usage, distributor, legacy_licence, legacy_usage, reconciliation
from csp_pipeline.formats.recognition import FORMATS
from csp_pipeline.storage.sql_text import literal, path_list
from csp_pipeline.storage.staging import parquet_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

    from csp_pipeline.storage.home import Home

LINE_COLUMNS = {
    "kind": "VARCHAR",
    "invoice_number": "VARCHAR",
    "version_number": "BIGINT",
    "customer_id": "VARCHAR",
    "customer_name": "VARCHAR",
    "customer_domain_name": "VARCHAR",
    "subscription_id": "VARCHAR",
    "subtotal": "DECIMAL(38,18)",
    "tax": "DECIMAL(38,18)",
    "total": "DECIMAL(38,18)",
    "source_row": "BIGINT",
}
"""The columns of `staged_line_versions`: a row per line and version that holds it."""
USAGE_COLUMNS = {
    "kind": "VARCHAR",
    "invoice_number": "VARCHAR",
    "version_number": "BIGINT",
    "customer_id": "VARCHAR",
    "net": "DECIMAL(38,18)",
    "source_row": "BIGINT",
}
"""The columns of `staged_usage_versions`: a row per usage row and version that holds it and counts no more."""

_NEW_COMMERCE = {
    "customer_id": "customer_id",
    "customer_name": "customer_name",
    "customer_domain_name": "customer_domain_name",
    "subscription_id": "subscription_id",
    "subtotal": "subtotal",
    "tax": "tax_total",
    "total": "coalesce(total, subtotal + coalesce(tax_total, 0))",
}
_LEGACY_LICENCE = {
    "customer_id": "customer_id",
    "customer_name": "customer_name",
    "customer_domain_name": "domain_name",
    "subscription_id": "coalesce(syndication_partner_subscription_number, subscription_id)",
    "subtotal": "subtotal",
    "tax": "tax",
    "total": "total_for_customer",
}
_LEGACY_USAGE = {
    "customer_id": "customer_id",
    "customer_name": "customer_name",
    "customer_domain_name": "domain_name",
    "subscription_id": "subscription_id",
    "subtotal": "coalesce(pretax_charges, 0)",
    "tax": "tax_amount",
    "total": "coalesce(post_tax_total, coalesce(pretax_charges, 0) + coalesce(tax_amount, 0))",
}
_DISTRIBUTOR = {
    "customer_id": "customer_id",
    "customer_name": "customer_name",
    "customer_domain_name": "customer_domain_name",
    "subscription_id": "subscription_id",
    "subtotal": "extended_price",
    "tax": "tax_amount",
    "total": "total_amount",
}
_LINES = {reconciliation.FORMAT.kind: _NEW_COMMERCE, legacy_licence.FORMAT.kind: _LEGACY_LICENCE}
_USAGE = {"customer_id": "customer_id", "net": "billing_pre_tax_total"}


def create_version_views(
    connection: duckdb.DuckDBPyConnection, home: Home, billing_month: str | None = None, currency: str | None = None
) -> None:
    """Make `staged_line_versions` and `staged_usage_versions`.

    They hold the documents of one month and currency (as `cost.invoices` says), with those that they void, or all.
    Usage of versions that count is left to `cost.usage_groups`, which has summed it already.

    Args:
        connection: a connection from `warehouse.writing`, after `load_file_catalogue`.
        home: the folders.
        billing_month: `YYYY-MM`, or None for all.
        currency: ISO 4217, or None for all.
    """
    found = connection.execute(
        """
        SELECT versions.kind, list(DISTINCT versions.file_sha256 ORDER BY versions.file_sha256)
        FROM meta.document_versions AS versions
        WHERE
            versions.rows_staged > 0
            AND (versions.kind <> $usage OR NOT versions.is_current)
            AND (
                ($month IS NULL AND $currency IS NULL)
                OR upper(versions.invoice_number) IN (
                    SELECT upper(unnest([invoice_number, replaces_invoice_number])) FROM cost.invoices
                    WHERE ($month IS NULL OR billing_month = $month) AND ($currency IS NULL OR currency = $currency)))
        GROUP BY versions.kind
        ORDER BY versions.kind
        """,
        {"usage": daily_usage.FORMAT.kind, "month": billing_month, "currency": currency},
    ).fetchall()
    lines, usage = [], []
    for kind, hashes in found:
        files = path_list(parquet_path(home, kind, sha256) for sha256 in hashes)
        if kind == daily_usage.FORMAT.kind:
            usage.append(_rows(kind, files, _USAGE, versions="NOT versions.is_current"))
        elif kind == legacy_usage.FORMAT.kind:
            lines.append(_rows(kind, files, _LEGACY_USAGE, rows=f"line_item_type = {literal(legacy_usage.CHARGE)}"))
        elif kind in _LINES or kind.startswith(distributor.PREFIX):
            lines.append(_rows(kind, files, _LINES.get(kind, _DISTRIBUTOR)))
    for name, parts, columns in (
        ("staged_line_versions", lines, LINE_COLUMNS),
        ("staged_usage_versions", usage, USAGE_COLUMNS),
    ):
        select = " UNION ALL BY NAME ".join(parts) or _empty(columns)
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {select}")


def _rows(kind: str, files: str, columns: Mapping[str, str], *, rows: str = "TRUE", versions: str = "TRUE") -> str:
    """The rows of a kind under each version that holds them, limited by conditions on either."""
    invoice = (distributor.FORMAT if kind.startswith(distributor.PREFIX) else FORMATS[kind]).invoice
    named = ", ".join(f"{expression} AS {name}" for name, expression in columns.items())
    return f"""
        SELECT
            versions.kind, versions.invoice_number, versions.version_number, staged.* EXCLUDE (number_in_rows, sha256)
        FROM (
            SELECT {invoice} AS number_in_rows, file_sha256 AS sha256, source_row, {named}
            FROM read_parquet({files})
            WHERE {rows}) AS staged
        INNER JOIN meta.document_versions AS versions
            ON versions.kind = {literal(kind)} AND versions.file_sha256 = staged.sha256
            AND coalesce(versions.number_in_rows, versions.invoice_number) = staged.number_in_rows
        WHERE {versions}"""


def _empty(columns: Mapping[str, str]) -> str:
    return "SELECT " + ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in columns.items()) + " WHERE FALSE"
