"""A mail server on 127.0.0.1 that counts what it is given: enough of SMTP for a client that sends."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message


@dataclass
class Mails:
    """What came: recipients and message of each mail."""

    port: int = 0
    came: list[tuple[tuple[str, ...], Message]] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        recipients: list[str] = []
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            word = line[:4].upper().strip()
            if word == b"QUIT":
                writer.write(b"221 bye\r\n")
                break
            if word == b"RCPT":
                recipients.append(line.decode().partition("<")[2].partition(">")[0])
            if word == b"DATA":
                writer.write(b"354 go on\r\n")
                content = (await reader.readuntil(b"\r\n.\r\n"))[:-5]
                self.came.append((tuple(recipients), message_from_bytes(content)))
                recipients = []
            writer.write(b"250 done\r\n")
            await writer.drain()
        await writer.drain()
        writer.close()


@contextmanager
def receiving() -> Iterator[Mails]:
    """A server for as long as the block lasts."""
    mails, loop, ready = Mails(), asyncio.new_event_loop(), threading.Event()

    async def start() -> asyncio.Server:
        server = await asyncio.start_server(mails.talk, "127.0.0.1", 0)
        mails.port = server.sockets[0].getsockname()[1]
        ready.set()
        return server

    def serve() -> None:
        asyncio.set_event_loop(loop)
        server = loop.run_until_complete(start())
        loop.run_forever()
        server.close()
        loop.run_until_complete(server.wait_closed())
        loop.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield mails
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
