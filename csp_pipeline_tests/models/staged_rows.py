"""Staged rows written in Python: the views and catalogue tables that the cost models read, without files.

Amounts are given as text, so that every digit counts; what a row does not say has the value of an ordinary Azure plan
row or seat line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import duckdb

from csp_pipeline.formats import distributor
from csp_pipeline.formats.columns import text
from csp_pipeline.formats.recognition import FORMATS
from csp_pipeline.models.catalogue import SCHEMAS, load_catalogue, published_macros
from csp_pipeline.steps.cost import COST_TABLES, build_invoices, fill
from csp_pipeline.storage.staged_views import SNAPSHOTS, SQL_TYPES
from csp_pipeline.storage.version_views import LINE_COLUMNS, USAGE_COLUMNS
from csp_pipeline.storage.warehouse import configure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from csp_pipeline.storage.home import Home

Row = dict[str, object]
_idle: list[duckdb.DuckDBPyConnection] = []
"""Warehouses that no test uses at the moment; making one takes longer than most tests."""
PROVIDER = text("provider", "provider")
PEC_TEXT = '["15.0% Partner earned credit for services managed"]'

RECONCILIATION = (
    "partner_id customer_id customer_name customer_domain_name customer_country invoice_number mpn_id "
    "reseller_mpn_id order_id order_date product_id sku_id availability_id sku_name product_name charge_type "
    "unit_price quantity subtotal tax_total total currency price_adjustment_description publisher_name "
    "publisher_id subscription_description subscription_id charge_start_date charge_end_date "
    "term_and_billing_cycle effective_unit_price unit_type alternate_id billable_quantity billing_frequency "
    "pricing_currency pc_to_bc_exchange_rate pc_to_bc_exchange_rate_date meter_description "
    "reservation_order_id credit_reason_code subscription_start_date subscription_end_date reference_id "
    "product_qualifiers promotion_id product_category source_file file_sha256 source_row"
)
DAILY_USAGE = (
    "customer_id invoice_number product_id sku_id product_name publisher_name subscription_id "
    "charge_start_date charge_end_date usage_date meter_category meter_id meter_sub_category meter_name "
    "meter_region resource_group resource_uri unit_price quantity billing_pre_tax_total billing_currency "
    "pricing_pre_tax_total pricing_currency tags additional_info effective_unit_price pc_to_bc_exchange_rate "
    "entitlement_id partner_earned_credit_percentage credit_type benefit_type benefit_order_id source_file file_sha256 "
    "source_row"
)
HEADERS = (
    "invoice_number invoice_date billing_period_start_date billing_period_end_date due_date total_charges "
    "tax_total paid_amount currency_code document_type invoice_type amends_of status source_file file_sha256 source_row"
)
CHANGES = "change_id customer_id subscription_id changed_at event quantity_before quantity_after actor"
CUSTOMERS = "customer_id tenant_id name domain country_code relationship snapshot_on scan_number file_sha256 source_row"
SUBSCRIPTIONS = (
    "customer_id subscription_id entitlement_id offer_id offer_name friendly_name quantity unit_type status "
    "term_duration billing_cycle effective_start_date commitment_end_date auto_renew_enabled order_id "
    "publisher_name product_type is_trial snapshot_on scan_number file_sha256 source_row"
)
AGREEMENTS = (
    "customer_id agreement_type date_agreed template_id signer_name method "
    "snapshot_on scan_number file_sha256 source_row"
)
DIRECT_SIGNED = "customer_id is_signed snapshot_on scan_number file_sha256 source_row"
ORDERS = (
    "customer_id order_id alternate_id billing_cycle transaction_type currency_code creation_date status line_number "
    "line_transaction_type offer_id subscription_id parent_subscription_id friendly_name quantity term_duration "
    "custom_term_end_date partner_id_on_record promotion_id list_price price extended_price snapshot_on scan_number "
    "file_sha256 source_row"
)
AZURE_ENTITLEMENTS = (
    "customer_id subscription_id entitlement_id friendly_name status snapshot_on scan_number file_sha256 source_row"
)
SUBSCRIPTION_PROVISIONING = (
    "customer_id subscription_id sku_id status quantity end_date snapshot_on scan_number file_sha256 source_row"
)
ORDER_PROVISIONING = (
    "customer_id order_id line_number status quantity quantity_status snapshot_on scan_number file_sha256 source_row"
)
AUDIT_RECORDS = (
    "partner_id customer_id customer_name user_principal_name application_id resource_type resource_old_value "
    "resource_new_value operation_type operation_date operation_status customized_data"
)
COLUMNS = {
    "reconciliation": RECONCILIATION,
    "daily_usage": DAILY_USAGE,
    "invoice_headers": HEADERS,
    "subscription_changes": CHANGES,
    "customers": CUSTOMERS,
    "subscriptions": SUBSCRIPTIONS,
    "agreements": AGREEMENTS,
    "audit_records": AUDIT_RECORDS,
    "direct_signed": DIRECT_SIGNED,
    "orders": ORDERS,
    "azure_entitlements": AZURE_ENTITLEMENTS,
    "subscription_provisioning": SUBSCRIPTION_PROVISIONING,
    "order_provisioning": ORDER_PROVISIONING,
    "open_daily_usage": f"{DAILY_USAGE} billing_month",
    "open_reconciliation": f"{RECONCILIATION} billing_month",
    "latest_open_daily_usage": f"{DAILY_USAGE} billing_month",
    "latest_open_reconciliation": f"{RECONCILIATION} billing_month",
    "line_versions": " ".join(LINE_COLUMNS),
    "usage_versions": " ".join(USAGE_COLUMNS),
}
DATES = ("invoice_date", "date_agreed", "order_date", "usage_date")
FLAGS = ("auto_renew_enabled", "is_trial", "is_signed")
COUNTS = ("source_row", "scan_number", "version_number")
TIMES = ("changed_at", "operation_date", "creation_date", "custom_term_end_date")
DECIMALS = (
    "tax",
    "net",
    "unit_price",
    "quantity",
    "subtotal",
    "tax_total",
    "total",
    "effective_unit_price",
    "billable_quantity",
    "pc_to_bc_exchange_rate",
    "billing_pre_tax_total",
    "pricing_pre_tax_total",
    "partner_earned_credit_percentage",
    "total_charges",
    "paid_amount",
    "quantity_before",
    "quantity_after",
    "line_number",
    "list_price",
    "price",
    "extended_price",
)


def usage(net: str, **more: object) -> Row:
    """A usage row of the Azure plan with credit, priced in euro at rate 1."""
    row: Row = {
        "customer_id": "tenant-a",
        "invoice_number": "G1",
        "product_id": "DZH318Z0BPS6",
        "sku_id": "0001",
        "product_name": "Azure plan",
        "publisher_name": "Microsoft",
        "subscription_id": "plan-a",
        "charge_start_date": "2026-09-01",
        "usage_date": "2026-09-01",
        "meter_id": "meter-1",
        "meter_name": "D2s v3",
        "resource_group": "rg",
        "resource_uri": "/subscriptions/ent-1/vm-1",
        "quantity": "1",
        "billing_pre_tax_total": net,
        "billing_currency": "EUR",
        "pricing_pre_tax_total": net,
        "pricing_currency": "EUR",
        "pc_to_bc_exchange_rate": "1",
        "entitlement_id": "ent-1",
        "partner_earned_credit_percentage": "15",
        "credit_type": "Partner Earned Credit Applied",
        "source_file": "usage.csv",
        "file_sha256": "u",
    }
    return row | more


def line(subtotal: str, **more: object) -> Row:
    """A consumption line of the Azure plan with credit, priced in euro at rate 1, untaxed."""
    row: Row = {
        "partner_id": "partner",
        "customer_id": "tenant-a",
        "customer_name": "Contoso",
        "invoice_number": "G1",
        "product_id": "DZH318Z0BPS6",
        "sku_id": "0001",
        "sku_name": "Azure plan",
        "product_name": "Azure plan",
        "charge_type": "new",
        "subtotal": subtotal,
        "tax_total": "0",
        "total": subtotal,
        "currency": "EUR",
        "price_adjustment_description": PEC_TEXT,
        "publisher_name": "Microsoft",
        "subscription_id": "plan-a",
        "charge_start_date": "2026-09-01",
        "charge_end_date": "2026-09-30",
        "effective_unit_price": "1",
        "billable_quantity": "1",
        "pricing_currency": "EUR",
        "pc_to_bc_exchange_rate": "1",
        "source_file": "recon.csv",
        "file_sha256": "r",
    }
    return row | more


def seats(subtotal: str, **more: object) -> Row:
    """A licence line of ten seats."""
    row = line(
        subtotal,
        product_id="CFQ7TTC0LH18",
        sku_id="0001",
        sku_name="Microsoft 365 E3",
        product_name="Microsoft 365 E3",
        subscription_id="seat-a",
        price_adjustment_description=None,
        billable_quantity="10",
    )
    return row | more


def header(total: str | None, **more: object) -> Row:
    """The header of document G1 of September 2026."""
    row: Row = {
        "invoice_number": "G1",
        "invoice_date": "2026-10-08",
        "billing_period_start_date": "2026-09-01",
        "billing_period_end_date": "2026-09-30",
        "total_charges": total,
        "currency_code": "EUR",
        "document_type": "invoice",
    }
    return row | more


def line_version(row: Row, version_number: int = 1, kind: str = "reconciliation") -> Row:
    """What a version of a document holds of a line."""
    told = {name: row.get(name) for name in ("customer_id", "customer_name", "subscription_id", "subtotal", "total")}
    number = {"kind": kind, "invoice_number": row["invoice_number"], "version_number": version_number}
    return {**told, **number, "tax": row.get("tax_total")}


@dataclass
class StagedPartner:
    """A warehouse in memory whose staged views hold the given rows.

    A table is filled when something reads it: a query of `rows` fills what it rests on, whoever takes the connection
    finds every table filled.
    """

    _con: duckdb.DuckDBPyConnection
    home: Home
    quarantined: dict[str, int] = field(default_factory=dict)
    _unfilled: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    _staged: set[str] = field(default_factory=set)

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        """The connection, with every table of the partitions built so far."""
        self._fill(set(COST_TABLES))
        return self._con

    def close(self) -> None:
        """Give the warehouse back; what nothing has read stays unfilled."""
        _idle.append(_emptied(self._con))

    def stage(self, **rows: Sequence[Row]) -> StagedPartner:
        """Replace every staged view by the given rows, and the catalogue of files by what follows from them.

        An open month is not billed unless its rows are given as the latest alone; a document has one version.
        """
        self._fill(set(COST_TABLES))
        given = {
            "latest_open_daily_usage": rows.get("open_daily_usage", ()),
            "latest_open_reconciliation": rows.get("open_reconciliation", ()),
            "line_versions": [line_version(row) for row in rows.get("reconciliation", ())],
            **rows,
        }
        for kind, types in _staged_kinds().items():
            self._put(kind, types, given.get(kind, ()))
        self._con.execute("DELETE FROM meta.file_invoices")
        for kind, amount, currency in (
            ("reconciliation", "subtotal", "currency"),
            ("daily_usage", "billing_pre_tax_total", "billing_currency"),
        ):
            total = "sum(total)" if kind == "reconciliation" else "NULL"
            self._con.execute(
                f"""INSERT INTO meta.file_invoices BY NAME
                SELECT '{kind}' AS kind, invoice_number, file_sha256, mode({currency}) AS currency,
                    mode(strftime(charge_start_date, '%Y-%m')) AS lines_month,
                    count(*) AS rows_staged, 0 AS rows_quarantined,
                    sum({amount}) AS amount_staged, {total} AS total_staged, TRUE AS is_current
                FROM staged_{kind} GROUP BY invoice_number, file_sha256"""
            )
        self._catalogue_open_months()
        self._catalogue_versions()
        for invoice_number, count in self.quarantined.items():
            self._con.execute(
                "UPDATE meta.file_invoices SET rows_quarantined = ? WHERE invoice_number = ? AND kind = 'daily_usage'",
                [count, invoice_number],
            )
        return self

    def _catalogue_open_months(self) -> None:
        """Say that the open files were made on the 25th of their month."""
        self._con.execute("DELETE FROM meta.open_month_files")
        for kind, amount, currency in (
            ("open_reconciliation", "subtotal", "currency"),
            ("open_daily_usage", "billing_pre_tax_total", "billing_currency"),
        ):
            self._con.execute(
                f"""INSERT INTO meta.open_month_files BY NAME
                SELECT '{kind}' AS kind, billing_month, {currency} AS currency, file_sha256, count(*) AS rows_staged,
                    sum({amount}) AS amount_staged, CAST(billing_month || '-25' AS TIMESTAMP) AS effective_at,
                    TRUE AS is_latest, billing_month IN (SELECT billing_month FROM staged_{kind}) AS is_current
                FROM staged_latest_{kind} GROUP BY ALL"""
            )

    def _catalogue_versions(self) -> None:
        """Say that version n of a document was made and found on the nth of October, and the next one superseded it."""
        self._con.execute("DELETE FROM meta.document_versions")
        self._con.execute(
            """INSERT INTO meta.document_versions BY NAME
            WITH held AS (
                SELECT DISTINCT kind, invoice_number, version_number FROM staged_line_versions
                UNION SELECT kind, invoice_number, version_number FROM staged_usage_versions
                UNION SELECT 'daily_usage', usage.invoice_number, coalesce(max(earlier.version_number), 0) + 1
                FROM (SELECT DISTINCT invoice_number FROM staged_daily_usage) AS usage
                LEFT JOIN staged_usage_versions AS earlier USING (invoice_number) GROUP BY usage.invoice_number
                UNION SELECT 'invoice_headers', invoice_number, 1 FROM staged_invoice_headers
            )
            SELECT *, format('{}-v{}.csv', kind, version_number) AS source_file,
                TIMESTAMP '2026-10-01' + to_days(CAST(version_number - 1 AS INTEGER)) AS effective_at,
                effective_at AS known_at,
                lead(effective_at) OVER (PARTITION BY kind, invoice_number ORDER BY version_number) AS superseded_at,
                superseded_at IS NULL AS is_current
            FROM held"""
        )

    def build(self, month: str = "2026-09", currency: str = "EUR") -> StagedPartner:
        """Fill cost.invoices and every cost table of one partition."""
        build_invoices(self._con, self.home)
        self._unfilled[month, currency] = set(COST_TABLES)
        return self

    def _fill(self, wanted: set[str]) -> None:
        """Fill some tables of every partition built, in the order in which a run fills them."""
        for (month, currency), unfilled in self._unfilled.items():
            for key in COST_TABLES:
                if key in wanted and key in unfilled:
                    fill(self._con, key, month, currency)
                    unfilled.remove(key)

    def rows(self, sql: str) -> list[Row]:
        """The rows of a query as dictionaries."""
        self._fill(rests_on(sql))
        cursor = self._con.execute(sql)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def only(self, sql: str) -> Row:
        """The one row of a query."""
        (row,) = self.rows(sql)
        return row

    def _put(self, kind: str, types: Mapping[str, str], rows: Sequence[Mapping[str, object]]) -> None:
        """The rows of a staged view; one says only what the test is about."""
        if kind in self._staged:
            self._con.execute(f"DELETE FROM rows_{kind}")
        if not rows:
            return
        self._staged.add(kind)
        usual = {} if kind in COLUMNS else {"source_file": kind}
        values = [
            "(" + ", ".join(_literal(row.get(name)) for name in types) + ")"
            for row in ({**usual, "source_row": number, **row} for number, row in enumerate(rows, 1))
        ]
        self._con.execute(f"INSERT INTO rows_{kind} VALUES {', '.join(values)}")


@cache
def _staged_kinds() -> dict[str, dict[str, str]]:
    """The columns and types of every staged view, by kind."""
    kinds = {kind: {name: _type_of(name) for name in columns.split()} for kind, columns in COLUMNS.items()}
    distributed = replace(distributor.FORMAT, columns=(*distributor.FORMAT.columns, PROVIDER))
    for wire_format in (*FORMATS.values(), distributed):
        if wire_format.kind not in kinds:
            types = {column.name: SQL_TYPES[column.type] for column in wire_format.columns}
            types |= {"source_file": "VARCHAR", "file_sha256": "VARCHAR", "source_row": "BIGINT"}
            if wire_format.kind in SNAPSHOTS:
                types |= {"scan_number": "BIGINT", "snapshot_on": "DATE"}
            kinds[wire_format.kind] = types
    return kinds


@cache
def rests_on(sql: str) -> set[str]:
    """The cost tables that a query reads, and those that they are made from."""
    if "known_on(" in sql:
        return set(COST_TABLES)
    found: set[str] = set()
    waiting = _named(sql)
    while waiting:
        key = waiting.pop()
        found.add(key)
        waiting |= _named("".join(_texts_of(key))) - found
    return found


def _named(sql: str) -> set[str]:
    return {key for key in COST_TABLES if re.search(rf"\b{re.escape(key)}\b", sql)}


def _texts_of(key: str) -> Iterator[str]:
    """The SELECT of a table and those that Python runs on the way to it."""
    yield load_catalogue()[key].select() or ""
    folder = resources.files("csp_pipeline.models") / "cost"
    further = {"cost.resource_allocations": "carry_down_", "cost.partner_earned_credit": "access_lost"}
    for file in folder.iterdir():
        if key in further and file.name.startswith(further[key]):
            yield file.read_text("utf-8")


def open_partner(home: Home) -> StagedPartner:
    """A warehouse in memory with every table of the catalogue, without rows; one that was closed is used again."""
    con = _idle.pop() if _idle else _new_warehouse()
    return StagedPartner(con, home)


def _new_warehouse() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    configure(con)
    for schema in SCHEMAS:
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    for table in load_catalogue().values():
        con.execute(table.ddl())
    con.execute(published_macros())
    for kind, types in _staged_kinds().items():
        con.execute(f"CREATE TEMP TABLE rows_{kind} ({', '.join(map(' '.join, types.items()))})")
        con.execute(f"CREATE TEMP VIEW staged_{kind} AS SELECT * FROM rows_{kind}")
    return con


def _emptied(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """The same warehouse without any row."""
    filled = con.execute(
        "SELECT concat_ws('.', nullif(schema_name, 'main'), table_name) FROM duckdb_tables() WHERE estimated_size > 0"
    ).fetchall()
    for (table,) in filled:
        con.execute(f"TRUNCATE {table}")
    return con


def _literal(value: object) -> str:
    return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"


def _type_of(name: str) -> str:
    if name in DECIMALS:
        return "DECIMAL(38,18)"
    if name in FLAGS:
        return "BOOLEAN"
    if name in COUNTS:
        return "BIGINT"
    if name in TIMES:
        return "TIMESTAMP"
    return "DATE" if name in DATES or name.endswith(("_date", "_on")) else "VARCHAR"
