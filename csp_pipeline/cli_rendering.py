"""How a run looks on a terminal: progress while it works, and the summary as tables a finance person reads.

What is shown is decided by `cli_summary.py`; the same text without colours is written into `reports/`.
"""

from __future__ import annotations

import io
import json
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from csp_pipeline.cli_summary import Row, Summary

_STATE_STYLE = {"proven": "green", "bounded": "yellow", "unproven": "red", "incomplete": "red"}
_SHOWN = 20
_WIDE = 180
CENT = Decimal("0.01")


def progress(console: Console) -> tuple[AbstractContextManager[object], Callable[[str], None]]:
    """A spinner with the current sentence on a terminal, a line per sentence elsewhere.

    Returns:
        The context in which it turns, and the function that is told each sentence.
    """
    status = console.status("Starting.")

    def tell(sentence: str) -> None:
        console.print(f"[dim]·[/dim] {escape(sentence)}", soft_wrap=True)
        status.update(escape(sentence))

    return status, tell


def exact_cell(value: object) -> str:
    """A value for people: amounts with thousands separators and every digit that is not a zero at the end."""
    if value is None:
        return "-"
    if isinstance(value, Decimal):
        whole, _, decimals = f"{value:,f}".partition(".")
        return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"
    return escape(str(value))


def rounded_cell(value: object) -> str:
    """A value for people where two decimals tell enough; the published tables and `--json` have every digit."""
    return exact_cell(value.quantize(CENT, ROUND_HALF_UP) + 0 if isinstance(value, Decimal) else value)


def render(summary: Summary, console: Console) -> None:
    """Print the summary, what needs a person first after the figures, and where to look next."""
    console.print(f"\n[bold]Month {summary.month or '(no provider document)'}[/bold]")
    _table(console, "Provider invoices", _INVOICE_COLUMNS, [row for row in summary.invoices if _is_shown(row, summary)])
    _table(console, "Revenue and cost, the month and all months", _TOTAL_COLUMNS, summary.totals, rounded_cell)
    if _has_several_currencies(summary):
        title = "The same over all currencies, in the reporting currency"
        _table(console, title, _TOTAL_COLUMNS, summary.in_reporting_currency, rounded_cell)
    _table(console, "Customer invoices of the month", _DRAFT_COLUMNS, summary.drafts)
    _table(console, "Differences by cause, the largest first", _CAUSE_COLUMNS, summary.causes, rounded_cell)
    _table(console, "Differences explained, by amount", _EXPLAINED_COLUMNS, summary.explained, rounded_cell)
    if summary.disputes:
        _table(console, "Disputed with providers, open cases first", _DISPUTE_COLUMNS, summary.disputes)
    _files(console, summary)
    _people(console, summary)
    for line in (
        f"\nThe warehouse: [bold]{escape(summary.where['published'])}[/bold] (open it read-only with any BI tool).",
        "The data dictionary is in its tables meta.tables and meta.columns; the causes of each difference, with the",
        "rows that prove them, in reconciliation.differences. `make ui` shows how every table was made.",
        f"This summary is kept in {escape(summary.where['reports'])}.",
    ):
        console.print(line, soft_wrap=True)


def terminal(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal, or wide enough for every table where the output is a file or a pipe."""
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=_WIDE)


_INVOICE_COLUMNS = {
    "invoice": "invoice_number",
    "month": "billing_month",
    "cur": "currency",
    "header": "header_amount",
    "lines": "lines_amount",
    "doc. tax": "document_tax_amount",
    "usage": "daily_usage_amount",
    "rounding": "rounding_amount",
    "unexplained": "unexplained_amount",
    "matched %": "matched_lines_percent",
    "state": "proof_state",
}
_DISPUTE_COLUMNS = {
    "invoice": "invoice_number",
    "case": "case_number",
    "state": "state",
    "customer": "customer_id",
    "disputed": "disputed_amount",
    "cur": "currency",
    "unexplained": "unexplained_amount",
    "proof": "proof_state",
    "not found": "not_found",
}
_TOTAL_COLUMNS = {
    "cur": "currency",
    "revenue": "month_revenue_amount",
    "cost": "month_cost_amount",
    "margin": "month_margin_amount",
    "all revenue": "revenue_amount",
    "all cost": "cost_amount",
    "all margin": "margin_amount",
}
_DRAFT_COLUMNS = {
    "cur": "currency",
    "drafts": "drafts",
    "issued": "issued",
    "net": "net_amount",
    "tax": "tax_amount",
    "gross": "gross_amount",
}
_CAUSE_COLUMNS = {
    "cause": "cause",
    "cur": "currency",
    "rows": "differences",
    "the month": "month_amount",
    "all months": "amount",
    "for a person": "needs_a_person",
    "the largest": "largest",
}

_EXPLAINED_COLUMNS = {
    "cur": "currency",
    "differences": "absolute_amount",
    "explained": "explained_amount",
    "percent": "explained_percent",
    "unexplained": "unexplained_amount",
    "for a person": "open_amount",
}


def _has_several_currencies(summary: Summary) -> bool:
    reporting = {row["currency"] for row in summary.in_reporting_currency}
    return bool(reporting) and {row["currency"] for row in summary.totals} != reporting


def _is_shown(row: Row, summary: Summary) -> bool:
    return bool(row["billing_month"] == summary.month or row["proof_state"] != "proven")


def _table(
    console: Console,
    title: str,
    columns: dict[str, str],
    rows: Sequence[Row],
    cell: Callable[[object], str] = exact_cell,
) -> None:
    if not rows:
        console.print(f"\n[bold]{title}[/bold]: none.")
        return
    table = Table(title=title, title_justify="left", title_style="bold", pad_edge=False, show_edge=False)
    for heading, name in columns.items():
        is_number = any(isinstance(row[name], (int, Decimal)) for row in rows)
        table.add_column(heading, justify="right" if is_number else "left", no_wrap=is_number or name != "largest")
    for row in rows:
        style = _STATE_STYLE.get(str(row.get("proof_state")), "")
        table.add_row(*(cell(row[name]) for name in columns.values()), style=style if style != "green" else "")
    console.print()
    console.print(table)


def _files(console: Console, summary: Summary) -> None:
    staged = [row for row in summary.files if row["status"] == "staged"]
    rows = sum(row["rows_staged"] or 0 for row in staged)
    set_aside = sum(row["rows_quarantined"] or 0 for row in staged)
    console.print(f"\n[bold]Files[/bold]: {len(staged)} taken with {rows:,} rows; {set_aside:,} rows quarantined.")
    left_out = [row for row in summary.files if row["status"] in {"refused", "unrecognised"}]
    noticed = [row for row in staged if row["message"]]
    for row in [*left_out, *noticed][:_SHOWN]:
        console.print(f"  {escape(row['source_file'])}: {escape(row['message'])}")
    for row in summary.quarantine:
        column = f", {row['column_name']}" if row["column_name"] else ""
        where = f"{row['source_file']} row {row['source_row']}{column} = {row['value']!r}"
        console.print(escape(f"  {where}: {row['reason']}"))
    for row in summary.notices[:_SHOWN]:
        console.print(f"  Commercial terms, {escape(str(row['table_name']))}: {escape(str(row['message']))}")
    if len(summary.notices) > _SHOWN:
        console.print(f"  {len(summary.notices) - _SHOWN} more notices are in reference.notices.")


def _people(console: Console, summary: Summary) -> None:
    if not summary.reasons:
        console.print("\n[green]Every invoice is proven and every difference has a cause that needs nobody.[/green]")
        return
    console.print("\n[bold yellow]Needs a person[/bold yellow]")
    for reason in summary.reasons[:_SHOWN]:
        console.print(f"  {escape(reason)}")
    if len(summary.reasons) > _SHOWN:
        console.print(f"  and {len(summary.reasons) - _SHOWN} more, in the report.")


def write_report(summary: Summary, folder: Path) -> Path:
    """Write the summary as text and as JSON into `reports/`, replacing an earlier one of the month.

    Returns:
        The text file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = f"summary-{summary.month or 'empty'}"
    text = io.StringIO()
    render(summary, Console(file=text, width=_WIDE, color_system=None))
    _write(folder / f"{name}.json", json.dumps(summary.as_json(), indent=2, ensure_ascii=False, default=str) + "\n")
    _write(folder / f"{name}.txt", text.getvalue())
    return folder / f"{name}.txt"


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(f"{path.name}.tmp")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
