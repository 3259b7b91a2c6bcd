"""Each identity of the books holds on rows that tie out, and names what breaks it, with amounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from csp_pipeline.errors import IdentityBrokenError
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.quality.identities import IDENTITIES, Identity, require_all, violations
from csp_pipeline.storage.home import Home
from csp_pipeline.storage.warehouse import writing

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

SHA = "a" * 64
BILLED = "'G1' AS invoice_number, '2026-03' AS billing_month, 'EUR' AS currency, false AS is_estimate, "
CARRIED = "'2026-03' AS billing_month, 'EUR' AS currency, false AS is_estimate, "
MONTH = "'2026-03' AS billing_month, 'EUR' AS currency, "
KEY = "'A' AS account_id, 'c1' AS contract_line_id, 'EUR' AS currency, "
MARCH = f"'2026-03' AS service_month, {KEY} 'EUR' AS cost_currency, "
APRIL = MARCH.replace("2026-03", "2026-04")
CHARGED = "'2026-03' AS billing_month, 'EUR' AS currency, DATE '{}' AS service_start_on, DATE '{}' AS service_end_on"
FILE = f"'{SHA}' AS file_sha256, "
TIED = {
    "meta.files": [
        FILE + "'g.csv' AS source_file, 'staged' AS status, 3 AS rows_total, 2 AS rows_staged, 1 AS rows_quarantined"
    ],
    "meta.quarantine": [
        FILE + "3 AS source_row, 'UnitPrice' AS column_name",
        FILE + "3 AS source_row, 'Subtotal' AS column_name",
    ],
    "meta.file_invoices": [
        FILE + "'reconciliation' AS kind, 'G1' AS invoice_number, 'EUR' AS currency, true AS is_current, "
        "12.30 AS amount_file, 12.30 AS amount_staged, 14.64 AS total_staged, 'g.csv' AS source_file",
        FILE + "'daily_usage' AS kind, 'G1' AS invoice_number, 'EUR' AS currency, true AS is_current, "
        "10.01 AS amount_file, 10.01 AS amount_staged, 'u.csv' AS source_file",
    ],
    "cost.daily_usage": [
        BILLED + "10 AS net_amount",
        BILLED.replace("G1", "g1") + "0.01 AS net_amount",
        MONTH + "true AS is_estimate, 5 AS net_amount",
    ],
    "cost.invoice_lines": [
        BILLED + FILE + "'l1' AS line_id, 'azure_plan' AS product_family, 10 AS subtotal_amount, 2 AS tax_amount, "
        "12 AS total_amount, 'g.csv' AS source_file, 1 AS source_row",
        BILLED + FILE + "'l2' AS line_id, 'reservation' AS product_family, 2.3 AS subtotal_amount, 0.34 AS tax_amount, "
        "2.64 AS total_amount, 'g.csv' AS source_file, 2 AS source_row",
    ],
    "cost.azure_plan_costs": [
        CARRIED + "'e1' AS entitlement_id, 7.5 AS billed_amount, 1.5 AS pec_amount",
        CARRIED + "'e2' AS entitlement_id, 2.5 AS billed_amount",
    ],
    "cost.resource_allocations": [MONTH + "'a' AS customer_id, 'l1' AS line_id, 10 AS billed_amount"],
    "cost.benefit_allocations": [
        MONTH + "'a' AS customer_id, 'l2' AS line_id, 'covered' AS benefit_state, 1.9 AS billed_amount",
        MONTH + "'a' AS customer_id, 'l2' AS line_id, 'unused' AS benefit_state, 0.4 AS billed_amount",
    ],
    "cost.tag_allocations": [
        MONTH + "'A' AS customer_id, 'env' AS tag_key, 'prod' AS tag_value, 9.5 AS billed_amount",
        MONTH + "'A' AS customer_id, 'env' AS tag_key, 2.8 AS billed_amount",
    ],
    "meta.open_month_files": [
        FILE + "'open_daily_usage' AS kind, '2026-04' AS billing_month, 'EUR' AS currency, 0.7 AS amount_staged, "
        "true AS is_current"
    ],
    "cost.usage_by_day": [
        "'2026-04' AS billing_month, true AS is_estimate, 'EUR' AS currency, 'a' AS customer_id, 0.7 AS net_amount"
    ],
    "cost.invoice_proof": [
        "'m' AS provider, 'G1' AS invoice_number, '2026-03' AS billing_month, 'EUR' AS currency, "
        "12.3 AS subtotal_amount, 0 AS daily_usage_amount, 14.64 AS lines_amount, -0.01 AS usage_gap_amount"
    ],
    "cost.customer_proof": [
        "'m' AS provider, 'G1' AS invoice_number, 'a' AS customer_id, 2.3 AS subtotal_amount, "
        "2.64 AS lines_amount, -0.01 AS usage_gap_amount",
        "'m' AS provider, 'G1' AS invoice_number, 'b' AS customer_id, 10 AS subtotal_amount, 12 AS lines_amount",
    ],
    "cost.open_costs": ["'2026-04' AS billing_month, 'EUR' AS currency, 'u1' AS line_id, 0.7 AS net_amount"],
    "cost.invoice_versions": [
        "'m' AS provider, 'G1' AS invoice_number, 1 AS version_number, false AS is_current, 99 AS subtotal_amount",
        "'m' AS provider, 'G1' AS invoice_number, 2 AS version_number, true AS is_current, 12.3 AS subtotal_amount",
    ],
    "cost.credit_accruals": [
        "'2026-03' AS billing_month, 'EUR' AS currency, 'a' AS customer_id, 1.5 AS earned_amount, "
        "0 AS received_amount, 1.5 AS open_amount",
    ],
    "billing.invoice_lines": [
        "'i1' AS invoice_id, 1 AS line_number, 20 AS net_amount, " + CHARGED.format("2026-03-01", "2026-03-31"),
        "'i2' AS invoice_id, 1 AS line_number, 0.01 AS net_amount, " + CHARGED.format("2026-03-31", "2026-03-31"),
        "'i2' AS invoice_id, 2 AS line_number, 10 AS net_amount, " + CHARGED.format("2026-04-01", "2026-04-30"),
    ],
    "billing.drafted_months": ["'2026-03' AS billing_month", "'2026-04' AS billing_month"],
    "billing.invoices": [
        "'i1' AS invoice_id, 'INV-2026-000001' AS invoice_number, 'part_paid' AS state, 20 AS net_amount, "
        "3.8 AS tax_amount, 23.8 AS gross_amount, 3 AS paid_amount, 20.8 AS balance_amount",
        "'i2' AS invoice_id, 'draft' AS state, 10.01 AS net_amount, 0 AS tax_amount, 10.01 AS gross_amount, "
        "0 AS paid_amount, 10.01 AS balance_amount",
    ],
    "reconciliation.revenue_vs_cost": [
        MARCH + "20.01 AS revenue_amount, 12.3 AS cost_original_amount, 1.5 AS difference_amount, "
        "2 AS quantity_difference",
        f"'2026-04' AS service_month, {KEY} 10 AS revenue_amount, 0 AS difference_amount",
    ],
    "reconciliation.differences": [
        MARCH + "'d1' AS difference_id, 'timing' AS cause, 1.2 AS amount, 2 AS quantity",
        MARCH + "'d2' AS difference_id, 'rounding' AS cause, 0.3 AS amount",
    ],
    "reconciliation.postings": [
        "'cost' AS side, '2026-03' AS posting_month, 'EUR' AS currency, 12.3 AS net_amount",
        "'revenue' AS side, '2026-03' AS posting_month, 'EUR' AS currency, 20 AS net_amount",
        "'revenue' AS side, '2026-04' AS posting_month, 'EUR' AS currency, 10.01 AS net_amount, true AS is_draft",
    ],
    "reconciliation.deferrals": [
        "'2026-03' AS as_of_month, 'revenue' AS side, 'i2:2' AS line_id, 'EUR' AS currency, 10 AS deferred_amount"
    ],
    "reconciliation.drill_down": [
        *(
            f"'{level}' AS level, {row}"
            for level in ("account", "product_family", "subscription")
            for row in (f"{MARCH}20.01 AS revenue_amount, 12.3 AS cost_original_amount", f"{APRIL}10 AS revenue_amount")
        ),
        MARCH + "'line' AS level, 'i1:1' AS line_id, 20.01 AS revenue_amount",
        MARCH + "'line' AS level, 'l1' AS line_id, 12.3 AS cost_original_amount",
        APRIL + "'line' AS level, 'i2:2' AS line_id, 10 AS revenue_amount",
    ],
}
STAGED = f"""
CREATE TEMP TABLE staged_parquet AS SELECT '/x/staging/reconciliation/{SHA}.parquet' AS file_name, 2 AS num_rows;
CREATE TEMP TABLE staged_reconciliation AS
SELECT * FROM (VALUES
    ('g.csv', '{SHA}', 1, 10::DECIMAL(38, 18), 2::DECIMAL(38, 18), 12::DECIMAL(38, 18)),
    ('g.csv', '{SHA}', 2, 2.3, 0.34, 2.64)
) AS t (source_file, file_sha256, source_row, subtotal, tax_total, total);
CREATE TEMP TABLE staged_legacy_licence AS
SELECT file_sha256, source_row, subtotal, tax_total AS tax, total AS total_for_customer
FROM staged_reconciliation WHERE FALSE;
CREATE TEMP TABLE staged_legacy_usage AS
SELECT file_sha256, source_row, subtotal AS pretax_charges, tax_total AS tax_amount, total AS post_tax_total
FROM staged_reconciliation WHERE FALSE;
CREATE TEMP TABLE staged_distributor_invoice AS
SELECT file_sha256, source_row, subtotal AS extended_price, tax_total AS tax_amount, total AS total_amount
FROM staged_reconciliation WHERE FALSE;
"""

BREAKS = {
    "rows_conserved": (
        "UPDATE staged_parquet SET num_rows = 1",
        "rows_conserved: g.csv: expected 3 rows in the file, found 1 staged and 1 quarantined",
    ),
    "amounts_conserved": (
        "UPDATE meta.file_invoices SET amount_file = 12.31 WHERE kind = 'reconciliation'",
        "amounts_conserved: G1 in g.csv (aaaaaaaaaaaa): expected 12.31 EUR less 0.00 quarantined, found 12.30",
    ),
    "invoice_lines_equal_files": (
        "UPDATE cost.invoice_lines SET total_amount = 12.01, tax_amount = 2.01 WHERE line_id = 'l1'",
        "invoice_lines_equal_files: G1 (g.csv): expected 14.64 in the files, found 14.65 in cost.invoice_lines",
    ),
    "daily_usage_equals_files": (
        "UPDATE cost.daily_usage SET net_amount = 10.02 WHERE net_amount = 10",
        "daily_usage_equals_files: G1 (u.csv): expected 10.01 in the files, found 10.03 in cost.daily_usage",
    ),
    "subtotal_and_tax_are_total": (
        "UPDATE cost.invoice_lines SET tax_amount = 0 WHERE line_id = 'l1'",
        "subtotal_and_tax_are_total: l1 (g.csv, row 1): expected 10.00 + 0.00 EUR, found 12.00",
    ),
    "azure_plan_is_carried_down": (
        "DELETE FROM cost.azure_plan_costs WHERE entitlement_id = 'e2'",
        "azure_plan_is_carried_down: 2026-03 EUR: expected 10.00 on Azure plan lines, found 7.50 carried down",
    ),
    "benefits_are_carried_down": (
        "DELETE FROM cost.benefit_allocations WHERE benefit_state = 'unused'",
        "benefits_are_carried_down: l2 (g.csv, row 2): expected 2.30 EUR on the line, found 1.90 carried down",
    ),
    "tags_sum_to_billed_cost": (
        "DELETE FROM cost.tag_allocations WHERE tag_value IS NULL",
        "tags_sum_to_billed_cost: 2026-03 EUR a tag env: expected 12.30 billed, found 9.50 by its values",
    ),
    "estimates_are_open_files": (
        "UPDATE meta.open_month_files SET is_current = false",
        "estimates_are_open_files: open_daily_usage 2026-04 EUR: expected 0.00 in the files, found 0.70 estimated",
    ),
    "customers_make_the_proof": (
        "UPDATE cost.customer_proof SET usage_gap_amount = 0 WHERE customer_id = 'a'",
        "customers_make_the_proof: G1: expected 14.64, 12.30, 0.00, 0.00, 0.00, 0.00, -0.01 "
        "(lines, subtotals, usage, not in usage, rounding, bounded, gap), "
        "found 14.64, 12.30, 0.00, 0.00, 0.00, 0.00, 0.00 over its customers",
    ),
    "open_costs_are_the_estimates": (
        "UPDATE cost.open_costs SET net_amount = 0.71",
        "open_costs_are_the_estimates: 2026-04 EUR: expected 0.70 estimated, found 0.71 by keys of contract lines",
    ),
    "versions_are_the_lines": (
        "UPDATE cost.invoice_versions SET subtotal_amount = 12.31 WHERE is_current",
        "versions_are_the_lines: G1: expected 12.30 on its lines and 0.00 of usage, "
        "found 12.31 and 0.00 in the versions that count",
    ),
    "credit_is_accrued": (
        "UPDATE cost.credit_accruals SET received_amount = 1",
        "credit_is_accrued: EUR: expected 1.50 earned, 0.50 open, found 1.50 accrued, 1.50 open",
    ),
    "documents_are_their_lines": (
        "UPDATE billing.invoices SET balance_amount = 23.8 WHERE invoice_id = 'i1'",
        "documents_are_their_lines: INV-2026-000001: expected 20.00 on its lines, 23.80 with tax, 20.80 open, "
        "found 20.00 net, 23.80 gross, 23.80 balance",
    ),
    "numbers_are_gapless": (
        "UPDATE billing.invoices SET invoice_number = 'INV-2026-000002' WHERE invoice_id = 'i1'",
        "numbers_are_gapless: series INV-2026: expected 1 numbers from 1, found 1 from 2 to 2",
    ),
    "cost_is_recognised": (
        "UPDATE reconciliation.revenue_vs_cost SET cost_original_amount = 12.2999999999 WHERE cost_currency = 'EUR'",
        "cost_is_recognised: EUR: expected 12.30 billed by the provider, found 12.2999999999 recognised",
    ),
    "revenue_is_recognised": (
        "INSERT INTO billing.invoice_lines BY NAME SELECT 'i2' AS invoice_id, 'USD' AS currency, 5 AS net_amount",
        "revenue_is_recognised: USD: expected 5.00 on our invoices, found 0.00 recognised",
    ),
    "difference_parts_sum": (
        "UPDATE reconciliation.differences SET quantity = 1 WHERE difference_id = 'd1'",
        "difference_parts_sum: 2026-03 A c1 EUR: expected 1.50 EUR and quantity 2.00, found 1.50 and quantity 1.00",
    ),
    "postings_are_recognised": (
        "DELETE FROM reconciliation.postings WHERE is_draft",
        "postings_are_recognised: revenue EUR: expected 30.01 recognised, found 20.00 posted",
    ),
    "deferrals_close_the_months": (
        "UPDATE reconciliation.deferrals SET deferred_amount = 9.99",
        "deferrals_close_the_months: 2026-03 revenue EUR: expected 10.00 (30.01 billed less 20.01 recognised), "
        "found 9.99 deferred",
    ),
    "drill_down_is_revenue_vs_cost": (
        "UPDATE reconciliation.drill_down SET revenue_amount = 20 WHERE line_id = 'i1:1'",
        "drill_down_is_revenue_vs_cost: line 2026-03 EUR A c1: expected 20.01, 12.30, 0.00 "
        "(revenue, original cost, cost), found 20.00, 12.30, 0.00",
    ),
}


@pytest.fixture(scope="module")
def tied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse whose books tie out."""
    with writing(Home(tmp_path_factory.mktemp("tied")).create()) as connection:
        for table, rows in TIED.items():
            for row in rows:
                connection.execute(f"INSERT INTO {load_catalogue()[table].key} BY NAME SELECT {row}")
        connection.execute(STAGED)
        yield connection


@pytest.fixture
def books(tied: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """The same, in a transaction that is taken back."""
    tied.execute("BEGIN")
    yield tied
    tied.execute("ROLLBACK")


@pytest.mark.parametrize("identity", IDENTITIES, ids=lambda identity: identity.name)
def test_an_identity_holds_on_books_that_tie_out(books: duckdb.DuckDBPyConnection, identity: Identity) -> None:
    assert violations(books, identity) == []


@pytest.mark.parametrize("identity", IDENTITIES, ids=lambda identity: identity.name)
def test_a_broken_identity_is_named_with_its_amounts(books: duckdb.DuckDBPyConnection, identity: Identity) -> None:
    breaking, sentence = BREAKS[identity.name]
    books.execute(breaking)
    assert violations(books, identity)[0].startswith(sentence)


@pytest.mark.parametrize(
    ("breaking", "sentence"),
    [
        ("DELETE FROM reconciliation.drill_down WHERE line_id = 'l1'", "line 2026-03 EUR A c1: expected 20.01, 12.30"),
        (
            "UPDATE reconciliation.drill_down SET service_month = '2026-03' WHERE level = 'account'",
            "account 2026-03 EUR: expected 20.01, 12.30, 0.00 (revenue, original cost, cost), found 30.01",
        ),
    ],
)
def test_no_level_of_the_drill_down_may_lose_or_add_anything(
    books: duckdb.DuckDBPyConnection, breaking: str, sentence: str
) -> None:
    (identity,) = (one for one in IDENTITIES if one.name == "drill_down_is_revenue_vs_cost")
    books.execute(breaking)
    assert violations(books, identity)[0].startswith(f"drill_down_is_revenue_vs_cost: {sentence}")


def test_every_identity_has_a_case_that_breaks_it() -> None:
    assert set(BREAKS) == {identity.name for identity in IDENTITIES}


def test_an_identity_holds_on_an_empty_warehouse(home: Home) -> None:
    with writing(home) as connection:
        connection.execute(STAGED)
        connection.execute("DELETE FROM staged_parquet; DELETE FROM staged_reconciliation")
        require_all(connection)


def test_a_total_that_the_file_itself_does_not_add_up_is_taken_as_sent(books: duckdb.DuckDBPyConnection) -> None:
    books.execute("UPDATE staged_reconciliation SET total = 13 WHERE source_row = 1")
    books.execute("UPDATE cost.invoice_lines SET total_amount = 13 WHERE line_id = 'l1'")
    books.execute("UPDATE meta.file_invoices SET total_staged = 15.64")
    require_all(books)


def test_rows_of_a_later_file_with_the_same_name_are_held_to_that_file_alone(books: duckdb.DuckDBPyConnection) -> None:
    later = "b" * 64
    books.execute(f"INSERT INTO staged_reconciliation VALUES ('g.csv', '{later}', 1, 100, 0, 105)")
    books.execute(
        f"""INSERT INTO cost.invoice_lines BY NAME SELECT 'l3' AS line_id, 'EUR' AS currency, 'g.csv' AS source_file,
        1 AS source_row, '{later}' AS file_sha256, 100 AS subtotal_amount, 0 AS tax_amount, 105 AS total_amount"""
    )
    (identity,) = (one for one in IDENTITIES if one.name == "subtotal_and_tax_are_total")
    assert violations(books, identity) == []


def test_all_broken_identities_are_one_sentence(books: duckdb.DuckDBPyConnection) -> None:
    for breaking, _ in BREAKS.values():
        books.execute(breaking)
    with pytest.raises(IdentityBrokenError) as refusal:
        require_all(books)
    assert str(refusal.value).startswith(
        "Nothing was published, because the books do not tie out: rows_conserved: g.csv"
    )
    assert "further identities are broken" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("breaking", "sentence"),
    [
        (
            "UPDATE billing.invoices SET invoice_number = NULL WHERE invoice_id = 'i1'",
            "i1: expected a number, found none",
        ),
        (
            "UPDATE billing.invoices SET invoice_number = 'INV-2026-000002' WHERE invoice_id = 'i2'",
            "i2: expected no number, found INV-2026-000002",
        ),
    ],
)
def test_issued_documents_alone_have_numbers(books: duckdb.DuckDBPyConnection, breaking: str, sentence: str) -> None:
    (identity,) = (one for one in IDENTITIES if one.name == "numbers_are_gapless")
    books.execute(breaking)
    assert violations(books, identity) == [f"numbers_are_gapless: {sentence}"]
