"""Rows and files look as each wire form says, digit by digit."""

from __future__ import annotations

import ast
import gzip
import json
import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

import csp_pipeline.sandbox
from csp_pipeline.sandbox.containers import Blobs, GzipMembers, ZipMember
from csp_pipeline.sandbox.wire import FORMS, WireForm

BY_NAME = {form.name: form for form in FORMS}
ALLOWED = ("csp_pipeline.errors", "csp_pipeline.sandbox", "polars", "isal")


@pytest.mark.parametrize(
    ("units", "scale", "text"),
    [
        (0, 10, "0E-20"),
        (710_000, 10, "7.1E-05"),
        (-5, 3, "-0.005"),
        (24_000_000, 6, "24"),
        (999_999, 10, "9.99999E-05"),
        (1_000_000, 10, "0.0001"),
        (3, 10, "3.0E-10"),
    ],
)
def test_small_numbers_get_exponents_and_keep_their_value(units: int, scale: int, text: str) -> None:
    written = BY_NAME["graph"].number(units, scale)
    assert written == text
    assert Decimal(written) == Decimal(units).scaleb(-scale)


@pytest.mark.parametrize("units", [0, 1, 10, 123_456_789, 10_000_000_000, -42])
def test_plain_numbers_keep_their_value(units: int) -> None:
    assert Decimal(BY_NAME["portal"].number(units, 10)) == Decimal(units).scaleb(-10)


def test_days_are_written_as_each_form_does() -> None:
    day = date(2026, 7, 5)
    assert BY_NAME["portal"].day(day) == "7/5/2026"
    assert BY_NAME["graph"].day(day) == "2026-07-05T00:00:00Z"
    assert BY_NAME["api-names"].day(day) == "2026-07-05"


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_percent_sign_or_quote_in_a_value_survives_the_template(form: WireForm) -> None:
    columns = ("Tags", "UsageDate", "Quantity", "SkuName")
    values = {"Tags": '{"discount":"15% off"}', "SkuName": "100%s, really"}
    row = form.template(columns, values, ("UsageDate", "Quantity")) % ("DAY", "1.5")
    if form.is_json:
        assert json.loads(row) == {
            "tags": values["Tags"],
            "usageDate": "DAY",
            "quantity": 1.5,
            "skuName": values["SkuName"],
        }
    else:
        assert row == f'"{{""discount"":""15% off""}}",DAY,1.5,"100%s, really"{form.newline}'


def test_percentages_become_fractions_under_rate_names() -> None:
    columns = ("PartnerEarnedCreditPercentage", "CreditPercentage")
    values = {"PartnerEarnedCreditPercentage": Decimal(15), "CreditPercentage": Decimal(100)}
    assert BY_NAME["api-names"].header(columns) == "rateOfPartnerEarnedCredit,rateOfCredit\n"
    assert BY_NAME["api-names"].row(columns, values) == "0.15,1\n"
    assert BY_NAME["portal"].row(columns, values) == "15,100\r\n"


def test_apostrophes_stand_before_some_numbers_of_a_spreadsheet() -> None:
    form = BY_NAME["spreadsheet-zip"]
    assert form.row(("UnitPrice", "Subtotal"), {"UnitPrice": Decimal("1.5"), "Subtotal": Decimal(-2)}) == "'1.5,-2\r\n"


def test_gzip_files_have_several_members_that_read_as_one(tmp_path: Path) -> None:
    rows = GzipMembers(tmp_path / "rows.csv.gz", member_characters=10)
    for number in range(6):
        rows.write(f"row {number}\n")
    rows.close()
    content = (tmp_path / "rows.csv.gz").read_bytes()
    assert content.count(b"\x1f\x8b\x08") == 3
    assert gzip.decompress(content).decode().split("\n")[:-1] == [f"row {number}" for number in range(6)]


def test_blobs_are_cut_between_rows(tmp_path: Path) -> None:
    rows = Blobs(tmp_path, "export", blob_rows=2)
    for number in range(5):
        rows.write(f'{{"n":{number}}}\n')
    rows.close()
    blobs = sorted(tmp_path.iterdir())
    assert [len(gzip.decompress(blob.read_bytes()).splitlines()) for blob in blobs] == [2, 2, 1]


def test_a_zip_holds_one_csv_without_a_clock(tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        member = ZipMember(tmp_path / name, "rows.csv")
        member.write("x\n")
        member.close()
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == ["rows.csv"]


def test_the_generator_knows_nothing_of_the_pipeline() -> None:
    folder = Path(csp_pipeline.sandbox.__path__[0])
    modules = [
        node.module or ""
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom)
    ]
    assert [name for name in modules if name.startswith("csp_pipeline") and not name.startswith(ALLOWED)] == []
