"""The month-end pack: what accounting takes from a month, as CSV files and one workbook under reports/.

What belongs here: which tables are in it and how they are written. Every figure is read from the published copy, digit
by digit; in the workbook amounts are numbers for people, the CSV files and the tables hold every digit.
"""

from __future__ import annotations

import csv
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb

from csp_pipeline.storage.durable import durable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from csp_pipeline.storage.home import Home

PACK = {
    "summary": """
        SELECT unnest(['revenue', 'cost', 'margin', 'differences', 'unexplained']) AS figure, currency,
            unnest([revenue_amount, cost_amount, margin_amount, difference_amount, unexplained_amount]) AS amount
        FROM reconciliation.totals_by_currency WHERE service_month = $month
        UNION ALL
        SELECT unnest(['revenue', 'cost', 'margin', 'differences', 'unexplained']) || ' over all currencies',
            reporting_currency,
            unnest([revenue_amount, cost_amount, margin_amount, difference_amount, unexplained_amount])
        FROM reconciliation.totals WHERE service_month = $month
        UNION ALL
        SELECT 'posted ' || side, currency, sum(net_amount)
        FROM reconciliation.postings WHERE posting_month = $month AND NOT is_draft GROUP BY side, currency
        UNION ALL
        SELECT 'deferred ' || side, currency, sum(deferred_amount)
        FROM reconciliation.deferrals WHERE as_of_month = $month GROUP BY side, currency
        ORDER BY ALL
        """,
    "totals": "FROM reconciliation.totals WHERE service_month = $month ORDER BY ALL",
    "totals_by_currency": "FROM reconciliation.totals_by_currency WHERE service_month = $month ORDER BY ALL",
    "revenue_vs_cost": "FROM reconciliation.revenue_vs_cost WHERE service_month = $month ORDER BY ALL",
    "differences": "FROM reconciliation.differences WHERE service_month = $month ORDER BY ALL",
    "postings": "FROM reconciliation.postings WHERE posting_month = $month ORDER BY ALL",
    "deferrals": "FROM reconciliation.deferrals WHERE as_of_month = $month ORDER BY ALL",
    "accruals": "FROM cost.unbilled_accruals WHERE billing_month = $month ORDER BY ALL",
    "invoices": "FROM billing.invoices WHERE billing_month = $month ORDER BY ALL",
    "provider_invoices": "FROM cost.invoice_proof WHERE billing_month = $month ORDER BY ALL",
}
"""The sheets of the pack and the SELECT of each; an amount that is empty in the summary lacks a rate."""


def write_pack(home: Home, month: str) -> Path:
    """Write the pack of a month; one written before is replaced.

    Args:
        home: the published copy is read, `reports/` is written.
        month: YYYY-MM.

    Returns:
        The folder, `reports/month-end-YYYY-MM`, with a CSV file for each of `PACK` and `month-end-YYYY-MM.xlsx`.
    """
    folder = home.reports / f"month-end-{month}"
    folder.mkdir(parents=True, exist_ok=True)
    sheets: dict[str, tuple[list[str], list[tuple[Any, ...]]]] = {}
    with duckdb.connect(str(home.published), read_only=True) as connection:
        for name, select in PACK.items():
            result = connection.execute(select, {"month": month})
            sheets[name] = [column[0] for column in result.description], result.fetchall()
    for name, (header, rows) in sheets.items():
        with (
            durable(folder / f"{name}.csv") as unfinished,
            unfinished.open("w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows([_as_text(cell) for cell in row] for row in rows)
    _write_workbook(folder / f"month-end-{month}.xlsx", sheets)
    return folder


def _as_text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    return cell.isoformat() if isinstance(cell, date | datetime) else str(cell)


def _write_workbook(path: Path, sheets: dict[str, tuple[list[str], list[tuple[Any, ...]]]]) -> None:
    from openpyxl import Workbook  # noqa: PLC0415  (half a second to import)

    workbook = Workbook(write_only=True)
    for name, (header, rows) in sheets.items():
        sheet = workbook.create_sheet(name)
        sheet.freeze_panes = "A2"
        sheet.append(header)
        for row in rows:
            sheet.append(_as_cells(row))
    with durable(path) as unfinished:
        workbook.save(unfinished)


def _as_cells(row: Sequence[object]) -> list[object]:
    """Cells of a workbook; an apostrophe keeps a spreadsheet from taking text for a formula."""
    return [f"'{cell}" if isinstance(cell, str) and cell[:1] in {"=", "+", "-", "@"} else cell for cell in row]
