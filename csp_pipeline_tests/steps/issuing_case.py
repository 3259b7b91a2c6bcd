"""Issuing in a small warehouse made by hand: drafts, the plan, the ledger, and what the tables say afterwards."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

from csp_pipeline.steps.issue import issue_documents, plan_issue
from csp_pipeline.steps.issued import read_issued

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal
    from pathlib import Path

    from csp_pipeline.domain.issued import IssuedDocument
    from csp_pipeline_tests.steps.billing_case import Case

LINES = (
    "contract_line_id,account_id,customer_id,subscription_id,pricing_model,unit_price,currency,markup_percent,quantity,"
    "billing_timing,anchor_day,starts_on,ends_on,cost_source"
)
ISSUED_ON = date(2026, 9, 8)


def issue_month(
    case: Case, month: str, on: date = ISSUED_ON, at: Callable[[str], None] = lambda _: None
) -> tuple[IssuedDocument, ...]:
    """Issue a month's drafts as they stand in the warehouse; drafts are not made anew."""
    plan = plan_issue(case.con, case.settings, month)
    return issue_documents(case.settings, plan, datetime.combine(on, time(10), UTC), at=at)


def documents(case: Case, month: str | None = None) -> list[tuple[Any, ...]]:
    """account, month, number, state, net of the documents of a month, or of all."""
    return case.con.execute(
        """
        SELECT account_id, billing_month, invoice_number, state, CAST(CAST(net_amount AS DECIMAL(18, 2)) AS VARCHAR)
        FROM billing.invoices
        WHERE $month IS NULL OR billing_month = $month
        ORDER BY billing_month, account_id, currency
        """,
        {"month": month},
    ).fetchall()


def total_billed(case: Case) -> dict[tuple[str, str], Decimal]:
    """The sum of all lines, issued and drafted, by account and currency."""
    rows = case.con.execute(
        """
        SELECT account_id, currency, sum(net_amount)
        FROM billing.invoice_lines
        GROUP BY ALL
        HAVING sum(net_amount) <> 0
        """
    ).fetchall()
    return {(account, currency): amount for account, currency, amount in rows}


def ledger_files(case: Case) -> dict[str, bytes]:
    """Every file of the ledger and every page."""
    home = case.settings.home
    pages = home.reports / "invoices"
    paths: list[Path] = [*home.ledger.iterdir(), *pages.glob("*.html")]
    return {path.name: path.read_bytes() for path in paths}


def numbers(case: Case) -> list[str]:
    """The numbers in the ledger, in the order of issue."""
    return [document.invoice_number for document in read_issued(case.settings.home).documents]
