"""The command `csp-pipeline`: arguments in, exit code out.

What belongs here: the commands, their options, and how errors become one sentence and an exit code. The work is in
`steps/` and `orchestration/`, the summary in `cli_summary.py`. Exit codes: 0 done and all proven; 3 done and published,
but something needs a person; 1 failed, nothing published; 2 wrong usage.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path  # noqa: TC003  (typer reads the annotation at run time)
from typing import TYPE_CHECKING, Annotated

import typer

from csp_pipeline.cli_close import close
from csp_pipeline.cli_errors import FAILED, in_a_sentence, sentence_of
from csp_pipeline.cli_explain import explain
from csp_pipeline.cli_issue import issue
from csp_pipeline.cli_ledger import ledger
from csp_pipeline.cli_provisioning import alerts, provisioning, request
from csp_pipeline.cli_sandbox import sandbox
from csp_pipeline.cli_settings import month_given, read_settings
from csp_pipeline.errors import CspError, cause_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from csp_pipeline.orchestration.month import Outcome
    from csp_pipeline.settings import Settings
    from csp_pipeline.storage.home import Home

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Billing and reconciliation for Microsoft CSP partners: files in, a tied-out warehouse out.",
)
app.add_typer(sandbox, name="sandbox")
app.add_typer(ledger, name="ledger")
app.add_typer(provisioning, name="provisioning")
app.add_typer(alerts, name="alerts")
app.command()(issue)
app.command()(close)
app.command()(explain)
app.command()(request)


@app.command()
@in_a_sentence
def run(
    month: Annotated[
        str | None, typer.Option(help="YYYY-MM; the latest month with provider documents when not given.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="sandbox, inbox or partner-center.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")] = False,
) -> int:
    """Bring the warehouse up to a month, publish it, and say what was found."""
    from csp_pipeline.cli_rendering import progress, render, terminal, write_report  # noqa: PLC0415

    settings, month = read_settings(source=source), month_given(month)
    status, tell = progress(terminal(stderr=as_json))
    with status:
        tell("Loading the pipeline.")
        outcome = _work(settings, month, tell)
        from csp_pipeline.cli_summary import read_summary  # noqa: PLC0415

        summary = read_summary(settings.home, outcome.month, outcome.problems)
        write_report(summary, settings.home.reports)
    if as_json:
        typer.echo(json.dumps(summary.as_json(), ensure_ascii=False, default=str))
    else:
        render(summary, terminal())
    return summary.exit_code


def _work(settings: Settings, month: str | None, tell: Callable[[str], None]) -> Outcome:
    """Run the pipeline on what the source has; the inbox is looked into whatever the source is.

    Raises:
        CspError: there is nothing to work on.
    """
    from csp_pipeline.orchestration.made_up_partner import is_fetched  # noqa: PLC0415
    from csp_pipeline.storage.warehouse import exclusive  # noqa: PLC0415

    home = settings.home.create()
    with exclusive(home, on_wait=tell):
        if not is_fetched(settings):
            if not any(home.inbox.iterdir()) and not any(home.landing.glob("scans/*")):
                raise CspError(
                    f"There is nothing to do: {home.inbox} is empty; put the provider's files there and run again."
                )
            if settings.source == "sandbox":
                tell(f"{home.root} holds files of its own: working on them; no partner is made up beside them.")
        return _in_dagster(settings, month, tell, take_files=True)


def _in_dagster(settings: Settings, month: str | None, tell: Callable[[str], None], *, take_files: bool) -> Outcome:
    """Bring the warehouse up to a month; whatever goes wrong inside is one sentence.

    Raises:
        CspError: the work could not be done; nothing was published.
    """
    from csp_pipeline.orchestration.month import run_month  # noqa: PLC0415  (dagster takes a second to import)

    try:
        return run_month(settings, month, on_progress=tell, take_files=take_files)
    except CspError:
        raise
    except Exception as error:
        cause = cause_of(error)
        if isinstance(cause, CspError):
            raise cause from error
        raise CspError(f"Nothing was published: {sentence_of(cause)}") from error


@app.command()
@in_a_sentence
def generate(  # noqa: PLR0913  (the options of the contract)
    *,
    out: Annotated[Path, typer.Option(help="Folder to write; inbox/ and commercial/ are made below it.")],
    customers: Annotated[int | None, typer.Option(min=1)] = None,
    usage_rows: Annotated[int | None, typer.Option(min=0)] = None,
    months: Annotated[str | None, typer.Option(help="A..B, for example 2026-01..2026-03.")] = None,
    currencies: Annotated[str | None, typer.Option(help="Comma separated, for example EUR,USD.")] = None,
    seed: Annotated[int | None, typer.Option()] = None,
    planted: Annotated[
        str | None, typer.Option(help="Differences to plant by name, one customer each: all, none, or NAME,NAME.")
    ] = None,
) -> int:
    """Write a made-up partner as inbox files and commercial terms, with expected.json of the totals."""
    from csp_pipeline.sandbox.generate import generate as write_partner  # noqa: PLC0415

    options = {
        "customers": customers,
        "usage_rows": usage_rows,
        "months": _span(months),
        "currencies": currencies.replace(" ", "").split(",") if currencies else None,
        "seed": seed,
        "planted": planted,
    }
    report = write_partner(out, **{name: value for name, value in options.items() if value is not None})  # type: ignore[arg-type]
    typer.echo(
        f"Wrote {len(report.files)} files into {report.out}: {report.invoices} provider invoices, "
        f"{report.reconciliation_lines:,} reconciliation lines, {report.usage_rows:,} usage rows, "
        f"{report.planted} planted anomalies. expected.json has the totals."
    )
    return 0


def _span(value: str | None) -> tuple[str, str] | None:
    """`A..B` as two months; one month alone is its own span."""
    if value is None:
        return None
    first, dots, last = value.partition("..")
    return first, last if dots else first


@app.command()
@in_a_sentence
def doctor() -> int:
    """Check settings, credentials, permissions, folders and disk, and say what to do."""
    from csp_pipeline.cli_doctor import examine  # noqa: PLC0415

    is_ok = True
    for finding in examine(read_settings()):
        is_ok = is_ok and finding.is_ok
        typer.echo(f"{'ok     ' if finding.is_ok else 'problem'}  {finding.subject}: {finding.found}")
        if finding.advice:
            typer.echo(f"         {finding.advice}")
    return 0 if is_ok else FAILED


@app.command()
@in_a_sentence
def rebuild(
    *,
    present_layouts: Annotated[
        bool,
        typer.Option(
            "--present-layouts", help="Read invoices of distributors by the layouts that are in providers/ now."
        ),
    ] = False,
) -> int:
    """Delete staging and warehouse, and make the same rows again from landing and ledger."""
    from csp_pipeline.cli_rendering import progress, terminal  # noqa: PLC0415
    from csp_pipeline.cli_summary import read_summary  # noqa: PLC0415
    from csp_pipeline.steps.run import last_month_drafted  # noqa: PLC0415
    from csp_pipeline.storage.warehouse import exclusive  # noqa: PLC0415

    settings = read_settings()
    home = settings.home.create()
    status, tell = progress(terminal())
    with status, exclusive(home, on_wait=tell):
        month = last_month_drafted(home)
        tell("Deleting staging and warehouse, and staging again what was landed.")
        _restage(home, tell, keeps_layouts=not present_layouts)
        outcome = _in_dagster(settings, month, tell, take_files=False)
    typer.echo(f"Rebuilt and published: {home.published}")
    for problem in outcome.problems:
        typer.echo(problem)
    return read_summary(home, outcome.month, outcome.problems).exit_code


def _restage(home: Home, tell: Callable[[str], None], *, keeps_layouts: bool) -> None:
    from csp_pipeline.steps.ingest import load_file_catalogue, restage  # noqa: PLC0415
    from csp_pipeline.storage.warehouse import writing  # noqa: PLC0415

    for folder in (home.staging, home.quarantine):
        shutil.rmtree(folder, ignore_errors=True)
    for file in (home.warehouse, home.warehouse.with_name(f"{home.warehouse.name}.wal")):
        file.unlink(missing_ok=True)
    home.create()
    restage(home, on_progress=tell, keeps_layouts=keeps_layouts)
    with writing(home) as connection:
        load_file_catalogue(connection, home)


@app.command()
@in_a_sentence
def ui(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 3000,
) -> int:
    """Open the Dagster UI, with its daemon, on the same data."""
    from csp_pipeline.orchestration.instance import WORKSPACE, dagster_home, open_instance  # noqa: PLC0415
    from csp_pipeline.storage.warehouse import exclusive  # noqa: PLC0415

    home = read_settings().home.create()
    with exclusive(home), open_instance(home):  # a run may be making Dagster's databases at this moment
        environment = {**os.environ, "DAGSTER_HOME": str(dagster_home(home))}
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(WORKSPACE), "-h", host, "-p", str(port)]
    typer.echo(f"http://{host}:{port}")
    return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603  (our own interpreter and module)


if __name__ == "__main__":
    app()
