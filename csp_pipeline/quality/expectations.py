"""Expectations on the published copy, as a great-expectations suite: what a reader may rely on in each column.

What belongs here: the closed lists of values, the columns that are never empty and the keys that are unique. Sums that
must tie out are in `identities.py`. great-expectations takes seconds to import, so that happens inside the function.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from pathlib import Path

CLOSED_LISTS = {
    "cost.invoices": {"state": ["billed", "voided", "replaced", "derived"]},
    "cost.invoice_proof": {"proof_state": ["proven", "bounded", "unproven", "incomplete"]},
    "billing.invoices": {
        "state": ["draft", "issued", "part_paid", "paid", "credited"],
        "document_type": ["invoice", "credit_note"],
    },
    "reconciliation.revenue_vs_cost": {"status": ["matched", "explained", "action_needed", "unexplained"]},
    "meta.periods": {"state": ["open", "closed"]},
}
NEVER_EMPTY = {
    "cost.invoices": ["invoice_number", "billing_month", "currency"],
    "cost.invoice_proof": ["invoice_number", "unexplained_amount"],
    "billing.invoices": ["invoice_id", "account_id", "billing_month", "currency", "content_sha256"],
    "reconciliation.revenue_vs_cost": ["service_month", "currency", "revenue_amount", "difference_amount"],
    "reconciliation.totals": ["service_month", "reporting_currency", "currencies", "is_complete"],
}
UNIQUE = {
    "billing.invoices": "invoice_id",
    "reconciliation.differences": "difference_id",
    "reconciliation.totals": "service_month",
    "meta.periods": "month",
}


def unmet_expectations(published: Path) -> list[str]:
    """Validate the suite on a published copy.

    Args:
        published: the DuckDB file; it is opened read-only.

    Returns:
        One sentence per expectation that is not met, with values that were found instead.
    """
    with warnings.catch_warnings(action="ignore"):
        import great_expectations as gx  # noqa: PLC0415  (takes seconds)
        from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: PLC0415

        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        source = context.data_sources.add_pandas("published")
        unmet: list[str] = []
        with duckdb.connect(str(published), read_only=True) as connection:
            for table in sorted({*CLOSED_LISTS, *NEVER_EMPTY, *UNIQUE}):
                frame = connection.execute(f"SELECT * FROM {table}").df()
                batch = (
                    source.add_dataframe_asset(table)
                    .add_batch_definition_whole_dataframe("all")
                    .get_batch(batch_parameters={"dataframe": frame})
                )
                result = batch.validate(gx.ExpectationSuite(name=table, expectations=_expectations(gx, table)))
                unmet += [_sentence(table, one) for one in result.results if not one.success]
    return unmet


def _expectations(gx: Any, table: str) -> list[Any]:  # noqa: ANN401  (a module imported late)
    expect = gx.expectations
    return [
        *(
            expect.ExpectColumnValuesToBeInSet(column=column, value_set=values)
            for column, values in CLOSED_LISTS.get(table, {}).items()
        ),
        *(expect.ExpectColumnValuesToNotBeNull(column=column) for column in NEVER_EMPTY.get(table, [])),
        *([expect.ExpectColumnValuesToBeUnique(column=UNIQUE[table])] if table in UNIQUE else []),
    ]


def _sentence(table: str, result: Any) -> str:  # noqa: ANN401
    settings = result.expectation_config
    found = result.result.get("partial_unexpected_list") or "nothing"
    return f"{table}.{settings.kwargs['column']}: {settings.type.replace('_', ' ')}, found {found}."
