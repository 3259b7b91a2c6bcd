"""The story of a customer's month: every sentence has its rows, and the figures are those of the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from csp_pipeline.errors import CspError
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.steps.customer_story import tell_story
from csp_pipeline.steps.drill_down import fill_drill_down
from csp_pipeline.steps.reconciliation import reconcile
from csp_pipeline.storage.home import Home
from csp_pipeline.storage.warehouse import replace_rows
from csp_pipeline_tests.steps.billing_case import billing_case

if TYPE_CHECKING:
    from pathlib import Path

LINES = "contract_line_id,account_id,customer_id,subscription_id,pricing_model,unit_price,currency,starts_on"


@pytest.fixture
def told(tmp_path: Path) -> Home:
    """Contoso: 12 seats charged for January, 10 provided, 2 added on the 20th; another subscription unbilled."""
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, "L1,A1,c1,s1,per_unit,31,EUR,2026-01-01")
        case.facts(
            "partner_center.customers",
            {"customer_id": "c1", "name": "Contoso", "domain": "contoso.example.com"},
            {"customer_id": "c2", "name": "Fabrikam"},
            {"customer_id": "c3", "name": "Fabrikam North"},
        )
        case.seats("s1", ("2025-12-01", 0, 10), ("2026-01-20 09:30:00", 10, 12))
        seats = {
            "billable_quantity": 10,
            "billing_frequency": "Monthly",
            "product_name": "Office",
            "provider": "microsoft",
            "source_file": "recon.csv",
            "source_row": 7,
        }
        case.cost("jan", "200", "2026-01-01", "2026-01-31", subscription_id="s1", **seats)
        case.cost("lost", "7.5", "2026-01-01", "2026-01-31", subscription_id="s7", **seats)
        case.draft("2026-01")
        reconcile(case.con, case.settings, ["2026-01"])
        table = load_catalogue()["reconciliation.leaks"]
        replace_rows(case.con, table, table.select() or "")
        fill_drill_down(case.con)
        case.con.execute("CHECKPOINT")
        home = case.settings.home
    home.published.parent.mkdir(exist_ok=True)
    home.published.write_bytes(home.warehouse.read_bytes())
    return home


def test_the_story_says_what_was_billed_what_changed_and_why_both_sides_differ(told: Home) -> None:
    """310 + 2 x 31 x 12 / 31 = 334.00 for January: 24.00 for two seats of twelve days, not billed to us yet."""
    story = tell_story(told, "contoso", "2026-01")
    texts = [sentence.text for sentence in story.sentences]
    assert (story.customer_ids, story.name) == (("c1",), "Contoso")
    assert texts[:3] == [
        "In all we earned 334.00 EUR and it cost us 207.50 EUR: a margin of 126.50 EUR (37.87 percent). "
        "2 services: 1 explained and 1 for a person.",
        "Office: we billed 12 and the provider 10; we earned 334.00 EUR and it cost us 200.00 EUR, "
        "a margin of 134.00 EUR (40.12 percent).",
        "Office: we billed 0 and the provider 10; we earned 0.00 EUR and it cost us 7.50 EUR, a margin of -7.50 EUR.",
    ]
    ours = [row for row in story.sentences[1].rows if row.table == "billing.invoice_lines"]
    assert len(ours) == 2
    assert story.sentences[1].rows == (
        ("reference.contract_lines", "L1", None),
        ("partner_center.subscriptions", "s1", None),
        *ours,
        ("cost.invoice_lines", "jan", "recon.csv, row 7"),
    )
    charged = story.sentences[3]
    assert charged.text == "Microsoft charges 207.50 EUR before tax in 2 lines of its invoice G1."
    assert charged.rows[0] == ("cost.invoice_lines", "jan", "recon.csv, row 7")
    assert "On 20 January 2026 at 09:30 UTC somebody changed the seats of s1 from 10 to 12." in texts
    assert any(text.startswith("We earned 24.00 EUR more than") and "(timing)" in text for text in texts)
    assert any(text.startswith("7.50 EUR a month leak (unbilled cost)") for text in texts)
    assert all(sentence.rows for sentence in story.sentences[1:])


def test_a_customer_is_found_by_id_domain_account_or_part_of_the_name_and_must_be_clear(told: Home) -> None:
    for asked in ("C1", "contoso.example.com", "A1", "conto"):
        assert tell_story(told, asked, None).customer_ids == ("c1",)
    with pytest.raises(CspError, match="No customer is called 'nobody'"):
        tell_story(told, "nobody", None)
    with pytest.raises(CspError, match=r"2 customers are meant by 'fabri'.*give the id"):
        tell_story(told, "fabri", None)
    assert tell_story(told, "fabrikam", "2026-01").sentences[0].text.startswith("Nothing was billed")


def test_a_tenant_that_the_terms_write_in_other_letters_is_one_customer(told: Home) -> None:
    with duckdb.connect(str(told.published)) as connection:
        connection.execute("UPDATE reference.account_tenants SET customer_id = 'C1'")
        connection.execute("UPDATE reference.accounts SET name = 'Contoso Group'")
    story = tell_story(told, "c1", "2026-01")
    assert (story.customer_ids, story.name) == (("c1",), "Contoso")


def test_without_a_published_copy_there_is_nothing_to_tell(tmp_path: Path) -> None:
    with pytest.raises(CspError, match="nothing was published yet"):
        tell_story(Home(tmp_path), "c1", None)
