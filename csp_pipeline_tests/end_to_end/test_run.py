"""The command on a made-up partner, from files to the published copy, as a user starts it."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from csp_pipeline.sandbox.generate import generate

if TYPE_CHECKING:
    from pathlib import Path

NEEDS_A_PERSON = 3
LOG_TABLES = {("meta", "runs"), ("meta", "steps")}


def _command(home: Path, *arguments: str) -> list[str]:
    assert home.is_absolute()
    return [sys.executable, "-m", "csp_pipeline.cli", *arguments]


def _environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CSP_", "DAGSTER_"))}
    return {**kept, "CSP_HOME": str(home), "CSP_SOURCE": "inbox", "COLUMNS": "200"}


def csp_pipeline(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        _command(home, *arguments), env=_environment(home), capture_output=True, text=True, check=False, timeout=240
    )


def rows(home: Path) -> dict[str, Any]:
    """Count and order-independent hash of every published table but the logs of the work itself."""
    with duckdb.connect(str(home / "published" / "csp.duckdb"), read_only=True) as connection:
        tables = connection.execute("SELECT table_schema, table_name FROM information_schema.tables").fetchall()
        return {
            f"{schema}.{table}": connection.execute(
                f"SELECT count(*), sum(CAST(hash(t) AS HUGEINT)) FROM {schema}.{table} AS t"
            ).fetchone()
            for schema, table in tables
            if (schema, table) not in LOG_TABLES
        }


@pytest.fixture(scope="module")
def partner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small made-up partner: two months, a currency with and one without a minor unit."""
    folder = tmp_path_factory.mktemp("partner") / "home"
    generate(folder, usage_rows=600, months=("2026-08", "2026-09"), currencies=("EUR", "JPY"))
    return folder


@pytest.fixture(scope="module")
def done(partner: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A home after one run, with the summary as JSON."""
    home = tmp_path_factory.mktemp("done") / "home"
    shutil.copytree(partner, home)
    ran = csp_pipeline(home, "run", "--json")
    assert ran.returncode == NEEDS_A_PERSON, ran.stderr
    return home, json.loads(ran.stdout)


def test_every_invoice_is_proven_and_every_planted_cause_is_named(done: tuple[Path, dict[str, Any]]) -> None:
    home, summary = done
    assert {row["proof_state"] for row in summary["invoices"]} == {"proven"}
    assert all(float(row["matched_lines_percent"]) == 100 for row in summary["invoices"])
    planted = {
        row["cause"] for row in json.loads((home / "expected.json").read_text("utf-8"))["planted"] if row.get("cause")
    }
    assert planted <= {row["cause"] for row in summary["differences"]}


def test_the_summary_is_kept_as_text_and_as_json(done: tuple[Path, dict[str, Any]]) -> None:
    home, summary = done
    assert json.loads((home / "reports" / "summary-2026-09.json").read_text("utf-8")) == summary
    assert "Needs a person" in (home / "reports" / "summary-2026-09.txt").read_text("utf-8")


def test_a_second_run_changes_nothing_and_publishes_nothing(done: tuple[Path, dict[str, Any]]) -> None:
    home, _ = done
    published = (home / "published" / "csp.duckdb").read_bytes()
    again = csp_pipeline(home, "run")
    assert again.returncode == NEEDS_A_PERSON
    assert "Nothing changed since the last publication." in again.stdout
    assert (home / "published" / "csp.duckdb").read_bytes() == published


def test_rebuild_gives_the_same_rows(done: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(done[0], home)
    before = rows(home)
    assert csp_pipeline(home, "rebuild").returncode == NEEDS_A_PERSON
    assert rows(home) == before


def test_a_cent_in_a_header_leaves_that_invoice_unproven_by_it_and_the_others_proven(
    partner: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(partner, home)
    path = home / "inbox" / "invoices.json"
    headers = json.loads(path.read_text("utf-8"))
    planted = headers["items"][0]
    planted["totalCharges"] = round(planted["totalCharges"] + 0.01, 2)
    path.write_text(json.dumps(headers), "utf-8")
    ran = csp_pipeline(home, "run", "--json")
    assert ran.returncode == NEEDS_A_PERSON, ran.stderr
    states = {
        row["invoice_number"]: (row["proof_state"], row["unexplained_amount"])
        for row in json.loads(ran.stdout)["invoices"]
    }
    assert states.pop(planted["id"]) == ("unproven", "0.0100000000")
    assert {state for state, _ in states.values()} == {"proven"}


def test_rows_that_no_longer_tie_out_stop_publishing_with_one_sentence(
    done: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(done[0], home)
    published = (home / "published" / "csp.duckdb").read_bytes()
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute(
            "UPDATE cost.invoice_lines SET total_amount = total_amount + 1 "
            "WHERE line_id = (SELECT min(line_id) FROM cost.invoice_lines)"
        )
        connection.execute("DELETE FROM meta.steps WHERE step = 'publish'")
    ran = csp_pipeline(home, "run")
    assert ran.returncode == 1
    assert ran.stderr.startswith(
        "Nothing was published, because the books do not tie out: invoice_lines_equal_files: G"
    )
    assert len(ran.stderr.splitlines()) == 1
    assert (home / "published" / "csp.duckdb").read_bytes() == published


def test_killed_at_any_moment_the_next_run_gives_the_same_rows(
    done: tuple[Path, dict[str, Any]], partner: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(partner, home)
    moments = random.Random(7)  # noqa: S311  (not for secrets; seeded so that a failure can be repeated)
    for _ in range(3):
        process = subprocess.Popen(  # noqa: S603
            _command(home, "run"), env=_environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(moments.uniform(2, 9))
        process.send_signal(signal.SIGKILL)
        process.wait()
    ran = csp_pipeline(home, "run")
    assert ran.returncode == NEEDS_A_PERSON, ran.stderr
    ignored = {"meta.files", "meta.file_invoices"}  # they hold the time of the scan
    expected, found = rows(done[0]), rows(home)
    assert {key: found[key] for key in found if key not in ignored} == {
        key: expected[key] for key in expected if key not in ignored
    }


def test_without_a_required_table_cost_is_published_without_drafts(partner: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(partner, home)
    (home / "commercial" / "contract_lines.csv").unlink()
    ran = csp_pipeline(home, "run", "--json")
    assert ran.returncode == NEEDS_A_PERSON, ran.stderr
    summary = json.loads(ran.stdout)
    assert summary["drafts"] == []
    assert summary["invoices"]
    assert any("contract_lines" in reason for reason in summary["needs_a_person"])


def test_a_file_that_is_not_what_it_claims_stops_nothing_else(partner: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(partner, home)
    (home / "inbox" / "photo.csv").write_bytes(b"\xff\xd8\xff\xe0" + bytes(range(256)) * 20)
    ran = csp_pipeline(home, "run", "--json")
    assert ran.returncode == NEEDS_A_PERSON, ran.stderr
    summary = json.loads(ran.stdout)
    assert {row["proof_state"] for row in summary["invoices"]} == {"proven"}
    assert any(reason.startswith("photo.csv: ") for reason in summary["needs_a_person"])


def test_the_exported_lines_of_the_published_copy_are_those_of_the_files(done: tuple[Path, dict[str, Any]]) -> None:
    home, _ = done
    with duckdb.connect(str(home / "published" / "csp.duckdb"), read_only=True) as connection:
        published = connection.execute(
            "SELECT count(*) FROM cost.invoice_lines WHERE source_file LIKE '%.csv'"
        ).fetchone()
    counted = 0
    for path in (home / "inbox").glob("*reconciliation*.csv"):
        with path.open(encoding="utf-8-sig", newline="") as file:
            counted += sum(1 for _ in csv.DictReader(file))
    assert published is not None
    assert published[0] >= counted > 0
