"""A month to be reconciled: 100,000 seat subscriptions, ten an account, charged by the provider and by us.

A few per cent differ: seats that the log has and the provider's line has not, subscriptions that the provider does not
charge, others that no contract line takes. Every tenth account is billed in another currency than the provider's.

python -m csp_pipeline_tests.benchmarks.reconciled_month write FOLDER ACCOUNTS
python -m csp_pipeline_tests.benchmarks.reconciled_month reconcile FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from csp_pipeline.steps.billing import build_cost_matches, draft_invoices
from csp_pipeline.steps.reconciliation import reconcile
from csp_pipeline.storage.warehouse import writing
from csp_pipeline_tests.benchmarks.accounts_of_ten import (
    MONTH,
    SUBSCRIPTIONS,
    changes,
    contract_lines,
    made_home,
    settings_of,
)

FOREIGN_EVERY = 10
CHANGES = changes("seats", where="number % 100 IN (1, 34)")
SUBSCRIPTION_ROWS = f"""
    INSERT INTO partner_center.subscriptions
        (subscription_id, customer_id, quantity, billing_cycle, started_on)
    SELECT subscription_id, customer_id, seats, 'monthly', DATE '2026-08-01' FROM ({SUBSCRIPTIONS})
"""
COST = f"""
    INSERT INTO cost.invoice_lines
        (line_id, provider, invoice_number, billing_month, is_estimate, customer_id, subscription_id,
         product_id, sku_id, product_name, product_family, charge_type, charge_start_on, charge_end_on,
         unit_price, billable_quantity, subtotal_amount, currency, billing_frequency, subscription_starts_on)
    SELECT
        'l' || number, 'microsoft', 'G061000002', '{MONTH}', false, customer_id,
        subscription_id || CASE WHEN number % 100 = 67 THEN '-new' ELSE '' END, 'P' || number % 20, '0001',
        'Business ' || number % 20, 'licence', 'cycleCharge', DATE '2026-09-01', DATE '2026-09-30', 7.89, seats,
        7.89 * seats, 'EUR', 'Monthly', DATE '2026-08-01'
    FROM ({SUBSCRIPTIONS}) WHERE number % 100 <> 99
"""
RATE = """
    INSERT INTO reference.exchange_rates (rate_month, from_currency, to_currency, rate, source)
    VALUES ('2026-09', 'EUR', 'USD', 1.1234, 'made up')
"""


def write(folder: Path, accounts: int) -> None:
    """Write the terms as CSV files, the facts into the warehouse of a home, and draft the month.

    Args:
        folder: the home.
        accounts: how many; each has ten contract lines.
    """
    lines = contract_lines(accounts, lambda _line: {"pricing_model": "per_unit", "unit_price": "9.99"}, _currency)
    with made_home(folder, accounts, {"contract_lines": lines}, _currency) as con:
        for statement in (CHANGES, SUBSCRIPTION_ROWS, COST):
            con.execute(statement, {"accounts": accounts})
        con.execute(RATE)
        build_cost_matches(con)
        draft_invoices(con, settings_of(folder), [MONTH])


def reconcile_month(folder: Path) -> None:
    """Reconcile the month drafted."""
    settings = settings_of(folder)
    with writing(settings.home) as con:
        report = reconcile(con, settings, [MONTH])
    print(len(report.months), report.rows, report.differences)  # noqa: T201  (a command)


def _currency(account: int) -> str:
    return "EUR" if account % FOREIGN_EVERY else "USD"


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        reconcile_month(Path(sys.argv[2]))
