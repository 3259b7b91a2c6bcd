"""The whole made-up partner: the arguments that define it, its facts, its provider lines and its documents.

`build_partner` draws everything in one fixed order, so that `generate` and the server get the same partner from the
same arguments. Writing it down belongs to `generate`, handing it out to the server.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from csp_pipeline.errors import UsageError
from csp_pipeline.sandbox.distributor import distributor_documents
from csp_pipeline.sandbox.documents import Document, plan_documents, plan_open_documents
from csp_pipeline.sandbox.legacy_documents import legacy_documents
from csp_pipeline.sandbox.legacy_licences import legacy_change_log
from csp_pipeline.sandbox.open_month import open_lines
from csp_pipeline.sandbox.scenario import Scenario, build
from csp_pipeline.sandbox.seats import change_log, provider_lines

if TYPE_CHECKING:
    from pathlib import Path

    from csp_pipeline.sandbox.distributor import DistributorDocument
    from csp_pipeline.sandbox.facts import ReconLine, SeatChange
    from csp_pipeline.sandbox.legacy_documents import LegacyDocument
    from csp_pipeline.sandbox.provider_documents import ProviderDocument

SCENARIO_FILE = "scenario.json"


@dataclass(frozen=True)
class Arguments:
    """What defines a made-up partner (see `generate`); `cases` are the planted cases asked for by name."""

    customers: int = 14
    usage_rows: int = 20_000
    months: tuple[str, str] = ("2026-07", "2026-09")
    currencies: tuple[str, ...] = ("EUR", "USD", "JPY")
    seed: int = 1
    cases: tuple[str, ...] | None = None


@dataclass
class Partner:
    """A made-up partner.

    Attributes:
        seat_lines: All provider lines that are not usage, of every invoice and of the open month.
        changes: The licence change log, oldest first.
        documents: One document per month and currency, still without lines.
        open_documents: One per currency for what the open month has brought so far, still without lines.
        legacy_documents: The D invoices, with their lines.
        distributor_documents: The invoices of distributors, with their lines.
    """

    arguments: Arguments
    scenario: Scenario
    seat_lines: list[ReconLine]
    changes: list[SeatChange]
    documents: list[Document]
    open_documents: list[Document]
    legacy_documents: list[LegacyDocument]
    distributor_documents: list[DistributorDocument]

    @property
    def billed_documents(self) -> list[Document]:
        """The invoices of new commerce that have lines, once they are filled in."""
        return [document for document in self.documents if document.lines]

    @property
    def provider_documents(self) -> list[ProviderDocument]:
        """All documents that somebody asks money with, once they are filled in."""
        return [*self.billed_documents, *self.legacy_documents, *self.distributor_documents]


def build_partner(arguments: Arguments) -> Partner:
    """Draw a partner; the same arguments give the same one.

    Args:
        arguments: Size, months, currencies and seed.

    Returns:
        Its facts and its documents, which `documents.write_document` or `documents.bill` fill with lines.
    """
    scenario = build(
        arguments.customers,
        arguments.usage_rows,
        arguments.months,
        arguments.currencies,
        arguments.seed,
        arguments.cases,
    )
    seat_lines = _billed_lines(scenario)
    changes = _changes(scenario)
    return Partner(
        arguments=arguments,
        scenario=scenario,
        seat_lines=seat_lines + open_lines(scenario),
        changes=changes,
        documents=plan_documents(scenario),
        open_documents=plan_open_documents(scenario),
        legacy_documents=legacy_documents(scenario),
        distributor_documents=distributor_documents(scenario),
    )


def _billed_lines(scenario: Scenario) -> list[ReconLine]:
    lines = list(scenario.extra_lines)
    for seats in scenario.seats:
        lines += provider_lines(seats, scenario.months, partial(scenario.fx, seats.customer.currency), scenario.source)
    return lines


def _changes(scenario: Scenario) -> list[SeatChange]:
    rows = [row for seats in scenario.seats for row in change_log(seats, scenario.months, scenario.source)]
    rows += [row for held in scenario.legacy_licences for row in legacy_change_log(held, scenario.source)]
    return sorted(rows, key=lambda row: (row.changed_at, row.change_id))


def write_arguments(arguments: Arguments, path: Path) -> None:
    """Write the arguments as `scenario.json`."""
    path.write_text(json.dumps(asdict(arguments), indent=1) + "\n", encoding="utf-8")


def read_arguments(folder: Path) -> Arguments:
    """The arguments of a scenario that `generate` wrote.

    Args:
        folder: The folder with `scenario.json`.

    Returns:
        The arguments.

    Raises:
        UsageError: The folder is not one that `generate` wrote, or the file is not whole.
    """
    path = folder / SCENARIO_FILE
    if not path.is_file():
        raise UsageError(f"{folder} holds no {SCENARIO_FILE}: give a folder that `csp-pipeline generate --out` wrote")
    try:
        given: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        first, last = given["months"]
        return Arguments(
            customers=int(given["customers"]),
            usage_rows=int(given["usage_rows"]),
            months=(str(first), str(last)),
            currencies=tuple(str(code) for code in given["currencies"]),
            seed=int(given["seed"]),
            cases=None if given.get("cases") is None else tuple(str(name) for name in given["cases"]),
        )
    except (ValueError, KeyError, TypeError) as reason:
        raise UsageError(f"{path} is not what `csp-pipeline generate` writes ({reason}): generate it again") from reason
