"""The product and a second implementation, written without it, agree on every table to the last digit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from csp_pipeline.sandbox.generate import generate
from csp_pipeline_tests.conformance.comparison import disagreements
from csp_pipeline_tests.reference import scenarios, scenarios_charges, scenarios_more

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

READ_DIFFERENTLY = {
    "own_service": "the first anchor of a quarterly cycle follows the anchor month, as in Kill Bill's vectors",
}
ALWAYS = frozenset(
    {
        "mid_cycle_seat_add", "cycle_from_the_17th", "annual_prepaid", "cost_plus_by_entitlement", "yen_account",
        "earned_credit_lost", "one_off_credit", "quantity_mismatch", "timing_settled", "contract_ended",
        "void_and_replacement", "rounding_and_bounds", "tax_on_document_only", "two_products_one_seat",
        "advance_with_a_pending_change", "graduated_seats", "minimum_on_cost_plus", "bundle_of_seats", "trial_of_seats",
        "bundle_that_grows_inside_a_month", "bundle_that_grows_in_another_rhythm", "contract_that_begins_late",
        "discount_that_ends_inside_the_providers_year", "bundle_of_a_year_that_grows", "minimum_on_a_bundle_that_grows",
    }
)  # fmt: skip
"""What is compared in every run of the tests; the other scenarios are compared with the long ones."""
SCENARIOS = [
    pytest.param(scenario, id=scenario.__name__, marks=() if scenario.__name__ in ALWAYS else (pytest.mark.long,))
    for scenario in (*scenarios.SCENARIOS, *scenarios_more.MORE, *scenarios_more.OPEN, *scenarios_charges.CHARGES)
    if scenario.__name__ not in READ_DIFFERENTLY
]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_has_the_figures_of_the_reference(scenario: Callable[[Path], object], tmp_path: Path) -> None:
    asked = scenario(tmp_path)
    through_month, starts_on = asked if isinstance(asked, tuple) else (asked, None)
    assert disagreements(tmp_path, through_month, starts_on) == []


@pytest.mark.parametrize(
    ("months", "currencies", "seed"),
    [
        pytest.param(("2026-07", "2026-09"), ("EUR", "USD", "JPY"), 1, marks=pytest.mark.long),
        pytest.param(("2026-01", "2026-02"), ("JPY", "KRW"), 7, marks=pytest.mark.long),
    ],
)
def test_a_made_up_partner_has_the_figures_of_the_reference(
    months: tuple[str, str], currencies: tuple[str, ...], seed: int, tmp_path: Path
) -> None:
    generate(tmp_path, usage_rows=2_000, months=months, currencies=currencies, seed=seed)
    assert disagreements(tmp_path, months[1]) == []


@pytest.mark.parametrize(
    ("months", "currencies", "seed"),
    [
        (("2026-07", "2026-09"), ("EUR",), 1),
        pytest.param(("2026-01", "2026-04"), ("JPY", "EUR"), 2, marks=pytest.mark.long),
    ],
)
def test_planted_differences_of_every_cause_have_the_figures_of_the_reference(
    months: tuple[str, str], currencies: tuple[str, ...], seed: int, tmp_path: Path
) -> None:
    generate(tmp_path, usage_rows=500, months=months, currencies=currencies, seed=seed, planted="all")
    assert disagreements(tmp_path, months[1]) == []
