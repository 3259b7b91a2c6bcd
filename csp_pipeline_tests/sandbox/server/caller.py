"""A plain client of the sandbox server for its tests; not the pipeline's own clients."""

from __future__ import annotations

import gzip
import json
import time
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

    from csp_pipeline.sandbox.server.app import Connection

Json = dict[str, Any]
PARTNER_CENTER_SCOPE = "https://api.partnercenter.microsoft.com/.default"
GRAPH_SCOPE = "https://graph.microsoft.com/.default"
BILLING = "/v1.0/reports/partners/billing"


class Caller:
    """Logs in and calls.

    Args:
        connection: The running server.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.http = httpx.Client(base_url=connection.graph_url, trust_env=False)
        self._tokens: dict[tuple[str, bool], str] = {}

    def login(self, **form: str) -> httpx.Response:
        """Ask for a token; the application's own identity unless the form says otherwise."""
        connection = self.connection
        tenant = form.pop("tenant", connection.tenant_id)
        version = form.pop("version", "v2.0/")
        given = {"client_id": connection.client_id, "client_secret": connection.client_secret} | form
        return self.http.post(f"/{tenant}/oauth2/{version}token", data=given)

    def token(self, scope: str, *, as_user: bool = False) -> str:
        """A new access token."""
        grant = {"grant_type": "client_credentials"}
        if as_user:
            grant = {"grant_type": "refresh_token", "refresh_token": self.connection.refresh_token}
        answer = self.login(scope=scope, **grant)
        token: str = answer.json()["access_token"]
        return token

    def get(self, path: str, *, scope: str = GRAPH_SCOPE, as_user: bool = False, **headers: str) -> httpx.Response:
        """GET with a token that is kept."""
        return self.http.get(path, headers=self._bearer(scope, as_user=as_user) | headers)

    def post(self, path: str, body: Json) -> httpx.Response:
        """POST to Graph."""
        return self.http.post(path, json=body, headers=self._bearer(GRAPH_SCOPE, as_user=False))

    def start(self, resource: str, **body: str) -> str:
        """Start an export such as `usage/billed`, with all attributes unless the body says otherwise."""
        answer = self.post(f"{BILLING}/{resource}/export", {"attributeSet": "full"} | body)
        assert answer.status_code == 202, answer.text
        return answer.headers["Location"]

    def operations(self, location: str) -> Iterator[Json]:
        """The operation at each poll until it has ended."""
        while True:
            answer = self.get(location)
            operation: Json = answer.json()
            yield operation
            if operation["status"] in ("succeeded", "failed"):
                return
            time.sleep(min(0.02, int(answer.headers["Retry-After"])))

    def finished(self, resource: str, **body: str) -> Json:
        """The ended operation of a new export."""
        *_, last = self.operations(self.start(resource, **body))
        return last

    def manifest(self, resource: str, **body: str) -> Json:
        """The manifest of a new export, whichever way it comes."""
        operation = self.finished(resource, **body)
        assert operation["status"] == "succeeded", operation
        if "resourceLocation" in operation:
            inline: Json = operation["resourceLocation"]
            return inline
        linked: Json = self.get(operation["resourceLocation@odata.navigationLink"]).json()
        return linked

    def blob(self, manifest: Json, number: int = 0) -> httpx.Response:
        """One blob of a manifest."""
        name = manifest["blobs"][number]["name"]
        return self.http.get(f"{manifest['rootDirectory']}/{name}?{manifest['sasToken']}")

    def rows(self, manifest: Json) -> list[Json]:
        """All rows of a manifest; numbers as text."""
        texts = (gzip.decompress(self.blob(manifest, number).content) for number in range(manifest["blobCount"]))
        return [
            json.loads(line, parse_float=str, parse_int=str) for text in texts for line in text.decode().splitlines()
        ]

    def _bearer(self, scope: str, *, as_user: bool) -> dict[str, str]:
        if (scope, as_user) not in self._tokens:
            self._tokens[scope, as_user] = self.token(scope, as_user=as_user)
        return {"Authorization": f"Bearer {self._tokens[scope, as_user]}"}
