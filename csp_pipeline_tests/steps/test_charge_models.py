"""Tiers, bundles, trials, commitments and one-time charges in a real warehouse, from the terms to the lines."""

from datetime import date
from pathlib import Path

import pytest

from csp_pipeline.steps.issue import plan_issue
from csp_pipeline_tests.steps.billing_case import Case, billing_case
from csp_pipeline_tests.steps.issuing_case import issue_month

LINES = (
    "contract_line_id,account_id,customer_id,subscription_id,description,pricing_model,unit_price,currency,markup_percent,proration,"
    "quantity,billing_cycle,billing_timing,anchor_day,starts_on,ends_on,bundle_id,cost_source,minimum_amount,"
    "maximum_amount,discount_amount,discount_ends_on,trial_ends_on"
)
TIERS = "contract_line_id,from_quantity,unit_price,flat_amount,package_size"


def line(**cells: object) -> str:
    """A row of contract_lines: own work of account A1 in EUR from 1 January, in arrears from the 1st, unless said."""
    defaults = {
        "contract_line_id": "L1",
        "account_id": "A1",
        "pricing_model": "per_unit",
        "unit_price": 10,
        "currency": "EUR",
        "billing_timing": "arrears",
        "anchor_day": 1,
        "starts_on": "2026-01-01",
        "cost_source": "own",
    }
    row = defaults | cells
    return ",".join("" if row.get(name) is None else str(row[name]) for name in LINES.split(","))


def described(case: Case, month: str) -> list[str]:
    rows = case.con.execute(
        "SELECT description FROM billing.invoice_lines WHERE billing_month = ? ORDER BY line_number", [month]
    ).fetchall()
    return [text for (text,) in rows]


def test_graduated_volume_and_package_prices(tmp_path: Path) -> None:
    """25 units: 10 at 3 and 15 at 2 and a flat 5; all at 2 and the flat 5; three packages of 10 at 20."""
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            LINES,
            line(contract_line_id="L1", pricing_model="graduated", unit_price=None, quantity=25),
            line(contract_line_id="L2", pricing_model="volume", unit_price=None, quantity=25),
            line(contract_line_id="L3", pricing_model="package", unit_price=None, quantity=25),
        )
        graduated = [f"{name},{tier}" for name in ("L1", "L2") for tier in ("0,3,,", "10,2,5,")]
        case.terms("price_tiers", TIERS, *graduated, "L3,0,20,,10")
        case.draft("2026-01")
        assert [amount[4] for amount in case.lines("2026-01")] == ["65.00", "55.00", "60.00"]
        assert described(case, "2026-01") == [
            "L1, 1 to 31 January 2026 (10 at 3.00, 15 at 2.00, 5.00 flat)",
            "L2, 1 to 31 January 2026 (25 at 2.00, 5.00 flat)",
            "L3, 1 to 31 January 2026 (3 packages of 10 at 20.00)",
        ]
        prices = case.con.execute("SELECT DISTINCT unit_price FROM billing.invoice_lines").fetchall()
        assert prices == [(None,)]


def test_a_tiered_change_is_the_difference_of_the_tiered_amounts_by_days(tmp_path: Path) -> None:
    """From 8 to 12 seats on 17 January: (8 x 3 to 10 x 3 + 2 x 2 + 5) = 15 more, for 15 of 31 days."""
    with billing_case(tmp_path) as case:
        terms = {"pricing_model": "graduated", "unit_price": None, "cost_source": None}
        case.terms("contract_lines", LINES, line(customer_id="c1", subscription_id="s1", **terms))
        case.terms("price_tiers", TIERS, "L1,0,3,,", "L1,10,2,5,")
        case.seats("s1", ("2025-12-01", 0, 8), ("2026-01-17 09:00", 8, 12))
        case.draft("2026-01", "2026-02")
        assert case.lines("2026-01") == [
            ("recurring", "2026-01-01", "2026-01-31", 8.0, "24.00"),
            ("change", "2026-01-17", "2026-01-31", 4.0, "7.26"),
        ]
        assert case.lines("2026-02") == [("recurring", "2026-02-01", "2026-02-28", 12.0, "39.00")]
        assert described(case, "2026-01")[1] == "L1, 4 seats added from 17 to 31 January 2026 (by graduated prices)"


def test_minimum_maximum_and_amount_off_are_lines_of_their_own(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            LINES,
            line(contract_line_id="L1", quantity=3, minimum_amount=50),
            line(contract_line_id="L2", quantity=30, maximum_amount=250, discount_amount=10),
            line(contract_line_id="L3", quantity=1, discount_amount=25, discount_ends_on="2026-01-31"),
            line(contract_line_id="L4", quantity=3, starts_on="2026-01-17", minimum_amount=62),
        )
        case.draft("2026-01", "2026-02")
        assert [(kind, quantity, amount) for kind, _, _, quantity, amount in case.lines("2026-01")] == [
            ("minimum", None, "20.00"),
            ("recurring", 3.0, "30.00"),
            ("discount", None, "-10.00"),
            ("discount", None, "-40.00"),
            ("recurring", 30.0, "300.00"),
            ("discount", None, "-10.00"),
            ("recurring", 1.0, "10.00"),
            ("minimum", None, "15.48"),  # 62.00 for 15 of 31 days is 30.00
            ("recurring", 3.0, "14.52"),
        ]
        assert [entry[4] for entry in case.lines("2026-02")][5:6] == ["10.00"]
        said = described(case, "2026-01")
        assert said[0] == "L1, difference to the agreed minimum for 1 to 31 January 2026"
        assert said[2:4] == [
            "L2, discount for 1 to 31 January 2026",
            "L2, amount above the agreed maximum for 1 to 31 January 2026",
        ]


def test_a_minimum_is_owed_for_a_month_without_cost(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        terms = {"pricing_model": "cost_plus", "unit_price": None, "cost_source": None, "markup_percent": 10}
        case.terms("contract_lines", LINES, line(customer_id="c1", minimum_amount=100, **terms))
        case.cost("x1", "30", "2026-01-01", "2026-01-31")
        case.draft("2026-01", "2026-02")
        assert [(entry[0], entry[4]) for entry in case.lines("2026-01")] == [("minimum", "67.00"), ("usage", "33.00")]
        assert [(entry[0], entry[4]) for entry in case.lines("2026-02")] == [("minimum", "100.00")]


def test_a_bundle_has_one_price_spread_over_its_components(tmp_path: Path) -> None:
    """10.00 over weights 1, 1 and 1: 3.34, 3.33, 3.33; over 3 and 1: 7.50 and 2.50."""
    with billing_case(tmp_path) as case:
        case.terms("bundles", "bundle_id,name,unit_price,currency", "B1,Starter,10,EUR", "B2,Duo,10,EUR")
        case.terms(
            "contract_lines",
            LINES,
            *(line(contract_line_id=f"L{n}", unit_price=None, quantity=2, bundle_id="B1") for n in (1, 2, 3)),
            line(contract_line_id="L4", unit_price=3, quantity=1, bundle_id="B2"),
            line(contract_line_id="L5", unit_price=1, quantity=1, bundle_id="B2"),
        )
        case.draft("2026-01")
        assert [entry[4] for entry in case.lines("2026-01")] == ["6.68", "6.66", "6.66", "7.50", "2.50"]
        assert described(case, "2026-01")[0] == "Starter: L1, 1 to 31 January 2026"


def test_a_component_that_joins_or_leaves_a_bundle_changes_the_shares_from_its_day(tmp_path: Path) -> None:
    """30.00 over two, from 17 February over three, from 1 April over two; February's cycle is cut."""
    with billing_case(tmp_path) as case:
        case.terms("bundles", "bundle_id,name,unit_price,currency", "B1,Starter,30,EUR")
        component = {"unit_price": None, "quantity": 1, "bundle_id": "B1"}
        case.terms(
            "contract_lines",
            LINES,
            line(contract_line_id="L1", **component),
            line(contract_line_id="L2", ends_on="2026-03-31", **component),
            line(contract_line_id="L3", starts_on="2026-02-17", anchor_day=None, **component),
        )
        assert case.load().refused == ()
        months = ("2026-01", "2026-02", "2026-03", "2026-04")
        case.draft(*months)
        assert [entry[4] for entry in case.lines("2026-01")] == ["15.00", "15.00"]
        assert [entry[1:3] + entry[4:] for entry in case.lines("2026-02")] == [
            ("2026-02-01", "2026-02-16", "8.57"),
            ("2026-02-17", "2026-02-28", "4.29"),
            ("2026-02-01", "2026-02-16", "8.57"),
            ("2026-02-17", "2026-02-28", "4.29"),
            ("2026-02-17", "2026-02-28", "4.29"),
        ]
        assert [entry[4] for entry in case.lines("2026-03")] == ["10.00", "10.00", "10.00"]
        assert [entry[4] for entry in case.lines("2026-04")] == ["15.00", "15.00"]


def test_a_component_added_after_the_issue_takes_its_share_from_the_others(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms("bundles", "bundle_id,name,unit_price,currency", "B1,Starter,30,EUR")
        rows = [line(contract_line_id=f"L{n}", unit_price=None, quantity=1, bundle_id="B1") for n in (1, 2)]
        case.terms("contract_lines", LINES, *rows)
        case.draft("2026-01")
        issue_month(case, "2026-01")
        rows.append(line(contract_line_id="L3", unit_price=None, quantity=1, bundle_id="B1", starts_on="2026-02-01"))
        case.terms("contract_lines", LINES, *rows)
        case.draft("2026-01", "2026-02")
        assert [entry[4] for entry in case.lines("2026-02")] == ["10.00", "10.00", "10.00"]


def test_a_contract_line_that_is_refused_is_named_when_its_account_is_issued(tmp_path: Path) -> None:
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            LINES,
            line(contract_line_id="L1", quantity=1),
            line(contract_line_id="L2", bundle_id="B9"),
            line(contract_line_id="L3", bundle_id="B9", starts_on="2025-01-01", ends_on="2025-12-31"),
        )
        case.draft("2026-01")
        plan = plan_issue(case.con, case.settings, "2026-01")
        (stopped,) = plan.stopped
        assert stopped.startswith(
            "Account A1: contract_lines.csv, line 3, column bundle_id: bundle B9 is not in bundles"
        )
        assert len(plan.documents) == 1
        assert plan.needs_a_person


def test_nothing_is_charged_until_a_trial_ends(tmp_path: Path) -> None:
    """The trial ends on 16 January: 15 of 31 days at 31.00. One that outlasts its line leaves nothing."""
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            LINES,
            line(contract_line_id="L1", unit_price=31, quantity=1, trial_ends_on="2026-01-16"),
            line(contract_line_id="L2", unit_price=31, quantity=1, trial_ends_on="2026-03-31", ends_on="2026-02-28"),
        )
        case.draft("2026-01")
        assert case.lines("2026-01") == [("recurring", "2026-01-17", "2026-01-31", 1.0, "15.00")]


def test_a_line_of_one_day_without_a_cycle_is_charged_once_and_whole(tmp_path: Path) -> None:
    """With a cycle it is a day of that cycle: 1 of 31 days."""
    one_day = {"starts_on": "2026-01-20", "ends_on": "2026-01-20", "unit_price": 310, "quantity": 2}
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines",
            LINES,
            line(contract_line_id="L1", description="Set-up", anchor_day=None, discount_amount=20, **one_day),
            line(contract_line_id="L2", billing_cycle="monthly", **one_day),
        )
        case.draft("2026-01", "2026-02")
        assert [(entry[0], entry[3], entry[4]) for entry in case.lines("2026-01")] == [
            ("discount", None, "-20.00"),
            ("one_time", 2.0, "620.00"),
            ("recurring", 2.0, "20.00"),
        ]
        assert case.lines("2026-02") == []
        assert described(case, "2026-01")[1] == "Set-up, charged once, 20 January 2026"


def test_co_terming_begins_with_a_short_cycle(tmp_path: Path) -> None:
    """Seats bought on 17 January in a term that renews on the 11th: 25 of 31 days of the cycle that ends there."""
    with billing_case(tmp_path) as case:
        terms = {"unit_price": 31, "quantity": 2, "anchor_day": 11, "starts_on": "2026-01-17"}
        case.terms("contract_lines", LINES, line(**terms))
        case.draft("2026-02", "2026-03")
        assert case.lines("2026-02") == [("recurring", "2026-01-17", "2026-02-10", 2.0, "50.00")]
        assert case.lines("2026-03") == [("recurring", "2026-02-11", "2026-03-10", 2.0, "62.00")]


def test_a_converted_subscription_goes_on_under_its_contract_line(tmp_path: Path) -> None:
    """s1 becomes s2 with two seats more; the link is confirmed, so only the two seats are a change."""
    with billing_case(tmp_path) as case:
        case.terms(
            "contract_lines", LINES, line(customer_id="c1", subscription_id="s1", unit_price=31, cost_source=None)
        )
        case.terms(
            "subscription_links",
            "from_subscription_id,to_subscription_id,valid_from,reason,confirmed",
            "s1,s2,2026-01-17,conversion,true",
        )
        case.seats("s1", ("2025-12-01", 0, 10), ("2026-01-17 10:00", 10, 0))
        case.seats("s2", ("2026-01-17 10:00", 0, 12))
        case.draft("2026-01", "2026-02")
        assert case.lines("2026-01") == [
            ("recurring", "2026-01-01", "2026-01-31", 10.0, "310.00"),
            ("change", "2026-01-17", "2026-01-31", 2.0, "30.00"),
        ]
        assert case.lines("2026-02") == [("recurring", "2026-02-01", "2026-02-28", 12.0, "372.00")]


def test_a_suspended_subscription_is_charged_as_its_seats_are(tmp_path: Path) -> None:
    """Microsoft bills a suspended subscription on; only a changed quantity changes charges."""
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, line(customer_id="c1", subscription_id="s1", cost_source=None))
        case.seats("s1", ("2025-12-01", 0, 10))
        suspended = {
            "change_id": "x",
            "customer_id": "c1",
            "subscription_id": "s1",
            "changed_at": "2026-01-10",
            "quantity_before": 10,
            "quantity_after": 10,
            "status_before": "active",
            "status_after": "suspended",
        }
        case.facts("partner_center.subscription_changes", suspended)
        case.draft("2026-01")
        assert case.lines("2026-01") == [("recurring", "2026-01-01", "2026-01-31", 10.0, "100.00")]


@pytest.mark.parametrize(
    ("cells", "tiers", "column", "words"),
    [
        ({"pricing_model": "graduated"}, (), "pricing_model", "needs rows in price_tiers"),
        ({"quantity": 1}, ("L1,0,1,,",), "pricing_model", "has one price; say which holds"),
        ({"pricing_model": "volume"}, ("L1,0,,,",), "pricing_model", "neither unit_price nor flat_amount"),
        ({"pricing_model": "package"}, ("L1,0,1,,",), "pricing_model", "needs a package_size above 0"),
        ({"minimum_amount": 9, "maximum_amount": 8.5}, (), "maximum_amount", "8.5, is less than the least, 9"),
        ({"bundle_id": "B9"}, (), "bundle_id", "bundle B9 is not in bundles"),
        ({"bundle_id": "B2"}, (), "bundle_id", "bundle B2 has no unit_price"),
        ({"bundle_id": "B1", "currency": "USD"}, (), "currency", "priced in another currency than USD"),
        ({"ends_on": "2026-01-01"}, (), "anchor_day", "lasts one day and names an anchor_day"),
        (
            {"ends_on": "2026-01-01", "anchor_day": None, "trial_ends_on": "2026-01-05"},
            (),
            "trial_ends_on",
            "a one-time charge has no trial",
        ),
        (
            {"pricing_model": "cost_plus", "cost_source": None, "trial_ends_on": "2026-01-05"},
            (),
            "trial_ends_on",
            "a trial ends with one, not on 2026-01-05",
        ),
    ],
)
def test_terms_that_contradict_themselves_are_refused_in_words(
    tmp_path: Path, cells: dict[str, object], tiers: tuple[str, ...], column: str, words: str
) -> None:
    with billing_case(tmp_path) as case:
        case.terms("contract_lines", LINES, line(**cells), line(contract_line_id="L2", quantity=1))
        case.terms("price_tiers", TIERS, *tiers)
        case.terms("bundles", "bundle_id,name,unit_price,currency", "B1,One,10,EUR", "B2,Two,,EUR")
        report = case.load()
        (refusal,) = report.refused
        assert (refusal.source_row, refusal.column_name) == (2, column)
        assert words in refusal.message
        case.draft("2026-01")
        assert [entry[4] for entry in case.lines("2026-01")] == ["10.00"]


def test_a_bundle_is_charged_whole_or_not_at_all(tmp_path: Path) -> None:
    with billing_case(tmp_path, date(2026, 1, 1)) as case:
        case.terms("bundles", "bundle_id,name,unit_price,currency", "B1,One,10,EUR", "B2,Two,10,EUR")
        case.terms(
            "contract_lines",
            LINES,
            line(contract_line_id="L1", bundle_id="B1"),
            line(contract_line_id="L2", bundle_id="B1", minimum_amount=2, maximum_amount=1),
            line(contract_line_id="L3", bundle_id="B2"),
            line(contract_line_id="L4", bundle_id="B2", proration="none"),
        )
        refused = {(notice.source_row, notice.column_name) for notice in case.load().refused}
        assert refused == {(2, "bundle_id"), (3, "maximum_amount"), (4, "bundle_id"), (5, "bundle_id")}
        case.draft("2026-01")
        assert case.lines("2026-01") == []
