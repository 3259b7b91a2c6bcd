"""Issuing a month: what would go out and why it differs, and the one batch of the ledger that makes it so.

What belongs here: reading, the order of the work, and the files written. Which draft may go out and what a document
says is `domain/issuing`; asking for confirmation belongs to whoever calls this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from csp_pipeline.domain.calendar import shift_month
from csp_pipeline.domain.documents import draft_documents
from csp_pipeline.domain.invoice_changes import Change, ComparedLine, changes
from csp_pipeline.domain.issued import Issued, IssuedDocument, Numbering
from csp_pipeline.domain.issuing import HeldLine, UnprovenCost, held_lines, issue, why_not
from csp_pipeline.domain.ledger_records import as_record
from csp_pipeline.errors import CspError
from csp_pipeline.steps.billing import draw_up
from csp_pipeline.steps.billing_facts import read_tax_rates
from csp_pipeline.steps.invoice_pages import write_pages
from csp_pipeline.steps.issued import BILLING_STARTS_ON, DOCUMENT, ISSUE, read_issued, read_payers, seller
from csp_pipeline.steps.periods import read_closed
from csp_pipeline.steps.reviewed_drafts import read_reviewed
from csp_pipeline.steps.run import digest
from csp_pipeline.storage.ledger import append, catch_up_head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import date, datetime
    from decimal import Decimal

    import duckdb

    from csp_pipeline.domain.documents import Document, Party
    from csp_pipeline.settings import Settings


@dataclass(frozen=True)
class DocumentChange:
    """A document that would be issued, beside the one of the month before.

    Attributes:
        account_name: None when it has none.
        compared_with: what stands before: a number, "draft of 2026-02", or None without any.
        before_amount: net of that, 0 without any.
        changes: why they differ; their differences add up.
    """

    document: Document
    account_name: str | None
    compared_with: str | None
    before_amount: Decimal
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Plan:
    """What issuing a month would do; nothing is done yet.

    Attributes:
        documents: drafts that would be issued, by account and currency.
        since_review: what changed since this month's drafts were last looked at; None when they never were.
        held: lines that wait, with reasons.
        stopped: accounts that cannot be issued, and contract lines that are not charged, a sentence each.
        issued: documents of the month that were issued before.
        open_months: earlier months with drafts that were not issued, with their number.
        billing_starts_on: fixed by the first issue.
        seller: who bills, as it will stand on the documents.
        fingerprint: what a person has seen; another one means that the drafts changed meanwhile.
    """

    month: str
    documents: tuple[DocumentChange, ...]
    since_review: tuple[Change, ...] | None
    held: tuple[HeldLine, ...]
    stopped: tuple[str, ...]
    issued: tuple[IssuedDocument, ...]
    open_months: Mapping[str, int]
    billing_starts_on: date
    seller: Party
    fingerprint: str

    @property
    def needs_a_person(self) -> bool:
        """Whether something does not go out that should."""
        return bool(self.held or self.stopped)


def plan_issue(con: duckdb.DuckDBPyConnection, settings: Settings, month: str) -> Plan:
    """Find out what issuing a month would do.

    Args:
        con: a connection from `writing`; drafts are up to date and audited.
        settings: where the ledger is.
        month: YYYY-MM.

    Raises:
        CspError: there is nothing drafted for the month, or the drafts are not up to date.
        LedgerDamagedError: the ledger is damaged.
    """
    issued = read_issued(settings.home)
    drawn = draw_up(con, settings, issued)
    if drawn.missing or drawn.billing_starts_on is None or drawn.last_month is None:
        lacking = f"the commercial terms lack {', '.join(drawn.missing)}" if drawn.missing else "no month was drafted"
        raise CspError(f"Nothing can be issued: {lacking}; mend that and run csp-pipeline run first.")
    if month > drawn.last_month:
        raise CspError(
            f"{month} is not drafted yet (the last month is {drawn.last_month}): run csp-pipeline run --month {month} "
            "first, and issue it when its provider documents are there."
        )
    _require_published(con, drawn.documents, month)
    before = _beside(issued, drawn.documents, shift_month(month, -1))
    ready, held, stopped = _sorted_out(con, settings, issued, [d for d in drawn.documents if d.billing_month == month])
    refused = {
        notice.message
        for notice in drawn.notices
        if notice.severity == "refused" and notice.billing_month in {None, month}
    }
    reviewed = read_reviewed(settings.home, month)
    lines = [line for document in ready for line in compared_lines(document)]
    earlier = [document.billing_month for document in drawn.documents if document.billing_month < month]
    return Plan(
        month=month,
        documents=tuple(_beside_before(document, before) for document in ready),
        since_review=None if reviewed is None else tuple(changes(reviewed, lines)),
        held=tuple(held),
        stopped=tuple(sorted({*stopped, *refused, *_refused_lines(con, month)})),
        issued=tuple(document for document in issued.documents if document.billing_month == month),
        open_months={one: earlier.count(one) for one in sorted(set(earlier))},
        billing_starts_on=drawn.billing_starts_on,
        seller=seller(settings),
        fingerprint=digest(
            [document.content_sha256 for document in ready], [one.reason for one in held], sorted(stopped)
        ),
    )


def issue_documents(
    settings: Settings, plan: Plan, now: datetime, *, at: Callable[[str], None] = lambda _: None
) -> tuple[IssuedDocument, ...]:
    """Issue what a plan says, in one batch of the ledger, and write a page for each document.

    What was issued before, by a process killed since, is not issued again: an account has one document per month and
    currency. Whoever calls this holds the lock of the home, and drafts anew afterwards.

    Args:
        settings: who bills, and where the ledger is.
        plan: from `plan_issue`, with nothing changed since.
        now: an aware time; its UTC date is the day of issue.
        at: told a sentence at each point where a killed process would leave things differently.

    Returns:
        The documents of this batch.

    Raises:
        CspError: the clock stands before the last issue, which would break the order of numbers and dates.
    """
    issued = read_issued(settings.home)
    catch_up_head(settings.home.ledger)
    closed = read_closed(settings.home)
    left = [change.document for change in plan.documents if change.document.key not in issued.by_key]
    made: tuple[IssuedDocument, ...] = ()
    if left:
        issued_on = now.date()
        last = max((document.issued_on for document in issued.documents), default=issued_on)
        if issued_on < last:
            raise CspError(
                f"Nothing was issued: today is {issued_on} by this machine's clock, but documents were issued on "
                f"{last}; set the clock right."
            )
        numbering = Numbering.after(issued.by_number)
        made = tuple(issue(draft, numbering, issued_on, plan.seller, closed) for draft in left)
        records = [{"type": DOCUMENT, **as_record(document)} for document in made]
        if issued.billing_starts_on is None:
            starts_on = plan.billing_starts_on.isoformat()
            records.insert(0, {"type": BILLING_STARTS_ON, "billing_starts_on": starts_on})
        append(settings.home.ledger, ISSUE, records, now, at=at)
    write_pages(settings.home, read_issued(settings.home), at=at)
    return made


def compared_lines(document: Document | IssuedDocument) -> list[ComparedLine]:
    """The lines of a document as they are compared."""
    return [
        ComparedLine(
            document.account_id,
            document.currency,
            line.contract_line_id,
            line.charge_kind,
            line.name,
            line.description,
            line.charge.start,
            line.charge.end,
            line.charge.quantity,
            line.charge.unit_price,
            line.charge.net_amount,
        )
        for line in document.lines
    ]


def _require_published(con: duckdb.DuckDBPyConnection, drafts: Iterable[Document], month: str) -> None:
    """Only what stands in the audited warehouse is issued."""
    found = con.execute(
        "SELECT invoice_id, content_sha256 FROM billing.invoices WHERE state = 'draft' AND billing_month = ?", [month]
    ).fetchall()
    drawn = {(draft.invoice_id, draft.content_sha256) for draft in drafts if draft.billing_month == month}
    if drawn != set(found):
        raise CspError(
            f"The drafts of {month} in the warehouse are not those that follow from terms, facts and ledger now: run "
            "csp-pipeline run first."
        )


def _sorted_out(
    con: duckdb.DuckDBPyConnection, settings: Settings, issued: Issued, drafts: list[Document]
) -> tuple[list[Document], list[HeldLine], list[str]]:
    """The drafts that go out, without the lines that wait; those lines; and why others are stopped."""
    unproven = {
        (cost.contract_line_id, cost.service_month): cost
        for cost in (
            UnprovenCost(*row)
            for row in con.execute(
                """
                SELECT contract_line_id, service_month, invoice_number, proof_state
                FROM billing.unproven_costs
                ORDER BY ALL DESC
                """
            ).fetchall()
        )
    }
    rates, (payers, _) = read_tax_rates(con), read_payers(con, settings)
    ready: list[Document] = []
    held: list[HeldLine] = []
    stopped: list[str] = []
    for draft in drafts:
        waiting = held_lines(draft, unproven)
        left = [line for line in draft.lines if not any(line is one.line for one in waiting)]
        rest = draft_documents(left, rates, payers) if waiting else [draft]
        reasons = [reason for document in rest if (reason := why_not(document, issued)) is not None]
        stopped += reasons
        held += waiting
        ready += [] if reasons else rest
    return ready, held, stopped


def _refused_lines(con: duckdb.DuckDBPyConnection, month: str) -> list[str]:
    """A sentence for each contract line of a month or later that the terms leave out, with its account."""
    rows = con.execute(
        """
        SELECT 'Account ' || line.account_id || ': ' || refused.message
        FROM reference.refused_contract_lines AS refused
        INNER JOIN reference.contract_lines AS line ON refused.contract_line_id = line.contract_line_id
        WHERE line.ends_on IS NULL OR line.ends_on >= CAST($month || '-01' AS DATE)
        """,
        {"month": month},
    ).fetchall()
    return [sentence for (sentence,) in rows]


def _beside(issued: Issued, drafts: Iterable[Document], month: str) -> dict[tuple[str, str], Document | IssuedDocument]:
    """A month's documents by account and currency: the issued one, else the draft."""
    drafted = {(draft.account_id, draft.currency): draft for draft in drafts if draft.billing_month == month}
    there = {(one.account_id, one.currency): one for one in issued.documents if one.billing_month == month}
    return {**drafted, **there}


def _beside_before(document: Document, before: Mapping[tuple[str, str], Document | IssuedDocument]) -> DocumentChange:
    other = before.get((document.account_id, document.currency))
    name = None
    if other is not None:
        name = other.invoice_number if isinstance(other, IssuedDocument) else f"draft of {other.billing_month}"
    return DocumentChange(
        document,
        document.payer.party.name,
        name,
        other.net_amount if other is not None else document.net_amount * 0,
        tuple(changes(compared_lines(other) if other is not None else [], compared_lines(document))),
    )
