"""What a reader of the published copy may rely on is checked there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.quality.expectations import unmet_expectations
from csp_pipeline.steps.publish import publish
from csp_pipeline.storage.warehouse import writing

if TYPE_CHECKING:
    from csp_pipeline.settings import Settings
    from csp_pipeline.storage.home import Home

GOOD = "'G1' AS invoice_number, '2026-03' AS billing_month, 'EUR' AS currency, 0 AS unexplained_amount, "


def test_a_value_outside_a_closed_list_is_named_and_the_rest_is_as_expected(home: Home, settings: Settings) -> None:
    with writing(home) as connection:
        connection.execute(f"INSERT INTO cost.invoice_proof BY NAME SELECT {GOOD} 'proven' AS proof_state")
    publish(settings)
    assert unmet_expectations(home.published) == []
    with writing(home) as connection:
        connection.execute(f"INSERT INTO cost.invoice_proof BY NAME SELECT {GOOD} 'perhaps' AS proof_state")
    publish(settings)
    assert unmet_expectations(home.published) == [
        "cost.invoice_proof.proof_state: expect column values to be in set, found ['perhaps']."
    ]
