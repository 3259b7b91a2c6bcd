"""The identities of the books: sums that hold to the last digit, each as a named SELECT of the rows that break it.

What belongs here: which identities there are, and how a broken one is put into words. Each SELECT is a file of `sql/`
whose header comment is the claim; it returns subject, expected and found, the largest break first. What is stopped
because of a break is decided by `steps/publish.py` and the asset checks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from csp_pipeline.errors import IdentityBrokenError

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

_ZEROS = re.compile(r"(\.\d{2}\d*?)0+(?!\d)")


@dataclass(frozen=True)
class Identity:
    """An identity.

    Attributes:
        name: the truth it holds; the name of its file and of its asset check.
        table: the table it is about.
    """

    name: str
    table: str

    @property
    def select(self) -> str:
        """The SELECT of what breaks it."""
        return (resources.files("csp_pipeline.quality") / "sql" / f"{self.name}.sql").read_text("utf-8")

    @property
    def claim(self) -> str:
        """What holds, as a sentence: the first line of the SELECT."""
        return self.select.splitlines()[0].removeprefix("-- ")


IDENTITIES = (
    Identity("rows_conserved", "meta.files"),
    Identity("amounts_conserved", "meta.file_invoices"),
    Identity("invoice_lines_equal_files", "cost.invoice_lines"),
    Identity("daily_usage_equals_files", "cost.daily_usage"),
    Identity("subtotal_and_tax_are_total", "cost.invoice_lines"),
    Identity("azure_plan_is_carried_down", "cost.azure_plan_costs"),
    Identity("benefits_are_carried_down", "cost.benefit_allocations"),
    Identity("tags_sum_to_billed_cost", "cost.tag_allocations"),
    Identity("estimates_are_open_files", "cost.usage_by_day"),
    Identity("customers_make_the_proof", "cost.customer_proof"),
    Identity("open_costs_are_the_estimates", "cost.open_costs"),
    Identity("versions_are_the_lines", "cost.invoice_versions"),
    Identity("credit_is_accrued", "cost.credit_accruals"),
    Identity("documents_are_their_lines", "billing.invoices"),
    Identity("numbers_are_gapless", "billing.invoices"),
    Identity("cost_is_recognised", "reconciliation.revenue_vs_cost"),
    Identity("revenue_is_recognised", "reconciliation.revenue_vs_cost"),
    Identity("difference_parts_sum", "reconciliation.differences"),
    Identity("postings_are_recognised", "reconciliation.postings"),
    Identity("deferrals_close_the_months", "reconciliation.deferrals"),
    Identity("drill_down_is_revenue_vs_cost", "reconciliation.drill_down"),
)


def read_footers(connection: duckdb.DuckDBPyConnection, staging: Path) -> None:
    """Make the temporary table `staged_parquet`: file name and rows of every staged file, as its footer says."""
    staged = [str(path) for path in sorted(staging.glob("*/*.parquet"))]
    connection.execute("CREATE OR REPLACE TEMP TABLE staged_parquet (file_name VARCHAR, num_rows BIGINT)")
    if staged:
        connection.execute(
            "INSERT INTO staged_parquet SELECT file_name, num_rows FROM parquet_file_metadata(?)", [staged]
        )


def violations(connection: duckdb.DuckDBPyConnection, identity: Identity) -> list[str]:
    """What breaks an identity, one sentence each, the largest first; empty when it holds.

    Args:
        connection: a connection with the warehouse, the views over staged files and `staged_parquet`.
        identity: the identity to evaluate.
    """
    rows = connection.execute(identity.select).fetchall()
    return [
        _ZEROS.sub(r"\1", f"{identity.name}: {subject}: expected {expected}, found {found}")
        for subject, expected, found in rows
    ]


def require_all(connection: duckdb.DuckDBPyConnection) -> None:
    """Evaluate every identity.

    Raises:
        IdentityBrokenError: one or more do not hold; the sentence gives the largest break of the first, with amounts.
    """
    broken = {identity: found for identity in IDENTITIES if (found := violations(connection, identity))}
    if broken:
        raise IdentityBrokenError(sentence(list(broken.values())))


def sentence(broken: list[list[str]]) -> str:
    """The breaks of one or more identities in one sentence, with the amounts of the first."""
    more = f" ({len(broken[0]) - 1} more like it)" if len(broken[0]) > 1 else ""
    also = f"; {len(broken) - 1} further identities are broken" if len(broken) > 1 else ""
    return f"Nothing was published, because the books do not tie out: {broken[0][0]}{more}{also}."
