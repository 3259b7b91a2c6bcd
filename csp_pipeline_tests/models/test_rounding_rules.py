"""Which published rounding rule reproduces each billed line, and how many lines each rule reproduces."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from csp_pipeline.domain.currencies import minor_unit_decimals
from csp_pipeline.domain.subtotals import RULES, Rule, subtotal
from csp_pipeline.steps.cost import build_invoices, fill
from csp_pipeline.storage.home import Home
from csp_pipeline_tests.models.staged_rows import header, line, open_partner, seats, usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from csp_pipeline_tests.models.staged_rows import Row, StagedPartner

LINES = "SELECT reproduced_by FROM cost.line_rounding"


def _rules_of(partner: StagedPartner, rows: Sequence[Row], currency: str = "EUR") -> list[str | None]:
    """What reproduces each line, in the order given."""
    marked = [row | {"currency": currency, "order_id": f"{number:04d}"} for number, row in enumerate(rows)]
    top = header("0", currency_code=currency)
    partner.stage(reconciliation=marked, invoice_headers=[top])
    build_invoices(partner.con, partner.home)
    for key in ("cost.invoice_lines", "cost.line_rounding"):
        fill(partner.con, key, "2026-09", currency)
    found = partner.rows(
        "SELECT reproduced_by FROM cost.line_rounding INNER JOIN cost.invoice_lines AS line USING (line_id) "
        f"WHERE line.currency = '{currency}' ORDER BY line.order_id"
    )
    return [row["reproduced_by"] for row in found]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("price", "quantity", "total", "rules"),
    [
        ("11.225806451612903226", "15", "168.38", "A,usage"),  # NCE-102
        ("10.064516129032258065", "25", "251.61", "A,C,usage"),  # NCE-104
        ("-9.290322580645161290", "25", "-232.25", "A,B,D,usage"),  # NCE-105
        ("-7.728", "300", "-2316", "B"),  # NCE-301
        ("4.929666666666666667", "300", "1476", "B"),  # NCE-302
        ("52.61", "25", "1315.25", "A,B,C,D,usage"),  # NCE-401
        ("3.866666666666666667", "2", "7.74", "D"),  # OLD-4
        ("10", "3", "30.01", None),
    ],
)
def test_a_worked_example_is_reproduced_by_the_rules_of_its_page(
    shared: StagedPartner, price: str, quantity: str, total: str, rules: str | None
) -> None:
    row = seats(total, effective_unit_price=price, billable_quantity=quantity)
    assert _rules_of(shared, [row]) == [rules]


@pytest.mark.parametrize(
    ("terms", "usage_total", "licence_total"),
    [
        (("0.737586206896552", "29", "0.9137"), "19.54", "19.43"),
        (("0.0449", "1000", "0.9"), "40.41", "40.00"),
        (("-0.868", "10.5", "0.9"), "-8.19", "-8.190"),
        (("22.0", "5", "0.8461"), "93.07", "93.05"),
    ],
)
def test_the_published_formulas_apply_the_rate_where_they_say(
    shared: StagedPartner, terms: tuple[str, str, str], usage_total: str, licence_total: str
) -> None:
    named = dict(zip(("effective_unit_price", "billable_quantity", "pc_to_bc_exchange_rate"), terms, strict=True))
    of_usage, of_licences = _rules_of(shared, [seats(usage_total, **named), seats(licence_total, **named)])
    assert "usage" in str(of_usage).split(",")
    assert "B" in str(of_licences).split(",")


def test_a_currency_without_minor_units_is_cut_to_whole_units(shared: StagedPartner) -> None:
    terms = {"effective_unit_price": "10.5", "billable_quantity": "3", "pc_to_bc_exchange_rate": "149.37"}
    # 10.5 x 149.37 = 1568.385; x 3 = 4705.155
    assert _rules_of(shared, [seats("4705", **terms), seats("4704", **terms)], "JPY") == ["A,C,usage", "B,D"]


def test_behind_a_matched_line_the_usage_gives_price_times_quantity(partner: StagedPartner) -> None:
    # The price on the line, 2 / 3 with six decimals, gives 1.999998, which would be cut to 1.99.
    partner.stage(
        daily_usage=[usage("2", quantity="3")],
        reconciliation=[line("2", effective_unit_price="0.666666", billable_quantity="3")],
        invoice_headers=[header("2")],
    ).build()
    assert partner.only(LINES)["reproduced_by"] == "C,usage"


def test_a_line_without_a_price_or_with_nothing_to_recompute_is_left_out(shared: StagedPartner) -> None:
    rows = [
        seats("5", effective_unit_price=None),
        seats("5", billable_quantity=None),
        seats("0", effective_unit_price="0"),
        seats("5", effective_unit_price="1E9", billable_quantity="1E9"),
        seats("10"),
    ]
    assert _rules_of(shared, rows) == ["A,B,C,D,usage"]


def test_every_rule_has_its_lines_and_its_share(partner: StagedPartner) -> None:
    rows = [
        seats("-2316", effective_unit_price="-7.728", billable_quantity="300"),
        seats("7.74", effective_unit_price="3.866666666666666667", billable_quantity="2"),
        seats("30", effective_unit_price="10", billable_quantity="3"),
        seats("30.01", effective_unit_price="10", billable_quantity="3"),
    ]
    consumption = [line("10", effective_unit_price="5", billable_quantity="2")]
    partner.stage(daily_usage=[usage("10", quantity="2")], reconciliation=[*rows, *consumption]).build()
    found = {str(row["rule"]): row for row in partner.rows("SELECT * FROM cost.rounding_rules")}
    assert set(found) == {*RULES, "none"}
    counted = {
        rule: (row["reproduced_lines"], row["only_reproduced_lines"], row["reproduced_usage_lines"])
        for rule, row in found.items()
    }
    assert counted == {
        "A": (2, 0, 1), "B": (3, 1, 1), "C": (2, 0, 1), "D": (3, 1, 1), "usage": (2, 0, 1), "none": (1, 1, 0),
    }  # fmt: skip
    assert {(row["line_count"], row["usage_line_count"]) for row in found.values()} == {(5, 1)}
    assert found["A"]["reproduced_percent"] == Decimal("40.0000")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> StagedPartner:
    """One warehouse for many examples; each replaces the partition."""
    return open_partner(Home(tmp_path_factory.mktemp("home")))


PRICES = st.decimals(min_value="-9999", max_value="9999", places=15)
QUANTITIES = st.decimals(min_value="0.000001", max_value="999", places=10)
RATES = st.decimals(min_value="0.000001", max_value="300", places=12)


@settings(max_examples=5, deadline=None)
@given(price=PRICES, quantity=QUANTITIES, rate=RATES, currency=st.sampled_from(["EUR", "JPY", "KWD"]))
@example(price=Decimal("0.01"), quantity=Decimal("0.5"), rate=Decimal(1), currency="EUR")
@example(price=Decimal("9999.999999999999999"), quantity=Decimal("999.9999999999"), rate=Decimal(30), currency="KWD")
def test_the_table_gives_what_exact_arithmetic_gives(
    shared: StagedPartner, price: Decimal, quantity: Decimal, rate: Decimal, currency: str
) -> None:
    decimals = minor_unit_decimals(currency)
    amounts: dict[Rule, Fraction] = {rule: subtotal(rule, price, quantity, Fraction(rate), decimals) for rule in RULES}
    one = Fraction(1, 10**decimals)
    totals = [total for amount in amounts.values() for total in (amount, amount + one, amount - one)]
    fitting = [total for total in dict.fromkeys(totals) if _fits(total) and (total > 0) == (price > 0)]
    rows = [
        seats(
            _text(total),
            effective_unit_price=format(price, "f"),
            billable_quantity=format(quantity, "f"),
            pc_to_bc_exchange_rate=format(rate, "f"),
        )
        for total in fitting
        if total
    ]
    expected = [
        ",".join(rule for rule, amount in amounts.items() if amount == total) or None for total in fitting if total
    ]
    if rows:
        assert _rules_of(shared, rows, currency) == expected


def _fits(amount: Fraction) -> bool:
    return (amount * 10**18).denominator == 1


def _text(amount: Fraction) -> str:
    return format(Decimal(int(amount * 10**18)).scaleb(-18), "f")
