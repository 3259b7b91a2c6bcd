"""What the checks tell a person in the UI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.orchestration.checks import proof_check_result
from csp_pipeline.storage.warehouse import writing

if TYPE_CHECKING:
    from csp_pipeline.storage.home import Home


def test_what_is_not_proven_is_named_with_its_amount_the_unknown_first(home: Home) -> None:
    with writing(home) as connection:
        for number, state, amount in (
            ("G1", "proven", "0"),
            ("G2", "unproven", "-0.0100000000"),
            ("G3", "incomplete", "NULL"),
        ):
            connection.execute(
                "INSERT INTO cost.invoice_proof BY NAME SELECT "
                f"'{number}' AS invoice_number, '{state}' AS proof_state, "
                f"{amount} AS unexplained_amount, 'EUR' AS currency"
            )
        result = proof_check_result(connection)
    assert not result.passed
    assert result.description == (
        "1 of 3 invoices are proven; the largest that is not is G3: incomplete, an unknown amount of EUR unexplained."
    )
    assert result.metadata["first_not_proven"].value == (
        "G3: incomplete, an unknown amount of EUR unexplained\nG2: unproven, -0.01 EUR unexplained"
    )


def test_all_proven_passes(home: Home) -> None:
    with writing(home) as connection:
        connection.execute(
            "INSERT INTO cost.invoice_proof BY NAME SELECT "
            "'G1' AS invoice_number, 'proven' AS proof_state, 0 AS unexplained_amount, 'EUR' AS currency"
        )
        result = proof_check_result(connection)
    assert result.passed
    assert result.description == "1 of 1 invoices are proven."
