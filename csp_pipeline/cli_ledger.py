"""The commands below `csp-pipeline ledger`: is it whole, and a copy that is known to be.

What belongs here: options and the sentence at the end. The work is `storage/ledger` and `steps/ledger_audit`.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  (typer reads the annotation at run time)
from typing import Annotated

import typer

from csp_pipeline.cli_errors import in_a_sentence
from csp_pipeline.cli_settings import read_settings
from csp_pipeline.errors import UsageError

ledger = typer.Typer(no_args_is_help=True)


@ledger.callback()
def ledger_commands() -> None:
    """What was issued or sent: verify it, copy it."""


@ledger.command()
@in_a_sentence
def verify() -> int:
    """Check every batch, every hash, every number and every document of the ledger."""
    from csp_pipeline.steps.ledger_audit import audit_ledger  # noqa: PLC0415
    from csp_pipeline.storage.warehouse import exclusive  # noqa: PLC0415

    home = read_settings().home
    with exclusive(home, on_wait=_tell):
        found = audit_ledger(home)
    if not found.batches:
        typer.echo(f"The ledger in {home.ledger} is empty: nothing was issued yet.")
        return 0
    typer.echo(
        f"The ledger in {home.ledger} is whole: {found.batches} batches, {found.documents} documents, "
        f"the last hash is {found.last_sha256}."
    )
    return 0


@ledger.command()
@in_a_sentence
def backup(
    path: Annotated[
        Path | None, typer.Argument(help="A .zip file, or a folder that is empty or not there yet.")
    ] = None,
    *,
    out: Annotated[Path | None, typer.Option(help="The same as PATH.")] = None,
) -> int:
    """Write a copy of the ledger, verified before and after."""
    from csp_pipeline.storage.ledger_backup import backup as write_copy  # noqa: PLC0415
    from csp_pipeline.storage.warehouse import exclusive  # noqa: PLC0415

    target = out or path
    if target is None:
        raise UsageError("Say where the copy shall be: csp-pipeline ledger backup PATH, a .zip file or a folder.")
    home = read_settings().home
    with exclusive(home, on_wait=_tell):
        batches = write_copy(home.ledger, target.expanduser().absolute())
    typer.echo(f"{len(batches)} batches were copied to {target} and read back; the last hash is {batches[-1].sha256}.")
    return 0


def _tell(sentence: str) -> None:
    typer.echo(sentence, err=True)
