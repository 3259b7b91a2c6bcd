"""The partitions: months, currencies found in the data, both together, and the days of snapshots.

A month is its `YYYY-MM`, in Dagster as in the warehouse, so that a partition key is a value of `billing_month`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from csp_pipeline.steps.run import FIRST_MONTH, MONTHS_AHEAD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from csp_pipeline.models.catalogue import Table

FIRST_DAY = "2026-01-01"
"""Before any snapshot was ever fetched."""
CURRENCIES = dg.DynamicPartitionsDefinition(name="currency")
MONTHS = dg.MonthlyPartitionsDefinition(start_date=FIRST_MONTH, end_offset=MONTHS_AHEAD + 1, fmt="%Y-%m")
"""The months worked with: documents decide what a month is, not the clock."""
MONTH_CURRENCIES = dg.MultiPartitionsDefinition({"billing_month": MONTHS, "currency": CURRENCIES})

OVER_ALL_MONTHS = frozenset(
    {
        "billing.subscription_links",
        "billing.cost_matches",
        "reconciliation.leaks",
        "reconciliation.totals",
        "reconciliation.totals_by_currency",
        "reconciliation.drill_down",
    }
)
"""Tables of these schemas that are made whole, beside the months."""

DAYS = dg.DailyPartitionsDefinition(start_date=FIRST_DAY, end_offset=1)
"""The days of snapshots, today included."""

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"


def partitions_of(table: Table) -> dg.PartitionsDefinition[str] | None:
    """The Dagster partitions of a catalogue table; what is written with a month's rows is made with the month."""
    if table.partition == "month_currency":
        return MONTH_CURRENCIES
    is_monthly = table.schema in {"billing", "reconciliation"} and table.key not in OVER_ALL_MONTHS
    return MONTHS if is_monthly else None


def register_currencies(instance: dg.DagsterInstance, currencies: Iterable[str]) -> None:
    """Make partitions of the currencies found in the data; those already known stay as they are."""
    instance.add_dynamic_partitions("currency", sorted(currencies))


def month_and_currency(context: dg.AssetExecutionContext) -> list[tuple[str, str]]:
    """The (billing month, currency) pairs that a step is asked to make, in order."""
    pairs = []
    for key in context.partition_keys:
        month, currency = str(key).split("|")
        pairs.append((month, currency))
    return pairs


def range_tags(first: str, last: str) -> dict[str, str]:
    """The run tags that ask for every partition from `first` to `last` in one run."""
    return {RANGE_START_TAG: first, RANGE_END_TAG: last}
