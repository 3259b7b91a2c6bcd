"""A month to be drafted: many accounts with ten contract lines each, of every pricing model, over made-up facts.

python -m csp_pipeline_tests.benchmarks.drafted_month write FOLDER ACCOUNTS
python -m csp_pipeline_tests.benchmarks.drafted_month draft FOLDER
"""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

from csp_pipeline.settings import Settings
from csp_pipeline.steps.billing import build_cost_matches, draft_invoices
from csp_pipeline.steps.commercial import load_commercial_terms
from csp_pipeline.storage.warehouse import writing

MONTH, STARTS_ON = "2026-09", date(2026, 9, 1)
LINES_PER_ACCOUNT = 10
MODELS = ("per_unit",) * 6 + ("flat", "graduated", "volume", "cost_plus")
SUBSCRIPTIONS = """
    SELECT
        'c' || account AS customer_id, 's' || account || '-' || line AS subscription_id, account, line
    FROM range($accounts) AS accounts(account), range(10) AS lines(line)
"""
CHANGES = f"""
    INSERT INTO partner_center.subscription_changes
        (change_id, customer_id, subscription_id, changed_at, quantity_before, quantity_after, source)
    SELECT
        subscription_id || '-' || step, customer_id, subscription_id,
        CASE step WHEN 0 THEN TIMESTAMP '2026-08-01' ELSE TIMESTAMP '2026-09-11 10:00:00' END,
        CASE step WHEN 0 THEN 0 ELSE 5 END, CASE step WHEN 0 THEN 5 ELSE 7 END, 'inbox'
    FROM ({SUBSCRIPTIONS}), range(2) AS steps(step)
    WHERE step = 0 OR (account + line) % 3 = 0
"""
COST = f"""
    INSERT INTO cost.invoice_lines
        (line_id, provider, invoice_number, billing_month, is_estimate, customer_id, subscription_id, product_family,
         charge_start_on, charge_end_on, subtotal_amount, currency)
    SELECT
        'l' || subscription_id, 'microsoft', 'G061000002', '{MONTH}', false, customer_id, subscription_id, 'licence',
        DATE '2026-09-01', DATE '2026-09-30', 12.34 + line, 'EUR'
    FROM ({SUBSCRIPTIONS}) WHERE line = 9
"""


def write(folder: Path, accounts: int) -> None:
    """Write the terms as CSV files and the facts into the warehouse of a home.

    Args:
        folder: the home.
        accounts: how many; each has ten contract lines.
    """
    terms = folder / "commercial"
    terms.mkdir(parents=True, exist_ok=True)
    lines = [(account, line) for account in range(accounts) for line in range(LINES_PER_ACCOUNT)]
    tables = {
        "accounts": ("account_id,name,currency", (f"A{one},Customer {one},EUR" for one in range(accounts))),
        "account_tenants": ("account_id,customer_id", (f"A{one},c{one}" for one in range(accounts))),
        "contract_lines": (
            "contract_line_id,account_id,customer_id,subscription_id,pricing_model,unit_price,currency,markup_percent,"
            "billing_timing,starts_on",
            (
                f"L{account}-{line},A{account},c{account},s{account}-{line},{MODELS[line]},"
                f"{'' if MODELS[line] in ('graduated', 'volume', 'cost_plus') else '9.99'},EUR,"
                f"{'10' if MODELS[line] == 'cost_plus' else ''},{'arrears' if line % 2 else 'advance'},2026-01-01"
                for account, line in lines
            ),
        ),
        "price_tiers": (
            "contract_line_id,from_quantity,unit_price",
            (
                f"L{account}-{line},{bound},{price}"
                for account, line in lines
                if MODELS[line] in ("graduated", "volume")
                for bound, price in ((0, "9.99"), (4, "8.49"))
            ),
        ),
    }
    for name, (header, rows) in tables.items():
        (terms / f"{name}.csv").write_text("\n".join([header, *rows]) + "\n", "utf-8")
    with writing(_settings(folder).home.create()) as con:
        load_commercial_terms(con, _settings(folder))
        con.execute(CHANGES, {"accounts": accounts})
        con.execute(COST, {"accounts": accounts})


def draft(folder: Path) -> None:
    """Match cost to contract lines and draft the month."""
    with writing(_settings(folder).home) as con:
        build_cost_matches(con)
        report = draft_invoices(con, _settings(folder), [MONTH])
    print(report.invoices, report.lines, len(report.notices))  # noqa: T201  (a command)


def _settings(folder: Path) -> Settings:
    return Settings(CSP_HOME=folder, billing_starts_on=STARTS_ON, _env_file=None)


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        draft(Path(sys.argv[2]))
