"""The commands below `csp-pipeline sandbox`: the made-up partner as a server.

What belongs here: options, the one line that tells how to log in, and waiting until somebody stops the server. The
server itself is in `sandbox/server`.
"""

from __future__ import annotations

import json
import signal
import threading
from dataclasses import asdict
from pathlib import Path  # noqa: TC003  (typer reads the annotation at run time)
from typing import TYPE_CHECKING, Annotated

import typer

from csp_pipeline.cli_errors import in_a_sentence
from csp_pipeline.sandbox.server.faults import NAMES

if TYPE_CHECKING:
    from types import FrameType

    from csp_pipeline.sandbox.server.app import Connection

sandbox = typer.Typer(no_args_is_help=True)


@sandbox.callback()
def sandbox_commands() -> None:
    """A made-up partner as a server that speaks as Microsoft's do."""


@sandbox.command()
@in_a_sentence
def serve(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 for a free one.")] = 0,
    scenario: Annotated[
        Path | None, typer.Option(help="A folder that `generate` wrote; its default partner when not given.")
    ] = None,
    faults: Annotated[str | None, typer.Option(help=f"Comma separated, of: {', '.join(NAMES)}.")] = None,
) -> int:
    """Serve login, Partner Center, Graph and blobs until Ctrl+C; prints how to log in as one JSON line."""
    from csp_pipeline.sandbox.server.app import running  # noqa: PLC0415  (other commands need no server)

    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    names = [name.strip() for name in (faults or "").split(",") if name.strip()]
    kept = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with running(scenario, names, port) as connection:
            typer.echo(_line(connection))
            while not stopped.wait(timeout=1):
                pass
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
    return 0


def _line(connection: Connection) -> str:
    """How to log in, as one JSON line: whoever starts the server needs the secrets, which live as long as it does."""
    return json.dumps({name: value for name, value in asdict(connection).items() if name != "port"})
