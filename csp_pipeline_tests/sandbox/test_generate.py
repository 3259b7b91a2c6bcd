"""The command's promises: same seed, same bytes; any sensible size; one clear sentence for what makes no sense."""

from __future__ import annotations

import csv
import hashlib
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from csp_pipeline.errors import CspError
from csp_pipeline.formats.tax_ids import tax_id_state
from csp_pipeline.sandbox.catalogue import CURRENCIES
from csp_pipeline.sandbox.generate import PARTIAL_FOLDER, generate
from csp_pipeline.steps.ingest import land_and_stage
from csp_pipeline.storage.home import Home

if TYPE_CHECKING:
    from pathlib import Path


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        generate(tmp_path / name, usage_rows=1_000, seed=7)
    assert digests(tmp_path / "first") == digests(tmp_path / "second")


def test_another_seed_gives_another_partner(tmp_path: Path) -> None:
    generate(tmp_path / "first", usage_rows=500, seed=1)
    generate(tmp_path / "second", usage_rows=500, seed=2)
    customers = [(tmp_path / name / "inbox" / "customers.json").read_text("utf-8") for name in ("first", "second")]
    assert customers[0] != customers[1]


@pytest.mark.parametrize(
    ("customers", "usage_rows", "months", "currencies"),
    [
        (1, 0, ("2026-02", "2026-02"), ("EUR",)),
        (3, 37, ("2025-12", "2026-01"), ("KRW", "CHF", "GBP")),
        (12, 900, ("2026-01", "2026-01"), ("USD",)),
        (30, 2_000, ("2025-11", "2027-02"), ("SEK", "JPY")),
        (14, 700, ("2026-05", "2026-09"), tuple(CURRENCIES)),
    ],
)
def test_any_size_and_span_is_written_whole(
    tmp_path: Path, customers: int, usage_rows: int, months: tuple[str, str], currencies: tuple[str, ...]
) -> None:
    report = generate(
        tmp_path, customers=customers, usage_rows=usage_rows, months=months, currencies=currencies, seed=3
    )
    expected = json.loads((tmp_path / "expected.json").read_text("utf-8"))
    assert report.usage_rows == usage_rows == expected["settings"]["usage_rows"]
    assert {invoice["proof_state"] for invoice in expected["invoices"]} == {"proven"}
    assert not (tmp_path / PARTIAL_FOLDER).exists()


def test_credit_is_lost_and_tax_ids_are_valid_also_in_a_partner_with_little_usage(tmp_path: Path) -> None:
    generate(tmp_path, usage_rows=2_000, months=("2026-01", "2026-03"), seed=5)
    expected = json.loads((tmp_path / "expected.json").read_text("utf-8"))
    assert any(Decimal(row["pec_forgone_amount"]) > 0 for row in expected["azure_plan_costs"])
    with (tmp_path / "commercial" / "accounts.csv").open(encoding="utf-8", newline="") as stream:
        states = {
            row["country_code"]: tax_id_state(row["tax_id"], row["country_code"]) for row in csv.DictReader(stream)
        }
    assert {states["DE"], states["JP"]} == {"valid"}
    assert "invalid" not in states.values()


@pytest.mark.parametrize("usage_rows", [0, 5, 60])
def test_every_file_of_a_partner_with_little_usage_has_rows(tmp_path: Path, usage_rows: int) -> None:
    months, currencies = ("2026-01", "2026-05"), ("EUR", "USD")
    generate(tmp_path, customers=2, usage_rows=usage_rows, months=months, currencies=currencies)
    report = land_and_stage(Home(tmp_path).create())
    assert {(file.name, file.message) for file in report.files if file.status not in ("staged", "archive")} == set()
    assert any(file.kind == "daily_usage" for file in report.files) is (usage_rows > 0)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"months": ("2026-09", "2026-07")}, "the first month 2026-09 is after the last month 2026-07"),
        ({"months": ("2026-13", "2027-01")}, "'2026-13' is not a month"),
        ({"months": ("2020-01", "2026-01")}, "more than 24 months"),
        ({"currencies": ("EUR", "XXX")}, "unknown currency 'XXX'"),
        ({"currencies": ("EUR", "EUR")}, "named twice"),
        ({"currencies": ()}, "no currency"),
        ({"customers": 2}, "2 customers cannot fill invoices in 3 currencies"),
        ({"usage_rows": -1}, "must not be negative"),
    ],
)
def test_arguments_without_sense_are_refused_in_a_sentence(
    tmp_path: Path, arguments: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(CspError, match=sentence):
        generate(tmp_path, **arguments)
    assert not any(tmp_path.iterdir())


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "mine.csv").write_text("x\n", "utf-8")
    with pytest.raises(CspError, match="already exists"):
        generate(tmp_path)
    assert digests(tmp_path).keys() == {"inbox/mine.csv"}


def test_what_a_killed_run_left_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / PARTIAL_FOLDER / "inbox").mkdir(parents=True)
    (tmp_path / PARTIAL_FOLDER / "inbox" / "half.csv").write_text("x\n", "utf-8")
    report = generate(tmp_path, usage_rows=100)
    assert "inbox/half.csv" not in report.files
