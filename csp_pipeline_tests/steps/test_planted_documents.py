"""A cent planted in a legacy or distributor document: found by that amount at that document, and where it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline_tests.product import rows_of
from csp_pipeline_tests.steps.other_documents_case import HEADERS, Files, cost_of, made

if TYPE_CHECKING:
    from pathlib import Path

CENT = Decimal("0.01")
CONTRADICTS = "line_contradicts_its_own_figures"


@dataclass(frozen=True)
class Planted:
    """What was planted in which document; `row` is the row of its file that it must be located at."""

    number: str
    amount: Decimal
    state: str = "unproven"
    file: str | None = None
    row: int = 1


def _cell(files: Files, name: str, column: str, more: Decimal, *, in_each_row: bool = False) -> None:
    """Add an amount to a cell of the first row of a file, or of each row."""
    header, *rows = files[name].rstrip("\r\n").split("\r\n")
    place = header.split(",").index(column)
    for number in range(len(rows) if in_each_row else 1):
        cells = rows[number].split(",")
        cells[place] = f"{Decimal(cells[place]) + more:f}"
        rows[number] = ",".join(cells)
    files[name] = "\r\n".join([header, *rows, ""])


def _header(files: Files, number: str, more: Decimal) -> None:
    content = json.loads(files[HEADERS], parse_float=Decimal)
    (header,) = [item for item in content["items"] if item["id"] == number]
    total = header["totalCharges"]
    before, after = files[HEADERS].split(f'"{number}"', 1)
    after = after.replace(f'"totalCharges": {total}', f'"totalCharges": {total + more}', 1)
    files[HEADERS] = f'{before}"{number}"{after}'


def _name_of(files: Files, number: str) -> str:
    return next(name for name in files if number.replace("/", "-") in name)


def test_each_planted_cent_is_found_at_its_document_and_line_and_nothing_else_is(tmp_path: Path) -> None:
    documents = made()
    files = dict(documents.files)
    first, second, third = documents.legacy
    header_of, total_of, line_of, untouched = documents.distributors
    _header(files, first, CENT)
    _cell(files, f"{second}_licence.csv", "Amount", CENT)
    _cell(files, f"{third}_usage.csv", "ListPrice", Decimal("0.001"))
    _cell(files, _name_of(files, header_of), "Invoice Total", -CENT, in_each_row=True)
    _cell(files, _name_of(files, total_of), "Tax Amount", CENT)
    _cell(files, _name_of(files, line_of), "Extended Price", CENT)
    # 720 hours at 0.0751 instead of 0.0741: 54.07 and not the 53.35 that are charged
    planted = [
        Planted(first, CENT),
        Planted(second, CENT, file=f"{second}_licence.csv"),
        Planted(third, Decimal("0.72"), file=f"{third}_usage.csv"),
        Planted(header_of, CENT),
        Planted(total_of, CENT),
        Planted(line_of, CENT),
    ]
    with cost_of(tmp_path, files) as con:
        proofs = {row["invoice_number"]: row for row in rows_of(con, "SELECT * FROM cost.invoice_proof")}
        located = rows_of(con, f"SELECT * FROM cost.unexplained_rows WHERE reason = '{CONTRADICTS}'")
    assert len(proofs) == len(documents.legacy) + len(documents.distributors)
    for one in planted:
        proof = proofs.pop(one.number)
        assert (proof["proof_state"], proof["unexplained_amount"]) == (one.state, one.amount), one
        gap = proof["header_gap_amount"] if one.file is None else proof["usage_gap_amount"]
        assert abs(gap) == one.amount, one
    assert {row["invoice_number"]: abs(row["amount"]) for row in located} == {
        one.number: one.amount for one in planted if one.file
    }
    assert {(row["source_file"], row["source_row"]) for row in located} == {
        (one.file, one.row) for one in planted if one.file
    }
    assert list(proofs) == [untouched]
    assert {proof["proof_state"] for proof in proofs.values()} == {"proven"}


def test_a_charge_off_by_the_unit_it_is_rounded_to_is_bounded_and_located(tmp_path: Path) -> None:
    documents = made()
    number = documents.legacy[0]
    files = {name: text for name, text in documents.files.items() if number in name or name == HEADERS}
    for column in ("PretaxCharges", "PostTaxTotal"):
        _cell(files, f"{number}_usage.csv", column, CENT)
    _header(files, number, CENT)
    with cost_of(tmp_path, files) as con:
        (proof,) = rows_of(con, f"SELECT * FROM cost.invoice_proof WHERE invoice_number = '{number}'")
        (part,) = rows_of(
            con, f"SELECT * FROM cost.proof_parts WHERE invoice_number = '{number}' AND bounded_amount <> 0"
        )
        (line,) = rows_of(con, f"SELECT * FROM cost.invoice_lines WHERE line_id = '{part['line_id']}'")
    assert (proof["proof_state"], proof["bounded_amount"], proof["unexplained_amount"]) == ("bounded", CENT, 0)
    assert (line["source_file"], line["source_row"]) == (f"{number}_usage.csv", 1)


@pytest.mark.parametrize("more", [Decimal(0), Decimal(1)])
def test_tax_on_the_document_is_inferred_to_the_unit_and_a_unit_more_leaves_it_unexplained(
    tmp_path: Path, more: Decimal
) -> None:
    """Ten percent of the subtotal stand on the header alone; a yen beside it, and no rate makes the difference."""
    documents = made("JPY")
    number = documents.legacy[0]
    files = {name: text for name, text in documents.files.items() if number in name or name == HEADERS}
    _header(files, number, more)
    with cost_of(tmp_path, files) as con:
        (proof,) = rows_of(con, f"SELECT * FROM cost.invoice_proof WHERE invoice_number = '{number}'")
    tax = proof["header_amount"] - proof["lines_amount"]
    assert tax > 1
    assert proof["lines_tax_amount"] == 0
    if more:
        assert (proof["proof_state"], proof["unexplained_amount"]) == ("unproven", tax)
    else:
        assert (proof["proof_state"], proof["document_tax_amount"], proof["unexplained_amount"]) == ("proven", tax, 0)
