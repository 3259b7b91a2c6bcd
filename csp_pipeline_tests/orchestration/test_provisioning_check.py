"""The check that the service team looks at names what failed, what it costs and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp_pipeline.orchestration.provisioning_check import provisioning_check_result
from csp_pipeline.storage.warehouse import writing

if TYPE_CHECKING:
    from csp_pipeline.storage.home import Home


def test_a_failed_change_is_named_with_what_it_costs_and_what_to_do_and_what_waits_is_listed(home: Home) -> None:
    with writing(home) as connection:
        connection.execute("INSERT INTO partner_center.customers BY NAME SELECT 'c' AS customer_id, 'Fabrikam' AS name")
        for number, (state, code, message) in enumerate(
            (
                ("failed", "800094", "It did not work."),
                ("failed", "800067", "Too many | seats."),
                ("waiting", "stale", "It is old."),
            )
        ):
            values = {
                "request_id": f"R-{number}",
                "customer_id": "C",
                "subscription_id": "s",
                "operation": "change_quantity",
                "code": code,
                "message": message,
                "next_step": "Look.",
                "failure_class": "business_rule" if state == "failed" else None,
                "quantity_requested": 5,
            }
            named = ", ".join(f"${name} AS {name}" for name in values)
            at = f"TIMESTAMP '2026-10-0{number + 1} 12:00'"
            connection.execute(
                f"INSERT INTO provisioning.events BY NAME SELECT {named}, '{state}' AS outcome, {at} AS occurred_at, "
                f"'e{number}' AS event_id",
                values,
            )
            connection.execute(
                f"INSERT INTO provisioning.requests BY NAME SELECT {named}, '{state}' AS state, "
                "57.5 AS price_affected_amount, 'EUR' AS currency",
                values,
            )
        result = provisioning_check_result(connection)
    assert not result.passed
    assert result.description == (
        "2 changes failed; the latest is request R-1 of Fabrikam (business rule, code 800067): Too many | seats. It is "
        "worth 57.50 EUR for each billing cycle. Next step: Look. 1 request waits."
    )
    failed, waiting = (str(result.metadata[name].value) for name in ("failed_changes", "waiting_requests"))
    assert failed.splitlines()[2:] == [
        "| 2026-10-02 12:00 | Fabrikam | R-1 | change quantity | business rule | 800067 | Too many \\| seats. "
        "| 57.50 EUR | Look. |",
        "| 2026-10-01 12:00 | Fabrikam | R-0 | change quantity | business rule | 800094 | It did not work. "
        "| 57.50 EUR | Look. |",
    ]
    assert waiting.splitlines()[2:] == ["| Fabrikam | R-2 | change quantity | stale | It is old. | 57.50 EUR | Look. |"]


def test_no_failed_change_passes(home: Home) -> None:
    with writing(home) as connection:
        result = provisioning_check_result(connection)
    assert (result.passed, result.description) == (True, "No change failed. 0 requests wait.")
