"""The commands on licence changes and alerts: ask for a change, release or cancel one, deliver an alert again.

What belongs here: options and the sentence at the end. The work is `orchestration/provisioning`.
"""

from __future__ import annotations

import getpass
import os
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated
from uuid import uuid4

import typer

from csp_pipeline.cli_errors import in_a_sentence
from csp_pipeline.cli_settings import read_settings
from csp_pipeline.errors import UsageError

OPERATIONS = ("change_quantity", "purchase", "cancel")

provisioning = typer.Typer(no_args_is_help=True)
alerts = typer.Typer(no_args_is_help=True)


@provisioning.callback()
def provisioning_commands() -> None:
    """Licence change requests that wait: release or cancel them."""


@alerts.callback()
def alert_commands() -> None:
    """Alerts: deliver one again."""


def _who() -> str:
    """The person at the machine, by the name of the account."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return os.environ.get("USER", "somebody")


@in_a_sentence
def request(  # noqa: PLR0913  (the options of a request)
    *,
    customer: Annotated[str, typer.Option(help="Customer tenant.")],
    subscription: Annotated[str | None, typer.Option(help="Subscription to change; not for a purchase.")] = None,
    quantity: Annotated[int | None, typer.Option(help="Units there are to be; not for cancel.")] = None,
    operation: Annotated[str, typer.Option(help="change_quantity, purchase or cancel.")] = "change_quantity",
    product: Annotated[str | None, typer.Option(help="Product to buy.")] = None,
    sku: Annotated[str | None, typer.Option(help="SKU to buy.")] = None,
    term: Annotated[str | None, typer.Option(help="Term to buy for, such as P1M or P1Y.")] = None,
    billing_cycle: Annotated[str | None, typer.Option(help="How a purchase is billed: monthly, annual.")] = None,
    account: Annotated[str | None, typer.Option(help="Account; that of the tenant when not given.")] = None,
    by: Annotated[str | None, typer.Option(help="Who asks; the user of this machine when not given.")] = None,
    request_id: Annotated[str | None, typer.Option("--id", help="Your own id; a new one when not given.")] = None,
) -> int:
    """Ask for a change of licences; the next run sends it, if nothing stands against it."""
    from csp_pipeline.domain.provisioning import ChangeRequest  # noqa: PLC0415
    from csp_pipeline.orchestration.provisioning import ask_for  # noqa: PLC0415  (dagster takes a second to import)

    if operation not in OPERATIONS:
        raise UsageError(f"--operation must be one of {', '.join(OPERATIONS)}; found {operation!r}.")
    settings = read_settings()
    settings.home.create()
    asked = ChangeRequest(
        request_id=request_id or f"C-{uuid4().hex[:12]}",
        account_id=account,
        customer_id=customer,
        subscription_id=subscription,
        requested_at=datetime.now(UTC).replace(tzinfo=None, microsecond=0),
        requested_by=by or _who(),
        channel="manual",
        operation=operation,  # type: ignore[arg-type]
        product_id=product,
        sku_id=sku,
        new_quantity=None if quantity is None else Decimal(quantity),
        term_duration=term,
        billing_cycle=billing_cycle,
    )
    ask_for(settings, asked)
    sending = "the next run sends it" if settings.is_provisioning_on else "CSP_PROVISIONING is off, so nothing sends it"
    typer.echo(f"Request {asked.request_id} is taken down; {sending}.")
    return 0


@provisioning.command()
@in_a_sentence
def release(request_id: Annotated[str, typer.Argument(help="As in provisioning.requests.")]) -> int:
    """Send a request that waits or failed with the next run; a credit hold or a missing agreement still stands."""
    return _decide(request_id, "release")


@provisioning.command()
@in_a_sentence
def cancel(request_id: Annotated[str, typer.Argument(help="As in provisioning.requests.")]) -> int:
    """Never send a request that waits."""
    return _decide(request_id, "cancel")


def _decide(request_id: str, decision: str) -> int:
    from csp_pipeline.orchestration.provisioning import decide  # noqa: PLC0415

    typer.echo(decide(read_settings(), request_id, decision, _who()))
    return 0


@alerts.command()
@in_a_sentence
def replay(alert_id: Annotated[str, typer.Argument(help="As in provisioning.alerts; its beginning is enough.")]) -> int:
    """Deliver an alert again, whatever became of it."""
    from csp_pipeline.orchestration.provisioning import replay_alert  # noqa: PLC0415

    typer.echo(replay_alert(read_settings(), alert_id, _who()))
    return 0
