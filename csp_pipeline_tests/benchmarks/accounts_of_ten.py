"""Accounts with ten contract lines each: the terms and the change log that the drafted and the reconciled month share.

What belongs here: what both months have. What they measure is theirs.
"""

from __future__ import annotations

import csv
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

from csp_pipeline.settings import Settings
from csp_pipeline.steps.commercial import load_commercial_terms
from csp_pipeline.storage.warehouse import writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import duckdb

    Terms = Mapping[str, Sequence[Mapping[str, str]]]
    """Rows of commercial terms by the name of their table."""

MONTH, STARTS_ON = "2026-09", date(2026, 9, 1)
LINES_PER_ACCOUNT = 10
SUBSCRIPTIONS = f"""
    SELECT
        'c' || account AS customer_id, 's' || account || '-' || line AS subscription_id, account, line,
        account * {LINES_PER_ACCOUNT} + line AS number, 1 + (account + line) % 25 AS seats
    FROM range($accounts) AS accounts(account), range({LINES_PER_ACCOUNT}) AS lines(line)
"""


def changes(seats: str, *, where: str) -> str:
    """SQL that writes the change log: every subscription is bought in August, some get two more seats in September.

    Args:
        seats: what is bought, in columns of `SUBSCRIPTIONS`.
        where: which get more.
    """
    return f"""
        INSERT INTO partner_center.subscription_changes
            (change_id, customer_id, subscription_id, changed_at, quantity_before, quantity_after, source)
        SELECT
            subscription_id || '-' || step, customer_id, subscription_id,
            CASE step WHEN 0 THEN TIMESTAMP '2026-08-01' ELSE TIMESTAMP '2026-09-11 10:00:00' END,
            CASE step WHEN 0 THEN 0 ELSE {seats} END, CASE step WHEN 0 THEN {seats} ELSE {seats} + 2 END, 'inbox'
        FROM ({SUBSCRIPTIONS}), range(2) AS steps(step)
        WHERE step = 0 OR {where}
    """


def always_euros(_account: int) -> str:
    """The currency of accounts that are all billed in euros."""
    return "EUR"


def contract_lines(
    accounts: int, terms: Callable[[int], Mapping[str, str]], currency: Callable[[int], str] = always_euros
) -> list[Mapping[str, str]]:
    """The contract lines of so many accounts, in turn in advance and in arrears.

    Args:
        accounts: how many.
        terms: what the line of a number, from 0 to 9, has besides.
        currency: of an account.
    """
    return [
        {
            "contract_line_id": f"L{account}-{line}",
            "account_id": f"A{account}",
            "customer_id": f"c{account}",
            "subscription_id": f"s{account}-{line}",
            "currency": currency(account),
            "billing_timing": "arrears" if line % 2 else "advance",
            "starts_on": "2026-01-01",
            **terms(line),
        }
        for account in range(accounts)
        for line in range(LINES_PER_ACCOUNT)
    ]


@contextmanager
def made_home(
    folder: Path, accounts: int, terms: Terms, currency: Callable[[int], str] = always_euros
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Make a home with accounts, their tenants and further terms, loaded.

    Args:
        folder: the home.
        accounts: how many.
        terms: the other tables.
        currency: of an account.

    Yields:
        A connection that may write its warehouse.
    """
    written: Terms = {
        "accounts": [
            {"account_id": f"A{one}", "name": f"Customer {one}", "currency": currency(one)} for one in range(accounts)
        ],
        "account_tenants": [{"account_id": f"A{one}", "customer_id": f"c{one}"} for one in range(accounts)],
        **terms,
    }
    (folder / "commercial").mkdir(parents=True, exist_ok=True)
    for name, rows in written.items():
        with (folder / "commercial" / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
    settings = settings_of(folder)
    with writing(settings.home.create()) as con:
        load_commercial_terms(con, settings)
        yield con


def settings_of(folder: Path) -> Settings:
    """The settings of a home, whatever this machine's are."""
    return Settings(CSP_HOME=folder, billing_starts_on=STARTS_ON, _env_file=None)
