"""Blob storage: the files of exports, opened by a shared access signature that expires.

What belongs here: which signature opens which folder, and the download itself. Which files there are is decided in
`exports`; signatures are kept in memory only.
"""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import uuid4

from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from starlette.requests import Request

    from csp_pipeline.sandbox.server.faults import Faults

PREFIX = "blobs"
SIGNATURE_SECONDS = 12 * 3600
SIGNATURE_BYTES = 32
TRUNCATED_IN_TOTAL = 5
STORAGE_VERSION = "2021-10-04"
MEDIA_TYPE = "application/octet-stream"


@dataclass
class _Grant:
    """What a signature opens, until when, and for how many downloads."""

    directory: str
    expires_at: float
    downloads_left: int | None


class BlobStore:
    """The blobs of all exports.

    Args:
        tenant_id: The partner's tenant, named in every signature.
        faults: truncated-blob and expired-sas strike here.
        signature_seconds: How long a signature opens its folder.
        clock: Seconds that only go forward.
    """

    def __init__(
        self,
        tenant_id: str,
        faults: Faults,
        *,
        signature_seconds: float = SIGNATURE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tenant_id, self._faults, self._seconds, self._clock = tenant_id, faults, signature_seconds, clock
        self._directories: dict[str, dict[str, Path]] = {}
        self._grants: dict[str, _Grant] = {}
        self._lock = threading.Lock()

    def add(self, directory: str, files: Mapping[str, Path]) -> None:
        """Offer files, by blob name, below a directory."""
        with self._lock:
            self._directories[directory] = dict(files)

    def sign(self, directory: str) -> str:
        """A new signature for a directory, as the query of a blob's URL without the question mark."""
        signature = secrets.token_urlsafe(SIGNATURE_BYTES) + "="
        now = datetime.now(UTC)
        until = now + timedelta(seconds=self._seconds)
        downloads = None
        if self._faults.strikes("expired-sas", directory):
            downloads = min(1, len(self._directories[directory]) - 1)
        with self._lock:
            self._grants[signature] = _Grant(directory, self._clock() + self._seconds, downloads)
        fields = {
            "skoid": str(uuid4()),
            "sktid": self._tenant_id,
            "skt": _time(now),
            "ske": _time(until),
            "sks": "b",
            "skv": STORAGE_VERSION,
            "sv": STORAGE_VERSION,
            "se": _time(until),
            "sr": "d",
            "sp": "rl",
            "sdd": str(directory.count("/") + 1),
            "sig": signature,
        }
        return "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())

    def routes(self) -> list[Route]:
        """The route of the downloads."""
        return [Route(f"/{PREFIX}/{{path:path}}", self._download)]

    async def _download(self, request: Request) -> Response:
        directory, _, name = request.path_params["path"].rpartition("/")
        if "Authorization" in request.headers:
            return _error(400, "InvalidAuthenticationInfo", "A signature and a token must not be sent together.")
        if not self._opens(request.query_params.get("sig", ""), directory):
            return _error(403, "AuthenticationFailed", "The signature is not valid for this blob or has expired.")
        file = self._directories[directory].get(name)
        if file is None:
            return _error(404, "BlobNotFound", "The specified blob does not exist.")
        if self._faults.strikes("truncated-blob", f"{directory}/{name}", in_total=TRUNCATED_IN_TOTAL):
            content = await run_in_threadpool(file.read_bytes)
            return Response(content[: len(content) // 2], media_type=MEDIA_TYPE)
        return FileResponse(file, media_type=MEDIA_TYPE)

    def _opens(self, signature: str, directory: str) -> bool:
        with self._lock:
            grant = self._grants.get(signature)
            if grant is None or grant.directory != directory or self._clock() >= grant.expires_at:
                return False
            if grant.downloads_left is None:
                return True
            grant.downloads_left -= 1
            return grant.downloads_left >= 0


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _error(status: int, code: str, sentence: str) -> Response:
    """An error in the words of blob storage."""
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{sentence}</Message></Error>'
    return Response(body, status, {"x-ms-error-code": code}, media_type="application/xml")
