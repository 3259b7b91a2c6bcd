"""Commercial terms in the warehouse, and what is told about them."""

from pathlib import Path

from csp_pipeline.formats.commercial import COMMERCIAL_TABLES
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.steps.commercial import missing_required_tables
from csp_pipeline_tests.steps.billing_case import billing_case


def test_every_declared_column_is_in_the_warehouse_and_no_other() -> None:
    catalogue = load_catalogue()
    for table in COMMERCIAL_TABLES:
        assert catalogue[f"reference.{table.name}"].column_names == (*table.column_names, "source_file", "source_row")


def test_rows_of_unknown_accounts_are_refused_and_others_kept(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            "contract_line_id,account_id,pricing_model,unit_price,currency,starts_on",
            "L1,A1,flat,1,EUR,2026-01-01",
            "L2,A9,flat,1,EUR,2026-01-01",
        )
        report = case.load()
        assert report.rows["contract_lines"] == 1
        assert [(n.table_name, n.source_row, n.column_name) for n in report.refused] == [
            ("contract_lines", 3, "account_id")
        ]
        assert case.con.execute("SELECT message FROM reference.notices WHERE severity = 'refused'").fetchall() == [
            (report.refused[0].message,)
        ]


def test_a_tenant_in_two_accounts_stays_with_the_first(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("accounts", "account_id,currency", "A1,EUR", "A2,EUR")
        case.terms("account_tenants", "account_id,customer_id", "A1,c1", "A2,org:C1")
        case.terms("contract_lines", "contract_line_id,account_id,pricing_model,currency,starts_on")
        report = case.load()
        assert [(n.table_name, n.source_row) for n in report.refused] == [("account_tenants", 3)]
        assert case.con.execute("SELECT account_id FROM reference.account_tenants").fetchall() == [("A1",)]
        homeless = [n for n in report.notices if n.table_name == "accounts" and n.source_row is not None]
        assert [(n.source_row, n.severity) for n in homeless] == [(3, "notice")]


def test_an_account_of_a_reseller_needs_no_tenant_of_its_own(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("accounts", "account_id,currency", "A1,EUR", "A2,EUR")
        case.terms("account_tenants", "account_id,customer_id")
        case.terms("account_resellers", "account_id,reseller_mpn_id", "A2,6120485")
        columns = "contract_line_id,account_id,customer_id,pricing_model,currency,starts_on"
        case.terms("contract_lines", columns, "L1,A1,c1,cost_plus,EUR,2026-01-01", "L2,A2,c1,cost_plus,EUR,2026-01-01")
        told = [(n.table_name, n.source_row) for n in case.load().notices if "no provider cost" in n.message]
    assert told == [("accounts", 2), ("contract_lines", 2)]


def test_a_missing_required_table_is_reported_and_an_optional_one_is_empty(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        report = case.load()
        assert report.missing == ("contract_lines",)
        assert missing_required_tables(case.con) == ["contract_lines"]
        case.terms("contract_lines", "contract_line_id,account_id,pricing_model,currency,starts_on")
        assert case.load().missing == ()
        assert missing_required_tables(case.con) == []


def test_lines_that_cannot_be_charged_are_refused_one_by_one(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            "contract_line_id,account_id,pricing_model,unit_price,currency,anchor_day,starts_on,bundle_id,cost_source",
            "L1,A1,graduated,,EUR,,2026-01-01,,",
            "L2,A1,per_unit,1,EUR,,2026-01-01,B9,",
            "L3,A1,cost_plus,,EUR,15,2026-01-01,,",
            "L4,A1,cost_plus,,EUR,,2026-01-01,,own",
            "L5,A1,flat,1,EUR,,2026-01-01,,own",
        )
        report = case.load()
        assert sorted((n.source_row, n.column_name) for n in report.refused) == [
            (2, "pricing_model"),
            (3, "bundle_id"),
            (4, "anchor_day"),
            (5, "cost_source"),
        ]
        assert report.rows["contract_lines"] == 5


def test_minor_units_are_those_of_the_standard(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.load()
        rows = dict(case.con.execute("SELECT currency, decimals FROM reference.currencies").fetchall())
        assert {code: rows[code] for code in ("EUR", "JPY", "KWD", "RSD", "ISK")} == {
            "EUR": 2,
            "JPY": 0,
            "KWD": 3,
            "RSD": 2,
            "ISK": 0,
        }


def test_loading_again_changes_nothing(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            "contract_line_id,account_id,pricing_model,unit_price,currency,starts_on",
            "L1,A1,flat,1,EUR,2026-01-01",
        )
        first = case.load()
        rows = case.con.execute("SELECT * FROM reference.contract_lines").fetchall()
        assert case.load() == first
        assert case.con.execute("SELECT * FROM reference.contract_lines").fetchall() == rows
