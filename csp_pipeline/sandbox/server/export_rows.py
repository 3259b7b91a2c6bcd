"""The rows of exports, written as Graph's JSON lines from the facts of the partner.

What belongs here: which document or open month a set of rows is, and writing it once. Versions and blobs are in
`exports`; what a row holds is decided where the inbox files are made, so both tell the same figures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from csp_pipeline.errors import UsageError
from csp_pipeline.sandbox.documents import Document, write_document
from csp_pipeline.sandbox.wire import FORMS

if TYPE_CHECKING:
    from pathlib import Path

    from csp_pipeline.sandbox.azure import AzurePlan
    from csp_pipeline.sandbox.catalogue import Currency
    from csp_pipeline.sandbox.partner import Partner
    from csp_pipeline.sandbox.scenario import Scenario

Kind = Literal["usage", "reconciliation"]
GRAPH_FORM = next(form for form in FORMS if form.name == "graph")


@dataclass(frozen=True)
class Rows:
    """One set of rows: an invoice at a version, or what is not billed of a month; then `number` is blank."""

    month: str
    currency: str
    number: str = ""
    version: int = 1


class ExportRows:
    """Writes each set of rows once, into folders below one folder; for one thread at a time.

    Args:
        partner: The made-up partner.
        folder: Where the folders are made.
    """

    def __init__(self, partner: Partner, folder: Path) -> None:
        self._partner, self._folder = partner, folder
        self._written: dict[Rows, tuple[Path, Document]] = {}

    def files(self, rows: Rows, kind: Kind) -> list[Path]:
        """The blobs of one kind in their order, written the first time; none if there are no such rows."""
        folder, document = self._write(rows)
        name = document.file_names[0 if kind == "usage" else 1]
        return sorted(folder.glob(f"{name}-part-*"))

    def document(self, rows: Rows) -> Document:
        """The document of these rows with its lines and sums, written the first time."""
        return self._write(rows)[1]

    def restated_number(self) -> str:
        """The invoice that has a second version: the first of the last month with usage that costs something.

        Raises:
            UsageError: there is no such invoice.
        """
        for document in self._partner.documents:
            is_last = document.month == self._partner.scenario.months[-1]
            if is_last and _paid_plan(self._partner.scenario, document.currency):
                return document.number
        raise UsageError("The fault restated-invoice needs usage in the last month: generate more usage rows.")

    def _write(self, rows: Rows) -> tuple[Path, Document]:
        if rows not in self._written:
            folder = self._folder / f"{len(self._written):04d}"
            folder.mkdir()
            scenario = self._partner.scenario
            document = self._planned(rows)
            facts = scenario if rows.version == 1 else _with_more_usage(scenario, document.currency)
            write_document(facts, document, self._partner.seat_lines, folder)
            self._written[rows] = folder, document
        return self._written[rows]

    def _planned(self, rows: Rows) -> Document:
        """The document of these rows without lines, in Graph's form."""
        for document in self._partner.documents:
            if rows.number and document.number == rows.number:
                return replace(document, form=GRAPH_FORM, lines=[], usage=[])
        scenario = self._partner.scenario
        currency = next(currency for currency in scenario.currencies if currency.code == rows.currency)
        return Document(rows.number, rows.month, currency, scenario.fx(currency, rows.month), GRAPH_FORM)


def _paid_plan(scenario: Scenario, currency: Currency) -> AzurePlan | None:
    """The first plan of a currency with usage that costs something all through the scenario."""
    days = (scenario.ends_on - scenario.starts_on).days + 1
    for plan in scenario.plans:
        if plan.customer.currency == currency and any(
            not resource.is_free and resource.days >= days for resource in plan.resources
        ):
            return plan
    return None


def _with_more_usage(scenario: Scenario, currency: Currency) -> Scenario:
    """The same facts, but the paid resources of one plan were used twice as much."""
    paid = _paid_plan(scenario, currency)
    plans = [
        replace(
            plan,
            resources=[
                resource if resource.is_free else replace(resource, day_quantity=2 * resource.day_quantity)
                for resource in plan.resources
            ],
        )
        if plan is paid
        else plan
        for plan in scenario.plans
    ]
    return replace(scenario, plans=plans)
