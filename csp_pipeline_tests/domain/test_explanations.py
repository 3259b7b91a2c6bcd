"""The sentences of parts say what the figures say."""

from decimal import Decimal

import pytest

from csp_pipeline.domain.difference_facts import ORDER
from csp_pipeline.domain.explanations import explain


@pytest.mark.parametrize("cause", ORDER)
def test_every_cause_has_a_sentence_without_gaps(cause: str) -> None:
    told = explain(cause, customer="Contoso", quantity=Decimal("2.000"), expected_on_month="2026-10")
    assert told.endswith(".")
    assert "{" not in told


def test_a_mismatch_of_some_days_does_not_speak_of_different_quantities_of_nothing() -> None:
    differs = explain("quantity_mismatch", customer=None, quantity=Decimal("-2.0"), expected_on_month=None)
    some_days = explain("quantity_mismatch", customer=None, quantity=Decimal("0.0"), expected_on_month=None)
    consumption = explain("quantity_mismatch", customer=None, quantity=None, expected_on_month=None)
    assert "different quantities (-2)" in differs
    assert "different quantities on some days;" in consumption
    assert "the same quantity at the month's end, but another one on some days before" in some_days
