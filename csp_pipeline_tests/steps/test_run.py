"""What a run does again follows from its inputs alone."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.steps import run
from csp_pipeline.steps.billing_facts import billing_starts_on
from csp_pipeline.storage.warehouse import writing

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from csp_pipeline.settings import Settings
    from csp_pipeline.storage.home import Home


@pytest.fixture
def warehouse(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    with writing(home) as connection:
        connection.execute(
            """
            INSERT INTO cost.invoices BY NAME
            SELECT 'G1' AS invoice_number, '2026-01' AS billing_month, 'EUR' AS currency
            UNION ALL SELECT 'G2', '2026-03', 'USD' UNION ALL SELECT 'G3', '2026-05', 'USD'
            """
        )
        connection.execute(
            """
            INSERT INTO meta.file_invoices BY NAME
            SELECT 'reconciliation' AS kind, 'g1' AS invoice_number, 'a' AS file_sha256, 5 AS rows_staged
            UNION ALL SELECT 'daily_usage', 'G2', 'b', 5 UNION ALL SELECT 'invoice_headers', 'G3', 'c', 1
            """
        )
        yield connection


def test_the_latest_month_is_that_of_a_document_with_lines_not_of_a_bare_header(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    assert run.latest_month(warehouse) == "2026-03"
    warehouse.execute("DELETE FROM meta.file_invoices")
    assert run.latest_month(warehouse) == "2026-05"


def test_a_file_of_which_no_row_could_be_read_moves_no_month_unless_a_header_says_when_it_was_issued(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    warehouse.execute(
        "INSERT INTO cost.invoices BY NAME SELECT '1' AS invoice_number, '2026-06' AS billing_month, 'EUR' AS currency"
    )
    warehouse.execute(
        "INSERT INTO meta.file_invoices BY NAME "
        "SELECT 'reconciliation' AS kind, '1' AS invoice_number, 'd' AS file_sha256, 0 AS rows_staged"
    )
    assert run.latest_month(warehouse) == "2026-03"
    warehouse.execute("UPDATE cost.invoices SET issued_on = DATE '2026-07-08' WHERE invoice_number = '1'")
    assert run.latest_month(warehouse) == "2026-06"


def test_months_between_cross_the_year() -> None:
    assert run.months_between("2025-11", "2026-02") == ["2025-11", "2025-12", "2026-01", "2026-02"]
    assert run.months_between("2026-02", "2026-01") == []


def test_consecutive_months_make_spans() -> None:
    assert run.consecutive(["2026-01", "2025-12", "2026-03"]) == [["2025-12", "2026-01"], ["2026-03"]]


def test_a_recorded_step_is_not_done_again_until_its_inputs_change(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert run.changed(warehouse, "cost", {"2026-01|EUR": "x"}) == ["2026-01|EUR"]
    run.record(warehouse, "cost", {"2026-01|EUR": "x"})
    assert run.changed(warehouse, "cost", {"2026-01|EUR": "x"}) == []
    assert run.changed(warehouse, "cost", {"2026-01|EUR": "y"}) == ["2026-01|EUR"]


def test_a_step_that_was_started_and_killed_is_done_again_even_for_its_old_inputs(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    run.record(warehouse, "cost", {"2026-01|EUR": "x"})
    run.changed(warehouse, "cost", {"2026-01|EUR": "y"})
    assert run.changed(warehouse, "cost", {"2026-01|EUR": "x"}) == ["2026-01|EUR"]


def test_only_the_partition_of_a_changed_invoice_is_done_again(warehouse: duckdb.DuckDBPyConnection) -> None:
    before = run.cost_fingerprints(warehouse)
    warehouse.execute("UPDATE meta.file_invoices SET file_sha256 = 'z' WHERE invoice_number = 'G2'")
    after = run.cost_fingerprints(warehouse)
    assert {partition for partition in after if after[partition] != before[partition]} == {"2026-03|USD"}


def test_a_partition_whose_invoice_moved_away_is_emptied(warehouse: duckdb.DuckDBPyConnection) -> None:
    run.record(warehouse, run.COST, run.cost_fingerprints(warehouse))
    warehouse.execute("UPDATE cost.invoices SET billing_month = '2026-02' WHERE invoice_number = 'G1'")
    again = run.changed(warehouse, run.COST, run.cost_fingerprints(warehouse))
    assert again == ["2026-01|EUR", "2026-02|EUR"]
    after_a_kill = run.changed(warehouse, run.COST, run.cost_fingerprints(warehouse))
    assert after_a_kill == again


def test_a_partition_with_rows_is_done_again_though_nothing_was_recorded(
    warehouse: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    warehouse.execute(
        "INSERT INTO cost.invoice_lines BY NAME SELECT 'l' AS line_id, '2025-11' AS billing_month, 'USD' AS currency"
    )
    assert "2025-11|USD" in run.cost_fingerprints(warehouse)
    warehouse.execute("INSERT INTO billing.drafted_months BY NAME SELECT '2025-12' AS billing_month")
    assert "2025-12" in run.draft_fingerprints(warehouse, settings, "2026-03")


def test_months_drafted_before_stay_on_the_list_when_a_run_is_killed(
    warehouse: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    run.record(warehouse, run.DRAFTS, dict.fromkeys(["2025-11", "2025-12"], "x"))
    for _ in range(2):
        prints = run.draft_fingerprints(warehouse, settings, "2026-01")
        assert run.changed(warehouse, run.DRAFTS, prints) == ["2025-11", "2025-12", "2026-01"]


def test_a_blanked_step_is_done_again_and_other_partitions_are_not(warehouse: duckdb.DuckDBPyConnection) -> None:
    prints = {"2026-01|EUR": "x", "2026-02|EUR": "x"}
    run.record(warehouse, run.COST, prints)
    run.blank(warehouse, run.COST, ["2026-02|EUR"])
    assert run.changed(warehouse, run.COST, prints) == ["2026-02|EUR"]
    run.record(warehouse, run.COST, prints)
    run.blank(warehouse, run.COST)
    assert run.changed(warehouse, run.COST, prints) == [*prints]


def test_a_tax_rate_changes_every_cost_partition(warehouse: duckdb.DuckDBPyConnection) -> None:
    before = run.cost_fingerprints(warehouse)
    warehouse.execute("INSERT INTO reference.tax_rates BY NAME SELECT 'T' AS tax_rate_id, 19 AS rate_percent")
    after = run.cost_fingerprints(warehouse)
    assert all(after[partition] != before[partition] for partition in before)


def test_an_earlier_month_asked_for_leaves_no_later_draft_behind(
    warehouse: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    assert run.months_covered(warehouse, settings, "2026-02") == ["2026-01", "2026-02"]
    warehouse.execute("INSERT INTO billing.drafted_months BY NAME SELECT '2026-04' AS billing_month")
    assert run.months_covered(warehouse, settings, "2026-02")[-1] == "2026-04"


def test_cost_before_billing_starts_is_reconciled(warehouse: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    months = ["2026-01", "2026-02", "2026-03"]
    later = settings.model_copy(update={"billing_starts_on": date(2026, 11, 1)})
    assert run.months_covered(warehouse, later, "2026-03") == months
    assert [*run.reconciliation_fingerprints(warehouse, later, "2026-03")] == months
    earlier = settings.model_copy(update={"billing_starts_on": date(2025, 12, 15)})
    assert run.months_covered(warehouse, earlier, "2026-03") == ["2025-12", *months]


def test_a_document_with_a_wrong_date_does_not_decide_which_months_are_covered(
    warehouse: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    warehouse.execute("UPDATE cost.invoices SET billing_month = '1999-01' WHERE invoice_number = 'G1'")
    warehouse.execute("UPDATE cost.invoices SET billing_month = '2099-01' WHERE invoice_number = 'G3'")
    assert (run.first_month(warehouse), run.latest_month(warehouse)) == ("2026-03", "2026-03")
    assert billing_starts_on(warehouse, settings) == date(2026, 3, 1)
    warehouse.execute("DELETE FROM cost.invoices WHERE invoice_number <> 'G3'")
    assert run.first_month(warehouse) == run.latest_month(warehouse) == run.known_months()[1]


def test_an_unreadable_published_copy_knows_no_month(home: Home) -> None:
    home.published.write_bytes(b"not a database")
    assert run.last_month_drafted(home) is None


def test_commercial_terms_are_known_by_their_bytes(home: Home, settings: Settings) -> None:
    with writing(home) as connection:
        before = run.prepare_fingerprints(connection, settings)
        (home.commercial / "accounts.csv").write_text("account_id\nA\n", "utf-8")
        after = run.prepare_fingerprints(connection, settings)
    assert {step for step in after if after[step] != before[step]} == {run.TERMS}


def test_an_open_month_is_a_partition_of_its_own_and_is_done_again_when_its_data_change(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    before = run.cost_fingerprints(warehouse)
    warehouse.execute(
        """
        INSERT INTO meta.open_month_files BY NAME
        SELECT 'open_daily_usage' AS kind, '2026-04' AS billing_month, 'USD' AS currency, 'o' AS file_sha256,
            1 AS rows_staged, TIMESTAMP '2026-04-05' AS effective_at, TRUE AS is_latest, TRUE AS is_current
        """
    )
    opened = run.cost_fingerprints(warehouse)
    assert set(opened) - set(before) == {"2026-04|USD"}
    assert {key: opened[key] for key in before} == before
    for change in ("file_sha256 = 'p'", "is_current = FALSE"):
        warehouse.execute(f"UPDATE meta.open_month_files SET {change}")
        again = run.cost_fingerprints(warehouse)
        assert {key for key in again if again[key] != opened[key]} == {"2026-04|USD"}
        opened = again
    assert run.latest_month(warehouse) == "2026-03"


def test_a_lag_of_the_credit_changes_the_tables_over_all_months_alone(
    warehouse: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    lagging = settings.model_copy(update={"pec_credit_lag_months": 2})
    assert run.overview_fingerprints(warehouse, settings) != run.overview_fingerprints(warehouse, lagging)
    assert run.draft_fingerprints(warehouse, settings, None) == run.draft_fingerprints(warehouse, lagging, None)
