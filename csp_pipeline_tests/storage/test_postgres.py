"""Whatever answers at the address, or does not, is told in a sentence; no server is needed for it."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from csp_pipeline.storage.postgres import PostgresError, transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

GERMAN = "Passwort-Authentifizierung für Benutzer »bi_user« fehlgeschlagen"
WEB_SERVER = b"HTTP/1.1 400 Bad Request\r\n\r\n"


def _fatal(message: bytes) -> bytes:
    """A refusal as a PostgreSQL server sends it."""
    fields = b"SFATAL\0VFATAL\0C28P01\0M" + message + b"\0\0"
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields


@contextmanager
def _answering(answer: bytes) -> Iterator[int]:
    """The port of a server that answers a first message so."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer_one() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=answer_one)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (_fatal(GERMAN.encode("latin-1")), "no connection came about; look whether the server runs"),
        (_fatal(GERMAN.encode()), "no connection came about; look whether the server runs"),
        (_fatal(b"the database system is starting up"), "it is starting or stopping; wait until it is ready"),
        (WEB_SERVER, "what answers is no PostgreSQL server; correct the host and port in CSP_POSTGRES_URL"),
    ],
)
def test_a_refusal_is_a_sentence_in_whatever_language_it_came(answer: bytes, said: str) -> None:
    with _answering(answer) as port:
        url = SecretStr(f"postgresql://bi_user:hunter2@127.0.0.1:{port}/books?sslmode=disable")
        with pytest.raises(PostgresError) as refused, transaction(url):
            pass
    assert str(refused.value).startswith(f"Not published to PostgreSQL at 127.0.0.1:{port}/books: {said}")
    assert not [word for word in ("bi_user", "hunter2") if word in repr(refused.value)]
