"""A small warehouse made by hand: commercial terms as CSV files, facts as rows."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

from csp_pipeline.settings import Settings
from csp_pipeline.steps.billing import DraftReport, build_cost_matches, draft_invoices
from csp_pipeline.steps.commercial import CommercialReport, load_commercial_terms
from csp_pipeline.storage.warehouse import writing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb


class Case:
    """Terms and facts of one test, and what is drafted from them."""

    def __init__(self, folder: Path, con: duckdb.DuckDBPyConnection, starts_on: date | None) -> None:
        self.folder = folder / "commercial"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.con = con
        self.settings = Settings(CSP_HOME=folder, billing_starts_on=starts_on, _env_file=None)

    def terms(self, table: str, *rows: str) -> None:
        """Write a commercial table: a header and rows, as in the file."""
        (self.folder / f"{table}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")

    def facts(self, table: str, *rows: dict[str, Any]) -> None:
        """Insert rows into a table of facts."""
        for row in rows:
            names = ", ".join(row)
            marks = ", ".join("?" for _ in row)
            self.con.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(row.values()))

    def seats(self, subscription: str, *changes: tuple[str, int, int]) -> None:
        """Log quantity changes of a subscription of customer c1."""
        for number, (moment, before, after) in enumerate(changes):
            self.facts(
                "partner_center.subscription_changes",
                {
                    "change_id": f"{subscription}-{number}",
                    "customer_id": "c1",
                    "subscription_id": subscription,
                    "changed_at": moment,
                    "quantity_before": before,
                    "quantity_after": after,
                    "source": "inbox",
                },
            )

    def cost(self, line_id: str, amount: str, start: str, end: str, **others: object) -> None:
        """A provider line of customer c1."""
        row = {
            "line_id": line_id,
            "invoice_number": "G1",
            "billing_month": start[:7],
            "is_estimate": False,
            "customer_id": "c1",
            "product_family": "licence",
            "charge_start_on": start,
            "charge_end_on": end,
            "subtotal_amount": amount,
            "currency": "EUR",
            **others,
        }
        self.facts("cost.invoice_lines", row)

    def load(self) -> CommercialReport:
        """Read the terms."""
        return load_commercial_terms(self.con, self.settings)

    def draft(self, *months: str) -> DraftReport:
        """Read the terms, match cost and draft."""
        self.load()
        build_cost_matches(self.con)
        return draft_invoices(self.con, self.settings, months)

    def lines(self, month: str) -> list[tuple[Any, ...]]:
        """kind, first day, last day, quantity, net amount of a month's lines."""
        return self.con.execute(
            """
            SELECT charge_kind, CAST(service_start_on AS VARCHAR), CAST(service_end_on AS VARCHAR),
                CAST(quantity AS DOUBLE), CAST(CAST(net_amount AS DECIMAL(18,2)) AS VARCHAR)
            FROM billing.invoice_lines WHERE billing_month = ? ORDER BY account_id, currency, line_number
            """,
            [month],
        ).fetchall()


@contextmanager
def billing_case(folder: Path, starts_on: date | None = date(2026, 1, 1)) -> Iterator[Case]:
    """An empty case with one account of one tenant in EUR; billing begins in 2026 unless said otherwise."""
    settings = Settings(CSP_HOME=folder, _env_file=None)
    with writing(settings.home.create()) as con:
        case = Case(folder, con, starts_on)
        case.terms("accounts", "account_id,name,currency", "A1,Contoso,EUR")
        case.terms("account_tenants", "account_id,customer_id", "A1,c1")
        yield case
