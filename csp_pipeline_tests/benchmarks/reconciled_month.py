"""A month to be reconciled: 100,000 seat subscriptions, ten an account, charged by the provider and by us.

A few per cent differ: seats that the log has and the provider's line has not, subscriptions that the provider does not
charge, others that no contract line takes. Every tenth account is billed in another currency than the provider's.

python -m csp_pipeline_tests.benchmarks.reconciled_month write FOLDER ACCOUNTS
python -m csp_pipeline_tests.benchmarks.reconciled_month reconcile FOLDER
"""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

from csp_pipeline.settings import Settings
from csp_pipeline.steps.billing import build_cost_matches, draft_invoices
from csp_pipeline.steps.commercial import load_commercial_terms
from csp_pipeline.steps.reconciliation import reconcile
from csp_pipeline.storage.warehouse import writing

MONTH, STARTS_ON = "2026-09", date(2026, 9, 1)
LINES_PER_ACCOUNT = 10
FOREIGN_EVERY = 10
SUBSCRIPTIONS = f"""
    SELECT
        'c' || account AS customer_id, 's' || account || '-' || line AS subscription_id,
        account * {LINES_PER_ACCOUNT} + line AS number, 1 + (account + line) % 25 AS seats
    FROM range($accounts) AS accounts(account), range({LINES_PER_ACCOUNT}) AS lines(line)
"""
CHANGES = f"""
    INSERT INTO partner_center.subscription_changes
        (change_id, customer_id, subscription_id, changed_at, quantity_before, quantity_after, source)
    SELECT
        subscription_id || '-' || step, customer_id, subscription_id,
        CASE step WHEN 0 THEN TIMESTAMP '2026-08-01' ELSE TIMESTAMP '2026-09-11 10:00:00' END,
        CASE step WHEN 0 THEN 0 ELSE seats END, CASE step WHEN 0 THEN seats ELSE seats + 2 END, 'inbox'
    FROM ({SUBSCRIPTIONS}), range(2) AS steps(step)
    WHERE step = 0 OR number % 100 IN (1, 34)
"""
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
    terms = folder / "commercial"
    terms.mkdir(parents=True, exist_ok=True)
    numbers = range(accounts)
    tables = {
        "accounts": ("account_id,name,currency", (f"A{one},Customer {one},{_currency(one)}" for one in numbers)),
        "account_tenants": ("account_id,customer_id", (f"A{one},c{one}" for one in numbers)),
        "contract_lines": (
            "contract_line_id,account_id,customer_id,subscription_id,pricing_model,unit_price,currency,billing_timing,"
            "starts_on",
            (
                f"L{one}-{line},A{one},c{one},s{one}-{line},per_unit,9.99,{_currency(one)},"
                f"{'arrears' if line % 2 else 'advance'},2026-01-01"
                for one in numbers
                for line in range(LINES_PER_ACCOUNT)
            ),
        ),
    }
    for name, (header, rows) in tables.items():
        (terms / f"{name}.csv").write_text("\n".join([header, *rows]) + "\n", "utf-8")
    with writing(_settings(folder).home.create()) as con:
        load_commercial_terms(con, _settings(folder))
        for statement in (CHANGES, SUBSCRIPTION_ROWS, COST):
            con.execute(statement, {"accounts": accounts})
        con.execute(RATE)
        build_cost_matches(con)
        draft_invoices(con, _settings(folder), [MONTH])


def reconcile_month(folder: Path) -> None:
    """Reconcile the month drafted."""
    with writing(_settings(folder).home) as con:
        report = reconcile(con, _settings(folder), [MONTH])
    print(len(report.months), report.rows, report.differences)  # noqa: T201  (a command)


def _currency(account: int) -> str:
    return "EUR" if account % FOREIGN_EVERY else "USD"


def _settings(folder: Path) -> Settings:
    return Settings(CSP_HOME=folder, billing_starts_on=STARTS_ON, _env_file=None)


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        reconcile_month(Path(sys.argv[2]))
