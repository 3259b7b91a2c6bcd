"""An app on a port of 127.0.0.1, answering from a thread of this process.

What belongs here: the port, the thread, coming up and going down; nothing of what the app answers.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from csp_pipeline.errors import CspError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.applications import Starlette

HOST = "127.0.0.1"
START_SECONDS, STOP_SECONDS, START_CHECKS_EVERY = 30, 5, 0.01


def listen(port: int = 0) -> socket.socket:
    """Take a port.

    Args:
        port: The port; 0 for a free one.

    Returns:
        The socket, bound and not yet listening.

    Raises:
        UsageError: the port cannot be had.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except (OSError, OverflowError) as reason:
        listening.close()
        raise UsageError(f"Port {port} of {HOST} cannot be used ({reason}): choose another with --port.") from reason
    return listening


@contextmanager
def serving(app: Starlette, listening: socket.socket) -> Iterator[None]:
    """Let an app answer for as long as the block lasts.

    Args:
        app: The app.
        listening: The socket from `listen`; it is closed in the end.

    Raises:
        CspError: the server does not come up.
    """
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), name="sandbox-server", daemon=True)
    thread.start()
    try:
        _wait_until_started(server, thread)
        yield
    finally:
        server.should_exit = True
        thread.join(STOP_SECONDS + 1)


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    until = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > until:
            raise CspError("The sandbox server did not come up; try another port.")
        time.sleep(START_CHECKS_EVERY)
