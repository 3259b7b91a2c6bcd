"""The command's errors are one sentence and an exit code; its summary says whether a person is needed."""

from __future__ import annotations

import re
import subprocess
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from csp_pipeline.cli import app
from csp_pipeline.cli_doctor import examine
from csp_pipeline.cli_rendering import exact_cell, rounded_cell
from csp_pipeline.cli_summary import read_summary
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.steps.publish import publish
from csp_pipeline.storage.warehouse import exclusive, writing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from csp_pipeline.settings import Settings
    from csp_pipeline.storage.home import Home


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["run", "--month", "2026-13"], 2, "--month must be YYYY-MM, for example 2026-03; found '2026-13'."),
        (["run", "--source", "nowhere"], 2, "Setting CSP_SOURCE cannot be used"),
        (["run", "--source", "inbox"], 1, "There is nothing to do"),
        (
            ["run", "--source", "partner-center"],
            1,
            "CSP_PARTNER_TENANT_ID, CSP_CLIENT_ID, CSP_CLIENT_SECRET are not set",
        ),
        (["generate", "--out", "x", "--months", "2026-05..2026-04"], 2, "2026-05"),
        (["generate", "--out", "x", "--planted", "timming"], 2, "'timming'"),
        (["generate", "--out", "x", "--planted", "timing,timing"], 2, "named twice"),
        (["generate", "--out", "x", "--planted", "timing", "--months", "2026-05..2026-06"], 2, "3 to 8 months"),
    ],
)
def test_an_error_is_one_sentence_and_the_exit_code_of_the_contract(
    tmp_path: Path, arguments: list[str], code: int, sentence: str
) -> None:
    result = CliRunner().invoke(app, arguments, env={"CSP_HOME": str(tmp_path)})
    assert result.exit_code == code
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_a_home_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(app, ["run"], env={"CSP_HOME": str(tmp_path / "file"), "CSP_SOURCE": "inbox"})
    assert result.exit_code == 1
    assert re.fullmatch(r"\S*file\S* cannot be used: .*\.\n", result.stderr)


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(app, ["generate", "--out", str(tmp_path / "file" / "x")])
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert "cannot be used" in result.stderr


def test_the_ui_waits_for_the_run_that_may_be_making_its_databases(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[bool] = []

    @contextmanager
    def open_instance(home: Home) -> Iterator[None]:
        held.append(FileLock(home.lock, is_singleton=True).is_locked)
        yield

    monkeypatch.setattr("csp_pipeline.orchestration.instance.open_instance", open_instance)
    monkeypatch.setattr("csp_pipeline.cli.subprocess.run", lambda *_, **__: subprocess.CompletedProcess([], 0))
    result = CliRunner().invoke(app, ["ui"], env={"CSP_HOME": str(home.root)})
    assert (result.exit_code, held) == (0, [True])
    assert not FileLock(home.lock, is_singleton=True).is_locked


def test_a_secret_that_cannot_be_used_is_not_repeated(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["doctor"], env={"CSP_HOME": str(tmp_path), "CSP_PEC_CREDIT_LAG_MONTHS": "hunter2"}
    )
    assert result.exit_code == 2
    assert "CSP_PEC_CREDIT_LAG_MONTHS" in result.stderr
    assert "hunter2" not in result.output


def test_the_doctor_finds_missing_terms_and_a_held_lock(settings: Settings, home: Home) -> None:
    findings = {finding.subject: finding for finding in examine(settings)}
    assert "accounts.csv" in findings["commercial terms"].advice
    assert findings["lock"].is_ok
    with exclusive(home):
        assert {one.subject: one for one in examine(settings)}["lock"].advice.startswith("Wait")


def test_the_doctor_says_what_to_do_about_a_damaged_warehouse(settings: Settings, home: Home) -> None:
    home.warehouse.write_bytes(b"not a database")
    assert "rebuild" in {one.subject: one for one in examine(settings)}["warehouse"].advice


def _insert(home: Home, table: str, row: str) -> None:
    with writing(home) as connection:
        connection.execute(f"INSERT INTO {load_catalogue()[table].key} BY NAME SELECT {row}")


PROOF = "'G1' AS invoice_number, '2026-03' AS billing_month, 'EUR' AS currency, "
PARTS = "'d' AS difference_id, '2026-03' AS service_month, 'EUR' AS currency, "
ROW = "'2026-03' AS service_month, 'EUR' AS currency, "


@pytest.mark.parametrize(
    ("table", "row", "reason"),
    [
        (
            "cost.invoice_proof",
            PROOF + "'unproven' AS proof_state, 0.01 AS unexplained_amount",
            "G1 is unproven: 0.01 EUR",
        ),
        ("cost.invoice_proof", PROOF + "'incomplete' AS proof_state, NULL AS unexplained_amount", "G1 is incomplete"),
        (
            "reference.notices",
            "'refused' AS severity, 'The table accounts is missing.' AS message",
            "accounts is missing",
        ),
        (
            "meta.files",
            "'refused' AS status, 'a.csv' AS source_file, 'It is a photo.' AS message",
            "a.csv: It is a photo.",
        ),
    ],
)
def test_what_needs_a_person_makes_exit_code_3(
    settings: Settings, home: Home, table: str, row: str, reason: str
) -> None:
    _insert(home, table, row)
    publish(settings)
    summary = read_summary(home, "2026-03")
    assert summary.exit_code == 3
    assert any(reason in one for one in summary.reasons)


@pytest.mark.parametrize(
    ("cause", "resolution", "code"),
    [
        ("timing", "NULL", 0),
        ("unbilled_cost", "NULL", 3),
        ("unbilled_cost", "'accepted'", 0),
        ("unexplained", "NULL", 3),
    ],
)
def test_a_starred_cause_needs_a_person_until_it_is_accepted(
    settings: Settings, home: Home, cause: str, resolution: str, code: int
) -> None:
    _insert(home, "reconciliation.revenue_vs_cost", ROW + "-5 AS difference_amount")
    _insert(home, "reconciliation.differences", PARTS + f"'{cause}' AS cause, -5 AS amount, {resolution} AS resolution")
    publish(settings)
    assert read_summary(home, "2026-03").exit_code == code


def test_what_was_accepted_is_in_neither_the_count_nor_the_sum_of_a_reason(settings: Settings, home: Home) -> None:
    _insert(home, "reconciliation.revenue_vs_cost", ROW + "-12 AS difference_amount")
    for amount, resolution in ((-5, "NULL"), (-7, "'accepted'")):
        decided = f"'unbilled_cost' AS cause, {amount} AS amount, {resolution} AS resolution"
        _insert(home, "reconciliation.differences", PARTS + decided)
    publish(settings)
    assert read_summary(home, "2026-03").reasons == ["1 difference of cause unbilled_cost, -5 EUR in all."]


def test_a_document_with_a_wrong_date_needs_a_person(settings: Settings, home: Home) -> None:
    _insert(home, "cost.invoice_proof", PROOF.replace("2026-03", "2099-01") + "'proven' AS proof_state")
    publish(settings)
    (reason,) = read_summary(home, "2026-03").reasons
    assert reason.startswith("Invoice G1 is of 2099-01, outside 2019-01 to ")


def test_an_empty_warehouse_needs_nobody(settings: Settings, home: Home) -> None:
    publish(settings)
    summary = read_summary(home, None)
    assert (summary.exit_code, summary.as_json()["invoices"]) == (0, [])


def test_what_could_not_be_fetched_needs_a_person_and_is_told_first(settings: Settings, home: Home) -> None:
    _insert(home, "cost.invoice_proof", PROOF + "'unproven' AS proof_state, 0.01 AS unexplained_amount")
    publish(settings)
    summary = read_summary(home, None, ["Invoice G2 could not be fetched: the service does not answer."])
    assert summary.exit_code == 3
    assert [reason[:10] for reason in summary.reasons] == ["Invoice G2", "Invoice G1"]


def test_the_terminal_shows_every_digit_of_a_proof_and_two_decimals_elsewhere() -> None:
    assert exact_cell(Decimal("-1234.567000")) == "-1,234.567"
    assert exact_cell(Decimal("2.000")) == "2.00"
    assert rounded_cell(Decimal("2.325")) == "2.33"
    assert rounded_cell(Decimal("-0.001")) == "0.00"
    assert rounded_cell(None) == "-"


def test_the_summary_has_the_total_in_the_reporting_currency_and_names_missing_rates(
    settings: Settings, home: Home
) -> None:
    total = "'{}' AS service_month, 'EUR' AS reporting_currency, "
    known = "10.5 AS revenue_amount, 8 AS cost_amount, 2.5 AS margin_amount, true AS is_complete"
    unknown = "7 AS revenue_amount, false AS is_complete, 'CHF to JPY, USD to EUR' AS missing_rates"
    _insert(home, "reconciliation.totals", total.format("2026-03") + known)
    for month in ("2026-04", "2026-05"):
        _insert(home, "reconciliation.totals", total.format(month) + unknown)
    publish(settings)
    summary = read_summary(home, "2026-03")
    (found,) = summary.as_json()["totals_in_reporting_currency"]
    assert (found["currency"], found["month_revenue_amount"][:5], found["month_margin_amount"][:4]) == (
        "EUR", "10.50", "2.50",
    )  # fmt: skip
    assert (found["revenue_amount"][:5], found["cost_amount"], found["margin_amount"]) == ("24.50", None, None)
    assert [notice["message"] for notice in summary.notices] == [
        "2 months (2026-04 to 2026-05) cannot be summed in EUR: no rate from CHF to JPY, USD to EUR; "
        "add those of the month and of its documents' months to exchange_rates."
    ]
    assert summary.exit_code == 0
