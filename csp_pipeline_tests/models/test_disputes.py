"""What is disputed with the provider stands beside the proof under its case number and changes nothing in it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.cli_summary import read_summary
from csp_pipeline.errors import InputFileError
from csp_pipeline.formats.commercial import PROVIDER_DISPUTES
from csp_pipeline.formats.commercial_rows import RawRows, read_rows
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.sources.commercial_terms import read_csv_table
from csp_pipeline.steps.cost_overviews import build_cost_overviews
from csp_pipeline_tests.models.staged_rows import header, line, usage

if TYPE_CHECKING:
    from pathlib import Path

    from csp_pipeline.settings import Settings
    from csp_pipeline_tests.models.staged_rows import StagedPartner

HEADER = "provider,invoice_number,customer_id,line_id,amount,currency,case_number,opened_on,state,note\n"
PROOF = "SELECT * FROM cost.invoice_proof"


def read(folder: Path, text: str) -> RawRows:
    path = folder / "provider_disputes.csv"
    path.write_text(text, "utf-8")
    return read_csv_table(path, PROVIDER_DISPUTES.name)


def disputed(partner: StagedPartner, settings: Settings, rows: str) -> None:
    """A month with a cent too much on a line, and what the partner disputes of it."""
    partner.stage(daily_usage=[usage("6.00")], reconciliation=[line("6.01")], invoice_headers=[header("6.01")]).build()
    settings.home.create()
    frame, notices = read_rows(PROVIDER_DISPUTES, read(settings.home.root, HEADER + rows))
    assert not notices
    partner.con.register("disputes_read", frame)
    partner.con.execute("INSERT INTO reference.provider_disputes BY NAME SELECT * FROM disputes_read")
    build_cost_overviews(partner.con, settings)


def test_a_dispute_stands_beside_the_proof_with_its_case(partner: StagedPartner, settings: Settings) -> None:
    disputed(partner, settings, ",g1,ORG:TENANT-A,,0.01,EUR,2610080040001234,2026-10-09,,a cent too much\n")
    found = partner.only("SELECT * FROM cost.disputes")
    assert (found["provider"], found["invoice_number"], found["case_number"], found["state"]) == (
        "microsoft", "G1", "2610080040001234", "open",
    )  # fmt: skip
    assert (found["opened_on"], found["not_found"]) == (date(2026, 10, 9), None)
    assert found["disputed_amount"] == found["unexplained_amount"] == found["customer_gap_amount"] == Decimal("0.01")


def test_a_dispute_never_changes_the_unexplained_amount(partner: StagedPartner, settings: Settings) -> None:
    disputed(partner, settings, "")
    before = partner.only(PROOF)
    disputed(partner, settings, "microsoft,G1,,,0.01,EUR,1,2026-10-09,accepted,\n")
    assert partner.only(PROOF) == before
    assert (before["proof_state"], before["unexplained_amount"]) == ("unproven", Decimal("0.01"))


@pytest.mark.parametrize(
    ("row", "missing"),
    [("G404,,", "document"), ("G1,tenant-z,", "customer"), ("G1,,no-such-line", "line"), ("G1,tenant-a,", None)],
)
def test_what_a_dispute_names_and_no_file_holds_is_told(
    partner: StagedPartner, settings: Settings, row: str, missing: str | None
) -> None:
    disputed(partner, settings, f",{row},0.01,EUR,1,,open,\n")
    assert partner.only("SELECT not_found FROM cost.disputes")["not_found"] == missing


def test_a_dispute_of_a_line_tells_where_the_line_stands(partner: StagedPartner, settings: Settings) -> None:
    disputed(partner, settings, "")
    line_id = partner.only("SELECT line_id FROM cost.invoice_lines")["line_id"]
    disputed(partner, settings, f",G1,,{line_id},0.01,EUR,1,,rejected,\n")
    found = partner.only("SELECT source_file, source_row, line_amount, state FROM cost.disputes")
    assert tuple(found.values()) == ("recon.csv", 1, Decimal("6.01"), "rejected")


def test_a_dispute_without_a_case_or_an_amount_is_refused_in_a_sentence(tmp_path: Path) -> None:
    rows, notices = read_rows(PROVIDER_DISPUTES, read(tmp_path, HEADER + ",G1,,,0.01,EUR,,,,\n,G1,,,x,EUR,1,,won,\n"))
    assert rows.is_empty()
    assert [notice.message for notice in notices] == [
        "provider_disputes.csv, line 2, column case_number: a value is needed and the cell is empty (text); "
        "this row is not used.",
        "provider_disputes.csv, line 3, column amount: a number with a decimal point and at most 18 decimals was "
        "expected, 'x' was found; this row is not used.",
    ]
    with pytest.raises(InputFileError, match="lacks the column invoice_number"):
        read_rows(PROVIDER_DISPUTES, read(tmp_path, "case_number,amount,currency\n1,1,EUR\n"))


def test_the_summary_names_the_case_beside_what_is_unexplained(partner: StagedPartner, settings: Settings) -> None:
    disputed(partner, settings, ",G1,,,0.01,EUR,2610080040001234,2026-10-09,,\n")
    home = settings.home
    home.published.parent.mkdir(parents=True, exist_ok=True)
    partner.con.execute(f"ATTACH '{home.published}' AS copy")
    for table in load_catalogue().values():
        partner.con.execute(f"CREATE SCHEMA IF NOT EXISTS copy.{table.schema}")
        partner.con.execute(f"CREATE TABLE copy.{table.key} AS FROM {table.key}")
    partner.con.execute("DETACH copy")
    summary = read_summary(home, "2026-09")
    assert summary.reasons == [
        "Invoice G1 is unproven: 0.01 EUR unexplained; 0.01 EUR disputed under case 2610080040001234 (open)."
    ]
    assert [row["case_number"] for row in summary.as_json()["disputes"]] == ["2610080040001234"]
