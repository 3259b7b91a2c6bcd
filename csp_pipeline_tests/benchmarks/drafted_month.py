"""A month to be drafted: many accounts with ten contract lines each, of every pricing model, over made-up facts.

python -m csp_pipeline_tests.benchmarks.drafted_month write FOLDER ACCOUNTS
python -m csp_pipeline_tests.benchmarks.drafted_month draft FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from csp_pipeline.steps.billing import build_cost_matches, draft_invoices
from csp_pipeline.storage.warehouse import writing
from csp_pipeline_tests.benchmarks.accounts_of_ten import (
    MONTH,
    SUBSCRIPTIONS,
    changes,
    contract_lines,
    made_home,
    settings_of,
)

MODELS = ("per_unit",) * 6 + ("flat", "graduated", "volume", "cost_plus")
TIERED = frozenset({"graduated", "volume"})
CHANGES = changes("5", where="(account + line) % 3 = 0")
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
    lines = contract_lines(accounts, _priced)
    tiers = [
        {"contract_line_id": line["contract_line_id"], "from_quantity": bound, "unit_price": price}
        for line in lines
        if line["pricing_model"] in TIERED
        for bound, price in (("0", "9.99"), ("4", "8.49"))
    ]
    with made_home(folder, accounts, {"contract_lines": lines, "price_tiers": tiers}) as con:
        con.execute(CHANGES, {"accounts": accounts})
        con.execute(COST, {"accounts": accounts})


def draft(folder: Path) -> None:
    """Match cost to contract lines and draft the month."""
    settings = settings_of(folder)
    with writing(settings.home) as con:
        build_cost_matches(con)
        report = draft_invoices(con, settings, [MONTH])
    print(report.invoices, report.lines, len(report.notices))  # noqa: T201  (a command)


def _priced(line: int) -> dict[str, str]:
    model = MODELS[line]
    return {
        "pricing_model": model,
        "unit_price": "9.99" if model in {"per_unit", "flat"} else "",
        "markup_percent": "10" if model == "cost_plus" else "",
    }


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        draft(Path(sys.argv[2]))
