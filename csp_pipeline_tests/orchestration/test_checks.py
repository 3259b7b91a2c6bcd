"""What the checks tell a person in the UI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.orchestration.checks import proof_check_result
from csp_pipeline.orchestration.reconciliation_metadata import unexplained_result
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


def test_unexplained_money_is_told_by_currency_with_the_largest_part_and_whose_it_is(home: Home) -> None:
    with writing(home) as connection:
        connection.execute("INSERT INTO reference.accounts BY NAME SELECT 'A1' AS account_id, 'Contoso' AS name")
        connection.execute(
            """
            INSERT INTO reconciliation.differences BY NAME
            SELECT * FROM (VALUES
                ('d1', '2026-08', 'A1', 's1', 'EUR', -2.5, 'unexplained', 'Look.'),
                ('d2', '2026-09', 'A1', 's2', 'EUR', 10, 'unexplained', 'Look.'),
                ('d3', '2026-09', 'A1', 's3', 'EUR', 7, 'timing', 'Soon.'),
                ('d4', '2026-09', 'A2', 's4', 'JPY', -3000, 'unexplained', 'Look.')
            ) AS rows_ (difference_id, service_month, account_id, subscription_id, currency, amount, cause, explanation)
            """
        )
        connection.execute(
            "INSERT INTO reconciliation.explained_share BY NAME SELECT '2026-09' AS service_month, 'EUR' AS currency, "
            "7 AS explained_amount, 19.5 AS absolute_amount"
        )
        result = unexplained_result(connection)
    assert not result.passed
    assert result.description == (
        "No rule explains 12.5 EUR in 2 differences, the largest 10 EUR of 2026-09 at Contoso, s2; "
        "nor -3,000 JPY of 2026-09 at A2, s4. Explained: 35.90 % of 19.50 EUR."
    )
    assert result.metadata["unexplained"].value == 3
    assert "| EUR | 2026-08 | Contoso | s1 | -2.5 | Look. |" in str(result.metadata["largest"].value)


def test_differences_that_have_a_cause_pass(home: Home) -> None:
    with writing(home) as connection:
        connection.execute(
            "INSERT INTO reconciliation.differences BY NAME SELECT 'timing' AS cause, 7 AS amount, 'EUR' AS currency"
        )
        result = unexplained_result(connection)
    assert result.passed
    assert result.description == "Explained: nothing differs."
