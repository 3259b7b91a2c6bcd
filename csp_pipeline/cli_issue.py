"""`csp-pipeline issue`: shows what issuing a month would do, asks, and issues.

What belongs here: options, how the difference to the month before looks on a terminal, and the exit code. The work is
`orchestration/issuing`, what is compared is `steps/issue`.
"""

from __future__ import annotations

import io
import json
import sys
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from csp_pipeline.cli_errors import NEEDS_A_PERSON, WRONG_USAGE, in_a_sentence
from csp_pipeline.cli_settings import month_given, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

    from csp_pipeline.domain.invoice_changes import Change
    from csp_pipeline.domain.issued import IssuedDocument
    from csp_pipeline.steps.issue import DocumentChange, Plan

_SHOWN = 40


@in_a_sentence
def issue(
    month: Annotated[str, typer.Option(help="YYYY-MM.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Issue without asking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")] = False,
) -> int:
    """Issue a month's draft invoices: shows what changed first, and asks unless --yes is given."""
    from csp_pipeline.cli_rendering import progress, terminal  # noqa: PLC0415
    from csp_pipeline.orchestration.issuing import issue_month  # noqa: PLC0415  (dagster takes a second to import)
    from csp_pipeline.steps.issue_report import report_of  # noqa: PLC0415

    settings = read_settings()
    status, tell = progress(terminal(stderr=as_json))
    is_asked = not yes and not as_json and sys.stdin.isatty()

    def decide(plan: Plan) -> bool:
        status.__exit__(None, None, None)
        if not as_json:
            show(plan, terminal())
        return yes or (is_asked and typer.confirm(f"Issue {_counted(plan.documents)} of {plan.month}?"))

    with status:
        done = issue_month(settings, str(month_given(month)), decide=decide, on_progress=tell)
    folder = settings.home.reports / "invoices"
    _write_report(done.plan, settings.home.reports)
    if as_json:
        typer.echo(json.dumps(report_of(done.plan, done.documents, done.problems), ensure_ascii=False))
    else:
        _tell_end(done.plan, done.documents, str(folder), is_asked=is_asked)
        for problem in done.problems:
            typer.echo(problem)
    if done.plan.documents and not done.documents and not is_asked:
        typer.echo(
            f"Nothing was issued: give --yes to issue {_counted(done.plan.documents)} of {month}.",
            err=True,
        )
        return WRONG_USAGE
    return NEEDS_A_PERSON if done.plan.needs_a_person or done.problems else 0


def show(plan: Plan, console: Console) -> None:
    """Print what issuing would do: sums, then each document beside that of the month before, by line and cause."""
    from rich.markup import escape  # noqa: PLC0415

    console.print(f"\n[bold]Issuing {plan.month}[/bold]: {_counted(plan.documents)}")
    if plan.documents:
        console.print(_totals(plan.documents))
        console.print("\n[bold]Why it differs from the month before[/bold]")
        console.print(_by_cause(plan.documents))
    if plan.since_review is not None:
        _since_review(plan.since_review, console)
    _documents(plan.documents, console)
    for title, sentences in (
        ("Lines that wait", [one.reason for one in plan.held]),
        ("Not issued", list(plan.stopped)),
    ):
        if sentences:
            console.print(f"\n[bold yellow]{title}[/bold yellow]")
            for sentence in sentences:
                console.print(f"  {escape(sentence)}", soft_wrap=True)
    if plan.documents and plan.seller.name is None:
        console.print(
            "\nThe documents will not say who bills: set CSP_PARTNER_NAME (and _ADDRESS, _COUNTRY, _TAX_ID) first."
        )
    for earlier, drafts in plan.open_months.items():
        console.print(f"\n{earlier} has {drafts} drafts that were not issued: csp-pipeline issue --month {earlier}.")


def _counted(documents: Iterable[DocumentChange]) -> str:
    kinds = [one.document.document_type for one in documents]
    words = []
    for kind, name in (("invoice", "invoice"), ("credit_note", "credit note")):
        count = kinds.count(kind)  # type: ignore[arg-type]
        if count:
            words.append(f"{count} {name}{'' if count == 1 else 's'}")
    return " and ".join(words) or "nothing"


def _table(**columns: bool) -> Table:
    """An empty table; a column is True when it holds amounts."""
    from rich.table import Table  # noqa: PLC0415

    table = Table(pad_edge=False, show_edge=False)
    for heading, is_amount in columns.items():
        table.add_column(
            heading.replace("_", " "), justify="right" if is_amount else "left", no_wrap=is_amount, overflow="fold"
        )
    return table


def _totals(documents: Sequence[DocumentChange]) -> Table:
    table = _table(currency=False, documents=True, before=True, net=True, difference=True, tax=True, total=True)
    for currency in sorted({one.document.currency for one in documents}):
        of_it = [one for one in documents if one.document.currency == currency]
        before = sum((one.before_amount for one in of_it), Decimal(0))
        net = sum((one.document.net_amount for one in of_it), Decimal(0))
        tax = sum((one.document.tax_amount for one in of_it), Decimal(0))
        decimals = of_it[0].document.lines[0].decimals
        cells = (_amount(before, decimals), _amount(net, decimals), _signed(net - before, decimals))
        table.add_row(currency, str(len(of_it)), *cells, _amount(tax, decimals), _amount(net + tax, decimals))
    return table


def _by_cause(documents: Sequence[DocumentChange]) -> Table:
    decimals = {one.document.currency: one.document.lines[0].decimals for one in documents}
    sums: defaultdict[tuple[str, str], list[Decimal]] = defaultdict(list)
    for one in documents:
        for change in one.changes:
            sums[change.currency, change.cause].append(change.difference_amount)
    table = _table(currency=False, cause=False, lines=True, difference=True)
    for (currency, cause), amounts in sorted(
        sums.items(), key=lambda item: (item[0][0], -abs(sum(item[1], Decimal(0))), item[0][1])
    ):
        total = _signed(sum(amounts, Decimal(0)), decimals[currency])
        table.add_row(currency, cause.replace("_", " "), str(len(amounts)), total)
    return table


def _since_review(changed: Sequence[Change], console: Console) -> None:
    if not changed:
        console.print("\nNothing changed since these drafts were last looked at.")
        return
    from rich.markup import escape  # noqa: PLC0415

    console.print("\n[bold]Changed since these drafts were last looked at[/bold]")
    table = _table(account=False, line=False, before=True, now=True, difference=True, cause=False)
    for change in changed[:_SHOWN]:
        table.add_row(change.account_id, escape(_line(change)), *_figures(change, 2), escape(change.explanation))
    console.print(table)
    _more(len(changed), console)


def _documents(documents: Sequence[DocumentChange], console: Console) -> None:
    """The documents with the largest change first, each with its changes by contract line and cause."""
    from rich.markup import escape  # noqa: PLC0415

    def weight(one: DocumentChange) -> tuple[Decimal, str]:
        return -abs(one.document.net_amount - one.before_amount), one.document.account_id

    table = _table(account_and_line=False, before=True, now=True, difference=True, why=False)
    for one in sorted(documents, key=weight)[:_SHOWN]:
        draft, decimals = one.document, one.document.lines[0].decimals
        kind = "credit note" if draft.document_type == "credit_note" else "invoice"
        corrects = f" for {draft.corrects_invoice_number}" if draft.corrects_invoice_number else ""
        table.add_row(
            f"[bold]{escape(one.account_name or draft.account_id)}[/bold], {draft.currency}",
            _amount(one.before_amount, decimals) if one.compared_with else "-",
            f"[bold]{_amount(draft.net_amount, decimals)}[/bold]",
            _signed(draft.net_amount - one.before_amount, decimals),
            f"{kind}{corrects}, total {_amount(draft.gross_amount, decimals)}, "
            f"before it {one.compared_with or 'nothing'}",
        )
        for change in one.changes:
            table.add_row(f"  {escape(_line(change))}", *_figures(change, decimals), escape(change.explanation))
        if not one.changes:
            table.add_row("  as the month before", "", "", "", "")
        table.add_section()
    if documents:
        console.print("\n[bold]Each document beside that of the month before, net, the largest change first[/bold]")
        console.print(table)
    _more(len(documents), console)


def _figures(change: Change, decimals: int) -> tuple[str, str, str]:
    return (
        _amount(change.before_amount, decimals),
        _amount(change.amount, decimals),
        _signed(change.difference_amount, decimals),
    )


def _line(change: Change) -> str:
    return f"{change.contract_line_id} {change.name}" if change.name != change.contract_line_id else change.name


def _amount(amount: Decimal, decimals: int) -> str:
    return f"{amount:,.{decimals}f}"


def _signed(amount: Decimal, decimals: int) -> str:
    return f"{amount:+,.{decimals}f}" if amount else "0"


def _more(count: int, console: Console) -> None:
    if count > _SHOWN:
        console.print(f"and {count - _SHOWN} more, in the report.")


def _write_report(plan: Plan, folder: Path) -> None:
    """Keep what was shown, whole, beside the pages of the documents."""
    from rich.console import Console  # noqa: PLC0415

    from csp_pipeline.storage.durable import write_text  # noqa: PLC0415

    if plan.documents or plan.needs_a_person:
        text = io.StringIO()
        show(plan, Console(file=text, width=180, color_system=None))
        write_text(folder / "invoices" / f"issue-{plan.month}.txt", text.getvalue())


def _tell_end(plan: Plan, made: Sequence[IssuedDocument], folder: str, *, is_asked: bool) -> None:
    if made:
        first, last = made[0].invoice_number, made[-1].invoice_number
        typer.echo(f"Issued {len(made)} documents of {plan.month} ({first} to {last}); their pages are in {folder}.")
    elif not plan.documents:
        before = f"; {len(plan.issued)} documents of it were issued before" if plan.issued else ""
        typer.echo(f"There is nothing to issue in {plan.month}{before}.")
        for sentence in [*plan.stopped, *(one.reason for one in plan.held)]:
            typer.echo(f"  {sentence}")
    elif is_asked:
        typer.echo("Nothing was issued.")
