"""Closing a month: what it held stays, what comes later posts to an open month, and what is deferred ties out."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.errors import CspError
from csp_pipeline.quality.identities import IDENTITIES, violations
from csp_pipeline.steps.drill_down import fill_drill_down
from csp_pipeline.steps.month_end import PACK, write_pack
from csp_pipeline.steps.periods import close_month, post, read_closed
from csp_pipeline.steps.reconciliation import reconcile
from csp_pipeline.steps.totals import fill_totals
from csp_pipeline_tests.steps.billing_case import Case, billing_case
from csp_pipeline_tests.steps.issuing_case import issue_month

if TYPE_CHECKING:
    from pathlib import Path

    from openpyxl import Workbook

LINES = "contract_line_id,account_id,customer_id,subscription_id,pricing_model,unit_price,currency,quantity,starts_on"
CLOSED_AT = datetime(2026, 9, 10, 12, tzinfo=UTC)


def worked(case: Case) -> None:
    """Draft and reconcile January and February; the books tie out."""
    case.draft("2026-01", "2026-02")
    reconcile(case.con, case.settings, ["2026-01", "2026-02"])
    fill_totals(case.con, case.settings)
    fill_drill_down(case.con)
    assert_tied(case)


def assert_tied(case: Case) -> None:
    """What is posted is recognised, and what is deferred closes each month."""
    for identity in IDENTITIES:
        if identity.table.startswith("reconciliation."):
            assert violations(case.con, identity) == []


def posted(case: Case, side: str) -> dict[str, Decimal]:
    rows = case.con.execute(
        """
        SELECT posting_month, sum(net_amount)
        FROM reconciliation.postings
        WHERE side = ? AND NOT is_draft
        GROUP BY ALL
        HAVING sum(net_amount) <> 0
        """,
        [side],
    ).fetchall()
    return dict(rows)


def file_found(case: Case, sha256: str, scanned_at: str) -> None:
    case.facts("meta.files", {"file_sha256": sha256, "source_file": sha256, "scanned_at": scanned_at})


def seats(case: Case) -> None:
    case.terms("contract_lines", LINES, "L1,A1,c1,s1,per_unit,12,EUR,10,2026-01-01")
    file_found(case, "first", "2026-09-01")
    for line_id, start, end in (("jan", "2026-01-01", "2026-01-31"), ("feb", "2026-02-01", "2026-02-28")):
        case.cost(line_id, "100", start, end, subscription_id="s1", billable_quantity=10, file_sha256="first")


def test_a_late_line_of_a_closed_month_posts_to_the_first_open_one(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        seats(case)
        worked(case)
        close_month(case.con, case.settings.home, "2026-01", CLOSED_AT)
        file_found(case, "late", "2026-09-11")
        case.cost(
            "late", "7", "2026-01-05", "2026-01-31", subscription_id="s1", billable_quantity=1, file_sha256="late"
        )
        worked(case)
        lines = dict(case.con.execute("SELECT line_id, posting_month FROM cost.invoice_lines").fetchall())
        assert lines == {"jan": "2026-01", "feb": "2026-02", "late": "2026-02"}
        assert posted(case, "cost") == {"2026-01": Decimal(100), "2026-02": Decimal(107)}


def test_a_restated_document_never_changes_what_a_closed_month_held(tmp_path: Path) -> None:
    """100 was posted to January; restated to 90 after the close, February gets -10: both sum to what is true now."""
    with billing_case(tmp_path) as case:
        seats(case)
        worked(case)
        close_month(case.con, case.settings.home, "2026-01", CLOSED_AT)
        case.con.execute("UPDATE cost.invoice_lines SET subtotal_amount = 90 WHERE line_id = 'jan'")
        worked(case)
        assert posted(case, "cost") == {"2026-01": Decimal(100), "2026-02": Decimal(90)}
        assert sum(posted(case, "cost").values()) == 190


def test_closing_again_changes_nothing_and_the_ledger_remembers(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        seats(case)
        worked(case)
        first = close_month(case.con, case.settings.home, "2026-01", CLOSED_AT)
        again = close_month(case.con, case.settings.home, "2026-01", datetime(2026, 10, 1, tzinfo=UTC))
        assert again == first
        assert read_closed(case.settings.home)["2026-01"].closed_at == CLOSED_AT
        assert len(list(case.settings.home.ledger.glob("*.close.jsonl"))) == 1


def test_a_draft_of_a_closed_month_posts_to_the_next_and_is_issued_there(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        seats(case)
        worked(case)
        issued = issue_month(case, "2026-01")
        worked(case)
        close_month(case.con, case.settings.home, "2026-01", CLOSED_AT)
        close_month(case.con, case.settings.home, "2026-02", CLOSED_AT)
        worked(case)
        months = case.con.execute(
            "SELECT billing_month, state, posting_month FROM billing.invoices ORDER BY ALL"
        ).fetchall()
        assert [document.posting_month for document in issued] == ["2026-01"]
        assert months == [("2026-01", "issued", "2026-01"), ("2026-02", "draft", "2026-03")]
        assert posted(case, "revenue") == {"2026-01": Decimal(240)}
        later = issue_month(case, "2026-02")
        assert [document.posting_month for document in later] == ["2026-03"]


@pytest.mark.parametrize(("month", "now"), [("2025-12", CLOSED_AT), ("2026-02", datetime(2026, 2, 20, tzinfo=UTC))])
def test_a_month_outside_the_books_or_not_over_is_refused(tmp_path: Path, month: str, now: datetime) -> None:
    with billing_case(tmp_path) as case:
        seats(case)
        worked(case)
        with pytest.raises(CspError, match=f"{month} cannot be closed"):
            close_month(case.con, case.settings.home, month, now)
        assert read_closed(case.settings.home) == {}


def test_a_prepaid_year_is_deferred_day_by_day_and_ties_to_what_is_recognised(tmp_path: Path) -> None:
    """365.00 for 2026 billed in January: at its end 334 of 365 days are left, at the end of February 306."""
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", f"{LINES},billing_cycle", "L1,A1,c1,s1,per_unit,36.5,EUR,10,2026-01-01,annual")
        year = {"subscription_id": "s1", "billable_quantity": 10, "billing_frequency": "Annual"}
        case.cost("year", "365", "2026-01-01", "2026-12-31", **year)
        worked(case)
        rows = case.con.execute(
            "SELECT as_of_month, side, deferred_amount, recognised_amount FROM reconciliation.deferrals ORDER BY ALL"
        ).fetchall()
        assert rows == [
            ("2026-01", "cost", Decimal(334), Decimal(31)),
            ("2026-01", "revenue", Decimal(334), Decimal(31)),
            ("2026-02", "cost", Decimal(306), Decimal(59)),
            ("2026-02", "revenue", Decimal(306), Decimal(59)),
        ]
        later = case.con.execute(
            """
            SELECT sum(revenue_amount), sum(cost_amount)
            FROM reconciliation.revenue_vs_cost
            WHERE service_month > '2026-02'
            """
        ).fetchone()
        assert later == (Decimal(306), Decimal(306))


def packed(case: Case) -> Path:
    """Publish what is there and write the pack of January."""
    post(case.con, case.settings.home)
    case.con.execute("CHECKPOINT")
    home = case.settings.home
    home.published.parent.mkdir(exist_ok=True)
    home.published.write_bytes(home.warehouse.read_bytes())
    return write_pack(home, "2026-01")


def test_the_pack_ties_to_the_tables(tmp_path: Path) -> None:
    """Every file and every sheet holds the rows of its table, digit by digit in the files."""
    from openpyxl import load_workbook  # noqa: PLC0415

    with billing_case(tmp_path) as case:
        seats(case)
        worked(case)
        folder = packed(case)
        workbook = load_workbook(folder / "month-end-2026-01.xlsx", read_only=True)
        assert workbook.sheetnames == list(PACK)
        for name, select in PACK.items():
            result = case.con.execute(select, {"month": "2026-01"})
            names, rows = [column[0] for column in result.description], result.fetchall()
            with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
                header, *lines = csv.reader(file)
            assert header == names
            assert lines == [[as_text(cell) for cell in row] for row in rows]
            sheet = [list(row) for row in workbook[name].values]
            assert sheet[0] == names
            assert len(sheet) == len(rows) + 1
        amounts = [row[sheet_column(workbook, "revenue_amount")] for row in workbook["revenue_vs_cost"].values]
        assert amounts[1:] == [120]
        workbook.close()


def as_text(cell: object) -> str:
    """A cell as the files have it: every digit, nothing for what is unknown."""
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    return "" if cell is None else str(cell)


def sheet_column(workbook: Workbook, column: str) -> int:
    return next(workbook["revenue_vs_cost"].values).index(column)


def test_the_pack_begins_with_the_month_in_each_currency_and_over_all(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        seats(case)
        worked(case)
        summary = (packed(case) / "summary.csv").read_text("utf-8").splitlines()
    zeros = "0" * 18
    assert summary == [
        "figure,currency,amount",
        f"cost,EUR,100.{zeros}",
        f"cost over all currencies,EUR,100.{zeros}",
        f"deferred revenue,EUR,120.{zeros}",
        f"differences,EUR,0.{zeros}",
        f"differences over all currencies,EUR,0.{zeros}",
        f"margin,EUR,20.{zeros}",
        f"margin over all currencies,EUR,20.{zeros}",
        f"posted cost,EUR,100.{zeros}",
        f"revenue,EUR,120.{zeros}",
        f"revenue over all currencies,EUR,120.{zeros}",
        f"unexplained,EUR,0.{zeros}",
        f"unexplained over all currencies,EUR,0.{zeros}",
    ]
