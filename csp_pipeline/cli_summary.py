"""The summary of a run, read from the published copy: what a finance person looks at first, and the exit code.

What belongs here: what the answers to `cli_questions.py` come to, and whether one needs a person. How they look on a
terminal is `cli_rendering.py`; no figure is computed here that is not in the warehouse.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb

from csp_pipeline import cli_questions as questions
from csp_pipeline.domain.difference_facts import NEEDS_A_PERSON
from csp_pipeline.domain.money import percent_of
from csp_pipeline.steps.run import is_known, known_months

if TYPE_CHECKING:
    from collections.abc import Sequence

    from csp_pipeline.storage.home import Home

Row = dict[str, Any]


@dataclass(frozen=True)
class Summary:
    """What a run found.

    Attributes:
        month: the month asked for, or the latest with provider documents; None without any.
        in_reporting_currency: the totals over all currencies; empty while nothing is reconciled.
        reasons: why a person is needed, the most important first; empty when everything is proven and explained.
    """

    month: str | None
    invoices: list[Row]
    totals: list[Row]
    in_reporting_currency: list[Row]
    drafts: list[Row]
    causes: list[Row]
    explained: list[Row]
    disputes: list[Row]
    files: list[Row]
    quarantine: list[Row]
    notices: list[Row]
    reasons: list[str]
    where: dict[str, str]

    @property
    def exit_code(self) -> int:
        """0 when everything is proven and explained, 3 when something needs a person."""
        return 3 if self.reasons else 0

    def as_json(self) -> Row:
        """The summary as one JSON object; decimals are text, so that no digit is lost."""
        return {
            "month": self.month,
            "exit_code": self.exit_code,
            "needs_a_person": self.reasons,
            "invoices": _json(self.invoices),
            "totals": _json(self.totals),
            "totals_in_reporting_currency": _json(self.in_reporting_currency),
            "drafts": _json(self.drafts),
            "differences": _json(self.causes),
            "explained": _json(self.explained),
            "disputes": _json(self.disputes),
            "files": _json(self.files),
            "quarantine": _json(self.quarantine),
            "notices": _json(self.notices),
            "where": self.where,
        }


def _json(rows: list[Row]) -> list[Row]:
    return [
        {name: f"{value:f}" if isinstance(value, Decimal) else value for name, value in row.items()} for row in rows
    ]


def read_summary(home: Home, month: str | None, not_fetched: Sequence[str] = ()) -> Summary:
    """Read the summary of a month from the published copy.

    Args:
        home: the folders.
        month: the month whose revenue, cost and differences are shown beside the totals over all months.
        not_fetched: what the run could not fetch from the provider, one sentence each.
    """
    with duckdb.connect(str(home.published), read_only=True) as connection:
        ask = _Questions(connection, {"month": month, "starred": sorted(NEEDS_A_PERSON)})
        causes, files, disputes = ask(questions.CAUSES), ask(questions.FILES), ask(questions.DISPUTES)
        totals = ask(questions.TOTALS)
        notices = [*map(_without_total, ask(questions.MISSING_RATES)), *ask(questions.NOTICES)]
        invoices = [row | {"disputed": _disputed(row, disputes)} for row in ask(questions.INVOICES)]
        return Summary(
            month=month,
            invoices=invoices,
            totals=totals,
            in_reporting_currency=ask(questions.IN_REPORTING_CURRENCY),
            drafts=ask(questions.DRAFTS),
            causes=causes,
            explained=[row | {"explained_percent": _share(row)} for row in ask(questions.EXPLAINED)],
            disputes=disputes,
            files=files,
            quarantine=ask(questions.QUARANTINE),
            notices=notices,
            reasons=[*not_fetched, *_reasons(invoices, causes, totals, files, notices)],
            where=_where(home),
        )


def _without_total(row: Row) -> Row:
    """Months whose total in the reporting currency is unknown, as a notice on the commercial terms."""
    several = row["months"] > 1
    months = f"{row['first_month']} to {row['last_month']}" if several else row["first_month"]
    return {
        "table_name": "exchange_rates",
        "source_file": None,
        "source_row": None,
        "column_name": None,
        "severity": "notice",
        "message": f"{row['months']} month{'s' if several else ''} ({months}) cannot be summed in {row['currency']}: "
        f"no rate from {row['missing_rates']}; add those of the month and of its documents' months to exchange_rates.",
    }


def _share(row: Row) -> Decimal:
    """The explained share of the differences in percent; 100 where nothing differs."""
    share = percent_of(row["explained_amount"], row["absolute_amount"])
    return Decimal(100) if share is None else share


@dataclass(frozen=True)
class _Questions:
    connection: duckdb.DuckDBPyConnection
    values: Row

    def __call__(self, select: str) -> list[Row]:
        given = {name: value for name, value in self.values.items() if f"${name}" in select}
        cursor = self.connection.execute(select, given)
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _reasons(
    invoices: list[Row], causes: list[Row], totals: list[Row], files: list[Row], notices: list[Row]
) -> list[str]:
    """Why a person is needed, one sentence each: invoices, differences, files, terms; the largest amount first."""
    reasons = [
        f"Invoice {row['invoice_number']} is {row['proof_state']}: {'; '.join([_unproven(row), *row['disputed']])}."
        for row in sorted(invoices, key=lambda row: -abs(row["unexplained_amount"] or 0))
        if row["proof_state"] != "proven"
    ]
    reasons += [_misdated(row) for row in invoices if not is_known(row["billing_month"])]
    reasons += [
        f"{_counted(row['needs_a_person'], 'difference')} of cause {row['cause']}, "
        f"{_amount(row['not_accepted_amount'])} {row['currency']} in all."
        for row in causes
        if row["needs_a_person"]
    ]
    reasons += [
        f"{_counted(row['rows_without_rate'], 'row')} in {row['currency']} with a cost that has no exchange rate."
        for row in totals
        if row["rows_without_rate"]
    ]
    reasons += [
        f"{row['source_file']}: {row['rows_quarantined']} of {row['rows_total']} rows could not be read, the first is "
        f"{row['first_quarantined']}; have the file corrected and put it in the inbox again."
        for row in files
        if row["rows_quarantined"]
    ]
    reasons += [
        f"{row['source_file']}: {row['message']}" for row in files if row["status"] in {"refused", "unrecognised"}
    ]
    refused = [row["message"] for row in notices if row["severity"] == "refused"]
    return reasons + [f"Commercial terms: {message}" for message in refused]


def _misdated(row: Row) -> str:
    first, last = known_months()
    return (
        f"Invoice {row['invoice_number']} is of {row['billing_month']}, outside {first} to {last}: its cost is in the "
        "books, but no draft was made for that month; have its dates corrected and put the files in the inbox again."
    )


def _unproven(row: Row) -> str:
    """What keeps an invoice from being proven."""
    unexplained = f"{_amount(row['unexplained_amount'])} {row['currency']} unexplained"
    is_incomplete = row["proof_state"] == "incomplete"
    return f"rows of it are in quarantine; {unexplained} without them" if is_incomplete else unexplained


def _disputed(invoice: Row, disputes: list[Row]) -> list[str]:
    """What of an invoice is disputed with the provider, case by case."""
    return [
        f"{_amount(row['disputed_amount'])} {row['currency']} disputed under case {row['case_number']} ({row['state']})"
        for row in disputes
        if (row["provider"], row["invoice_number"]) == (invoice["provider"], invoice["invoice_number"])
    ]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _amount(value: Decimal | None) -> str:
    return "an unknown amount of" if value is None else f"{value.normalize():,f}"


def _where(home: Home) -> dict[str, str]:
    return {"published": str(home.published), "reports": str(home.reports), "quarantine": str(home.quarantine)}
